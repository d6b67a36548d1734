#!/usr/bin/env bash
# What a night costs in which nothing is new, against the bare pulls of the same images; what waiting at the same time
# saves with registries that answer slowly; and what the orchestrator itself takes. On a machine of the lab, which is
# gone afterwards: bash tests/bench/updates.sh [STACKS]. LAB_PROFILE=release measures what is shipped.
set -euo pipefail
LAB=$(realpath "$(dirname "$0")/../lab")
source "$LAB/lib/common.sh"
source "$LAB/lib/rootfs.sh"
source "$LAB/lib/machine.sh"
source "$LAB/lib/assert.sh"
stacks=${1:-20} name=bench-updates
trap '"$LAB/lab" stop "$name" --purge' EXIT
"$LAB/lab" boot "$name"
# shellcheck disable=SC2034  # for assert.sh
MACHINE=$LAB_MACHINES/$name SCENARIO=$0 SCENARIO_BEGIN=$(now_ms) FAILED_SAID=''
SLOW=3 # seconds that the slow registry takes for an answer

add() { # NAME REFERENCE
    put "$1/compose.yml" <<<"services: {web: {image: '$2'}}"
    user stackctl add "$1" --compose "$1/compose.yml" --project "$1" --verify off >/dev/null
    userctl start "$1.service"
}
# milliseconds CMD…: of a command in the machine
milliseconds() {
    # shellcheck disable=SC2016  # for the inner shell
    user bash -c 'begin=${EPOCHREALTIME/./}; "$@" >&2; echo $(((${EPOCHREALTIME/./} - begin) / 1000))' ms "$@" 2>/dev/null
}
user stackctl install >/dev/null
references=()
for ((i = 1; i <= stacks; i++)); do
    image "s$i:1" v1 >/dev/null
    add "s$i" "$REGISTRY/s$i:1"
    references+=("$REGISTRY/s$i:1")
done
started() { user podman ps --format '{{.ID}} {{.StartedAt}}' | sort; }
before=$(started)
pulls() { # N: the bare pulls, N at a time
    milliseconds sh -c 'n=$1; shift; printf "%s\n" "$@" | xargs -P "$n" -n 1 podman pull --quiet' pulls "$1" "${references[@]}"
}
pulls 2 >/dev/null # warms up
printf '| at a time | bare pulls | stack-update, nothing new | ratio |\n|---|---|---|---|\n'
for n in 1 2 4; do
    bare=$(pulls "$n")
    ours=$(milliseconds stack-update --concurrency "$n")
    printf '| %d | %d ms | %d ms | %d.%02d |\n' "$n" "$bare" "$ours" $((ours / bare)) $((ours * 100 / bare % 100))
done
assert_eq "$(started)" "$before" 'containers, and when they were started'

printf '[[registry]]\nlocation = "localhost:5001"\ninsecure = true\n' | root_put /etc/containers/registries.conf.d/98-bad.conf
root systemd-run --quiet --collect --unit bad-registry /opt/lab/bad-registry 5001 full /tmp/bad-registry.log
slow=()
for i in 1 2 3 4 5 6 7 8; do
    wait_until 20 user podman pull --quiet "localhost:5001/s$i:1"
    add "slow$i" "localhost:5001/s$i:1"
    slow+=("slow$i")
done
root systemctl stop bad-registry.service
root systemd-run --quiet --collect --unit bad-registry /opt/lab/bad-registry 5001 "slow=$SLOW" /tmp/bad-registry.log
wait_until 20 root sh -c 'curl --silent http://localhost:5001/v2/ >/dev/null'
one=$(milliseconds stack-update --concurrency 1 "${slow[@]}")
four=$(milliseconds stack-update --concurrency 4 "${slow[@]}")
printf '\n| 8 stacks, each answer takes %d s | one at a time | four at a time | share |\n|---|---|---|---|\n' "$SLOW"
printf '| | %d ms | %d ms | %d %% |\n' "$one" "$four" $((four * 100 / one))

# Half way, while it waits: memory at most so far, and the processor time within two seconds.
user stack-update --concurrency 1 "${slow[@]}" >/dev/null 2>&1 &
wait_until 20 user pgrep -x stack-update
seen() { # shellcheck disable=SC2016  # for the inner shell
    user sh -c 'cat /proc/$(pgrep -x stack-update)/'"$1"
}
always 1 user pgrep -x stack-update
ticks() { seen stat | awk '{ print $14 + $15 }'; }
begin=$(ticks)
always 2 user pgrep -x stack-update
end=$(ticks)
printf '\n| the orchestrator | |\n|---|---|\n| peak memory | %d KiB |\n| processor time in 2 s of waiting | %d ms |\n' \
    "$(seen status | awk '/^VmHWM/ { print $2 }')" $(((end - begin) * 10))
wait
