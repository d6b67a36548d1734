# shellcheck shell=bash
# Containers that run with another one's network, processes or memory keep them whatever happens to that one.
# drawn: lifecycle-docker-compose has a shared network, too
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
image gate:1 gate check='test -e /flag/ok' >/dev/null
user mkdir -p vpn/flag
user touch vpn/flag/ok
gateway() { # NAME of the service
    put vpn/compose.yml <<END
services:
  $1: { image: "$REGISTRY/gate:1", volumes: ["./flag:/flag"] }
  t: { image: "$REGISTRY/app:1", network_mode: "service:$1", depends_on: { $1: { condition: service_healthy } } }
END
}
gateway gw
install_quietly
assert_exit 0 user stackctl add vpn --compose vpn/compose.yml --project vpn --verify gate --verify-timeout 30s
userctl start vpn.service
connected() { assert_contains "$(user podman exec vpn-t-1 ls /sys/class/net)" eth0 'the network of what shares it'; }
connected

step 'the gateway was stopped and is started again'
user podman stop --time 0 vpn-gw-1 >/dev/null
assert_exit 80 user stackctl verify vpn --timeout 2s
assert_contains "$OUT" 'container vpn-gw-1 ended with exit code'
assert_exit 0 user stackctl restart vpn
connected

step 'the gateway was restarted behind the back of the stack'
user podman restart --time 0 vpn-gw-1 >/dev/null
assert_exit 0 user stackctl restart vpn
connected

step 'the gateway is unhealthy'
user rm vpn/flag/ok
wait_until 60 health_is vpn-gw-1 unhealthy
user sh -c 'sleep 1; touch vpn/flag/ok' &
assert_exit 0 user stackctl restart vpn
wait
connected

step 'the gateway has another name'
gateway gate
assert_exit 0 user stackctl restart vpn
connected
assert_eq "$(project_containers vpn)" 'vpn-gate-1
vpn-t-1'

step 'an update of the gateway that fails is undone'
assert_exit 0 user stackctl add vpn --verify-timeout 10s
old=$(user podman container inspect --format '{{.Image}}' vpn-gate-1)
image gate:1 worse health=bad >/dev/null
assert_exit 81 user stackctl update vpn
assert_contains "$OUT" 'update rolled back, the old images run again and are verified'
assert_eq "$(user podman container inspect --format '{{.Image}}' vpn-gate-1)" "$old" 'the image of the gateway'
connected
assert_eq "$(project_containers vpn)" 'vpn-gate-1
vpn-t-1'
