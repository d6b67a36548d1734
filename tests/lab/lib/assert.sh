# shellcheck shell=bash
# What a scenario is written with. $MACHINE is its machine's directory; it is booted already.
#
# A scenario ends at the first thing that does not hold: a failed assertion, or any command that
# fails (`set -e`), with the place and what was seen.

step() { printf '%s--- %s  (%s)%s\n' "$BOLD" "$*" "$(took "$SCENARIO_BEGIN")" "$PLAIN" >&2; }

fail() {
    local i
    printf '%sFAILED: %s%s\n' "$RED" "$*" "$PLAIN" >&2
    # The callers that are in scenario files, innermost first: that is where one wants to look.
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
        case ${BASH_SOURCE[i]} in
        */scenarios/* | */stages/*)
            printf '    at %s:%s: %s\n' "${BASH_SOURCE[i]#"$LAB_REPO/"}" "${BASH_LINENO[i - 1]}" \
                "$(sed -n "${BASH_LINENO[i - 1]}{s/^ *//;p}" "${BASH_SOURCE[i]}")" >&2
            ;;
        esac
    done
    # shellcheck disable=SC2034  # read by the runner's trap
    FAILED_SAID=1
    exit 1
}

# --- the machine -------------------------------------------------------------------------------

user() { enter_user "$MACHINE" "$@"; } # as the lingering user, as if logged in
root() { enter_root "$MACHINE" "$@"; } # as root
# Standard input is a bash script, run strictly: user_script <<'END' … END (arguments become $1 …).
user_script() { user bash -euo pipefail -c "$(cat)" script "$@" </dev/null; }
root_script() { root bash -euo pipefail -c "$(cat)" script "$@" </dev/null; }
# In a transient unit of the user's manager: for what depends on being a service. Note that this
# writes to the manager's transient directory.
user_unit() { user systemd-run --user --quiet --pipe --wait --collect --service-type=exec "$@"; }

# put FILE [MODE]: makes a file of the user's out of standard input (paths start at the home directory).
# A file that is there is written in place, a link is followed.
put() { user sh -c "$PUT" put "$1" "${2:-}"; }
root_put() { root sh -c "$PUT" put "$1" "${2:-}"; }
# shellcheck disable=SC2016  # for the inner shell
PUT='mkdir -p "$(dirname "$1")" && cat >"$1" && { [ -z "$2" ] || chmod "$2" "$1"; }'

userctl() { user systemctl --user "$@"; }
property() { userctl show --value --property "$2" "$1"; } # UNIT PROPERTY

reboot() { machine_stop "$MACHINE"; machine_boot "$MACHINE" tied; }
shutdown() { machine_stop "$MACHINE"; }
power_loss() { machine_kill "$MACHINE"; } # and then power_on
power_on() { machine_boot "$MACHINE" tied; }

# --- what must hold ----------------------------------------------------------------------------

assert_eq() { # SEEN EXPECTED [WHAT]
    [ "$1" = "$2" ] || fail "${3:-value}: expected '$2', seen '$1'"
}
assert_contains() { # TEXT PART [WHAT]
    case $1 in *"$2"*) ;; *) fail "${3:-text} does not contain '$2':"$'\n'"$1" ;; esac
}
assert_lacks() { # TEXT PART [WHAT]
    case $1 in *"$2"*) fail "${3:-text} contains '$2':"$'\n'"$1" ;; esac
}
assert_match() { # TEXT REGEX [WHAT]
    [[ $1 =~ $2 ]] || fail "${3:-text} does not match /$2/:"$'\n'"$1"
}
# assert_exit CODE CMD…: the command ends with exactly this status. OUT holds what it printed on both
# streams, for the assertions that follow.
assert_exit() {
    local expected=$1 code=0
    shift
    OUT=$("$@" 2>&1) || code=$?
    [ "$code" = "$expected" ] || fail "\`$*\`: expected exit $expected, seen $code, having printed:"$'\n'"$OUT"
}
# assert_json TEXT FILTER [WHAT]: the jq filter is true of it.
assert_json() {
    # Slurped, because of nothing at all jq 1.6 says that it is true.
    jq --slurp --exit-status "length > 0 and (.[-1] | ($2))" >/dev/null <<<"$1" || fail "${3:-JSON}: not so: $2"$'\n'"$1"
}
# wait_until SECONDS CMD…: tries again until it succeeds; a failed assertion in it is only a "not yet".
# Afterwards WAITED holds the milliseconds it took.
wait_until() {
    local seconds=$1 begin again last
    shift
    now_into begin
    again=$begin
    while ! last=$("$@" 2>&1); do
        [ $((again - begin)) -lt $((seconds * 1000)) ] \
            || fail "not within $seconds s: \`$*\`; it last said:"$'\n'"${last:-(nothing)}"
        rest "$again"
        now_into again
    done
    now_into again
    # shellcheck disable=SC2034  # for scenarios
    WAITED=$((again - begin))
}
# always SECONDS CMD…: holds now and keeps holding.
always() {
    local seconds=$1 begin again last
    shift
    now_into begin
    again=$begin
    while [ $((again - begin)) -lt $((seconds * 1000)) ]; do
        last=$("$@" 2>&1) || fail "did not stay so for $seconds s: \`$*\`; it said:"$'\n'"${last:-(nothing)}"
        rest "$again"
        now_into again
    done
}
# rest SINCE: looking takes no more than a quarter of the time, so that what is waited for gets the rest.
rest() {
    local pause
    now_into pause
    pause=$(((pause - $1) * 3))
    printf -v pause '0.%03d' $((pause < 50 ? 50 : pause > 600 ? 600 : pause))
    sleep "$pause"
}

