#!/usr/bin/env bash
# Builds the command-line tools. Prints the directory they are in; the build's words go to BUILD_DIR/build.log and,
# if it fails, to standard error.
#
#   t/lib/build_tools.sh [--asan] [BUILD_DIR]        (default: .build/tools, or .build/tools-asan)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$root/t/lib/common.sh"

options=(-DWALLET_SYNC_TOOLS=ON "-DWALLET_SYNC_WERROR=${WALLET_SYNC_WERROR:-OFF}") build=$root/.build/tools
if [[ ${1-} == --asan ]]; then
    options+=(-DWALLET_SYNC_ASAN=ON) build=$root/.build/tools-asan
    shift
fi
build=$(absolute_path "${1:-$build}")

lock_directory "$build"
log=$build/build.log
: >"$log"
run_logged "$log" cmake -S "$root" -B "$build" "${options[@]}"
run_logged "$log" make -C "$build" -j "$(nproc)" tools
echo "$build/tools"
