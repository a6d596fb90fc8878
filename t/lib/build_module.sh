#!/usr/bin/env bash
# Builds the dynamic module for the machine's own nginx, with the flags Debian's nginx-dev records: only a
# module configured like the binary is "binary compatible". Prints the path of the .so; the build's words go
# to BUILD_DIR/build.log and, if it fails, to standard error.
#
#   t/lib/build_module.sh [BUILD_DIR]        (default: .build/module)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/t/lib/common.sh"

build=$(absolute_path "${1:-$root/.build/module}")
nginx_src=/usr/share/nginx/src
[[ -r $nginx_src/conf_flags ]] || die "no $nginx_src/conf_flags: please install nginx-dev"
refuse_unbuildable_path "$root"
refuse_unbuildable_path "$build"

unset WALLET_SYNC_ASAN
lock_directory "$build"
log=$build/build.log
: >"$log"

# shellcheck disable=SC1091 # nginx-dev's own file; it sets NGX_CONF_FLAGS
source "$nginx_src/conf_flags"
cc_opt="$(dpkg-buildflags --get CFLAGS) -fPIC $(dpkg-buildflags --get CPPFLAGS)"
ld_opt="$(dpkg-buildflags --get LDFLAGS) -fPIC"
configure=(./configure --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" "${NGX_CONF_FLAGS[@]}"
    --builddir="$build" --add-dynamic-module="$root")

stamp=$(fingerprint "${configure[*]}" "${WALLET_SYNC_WERROR-}" "$(dpkg-query -W nginx-dev libscrypt-kdf-dev 2>/dev/null)" \
    "$root/config" "$root/config.make")
if [[ $(cat "$build/configured" 2>/dev/null) != "$stamp" ]]; then
    run_logged "$log" configure_in "$nginx_src" "${configure[@]}"
    echo "$stamp" >"$build/configured"
fi
run_logged "$log" make -C "$nginx_src" -f "$build/Makefile" -j "$(nproc)" modules
echo "$build/ngx_http_wallet_sync_module.so"
