#!/bin/sh
# walk.sh SOURCE install|serve: runs the commands of docs/install.md as printed, in a bare Debian, SOURCE being "this
# repository". `install` is its first step, which needs a network; `serve` all the others, which listen on ports and so
# should have loopback for themselves. There is no systemd in here: what a unit says is started by hand.
set -eu
source=$1
part=$2
page=$source/docs/install.md
export PATH="/tmp/walk:$PATH"

ok() { echo "ok: $*"; }
no() { echo "FAIL: $*" >&2 && exit 1; }

# steps FIRST LAST: the commands of these steps.
# shellcheck disable=SC2016 # the marks of a block
steps() {
    sed -n "/^## $1\. /,/^## \($(($2 + 1))\. \|Later\)/p" "$page" | sed -n '/^```sh$/,/^```$/{/^```/!p}' |
        sed "s|<this repository>|$source|"
}

# run FIRST LAST, in DIRECTORY.
run() {
    steps "$2" "$3" >"/tmp/walk/steps-$2"
    [ -s "/tmp/walk/steps-$2" ] || no "$page has no commands in step $2"
    (cd "$1" && sh -eux "/tmp/walk/steps-$2") >"/tmp/walk/log-$2" 2>&1 || {
        tail -n 30 "/tmp/walk/log-$2" >&2
        no "steps $2 to $3 of $page"
    }
}

await() {
    for _ in $(seq 1200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    no "never: $*"
}

# The former server's file: one account, whose password is secret123, with a wallet.
make_former_server() {
    mkdir -p /var/lib/old
    sqlite3 /var/lib/old/sql.db <<'END'
CREATE TABLE accounts (normalized_email TEXT UNIQUE, email TEXT, key TEXT, client_salt_seed TEXT, server_salt TEXT,
    verify_token TEXT, verify_expiration DATETIME, user_id INTEGER PRIMARY KEY, created DATETIME, updated DATETIME);
CREATE TABLE auth_tokens (token TEXT UNIQUE, user_id INTEGER, device_id TEXT, scope TEXT, expiration DATETIME,
    PRIMARY KEY (user_id, device_id));
CREATE TABLE wallets (user_id INTEGER PRIMARY KEY, encrypted_wallet TEXT, sequence INTEGER, hmac TEXT, updated DATETIME);
INSERT INTO accounts VALUES ('old@example.com', 'Old@Example.com',
    'd40b0085ac56072f8d38704dc40c2a433f2bc7b108600976c251ac39725ac9a9',
    '00000000000000000000000000000000000000000000000000000000000000ab', '00112233445566778899aabbccddeeff',
    NULL, NULL, 7, '2022-08-01 12:34:56', '2022-08-01 12:34:56');
INSERT INTO wallets VALUES (7, 'kept', 5, 'abc', '2022-08-02 12:34:56');
END
}

# What stands for systemctl: stop, start, restart and reload of what this page talks about.
make_systemctl() {
    cat >/tmp/walk/systemctl <<'END'
#!/bin/sh
set -eu
unit=/lib/systemd/system/wallet-sync-redis.service
setting() { sed -n "s/^$1=//p" "$unit"; }
gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }
case "$1 $2" in
    "reload nginx") nginx -s reload ;;
    "start nginx") nginx ;;
    "start wallet-sync-redis")
        user=$(setting User) group=$(setting Group)
        install -d -o "$user" -g "$group" -m "$(setting RuntimeDirectoryMode)" /run/wallet-sync
        install -d -o "$user" -g "$group" -m "$(setting StateDirectoryMode)" /var/lib/wallet-sync
        setpriv --reuid "$user" --regid "$group" --clear-groups $(setting ExecStart) >/tmp/walk/redis.log 2>&1 &
        echo $! >/tmp/walk/redis.pid
        until redis-cli -s /run/wallet-sync/redis.sock ping 2>/dev/null | grep -q PONG; do sleep 0.05; done
        ;;
    "stop wallet-sync-redis") kill "$(cat /tmp/walk/redis.pid)" && gone "$(cat /tmp/walk/redis.pid)" ;;
    "restart prometheus")
        . /etc/default/prometheus
        prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/tmp/walk/metrics $ARGS \
            >/tmp/walk/prometheus.log 2>&1 &
        ;;
    *) echo "systemctl $* is not known here" >&2 && exit 1 ;;
esac
END
    chmod 755 /tmp/walk/systemctl
}

mkdir -p /tmp/walk
if [ "$part" = install ]; then
    mkdir "$HOME"/walk
    run "$HOME"/walk 1 1
    ok "step 1"
    # What the other steps install is fetched now; sqlite3 makes the file of the former server.
    {
        apt-get -y install sqlite3
        apt-get -y --download-only install curl
        apt-get -y --download-only --no-install-recommends install prometheus cron
    } >/tmp/walk/log-fetch 2>&1
    exit
fi

make_systemctl
make_former_server
sh /tmp/walk/systemctl start wallet-sync-redis
sh /tmp/walk/systemctl start nginx
run "$HOME"/walk/wallet-sync 2 5
ok "steps 2 to 5"

answer=$(curl -s --retry 20 --retry-delay 1 --cacert /etc/ssl/sync.example.com.crt \
    --connect-to sync.example.com:443:127.0.0.1:443 \
    -d '{"email":"old@example.com","password":"secret123","deviceId":"laptop"}' https://sync.example.com/auth/full)
token=$(printf %s "$answer" | sed -n 's/.*"token":"\([0-9a-f]*\)".*/\1/p')
[ -n "$token" ] || no "who was there before cannot log in: $answer"
answer=$(curl -s --cacert /etc/ssl/sync.example.com.crt --connect-to sync.example.com:443:127.0.0.1:443 \
    "https://sync.example.com/wallet?token=$token")
printf %s "$answer" | grep -q '"encryptedWallet":"kept","sequence":5,' || no "the former server's wallet is not there: $answer"
ok "who was there before logs in and finds the wallet, after it was restored from the backup"

is_up() { curl -s '127.0.0.1:9090/api/v1/query?query=up' | grep -q '"job":"wallet-sync"}.*,"1"\]'; }
await is_up
ok "Prometheus finds it up"
