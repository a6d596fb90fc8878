# Installs the Debian packages a command needs. Sourced, not run.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the lists are for those who source this

# "a|b" is met by any of its names; if none is there, the first is installed.
packages_to_build=(nginx nginx-dev g++ make cmake pkg-config libhiredis-dev libyajl-dev libwslay-dev
    "libcurl4-openssl-dev|libcurl4-gnutls-dev|libcurl4-nss-dev" libssl-dev libunistring-dev libscrypt-kdf-dev)
packages_to_run=(redis-tools curl)
# The command-line tools, which ./run builds where these are installed.
packages_for_tools=(libevent-dev libsqlite3-dev)
packages_to_test=(redis-server libcmocka-dev libevent-dev libsqlite3-dev shellcheck shfmt dpkg-dev libpcre2-dev
    zlib1g-dev openssl prometheus python3 python3-pytest python3-pytest-xdist python3-aiosmtpd python3-websockets
    python3-cryptography python3-jsonschema python3-yaml mypy nodejs libnginx-mod-http-lua libfaketime wrk ccache)

# Of these each version has an opinion of its own, so it is Debian 12's everywhere. Who has it not goes without.
packages_to_lint=(clang-format-14)
# Only for ./test tidy.
packages_to_tidy=(clang-tidy-14)
# A second opinion on docs/openapi.yaml, which Debian has since 13.
packages_to_test_where_known=(python3-openapi-spec-validator)

# Only for ./test fuzz; llvm-14 puts the names of functions into its reports.
packages_to_fuzz=(clang-14 libclang-rt-14-dev llvm-14)
# Only for ./test browser.
packages_to_browse=(chromium)
# Only for ./test package.
packages_to_package=(debootstrap iproute2 git)
packages_to_bench=(wrk redis-server redis-tools libevent-dev libssl-dev openssl git python3)

missing_packages() {
    local alternatives name
    for alternatives in "$@"; do
        for name in ${alternatives//|/ }; do
            if [[ $(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) == "install ok installed" ]]; then
                continue 2
            fi
        done
        echo "${alternatives%%|*}"
    done
}

# install_packages LOG NAME...
install_packages() {
    local log=$1 missing
    shift
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null \
        || die "no apt-get here: please install what Debian calls ${*%%|*}"
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || die "not root, so please install these packages first: ${missing[*]}"

    echo "Installing ${missing[*]}"
    (
        hold_services_back
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=300 update \
            && apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
    ) >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        die "apt-get could not install ${missing[*]}; all of its output is in $log"
    }
}

# Those of the packages that this Debian has, as far as it knows without asking the network.
known_packages() {
    local name
    for name in "$@"; do
        if apt-cache show "$name" >/dev/null 2>&1; then echo "$name"; fi
    done
}

# Debian starts a server as soon as it is installed, unless policy-rc.d forbids it. We start our own, so we
# forbid it for as long as this (sub)shell lives; a policy that exists already is left alone.
hold_services_back() {
    local policy=/usr/sbin/policy-rc.d
    [[ ! -e $policy && ! -L $policy ]] || return 0
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}
