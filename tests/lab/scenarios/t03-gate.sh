# shellcheck shell=bash
# T03: a gate on a stack that is not up fails the restart and the unit, each time; in a thorough test 100 times of 100.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image fails:1 fails exit=3 >/dev/null
put_one "{image: '$REGISTRY/fails:1', restart: 'no'}"
install_quietly
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify gate --verify-timeout 30s
restarts=25
[ -z "${LAB_THOROUGH:-}" ] || restarts=100
step "$restarts restarts"
for number in $(seq "$restarts"); do
    assert_exit 1 userctl restart one.service
    unit_is one.service failed || fail "not failed after restart $number"
done
assert_contains "$(journal -u one.service -n 20)" 'ended with exit code 3'
