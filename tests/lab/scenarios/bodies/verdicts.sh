# shellcheck shell=bash
# S09, S15 and T03 with one provider: the verdict is right, and says why.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
image never:1 never health=never >/dev/null
image fails:1 fails exit=3 >/dev/null
image loops:1 loops exit=1 after=1 >/dev/null
install_quietly

put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
it=$(container_of one it)
verdict() { # CODE TEXT MAPPING [TIMEOUT]: what may still come gets all of it
    put_one "$3"
    assert_exit 0 user stackctl apply one
    assert_exit "$1" user stackctl verify one --timeout "${4:-30s}"
    assert_contains "$OUT" "$2"
    user podman rm --force --all --time 0 >/dev/null
}

step 'S09: each kind of container'
verdict 0 'up after' "{image: '$REGISTRY/app:1'}"
verdict 0 'up after' "{image: '$REGISTRY/ok:1'}"
verdict 80 "container $it is unhealthy" "{image: '$REGISTRY/bad:1'}" 8s
verdict 80 "container $it is \"starting\"" "{image: '$REGISTRY/never:1'}" 5s
verdict 0 'up after' "{image: '$REGISTRY/once:1', restart: 'no'}"
verdict 80 "container $it ended with exit code 3" "{image: '$REGISTRY/fails:1', restart: 'no'}"
verdict 80 'started again' "{image: '$REGISTRY/loops:1', restart: always}" 8s

step 'S09: healthy, then dead'
put_one "{image: '$REGISTRY/ok:1', restart: 'no'}"
assert_exit 0 user stackctl apply one
assert_exit 0 user stackctl verify one
user podman kill "$it"
assert_exit 80 user stackctl verify one --timeout 3s
assert_contains "$OUT" 'ended with exit code 137'
user podman start "$it" >/dev/null
user podman stop --time 10 "$it" >/dev/null
assert_exit 80 user stackctl verify one --timeout 2s
assert_contains "$OUT" 'was stopped by hand, with exit code 0'

step 'S09: verdicts at the same time are in no other one'"'"'s way'
user_script <<'TOGETHER'
for n in 1 2 3 4; do stackctl verify one --timeout 2s >"verdict.$n" 2>&1 & done
for n in 1 2 3 4; do code=0; wait -n || code=$?; [ "$code" = 80 ] || exit 1; done
TOGETHER
assert_lacks "$(user sh -c 'cat verdict.*')" overtaken

step 'S09: healthy, and started again and again'
put_one "{image: '$REGISTRY/ok:1', restart: always, environment: {EXIT: '1', AFTER: '3'}}"
assert_exit 0 user stackctl apply one
again() { [ "$(inspect "$it" '{{.RestartCount}}')" -gt 0 ]; }
wait_until 30 again
assert_exit 80 user stackctl verify one --timeout 8s
assert_contains "$OUT" 'it was started again'
user podman rm --force --all --time 0 >/dev/null

step 'S09: the verdict comes when the health does'
put_one "{image: '$REGISTRY/app:1', healthcheck: {test: [CMD-SHELL, test -e /tmp/up], interval: 1s, retries: 100}}"
assert_exit 0 user stackctl apply one
user stackctl verify one --timeout 60s &
verification=$!
sleep 3
user podman exec "$it" touch /tmp/up
wait_until 30 health_is "$it" healthy
begin=$(now_ms)
wait "$verification"
took=$(($(now_ms) - begin))
[ "$took" -lt 1000 ] || fail "the verdict came $took ms after the health"
user podman rm --force --all --time 0 >/dev/null

step 'T03: a gate that fails, every time'
put_one "{image: '$REGISTRY/bad:1'}"
assert_exit 0 user stackctl apply one
wait_until 30 health_is "$it" unhealthy
assert_exit 0 user stackctl add one --verify gate --verify-timeout 2s
for _ in 1 2 3 4 5; do
    assert_exit 1 userctl restart one.service
    assert_unit one.service failed
done
assert_contains "$(journal -u one.service)" 'is unhealthy'
more="; next: podman healthcheck run $it; podman logs --tail 50 $it"
assert_exit 80 user stackctl restart one
assert_match "$OUT" "is unhealthy.*$more\$"
assert_eq "$(grep -o 'next: ' <<<"$OUT")" 'next: ' 'a next command, once'
assert_match "$(user stackctl history one | tail -n 1)" "exit 80: stack one is not up.*$more\$"
assert_exit 0 user stackctl status
assert_match "$OUT" $'\n'"  apply: stack one is not up.*$more"
alerted() { grep -qE "one.service: unit-failed: .*is unhealthy.*$more" <<<"$(journal -u stack-alert@one.service.service)"; }
wait_until 60 alerted

step 'S15: what a failed start leaves behind goes with stackctl stop'
userctl stop one.service
container_is "$it" running || fail 'a stop of a failed unit stops nothing, which is why this scenario exists'
assert_exit 0 user stackctl stop one
assert_contains "$OUT" 'next: systemctl --user reset-failed one.service'
assert_lacks "$OUT" '1 containers'
container_is "$it" exited || container_is "$it" stopped || fail 'it still runs'

step 'a gate that holds'
put_one "{image: '$REGISTRY/ok:1'}"
userctl restart one.service
assert_unit one.service active
assert_exit 0 user stackctl restart one
assert_contains "$OUT" 'stack one: applied, 1 service, no container was replaced; up'
assert_eq "$(userctl list-units --all --no-legend 'stack-verify@*')" '' 'verifications beside the gate'

step 'detached: a start does not wait, and the verdict is a failed unit of its own'
put_one "{image: '$REGISTRY/bad:1'}"
assert_exit 0 user stackctl add one --verify detached --verify-timeout 5s
userctl restart one.service
assert_unit one.service active
wait_until 30 unit_is stack-verify@one.service failed
assert_exit 80 user stackctl restart one
assert_contains "$OUT" "$more"
# The unit's own verification may end a little later than the one of the restart.
told() { [[ $(user stackctl history one | tail -n 1) =~ verify\ .*exit\ 80:\ stack\ one\ is\ not\ up.*$more$ ]]; }
wait_until 30 told
assert_unit stack-verify@one.service failed
userctl stop one.service
assert_unit stack-verify@one.service inactive
put_one "{image: '$REGISTRY/ok:1'}"
userctl start one.service
wait_until 30 unit_is stack-verify@one.service inactive

step 'a verification that ends because the stack stops has not failed'
put_one "{image: '$REGISTRY/never:1'}"
assert_exit 0 user stackctl add one --verify-timeout 60s
userctl restart one.service
wait_until 30 unit_is stack-verify@one.service active
under_way() { [[ $(user stackctl history one | tail -n 1) =~ verify\ .*under\ way,\ at\ verify ]]; }
wait_until 30 under_way
userctl stop one.service
wait_until 30 unit_is stack-verify@one.service inactive
assert_contains "$(user stackctl history one | tail -n 2)" '  stack one: superseded, this program was asked to end'

step 'S09: a dependency that never gets healthy is diagnosed, also when it is tried again, and replaced when it can be'
put one/compose.yml <<END
services:
  db: { image: "$REGISTRY/bad:1" }
  it: { image: "$REGISTRY/app:1", depends_on: { db: { condition: service_healthy } } }
END
assert_exit 0 user stackctl add one --startup-timeout 20s
for _ in 1 2; do
    assert_exit 80 user stackctl apply one
    assert_contains "$OUT" "container $(container_of one db) is unhealthy"
done
user sed -i s/bad:1/ok:1/ one/compose.yml
assert_exit 0 user stackctl apply one
