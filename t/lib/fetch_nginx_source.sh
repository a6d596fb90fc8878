#!/usr/bin/env bash
# Fetches nginx's source package from the Debian archive this machine already uses and unpacks it, patches applied
# (unless the archive has lost Debian's part of it). apt works with a source list, index and cache of its own: the
# machine's set-up stays as it is, and root is not needed. Prints the source tree; once fetched it is used again
# without asking the network.
#
#   t/lib/fetch_nginx_source.sh [DIR]        (default: .build/nginx-source)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/t/lib/common.sh"

directory=$(absolute_path "${1:-$root/.build/nginx-source}")
lock_directory "$directory"
log=$directory/fetch.log

if [[ -d $directory/nginx ]]; then
    echo "$directory/nginx"
    exit
fi
: >"$log"
cd "$directory"

# deb-src lines for every Debian archive of which the machine has package lists.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
options=
[[ -r $keyring ]] && options="[signed-by=$keyring] "
# shellcheck disable=SC2016 # apt's variables, not the shell's
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
    | awk -v options="$options" '$1 == "Debian" { print "deb-src " options $2 " " $3 " " $4 }' \
    | sort -u >sources.list
[[ -s sources.list ]] || die "apt knows no Debian archive: check /etc/apt, and run apt-get update"

mkdir -p apt/lists/partial apt/cache/archives/partial
apt=(-o "Dir::Etc::SourceList=$directory/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
    -o "Dir::State::Lists=$directory/apt/lists" -o "Dir::Cache=$directory/apt/cache"
    -o APT::Sandbox::User= -o Acquire::Languages=none)
run_logged "$log" apt-get "${apt[@]}" update

# The newest version first. A mirror may list a security update whose files it does not carry (yet).
mapfile -t versions < <(apt-cache "${apt[@]}" showsrc nginx | awk '$1 == "Version:" { print $2 }' | sort -urV)
((${#versions[@]})) || die "the Debian archive lists no source package nginx; see $log"
for version in "${versions[@]}"; do
    if apt-get "${apt[@]}" --only-source --download-only source "nginx=$version" >>"$log" 2>&1; then
        run_logged "$log" dpkg-source --no-check -x "nginx_${version#*:}.dsc" unpacked
        mv unpacked nginx
        echo "$directory/nginx"
        exit
    fi
done
# Upstream's own part, which many of the package's versions share, may have come: apt keeps it only if its hash is right.
for archive in nginx_*.orig.tar.[gx]z; do
    if [[ -r $archive ]]; then
        mkdir unpacked
        run_logged "$log" tar -xf "$archive" -C unpacked --strip-components 1
        mv unpacked nginx
        echo "$directory/nginx"
        exit
    fi
done
die "no version of nginx's source could be fetched (tried ${versions[*]}); see $log"
