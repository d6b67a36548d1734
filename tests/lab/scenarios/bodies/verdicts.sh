# shellcheck shell=bash
# S09, S15 and T03 with one provider: the verdict is right, and says why.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
image never:1 never health=never >/dev/null
image fails:1 fails exit=3 >/dev/null
image loops:1 loops exit=1 after=1 >/dev/null
assert_exit 0 user stackctl install

put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
it=$(container_of one it)
verdict() { # CODE TEXT MAPPING
    put_one "$3"
    assert_exit 0 user stackctl apply one
    assert_exit "$1" user stackctl verify one --timeout 8s
    assert_contains "$OUT" "$2"
    user podman rm --force --all --time 0 >/dev/null
}

step 'S09: each kind of container'
verdict 0 'up after' "{image: '$REGISTRY/app:1'}"
verdict 0 'up after' "{image: '$REGISTRY/ok:1'}"
verdict 80 "container $it is unhealthy" "{image: '$REGISTRY/bad:1'}"
verdict 80 "container $it is \"starting\"" "{image: '$REGISTRY/never:1'}"
verdict 0 'up after' "{image: '$REGISTRY/once:1', restart: 'no'}"
verdict 80 "container $it ended with exit code 3" "{image: '$REGISTRY/fails:1', restart: 'no'}"
verdict 80 'started again' "{image: '$REGISTRY/loops:1', restart: always}"

step 'healthy, then dead'
put_one "{image: '$REGISTRY/ok:1', restart: 'no'}"
assert_exit 0 user stackctl apply one
assert_exit 0 user stackctl verify one
user podman kill "$it"
assert_exit 80 user stackctl verify one --timeout 3s
assert_contains "$OUT" 'ended with exit code 137'

step 'the verdict comes when the health does'
put_one "{image: '$REGISTRY/app:1', healthcheck: {test: [CMD-SHELL, test -e /tmp/up], interval: 1s, retries: 100}}"
assert_exit 0 user stackctl apply one
user stackctl verify one --timeout 60s &
verification=$!
sleep 3
user podman exec "$it" touch /tmp/up
wait_until 5 health_is "$it" healthy
begin=$(now_ms)
wait "$verification"
took=$(($(now_ms) - begin))
[ "$took" -lt 1000 ] || fail "the verdict came $took ms after the health"
user podman rm --force --all --time 0 >/dev/null

step 'T03: a gate that fails, every time'
put_one "{image: '$REGISTRY/bad:1'}"
assert_exit 0 user stackctl add one --verify gate --verify-timeout 2s
for _ in 1 2 3 4 5; do
    assert_exit 1 userctl restart one.service
    assert_unit one.service failed
done
assert_contains "$(journal -u one.service)" 'is unhealthy'
assert_exit 80 user stackctl restart one

step 'S15: what a failed start leaves behind goes with stackctl stop'
userctl stop one.service
container_is "$it" running || fail 'a stop of a failed unit stops nothing, which is why this scenario exists'
assert_exit 0 user stackctl stop one
container_is "$it" exited || container_is "$it" stopped || fail 'it still runs'

step 'a gate that holds'
put_one "{image: '$REGISTRY/ok:1'}"
userctl restart one.service
assert_unit one.service active
assert_eq "$(userctl list-units --all --no-legend 'stack-verify@*')" '' 'verifications beside the gate'

step 'detached: a start does not wait, and the verdict is a failed unit of its own'
put_one "{image: '$REGISTRY/bad:1'}"
assert_exit 0 user stackctl add one --verify detached --verify-timeout 3s
userctl restart one.service
assert_unit one.service active
wait_until 15 unit_is stack-verify@one.service failed
assert_exit 80 user stackctl restart one
userctl stop one.service
put_one "{image: '$REGISTRY/ok:1'}"
userctl start one.service
wait_until 15 unit_is stack-verify@one.service inactive

step 'a dependency that never gets healthy is diagnosed, also when it is tried again'
put one/compose.yml <<END
services:
  db: { image: "$REGISTRY/bad:1" }
  it: { image: "$REGISTRY/app:1", depends_on: { db: { condition: service_healthy } } }
END
assert_exit 0 user stackctl add one --startup-timeout 15s
for _ in 1 2; do
    assert_exit 80 user stackctl apply one
    assert_contains "$OUT" "container $(container_of one db) is unhealthy"
done
user sed -i s/bad:1/ok:1/ one/compose.yml
assert_exit 0 user stackctl apply one

step 'what a container says is told without the values of env files, however they are written there'
put one/one.env 600 <<'END'
DSN="postgres://app:pa\$\$w0rdSecret\"q@db/x"
PW="huntertwo22"
END
for place in one/one.env none; do
    user rm -f watched
    # shellcheck disable=SC2016  # for the inner shell, and for compose
    user sh -c 'while [ ! -e watched ]; do grep -l "w[0]rdSecret" /proc/[0-9]*/cmdline; done >seen 2>/dev/null' &
    watch=$!
    # shellcheck disable=SC2016  # for compose
    dsn='environment: {DSN: "${DSN}"}'
    options=(--env-file one/one.env)
    if [ "$place" = none ]; then
        dsn='env_file: [one.env]' options=()
        assert_exit 0 user stackctl remove one
    fi
    # shellcheck disable=SC2016  # for the container
    check='echo "cannot connect to $$DSN" >&2; exit 1'
    put_one "{image: '$REGISTRY/app:1', $dsn, healthcheck: {test: [CMD-SHELL, '$check'], interval: 1s, retries: 1}}"
    assert_exit 0 user stackctl add one --compose one/compose.yml --project one "${options[@]}" --verify off
    assert_exit 0 user stackctl apply one
    assert_lacks "$OUT" w0rdSecret
    wait_until 15 health_is "$it" unhealthy
    assert_exit 80 user stackctl verify one --timeout 3s
    assert_contains "$OUT" 'cannot connect to'
    assert_lacks "$OUT" w0rdSecret
    user touch watched
    wait "$watch"
    # podman-compose itself gives each variable to podman on its command line.
    [ "$PROVIDER" = podman-compose ] || assert_eq "$(user cat seen)" '' 'command lines with the value'
    user podman rm --force --all --time 0 >/dev/null
done
assert_exit 0 user stackctl add one --env-file one/one.env
# shellcheck disable=SC2016  # for compose
put_one "{image: '$REGISTRY/app:1', cap_add: ['\${PW}']}"
assert_exit 76 user stackctl apply one
assert_contains "$OUT" 'PW]'
assert_lacks "${OUT,,}" huntertwo22
OUT=$(user stackctl history one)
assert_contains "$OUT" 'cannot connect to'
assert_lacks "${OUT,,}" huntertwo22
assert_lacks "$OUT" w0rdSecret
# shellcheck disable=SC2016  # for the inner shell
assert_eq "$(user sh -c 'grep -rliE "huntertwo22|w0rdSecret" .local/state "$XDG_RUNTIME_DIR/stackwarden" || true')" '' \
    'files with a value'
# podman logs its own errors with the values in them.
OUT=$(journal _COMM=stackctl + SYSLOG_IDENTIFIER=stackctl)
assert_contains "$OUT" 'cannot connect to'
assert_lacks "${OUT,,}" huntertwo22
assert_lacks "$OUT" w0rdSecret
