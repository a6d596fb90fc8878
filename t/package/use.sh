#!/bin/sh
# use.sh PACKAGE: the package's life in a Debian in which version 1.0 is installed. There is no systemd in here, so
# what it would start is started as its unit says.
set -eu
package=$1
site=/etc/nginx/sites-available/wallet-sync
url=http://127.0.0.1:8090

ok() { echo "ok: $*"; }
no() { echo "FAIL: $*" >&2 && exit 1; }

setting() { sed -n "s/^$1=//p" /lib/systemd/system/wallet-sync-redis.service; }

# await COMMAND...: until it succeeds, for ten seconds at most.
await() {
    for _ in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    no "never: $*"
}

start_redis() {
    user=$(setting User) group=$(setting Group)
    install -d -o "$user" -g "$group" -m "$(setting RuntimeDirectoryMode)" /run/wallet-sync
    install -d -o "$user" -g "$group" -m "$(setting StateDirectoryMode)" /var/lib/wallet-sync
    # shellcheck disable=SC2046 # a program and its arguments
    setpriv --reuid "$user" --regid "$group" --clear-groups $(setting ExecStart) --logfile /tmp/redis.log &
    redis=$!
    await redis-cli -s /run/wallet-sync/redis.sock ping
}

# answers STATUS CURL_ARG...
answers() {
    expected=$1
    shift
    found=$(curl -s -o /tmp/answer -w '%{http_code}' "$@")
    [ "$found" = "$expected" ] || no "$* answers $found instead of $expected: $(cat /tmp/answer)"
}

nginx -t -q || no "nginx refuses the configuration as it is installed"
[ -e /etc/nginx/modules-enabled/50-mod-http-wallet-sync.conf ] || no "the module is not enabled"
ok "installed"

start_redis
nginx
await curl -s "$url"
account='{"email":"ann@example.com","password":"secret123"}'
answers 403 -d "$account" "$url/signup"
ok "nobody may sign up before the line is edited"

sed -i 's/^    wallet_sync_accounts whitelist;/    wallet_sync_accounts open;/' "$site"
nginx -s reload
await curl -sf -d "$account" "$url/signup"
answers 200 -d '{"email":"ann@example.com","password":"secret123","deviceId":"laptop"}' "$url/auth/full"
token=$(sed 's/.*"token":"\([0-9a-f]*\)".*/\1/' /tmp/answer)
answers 200 -d '{"version":1,"token":"'"$token"'","encryptedWallet":"first","sequence":1,"hmac":"abc"}' "$url/wallet"
ok "one edited line, and it serves"

export WALLET_SYNC_REDIS=unix:/run/wallet-sync/redis.sock
[ "$(wallet-sync-admin list | grep -c ann@example.com)" = 1 ] || no "the tools do not list the account"
wallet-sync-admin show ann@example.com | grep -q '^token *until ' || no "the tools do not see who is logged in"
wallet-sync-export /tmp/accounts.sqlite >/dev/null
[ "$(sqlite3 /tmp/accounts.sqlite 'SELECT encrypted_wallet FROM wallets')" = first ] || no "the export lacks the wallet"
wallet-sync-import --dry-run /tmp/accounts.sqlite >/dev/null
wallet-sync-backup save /tmp/wallets.rdb -s /run/wallet-sync/redis.sock
mkdir /tmp/restored
wallet-sync-backup restore /tmp/wallets.rdb /tmp/restored
for tool in admin import export backup; do
    dpkg -L wallet-sync-tools | grep -q "/man1/wallet-sync-$tool.1.gz$" || no "wallet-sync-$tool has no man page"
    grep -q "complete.*wallet-sync-$tool" "/usr/share/bash-completion/completions/wallet-sync-$tool" \
        || no "wallet-sync-$tool has no completion"
done
dpkg -i "/debs/wallet-sync-tools_1.0+upgrade_$(dpkg --print-architecture).deb" >/dev/null
wallet-sync-admin stats >/dev/null
dpkg -P wallet-sync-tools >/dev/null
ok "the tools look after it, move it and back it up; upgraded and purged, they leave nothing behind"
[ "$(stat -c %a /run/wallet-sync/redis.sock)" = 770 ] || no "Redis' socket is not for its group"
[ "$(stat -c %U "/proc/$redis")" = redis ] || no "Redis does not run as redis"

dpkg -i "/debs/${package}_1.0+upgrade_$(dpkg --print-architecture).deb" >/dev/null
nginx -t -q || no "nginx refuses the configuration after the upgrade"
grep -q 'wallet_sync_accounts open;' "$site" || no "the upgrade has undone what was edited"
nginx -s quit
await test ! -e /run/nginx.pid
nginx
answers 200 "$url/wallet?token=$token"
grep -q '"encryptedWallet":"first"' /tmp/answer || no "the wallet is not what it was: $(cat /tmp/answer)"
ok "upgraded"

dpkg -r "$package" >/dev/null 2>&1
[ ! -e /usr/lib/nginx/modules/ngx_http_wallet_sync_module.so ] || no "the module is still there"
[ ! -e /etc/nginx/modules-enabled/50-mod-http-wallet-sync.conf ] || no "the module is still enabled"
[ -e "$site" ] || no "removal has deleted what was edited"
nginx -t -q || no "nginx refuses the configuration after the removal"
ok "removed"

dpkg -i "/debs/${package}_1.0+upgrade_$(dpkg --print-architecture).deb" >/dev/null
nginx -s quit
await test ! -e /run/nginx.pid
nginx
answers 200 "$url/wallet?token=$token"
ok "installed again"
dpkg -r "$package" >/dev/null 2>&1

dpkg -P "$package" >/tmp/purge 2>&1
nginx -s quit
nginx -t -q || no "nginx refuses the configuration after the purge"
for path in "$site" /etc/wallet-sync /etc/nginx/modules-available/mod-http-wallet-sync.conf; do
    [ ! -e "$path" ] || no "purge has left $path"
done
[ -e /var/lib/wallet-sync/appendonlydir ] || no "purge has deleted the wallets"
grep -q 'left alone' /tmp/purge || no "purge does not say what it leaves: $(cat /tmp/purge)"
ok "purged, all but the wallets"
kill "$redis"
wait "$redis" || true
