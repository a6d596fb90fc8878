#!/usr/bin/env bash
# fuzz_target.sh ROOT BUILD TARGET SECONDS: one target for so long. What it has found interesting is kept in
# BUILD/corpus and goes on from there the next time; what broke it is in BUILD/findings.
set -euo pipefail

root=$1 build=$2 target=$3 seconds=$4
mkdir -p "$build/corpus/$target" "$build/findings"
export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-14
exec "$build/t/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=1024 \
    -dict="$root/t/fuzz/dictionary.txt" -artifact_prefix="$build/findings/$target-" \
    "$build/corpus/$target" "$root/t/fuzz/corpus/$target" >"$build/$target.log" 2>&1
