#!/bin/sh
# build.sh PACKAGE: in a bare Debian, with the sources in /build/wallet-sync. Leaves version 1.0 and 1.0+upgrade in
# /build.
set -eu
package=$1
cd /build/wallet-sync

apt-get -qq update
apt-get -qq -y install --no-install-recommends build-essential lintian >/build/log 2>&1 </dev/null
apt-get -qq -y build-dep --no-install-recommends ./ >>/build/log 2>&1 </dev/null

dpkg-buildpackage -b -us -uc >>/build/log 2>&1 || {
    tail -n 40 /build/log >&2
    exit 1
}
echo "ok: builds"
useradd --system checker
su checker -s /bin/sh -c "lintian --fail-on error,warning,info,pedantic --show-overrides /build/${package}_1.0_*.changes"
echo "ok: lintian has nothing to say"

# Nothing but the version differs, so what is compiled stays.
sed -i '1s/(1.0)/(1.0+upgrade)/' debian/changelog
dpkg-buildpackage -nc -b -us -uc >>/build/log 2>&1 || {
    tail -n 40 /build/log >&2
    exit 1
}
