# The checks that need no running server. Sourced by ./test, which calls the functions; each prints what is
# wrong and fails, or prints nothing. Uses test's variables root, build and python.
# shellcheck shell=bash
# shellcheck disable=SC2154

layers=(src redis ngx_module tools t/unit)

# our_files DIRECTORY... -- PATTERN...
our_files() {
    local pattern directories=()
    while [[ $1 != -- ]]; do
        directories+=("$root/$1") && shift
    done
    shift
    for pattern in "$@"; do
        find "${directories[@]}" -name "$pattern" -type f
    done | sort
}

lint_format() {
    local file badly=()
    while read -r file; do
        clang-format-14 --dry-run -Werror "$file" 2>/dev/null || badly+=("${file#"$root"/}")
    done < <(our_files "${layers[@]}" t/fuzz t/support t/bench -- '*.cpp' '*.hpp') # the C file is in nginx's own style
    ((${#badly[@]} == 0)) || { echo "mend it with: clang-format-14 -i ${badly[*]}" && return 1; }
}

# src <- redis <- ngx_module: a layer may include only what stands to its left.
lint_layers() {
    local crossing=0 hit
    while IFS=: read -r directory forbidden; do
        hit=$(grep -rnE "^ *# *include *[<\"]($forbidden)" "$root/$directory" || true)
        [[ -z $hit ]] || { printf 'against the layers:\n%s\n' "$hit" && crossing=1; }
    done <<END
src:ngx_|hiredis|curl/|(\.\./)?(redis|ngx_module)/
redis:ngx_|curl/|(\.\./)?ngx_module/
tools:ngx_|hiredis|(\.\./)?ngx_module/
END
    # By bare name too, for every directory is on the include path of those to its right.
    local right header
    for right in redis ngx_module; do
        for header in "$root/$right"/*.hpp "$root/$right"/*.h; do
            [[ -e $header ]] || continue
            header=$(basename "$header")
            hit=$(grep -rnF "#include \"$header\"" "$root/src" || true)
            [[ $right == redis ]] || hit+=$(grep -rnF "#include \"$header\"" "$root/redis" || true)
            [[ -z $hit ]] || { printf 'against the layers:\n%s\n' "$hit" && crossing=1; }
        done
    done
    return "$crossing"
}

lint_shell() {
    local scripts=("$root/run" "$root/test" "$root/.ci/run" "$root"/t/lib/*.sh "$root/tools/completion.bash"
        "$root"/tools/wallet-sync-backup "$root"/t/package/{run,*.sh} "$root"/t/matrix/run
        "$root"/debian/redis_conf.sh "$root"/debian/*.{postinst,prerm,postrm})
    local file
    for file in "$root"/t/bench/*; do
        if [[ -f $file ]] && head -n 1 "$file" | grep -q '^#!.*\bbash$'; then scripts+=("$file"); fi
    done
    (cd "$root" && shellcheck "${scripts[@]}")
}

# The client library is typed for those who use it.
lint_types() {
    mypy --strict --cache-dir "$build/mypy" "$root/clients/python/wallet_sync.py"
}

lint_programs() {
    "$python" "$root/t/lib/programs.py" "$root" \
        "${packages_to_build[@]}" "${packages_to_run[@]}" "${packages_to_test[@]}" \
        "${packages_to_lint[@]}" "${packages_to_tidy[@]}" "${packages_to_browse[@]}" "${packages_to_package[@]}"
}

# clang-tidy takes seconds a file, so a file found clean is not looked at again until it, a header, the checks or
# the flags change.
lint_tidy() {
    local database=$build/unit headers file shared
    mapfile -t shared < <(our_files "${layers[@]}" -- '*.hpp' '*.h')
    headers=$(fingerprint "$root/.clang-tidy" "$root/t/unit/.clang-tidy" "$root/CMakeLists.txt" \
        "$root/t/unit/CMakeLists.txt" "${shared[@]}")
    mkdir -p "$build/tidy"
    our_files "${layers[@]}" -- '*.cpp' | while read -r file; do
        printf '%s\0%s\0' "$file" "$build/tidy/$(fingerprint "$file" "$file " "$headers")"
    done | xargs -0 -r -n 2 -P "$(nproc)" "$root/t/lib/tidy_file.sh" "$database" >"$build/tidy.log" || {
        # What is wrong in a header is found once for each file that includes it.
        grep -E ': (error|warning): ' "$build/tidy.log" | sort -u
        return 1
    }
    find "$build/tidy" -type f -mtime +30 -delete
}
