# Bare Debian systems in directories, to build, to install and to test in. Sourced by t/package/run and t/matrix/run, as
# root; uses their variable root.
# shellcheck shell=bash
# shellcheck disable=SC2016 # inner shells expand what is quoted

# The machine's own mirror: whatever it can reach, the new system can.
mirror_of_this_machine() {
    sed -nE 's#^(URIs: *|deb (\[[^]]*\] *)?)(https?://[^ ]*/debian)/?( .*)?$#\3#p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | sort -u | sed -n 1p
}

# source_into DIRECTORY: what belongs to the sources, as it stands.
source_into() {
    mkdir -p "$1"
    # shellcheck disable=SC2154 # ours is set by who sources this
    git -C "$root" ls-files -z | (cd "$root" && xargs -0 tar -c --ignore-failed-read) | tar -x -C "$1"
}

# make_base DIRECTORY SUITE: the smallest Debian that has apt; kept, so that it is fetched once.
make_base() {
    local base=$1 suite=$2 mirror
    [[ ! -e $base.complete ]] || return 0
    mirror=$(mirror_of_this_machine) || true
    [[ -n $mirror ]] || die "no Debian mirror in /etc/apt"
    rm -rf --one-file-system "$base"
    # What it mounts is not always unmounted at its end; here it is gone with the namespace.
    unshare --mount debootstrap --variant=minbase --include=ca-certificates "$suite" "$base" "$mirror" >"$base.log" 2>&1 || {
        tail -n 20 "$base.log" >&2
        return 1
    }
    # How this machine reaches its mirror; what else is set there is its own affair.
    grep -lE 'Acquire::(https?|Check|Retries|[A-Za-z]*Proxy)' /etc/apt/apt.conf.d/* | xargs -r cp -t "$base/etc/apt/apt.conf.d/"
    cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
    # Nothing is started by an installation: the test does that itself.
    printf '#!/bin/sh\nexit 101\n' >"$base/usr/sbin/policy-rc.d"
    chmod 755 "$base/usr/sbin/policy-rc.d"
    # Nor does anything in it have to outlive a power cut.
    echo force-unsafe-io >"$base/etc/dpkg/dpkg.cfg.d/unsafe-io"
    touch "$base.complete"
}

# enter DIRECTORY COMMAND...: runs it in there, in namespaces of its own: what it mounts and starts is gone with it.
enter() {
    local system=$1
    shift
    cp /etc/resolv.conf "$system/etc/resolv.conf"
    # Debian 12 comes without one.
    [[ -e $system/etc/hosts ]] || printf "127.0.0.1 localhost\n::1 localhost\n" >"$system/etc/hosts"
    unshare --mount --pid --fork --kill-child bash -euc '
        system=$1; shift
        mount --make-rprivate /
        mount -t proc proc "$system/proc"
        mount --rbind /dev "$system/dev"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            ${http_proxy:+http_proxy=$http_proxy} ${https_proxy:+https_proxy=$https_proxy} \
            chroot "$system" "$@"' enter "$system" "$@"
}

# The same without a network but for a loopback interface of its own, whose ports are all free.
enter_alone() {
    unshare --net bash -euc 'ip link set lo up; source "$1"; shift; enter "$@"' enter_alone \
        "${BASH_SOURCE[0]}" "$@"
}
