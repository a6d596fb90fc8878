# The part `fuzz` of ./test. Sourced; uses its variables root, build, fuzz_args, packages_to_fuzz, and step.
# shellcheck shell=bash
# shellcheck disable=SC2154

# In a build directory of its own: all of it is made by clang, and counts where it goes.
build_fuzz() {
    lock_directory "$build/fuzz"
    run_logged "$build/fuzz/build.log" \
        cmake -S "$root" -B "$build/fuzz" -DWALLET_SYNC_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++-14
    run_logged "$build/fuzz/build.log" make -C "$build/fuzz" -j "$(nproc)" fuzz_targets
}

run_fuzz() {
    local seconds=60 target targets=()
    set -- ${fuzz_args[@]+"${fuzz_args[@]}"}
    while (($#)); do
        case $1 in
            --seconds) seconds=${2-} && shift ;;
            *)
                [[ -e $root/t/fuzz/fuzz_$1.cpp ]] || die "no fuzz target '$1' in t/fuzz"
                targets+=("$1")
                ;;
        esac
        shift || break
    done
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds wants a number"
    if ((${#targets[@]} == 0)); then
        for target in "$root"/t/fuzz/fuzz_*.cpp; do
            target=${target##*/fuzz_}
            targets+=("${target%.cpp}")
        done
    fi

    chapter fuzz
    install_packages "$build/apt-fuzz.log" "${packages_to_fuzz[@]}"
    step "build of the fuzz targets" build_fuzz || return 0
    printf '%s\n' "${targets[@]}" \
        | xargs -P "$(nproc)" -I{} "$root/t/lib/fuzz_target.sh" "$root" "$build/fuzz" {} "$seconds" || true
    for target in "${targets[@]}"; do
        step "fuzz $target" fuzz_verdict "$target" || true
    done
}

fuzz_verdict() {
    local log=$build/fuzz/$1.log
    if grep -a '^Done ' "$log"; then return 0; fi
    grep -aE 'not so:|runtime error:|ERROR:|SUMMARY:|Test unit written|Base64:' "$log" | head -n 12
    echo "all of it is in $log"
    return 1
}
