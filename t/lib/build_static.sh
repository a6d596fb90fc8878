#!/usr/bin/env bash
# Builds an nginx of our own with the module linked in, from Debian's source package. With --asan, nginx is
# compiled with AddressSanitizer and takes its pools' memory from malloc, block by block, so that the sanitizer
# sees every object; the module gets AddressSanitizer and UndefinedBehaviorSanitizer (nginx itself would not
# pass the latter). Prints the path of the nginx binary.
#
#   t/lib/build_static.sh [--asan] [CACHE_DIR]        (default: .build)
#
# CACHE_DIR/static-FLAVOUR-HASH is kept as long as source and flags stay the same; make runs every time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/t/lib/common.sh"

flavour=plain
if [[ ${1-} == --asan ]]; then
    flavour=asan
    shift
fi
cache=$(absolute_path "${1:-$root/.build}")
refuse_unbuildable_path "$root"
refuse_unbuildable_path "$cache"

# The flags of Debian's nginx that concern the module.
features=(--with-threads --with-http_ssl_module --with-http_v2_module --with-http_auth_request_module --with-http_realip_module --with-debug --with-pcre-jit)
cc_opt="-g -O2 -fstack-protector-strong -Wformat -Werror=format-security"
ld_opt=""
if [[ $flavour == asan ]]; then
    export WALLET_SYNC_ASAN=1
    cc_opt="-g -O1 -fno-omit-frame-pointer -fsanitize=address -DNGX_DEBUG_PALLOC=1"
    ld_opt="-fsanitize=address"
else
    unset WALLET_SYNC_ASAN
fi

source_tree=$("$root/t/lib/fetch_nginx_source.sh" "$cache/nginx-source")
hash=$(fingerprint "$root" "${WALLET_SYNC_WERROR-}" "${features[*]}" "$cc_opt" "$ld_opt" "$root/config" "$root/config.make" \
    "$(dpkg-query -W libscrypt-kdf-dev 2>/dev/null)" \
    "$source_tree/src/core/nginx.h" "$(cat "$source_tree/debian/changelog" 2>/dev/null)" "${BASH_SOURCE[0]}")
build=$cache/static-$flavour-${hash:0:12}
lock_directory "$build"
log=$build/build.log
: >"$log"

if [[ ! -e $build/configured ]]; then
    rm -rf "$build/nginx"
    cp -r "$source_tree" "$build/nginx"
    mkdir -p "$build/prefix"
    # Sanitized test programs of configure leak: that is not its question.
    ASAN_OPTIONS=detect_leaks=0 run_logged "$log" configure_in "$build/nginx" ./configure \
        --prefix="$build/prefix" --error-log-path=stderr "${features[@]}" \
        --with-cc-opt="$cc_opt" --with-ld-opt="$ld_opt" --add-module="$root"
    : >"$build/configured"
fi
run_logged "$log" make -C "$build/nginx" -j "$(nproc)"
echo "$build/nginx/objs/nginx"

# What an earlier configuration left behind.
find "$cache" -maxdepth 1 -type d -name "static-$flavour-*" ! -path "$build" -exec rm -rf {} +
