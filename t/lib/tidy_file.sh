#!/usr/bin/env bash
# tidy_file.sh DATABASE FILE STAMP: clang-tidy on one file, unless the stamp says that it is clean.
set -euo pipefail

[[ ! -e $3 ]] || exit 0
if ! words=$(clang-tidy-14 --quiet -p "$1" "$2" 2>/dev/null); then
    printf '%s\n' "$words"
    exit 1
fi
: >"$3"