unit_is() { # UNIT STATE, e.g. active, inactive, failed
    local seen
    seen=$(userctl is-active "$1" || true)
    [ "$seen" = "$2" ] || { echo "$1 is $seen"; return 1; }
}
assert_unit() { unit_is "$1" "$2" || fail "$1 is $(userctl is-active "$1" || true), not $2"; }

# --- the journal -------------------------------------------------------------------------------

journal() { root journalctl --sync && user journalctl --user --quiet --no-pager -o cat "$@"; }
journal_json() { root journalctl --sync && user journalctl --user --quiet --no-pager -o json "$@"; }
journal_has() { # TEXT [journalctl arguments]: for wait_until
    local text=$1 seen
    shift
    seen=$(journal "$@")
    case $seen in *"$text"*) ;; *) return 1 ;; esac
}
# A place in the journal: journal --after-cursor="$(journal_cursor)" is what happens from now on.
journal_cursor() { root journalctl --sync && user journalctl --user --quiet -n 1 -o json | jq -r .__CURSOR; }

# --- containers and images ---------------------------------------------------------------------

inspect() { user podman container inspect --format "$2" "$1"; } # CONTAINER FORMAT
container_is() { # CONTAINER STATE, e.g. running, exited: for wait_until
    local seen
    seen=$(inspect "$1" '{{.State.Status}}') || return 1
    [ "$seen" = "$2" ] || { echo "$1 is $seen"; return 1; }
}
health_is() { # CONTAINER STATUS, e.g. healthy, unhealthy, starting: for wait_until
    local seen
    seen=$(inspect "$1" '{{.State.Health.Status}}') || return 1
    [ "$seen" = "$2" ] || { echo "$1 is $seen"; return 1; }
}
project_containers() { # PROJECT: names, sorted, stopped ones included
    user podman ps -a --filter "label=com.docker.compose.project=$1" --format '{{.Names}}' | sort
}

REGISTRY=localhost:5000
# image NAME:TAG MARKER [health=ok|bad|never] [exit=N] [after=S]: puts a tiny image into the machine's
# registry under $REGISTRY/NAME:TAG and prints its digest (see guest/lab-image). The user has not
# pulled it yet.
image() {
    wait_until 30 registry_answers
    user /opt/lab/lab-image "$REGISTRY/$1" "${@:2}"
}
registry_answers() { user curl --silent --fail --max-time 2 "http://$REGISTRY/v2/" >/dev/null; }
registry_stop() { root systemctl stop docker-registry.service; }
registry_start() { root systemctl start docker-registry.service && wait_until 30 registry_answers; }
registry_digest() { # NAME:TAG
    user curl --silent --fail --head -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
        "http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}" | tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p'
}
# Takes an image out of the registry, blobs stay: later pulls of the tag or digest get a 404.
registry_forget() { # NAME:TAG
    user curl --silent --fail -X DELETE "http://$REGISTRY/v2/${1%:*}/manifests/$(registry_digest "$1")"
}
