# shellcheck shell=bash
# What is seen of a stack while something waits for it: in a unit the status line, on a terminal a line for each container,
# in a pipe nothing.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
put one/compose.yml <<END
services:
  it: { image: "$REGISTRY/app:1", healthcheck: { test: "test -e /tmp/up", interval: 1s, retries: 1000 } }
  other: { image: "$REGISTRY/app:1" }
END
install_quietly
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify gate --verify-timeout 60s --stable-for 1s
it=$(container_of one it) other=$(container_of one other)
come_up() { user podman exec "$it" touch /tmp/up; }
go_down() { user podman exec "$it" rm -f /tmp/up; }

step 'a unit: STATUS= names what is waited for, and says nothing once it is there'
status_says() { assert_contains "$(property one.service StatusText)" "$1"; }
userctl start --no-block one.service
wait_until 30 status_says "waiting: 1 of 2 up · $it is \"starting\""
assert_contains "$(userctl status one.service || true)" "Status: \"waiting: 1 of 2 up · $it is \"starting\""
come_up
wait_until 60 unit_is one.service active
assert_eq "$(property one.service StatusText)" '' 'the status line of a stack that is up'

step 'a unit that waits for the lock says for whom'
# shellcheck disable=SC2016  # for the inner shell
user sh -c 'exec flock --exclusive "$XDG_RUNTIME_DIR/stackwarden/locks/one.lock" sh -c "until [ -e go ]; do sleep 0.1; done"' &
holder=$!
# shellcheck disable=SC2016  # for the inner shell
locked() { ! user sh -c 'flock --nonblock "$XDG_RUNTIME_DIR/stackwarden/locks/one.lock" true'; }
wait_until 30 locked
userctl restart --no-block one.service
wait_until 60 status_says 'waiting for '
user touch go
wait "$holder"
wait_until 60 unit_is one.service active

# terminal FILE CMD…: runs it on a terminal of its own; what that shows is in FILE.
# shellcheck disable=SC2016  # for the inner shell
terminal() { user sh -c 'file=$1; shift; exec script --quiet --flush --return --command "$*" "$file"' terminal "$@" >/dev/null </dev/null; }
shown() { assert_contains "$(user cat "$1")" "$2" 'the terminal'; }

step 'a terminal: a live line for each container, taken back at the end'
for verb in verify apply; do
    go_down
    user podman restart --time 1 "$it" >/dev/null
    terminal seen env TERM=xterm stackctl "$verb" one &
    waiting=$!
    wait_until 40 shown seen 'waiting: 1 of 2 up'
    wait_until 30 shown seen $'\e[33m'"$it"
    wait_until 30 shown seen $'\e[32m'"$other"$'\e[0m  running'
    come_up
    wait "$waiting"
    # The last thing drawn is nothing: what stays is the result.
    assert_match "$(user tail -c 200 seen)" $'\r\e\\[2A\e\\[J.*stack one: ' 'the end of what the terminal showed'
done

step 'a restart shows what the unit says of itself'
go_down
user podman rm --force --time 0 "$it" >/dev/null
terminal seen env TERM=xterm stackctl restart one &
waiting=$!
wait_until 40 shown seen "  $it is \"starting\""
come_up
wait "$waiting"

step 'NO_COLOR: lines without colour; a dumb terminal and a pipe: no lines at all'
quiet() { # WANTED ENVIRONMENT…
    go_down
    user podman restart --time 1 "$it" >/dev/null
    terminal seen env "${@:2}" stackctl verify one &
    waiting=$!
    wait_until 60 user pgrep --full '[p]odman wait'
    [ -z "$1" ] || wait_until 60 shown seen "$1"
    come_up
    wait "$waiting"
    assert_lacks "$(user cat seen)" $'\e[3' 'the terminal'
}
quiet "  $it " TERM=xterm NO_COLOR=1
quiet '' TERM=dumb
assert_lacks "$(user cat seen)" waiting: 'a dumb terminal'
go_down
user podman restart --time 1 "$it" >/dev/null
user stackctl verify one >"$MACHINE/piped" 2>&1 &
waiting=$!
wait_until 60 user pgrep --full '[p]odman wait'
come_up
wait "$waiting"
assert_lacks "$(cat "$MACHINE/piped")" $'\e' 'a pipe'
assert_lacks "$(cat "$MACHINE/piped")" waiting: 'a pipe'
assert_contains "$(cat "$MACHINE/piped")" 'up after' 'a pipe'
