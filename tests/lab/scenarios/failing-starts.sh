# shellcheck shell=bash
# What compose could not do names the object, the reason and what to type next, with either provider; also where the
# provider itself says that all is well.
# drawn: refusals-docker-compose has what is commoner
PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
image app:1 v1 >/dev/null
install_quietly

# IT NEXT TEXT…: of an apply of the service `it`, which has the setting IT, beside one that starts
fails() {
    local it=$1 next=$2 text
    put one/compose.yml <<<"services: {it: {image: '$REGISTRY/app:1', $it}, other: {image: '$REGISTRY/app:1'}}"
    for PROVIDER in $(sample 1 docker-compose podman-compose); do
        pin_provider
        assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
        assert_exit 76 user stackctl apply one
        for text in "${@:3}"; do assert_contains "$OUT" "$text" "$PROVIDER"; done
        assert_contains "$OUT" "; next: $next" "$PROVIDER"
        assert_lacks "$OUT" 'Network one_default' "$PROVIDER"
        assert_exit 0 user stackctl remove --down one
    done
}

step 'a port that somebody else has'
user python3 -m http.server 8099 >/dev/null 2>&1 &
taken() { user ss --listening --numeric --processes 'sport = :8099' | grep -q python3; }
wait_until 60 taken
fails 'ports: ["8099:80"]' "ss --listening --numeric --processes 'sport = :8099'" \
    '0.0.0.0:8099: bind: address already in use' it
user pkill -f 'http.server 8099'
wait || true

step 'a network that the other provider has made, which docker-compose does not take for its own'
PROVIDER=podman-compose
pin_provider
put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify gate
assert_exit 0 userctl start one.service
user podman rm --force --all --time 0 >/dev/null
PROVIDER=docker-compose
pin_provider
assert_exit 76 user stackctl restart one
assert_contains "$OUT" 'network one_default was found but has incorrect label'
assert_eq "${OUT##*; next: }" 'podman network rm one_default, then: stackctl restart one'
assert_exit 0 user podman network rm one_default
assert_exit 0 user stackctl restart one
assert_exit 0 user stackctl remove --down one

step 'what podman refuses to make'
mend='mend that, then: stackctl restart one'
fails 'volumes: [{type: bind, source: /nosuch/dir, target: /y}]' "$mend" /nosuch
fails 'cap_add: [NOSUCH]' "$mend" CAP_NOSUCH
fails 'network_mode: "container:nosuch"' "$mend" 'looking up container to share net namespace with'
