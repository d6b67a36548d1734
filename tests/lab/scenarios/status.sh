# shellcheck shell=bash
# What every stack is doing now, for people, prompts and programs, also when the manager or podman is down.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
assert_exit 0 user stackctl install
assert_exit 0 user stackctl status
assert_contains "$OUT" 'no stack is declared'
put_stack shop 8080
db=$(container_of shop db)
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop --verify gate
put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
userctl start shop.service

json() { assert_exit 0 user stackctl status --json "$@"; }

step 'a stack that is up, and one that was never started'
json
assert_json "$OUT" '.code == 0 and .stacks.shop.condition == "up" and .stacks.one.condition == "stopped"'
assert_json "$OUT" '.stacks.shop.containers | .expected == 4 and .running == 3 and .finished == 1 and .healthy == 1'
assert_json "$OUT" '.stacks.shop | .unit.active_state == "active" and .provenance.owner == "owner" and .provenance.declared'
assert_json "$OUT" '.stacks.shop.last_apply.code == 0 and .stacks.one.last_apply == null and .stacks.shop.last_update == null'
assert_json "$OUT" '.next["stack-audit.timer"] | startswith("20")'
assert_exit 0 user stackctl status --oneline
assert_eq "$OUT" '1 up, 1 stopped' 'the line'
json one
assert_json "$OUT" '.stacks | keys == ["one"]'
assert_exit 78 user stackctl status nosuch

step 'a table: plain in a pipe, in colour on a terminal'
assert_exit 0 user stackctl status
assert_match "$OUT" 'shop +up \(active\) +declared +4/4, 1 healthy, 1 finished +[0-9]+ s ago +-'
assert_lacks "$OUT" $'\e'
assert_contains "$OUT" 'next: stack-audit in '
assert_contains "$(user env TERM=xterm script -qec 'stackctl status' /dev/null)" $'\e[32mshop'
assert_lacks "$(user env TERM=xterm NO_COLOR=1 script -qec 'stackctl status' /dev/null)" $'\e['

step 'what is wrong is told by name'
user podman kill "$db" >/dev/null
assert_exit 0 user stackctl status
assert_contains "$OUT" "stack-down: container $db was stopped by hand"
assert_exit 0 user stackctl status --oneline
assert_eq "$OUT" '1 stopped, 1 down (shop)'
user sh -c 'echo "# edited" >>.config/systemd/user/one.service'
json one
assert_json "$OUT" '.stacks.one.provenance | .declared == false and .broken == ["fragment-content"]'
assert_exit 0 user stackctl repair one

step 'while somebody is at work'
# shellcheck disable=SC2016  # for the inner shell
user sh -c 'exec 9>>"$XDG_RUNTIME_DIR/stackwarden/locks/one.lock"; echo x >&9; flock 9; exec sleep 6' &
# shellcheck disable=SC2016  # for the inner shell
locked() { ! user sh -c 'flock --nonblock --shared "$XDG_RUNTIME_DIR/stackwarden/locks/one.lock" true'; }
wait_until 30 locked
json one
assert_json "$OUT" '.stacks.one.condition == "working"'
assert_exit 0 user stackctl compose one ps
assert_lacks "$OUT" 'waiting for'
assert_exit 0 user stackctl compose one -- create
assert_contains "$OUT" 'stack one: waiting for'
wait $!
assert_exit 0 user stackctl compose one up --detach
assert_lacks "$OUT" 'waiting for'
assert_exit 0 user stackctl compose one -- down

step 'podman is down, the manager is down'
host_config '"podman": "/nonexistent/podman"'
assert_exit 69 user stackctl status
assert_contains "$OUT" 'podman does not answer: /nonexistent/podman'
assert_match "$OUT" 'shop +unknown \(unit active\) +declared'
put fake 755 <<<$'#!/bin/sh\necho "{garbage"'
host_config '"podman": "/home/me/fake"'
assert_exit 76 user stackctl status --oneline
assert_contains "$OUT" 'podman does not answer'
put .config/stackwarden/config.json 600 <<<'{"version": 1, "podmann": ""}'
assert_exit 0 user stackctl status
assert_contains "$OUT" 'not taken into account: /home/me/.config/stackwarden/config.json'
pin_provider
user mv "/run/user/$LAB_UID/bus" "/run/user/$LAB_UID/bus.away"
assert_exit 69 user stackctl status
assert_contains "$OUT" 'the user manager does not answer'
assert_match "$OUT" 'shop +unknown +\? +3/4'
user mv "/run/user/$LAB_UID/bus.away" "/run/user/$LAB_UID/bus"
assert_exit 0 user stackctl status
