# shellcheck shell=bash
# What every part of the lab shares: where things are, and how it speaks.

LAB_DIR=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
LAB_REPO=$(realpath "$LAB_DIR/../..")
LAB_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/stackwarden/lab
LAB_MACHINES=$LAB_CACHE/machines # started by `boot`, kept until `stop --purge` or `clean`
LAB_RUNS=$LAB_CACHE/runs         # one directory per `test` or `demo`, gone when it ends

# The one person who lives on the machine.
LAB_USER=me
LAB_UID=1000
export LAB_DIR LAB_REPO LAB_CACHE LAB_MACHINES LAB_RUNS LAB_USER LAB_UID

# The lab cannot run here (EX_UNAVAILABLE), as opposed to: it ran and something failed.
readonly EXIT_CANNOT=69

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' DIM=$'\e[2m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' GREEN='' DIM='' PLAIN=''
fi
export BOLD RED GREEN DIM PLAIN

# All talk goes to standard error, so that the output of `lab run CMD` is the command's alone.
note() { printf '%slab:%s %s\n' "$DIM" "$PLAIN" "$*" >&2; }
die() { printf '%slab: %s%s\n' "$RED" "$*" "$PLAIN" >&2; exit 1; }
cannot() { # WHY WHAT-TO-DO-INSTEAD
    printf '%slab: cannot run here: %s%s\nlab: instead: %s\n' "$RED" "$1" "$PLAIN" "$2" >&2
    exit "$EXIT_CANNOT"
}

# Milliseconds since boot-independent epoch; `took` turns a start into text such as 0.6 s.
now_ms() { local t; now_into t; echo "$t"; }
now_into() { local us=${EPOCHREALTIME/[.,]/}; printf -v "$1" %s "${us%???}"; } # NAME of a variable: takes no fork
took() { local d=$(($(now_ms) - $1)); printf '%d.%d s' $((d / 1000)) $((d % 1000 / 100)); }

# PID and start time: together they name one process for ever, so a recycled PID is never
# mistaken for a machine of ours. Field 22 is counted behind the command name, which may hold spaces.
process_id() { # PID: printed, and in PROCESS_ID
    local stat fields
    PROCESS_ID=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    PROCESS_ID="$1 ${fields[19]}"
    echo "$PROCESS_ID"
}
process_lives() { # FILE holding what process_id printed
    local wanted
    { read -r wanted <"$1"; } 2>/dev/null || return 1
    [ -n "$wanted" ] && process_id "${wanted% *}" >/dev/null && [ "$PROCESS_ID" = "$wanted" ]
}

# sample COUNT CASE…: so many of the cases, in their order, a line each; all of them in a thorough test. Which ones, the
# commit decides: a run can be repeated, and in time each has its turn.
sample() {
    local count=$1 case number=0
    shift
    [ -z "${LAB_THOROUGH:-}" ] || count=$#
    for case; do
        number=$((number + 1))
        printf '%s\t%s\t%s\n' "$(sha256sum <<<"${LAB_SEED:-} ${SCENARIO:+"${SCENARIO##*/}"} $case")" "$number" "$case"
    done | sort | head -n "$count" | sort -t $'\t' -k 2n | cut -f 3-
}

# Where cargo builds.
target_directory() { (cd "$LAB_REPO" && cargo metadata --format-version 1 --no-deps --locked | jq -r .target_directory); }
