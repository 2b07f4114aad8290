# shellcheck shell=bash disable=SC2034  # what is set here is used by the scripts that source it
# What the recovery scripts share. It is sourced, never run.
#
# Exit status, as brconsole's own: 0 done (or nothing to do), 1 failed, 2 wrong usage, 3 not confirmed, 4 somebody else
# is at it, 10 done and to be looked at.

set -euo pipefail

readonly FAILED=1 USAGE=2 REFUSED=3 CONFLICT=4 LOOK=10

dry_run=false
confirmed=false
taken=''

say() { printf '%s\n' "$*" >&2; }

# stop STATUS TEXT...: what went wrong, and what to do.
stop() {
    local status=$1
    shift
    say "${0##*/}: $*"
    exit "$status"
}

wrong_usage() { stop "$USAGE" "$* (--help shows how it is called)"; }

# The comment at the head of the calling script is its help.
show_help() {
    awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"
    exit 0
}

# take FLAG [VALUE]: the value of a flag, in $taken; refuses a missing or empty one, and another flag in its place.
take() {
    if [ "$#" -lt 2 ] || [ -z "$2" ] || [ "${2#--}" != "$2" ]; then
        wrong_usage "$1 wants a value"
    fi
    taken=$2
}

# wanted NAME FLAG: refuses to go on without a flag that has no default.
wanted() {
    [ -n "${!1}" ] || wrong_usage "$2 is missing"
}

installed() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || stop "$FAILED" "$program is not installed, or not on PATH"
    done
}

shown() {
    printf ' %q' "$@"
    printf '\n'
}

# change COMMAND...: something that writes. A dry run prints it instead; without --yes nothing is written.
change() {
    if $dry_run; then
        printf 'would run:%s\n' "$(shown "$@")"
        return
    fi
    $confirmed || stop "$REFUSED" "nothing was changed: add --yes to run$(shown "$@")"
    say "+$(shown "$@")"
    "$@"
}

# read_back WANTED WHAT COMMAND...: repeats COMMAND until it prints WANTED. A dry run has changed nothing to read back.
# ATTEMPTS and PAUSE_SECONDS come from the environment where an operation is known to be slower or faster.
read_back() {
    local expected=$1 what=$2 found='' attempt
    shift 2
    if $dry_run; then
        say "would check: $what is $expected"
        return
    fi
    for ((attempt = 1; attempt <= ${ATTEMPTS:-30}; attempt++)); do
        found=$("$@") || stop "$FAILED" "$what could not be read back:$(shown "$@")"
        if [ "$found" = "$expected" ]; then
            say "verified: $what is $expected"
            return
        fi
        [ "$attempt" -eq "${ATTEMPTS:-30}" ] || sleep "${PAUSE_SECONDS:-10}"
    done
    stop "$FAILED" "$what is ${found:-nothing}, not $expected: stopped here, what follows was not done"
}
