# shellcheck shell=bash
# A stop ends every container of the stack, whatever state it is in and whoever does not answer, and none of another stack.
# drawn: stops has what is commoner
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
put_one "{image: '$REGISTRY/app:1', restart: unless-stopped}"
install_quietly
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
userctl start one.service
it=$(container_of one it)
runs() { container_is "$it" running; }
stopped() { container_is "$it" exited || container_is "$it" stopped; }

step 'what compose run has started is stopped, too, also if it goes with that'
assert_exit 0 user stackctl compose one run --rm --detach it
assert_exit 0 user stackctl compose one run --detach --name stays it
userctl stop one.service
assert_unit one.service inactive
assert_eq "$(user podman ps --format '{{.Names}}' | xargs)" '' 'what runs'
user podman rm stays >/dev/null
userctl start one.service
runs

step 'a paused container is stopped, too'
user podman pause "$it" >/dev/null
userctl stop one.service
assert_unit one.service inactive
stopped
userctl start one.service
runs

step 'without an answer of the API podman stops them itself, and soon'
userctl start podman.service
userctl kill --signal STOP podman.service
begin=$(now_ms)
assert_exit 0 user stackctl stop one
assert_contains "$OUT" "podman's API"
[ $(($(now_ms) - begin)) -lt 60000 ] || fail 'it took more than a minute'
stopped
userctl kill --signal CONT podman.service
userctl restart one.service
runs

step 'a container that ends at once, again and again, is stopped for good'
image loop:1 v1 exit=0 >/dev/null
put loop/compose.yml <<<"services: {it: {image: '$REGISTRY/loop:1', restart: always}}"
assert_exit 0 user stackctl add loop --compose loop/compose.yml --project loop --verify off
count() { inspect loop-it-1 '{{.RestartCount}}'; }
loops() { [ "$(count)" -gt "$1" ]; }
for _ in 1 2 3; do
    userctl start loop.service
    wait_until 60 loops "$(count)"
    userctl stop loop.service
    times=$(count)
    sleep 1
    assert_eq "$(count)" "$times" 'how often it was started again'
done
user podman start loop-it-1 >/dev/null
wait_until 60 loops 0
assert_exit 79 user stack-audit
assert_contains "$OUT" 'loop-it-1'
assert_exit 0 user stackctl stop loop
whole
assert_exit 0 user stackctl remove --down loop

step "what has become another stack's is left alone"
assert_exit 0 user stackctl add old --compose one/compose.yml --project shared --verify off
userctl start old.service
assert_exit 0 user stackctl remove old
assert_exit 0 user stackctl add new --compose one/compose.yml --project shared --verify off
userctl start new.service
shared=$(container_of shared it)
before=$(started_at "$shared")
assert_exit 0 user stackctl stop old
assert_contains "$OUT" "left alone, another stack's: $shared (of new.service)"
assert_exit 0 user stackctl add old --compose one/compose.yml --project other --verify off
assert_exit 0 user stackctl remove --down old
assert_eq "$(started_at "$shared")" "$before" 'StartedAt of the other stack'
container_is "$shared" running
assert_exit 0 user stackctl remove --down new

step 'one whose start was cut short is stopped, and starts again'
assert_exit 0 user stackctl add half --compose one/compose.yml --project half --verify off
userctl start half.service
half=$(container_of half it)
for next in 'stackctl stop half' 'systemctl --user start half.service'; do
    userctl stop half.service
    user podman init "$half" >/dev/null
    container_is "$half" initialized
    # shellcheck disable=SC2086
    assert_exit 0 user $next
done
container_is "$half" running
userctl stop half.service
user podman init "$half" >/dev/null
assert_exit 0 user stackctl stop half
if container_is "$half" initialized; then fail 'it was left as it is'; fi
assert_exit 0 user stackctl remove --down half

step 'what another provider has made goes too'
assert_exit 0 user stackctl add both --compose one/compose.yml --project both --verify off
userctl start both.service
host_config '"provider": {"kind": "podman-compose"}'
assert_exit 0 user stackctl remove --down both
assert_eq "$(project_containers both)" '' 'the containers of the project'
assert_eq "$(user podman network ls --quiet --filter label=com.docker.compose.project=both)" '' 'its networks'
pin_provider
