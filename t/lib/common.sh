# What run, test and the build scripts share. Sourced, not run.
# shellcheck shell=bash

die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# The path as it will be once it exists; its directory need not be there yet.
absolute_path() {
    realpath -m -- "$1"
}

# nginx's configure and make split their variables at blanks and know no quoting.
refuse_unbuildable_path() {
    [[ $1 != *[[:space:]\'\"\$\#:\\]* ]] \
        || die "cannot build in \"$1\": nginx's configure takes no blanks or special characters in a path"
}

# One at a time in a directory, until release_directory or the end: whoever comes second waits, and finds the
# work done. What is started meanwhile and outlives us must not inherit the lock: {directory_lock}>&-.
lock_directory() {
    mkdir -p "$1"
    exec {directory_lock}>"$1/.lock"
    flock "$directory_lock"
}

release_directory() {
    exec {directory_lock}>&-
}

# One line that changes when any argument does: a file counts by its content, anything else as text.
fingerprint() {
    local item
    for item in "$@"; do
        if [[ -f $item ]]; then cat "$item"; else printf '%s\n' "$item"; fi
    done | sha256sum | cut -d' ' -f1
}

# Runs a command with its output in a log, whose last lines are shown only if it fails.
run_logged() {
    local log=$1
    shift
    if ! "$@" >>"$log" 2>&1 {directory_lock}>&-; then
        { grep -nE -A6 'error|Error' "$log" || tail -n 30 "$log"; } | head -n 60 >&2
        die "the build failed; all of it is in $log"
    fi
}

configure_in() {
    (cd "$1" && shift && "$@")
}
