# shellcheck shell=bash
# What the auditor says of running containers, with one provider: each check is broken on real stacks, found by an audit
# on demand, and gone after the repair.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
put_stack shop 8080
put shop/shop.env 600 <<<'GREETING=hunter22-the-secret'
web=$(container_of shop web) db=$(container_of shop db) side=$(container_of shop side)
assert_exit 0 user stackctl install
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop --env-file shop/shop.env --verify gate
userctl start shop.service

step 'a stack that is up passes every check'
whole
assert_json "$(report)" '.podman_asked != null and .passed["stack-down"] == 1 and .passed["running-stale"] == 1'

step 'running-stale: an edited compose file, an edited env file'
user sed -i 's/^volumes:/# a comment\nvolumes:/' shop/compose.yml
broken 0 'ticket   shop.service running-stale' 'shop/compose.yml was edited'
user sed -i '/# a comment/d' shop/compose.yml
whole
put shop/shop.env 600 <<<'GREETING=hunter22-another'
broken 0 'shop/shop.env was edited'
assert_exit 79 user stack-audit --strict
assert_exit 0 user stackctl restart shop
whole

step 'stack-down: killed, stopped by hand, removed'
# The kernel or a bug, not podman, which would know that it was asked to.
die() { user kill -KILL "$(inspect "$1" '{{.State.Pid}}')" && wait_until 60 container_is "$1" exited; }
die "$db"
broken 79 "container $db ended with exit code 137"
assert_exit 0 user stackctl restart shop
whole
user podman stop --time 2 "$db" >/dev/null
broken 79 stack-down "container $db was stopped by hand"
assert_exit 0 user stackctl restart shop
user podman rm --force --time 0 "$side" >/dev/null
broken 79 'service side has no container'
assert_exit 0 user stackctl restart shop
whole

step 'what a file change starts asks podman nothing, and carries on what was found, with its age'
user podman kill "$db" >/dev/null
broken 79 stack-down
user podman start "$db" >/dev/null
wait_until 60 health_is "$db" healthy
asked=$(report | jq -r .podman_asked)
user touch .config/systemd/user/shop.service
path_run() { assert_json "$(report)" '.trigger == "path"'; }
wait_until 60 path_run
assert_json "$(finding stack-down)" ".as_of == \"$asked\""
assert_eq "$(report | jq -r .podman_asked)" "$asked" 'when podman was asked'
whole

step 'what was found of a stack before it was applied anew is not carried on'
user podman kill "$db" >/dev/null
broken 79 stack-down
assert_exit 0 user stackctl restart shop
user touch .config/systemd/user/shop.service
path_run_without_findings() { assert_json "$(report)" '.trigger == "path" and .findings == []'; }
wait_until 60 path_run_without_findings

step 'containers-unowned: stopped behind the unit'\''s back'
assert_exit 0 user stackctl stop shop
broken 79 stack-down
userctl stop shop.service
whole
user podman start "$web" >/dev/null
broken 79 containers-unowned "$web run, and the unit is inactive"
assert_exit 0 user stackctl stop shop
whole
userctl start shop.service

step 'label-mismatch: a container of the project that another unit'\''s label is on'
user podman run --detach --name foreign --label PODMAN_SYSTEMD_UNIT=other.service \
    --label com.docker.compose.project=shop --label com.docker.compose.service=web "$REGISTRY/app:1" >/dev/null
broken 79 label-mismatch 'container foreign is labelled for other.service'
user podman rm --force --time 0 foreign >/dev/null
whole

step 'provider-mismatch'
other=docker-compose
[ "$PROVIDER" = podman-compose ] || other=podman-compose
host_config "\"provider\": {\"kind\": \"$other\"}"
broken 79 provider-mismatch "container $web was made by $PROVIDER"
pin_provider
whole

step 'secret-missing, secret-exposed, secret-fallback'
user chmod 644 shop/shop.env
broken 79 secret-exposed 'chmod o-rwx'
user chmod 600 shop/shop.env
user mv shop/shop.env shop/kept.env
broken 79 secret-missing 'shop.env'
user mv shop/kept.env shop/shop.env
whole
assert_exit 0 user stackctl add shop --env-file shop/native.env:shop/shop.env
broken 0 secret-fallback 'this fallback is deprecated' 'was edited'
assert_exit 0 user stackctl add shop --env-file shop/shop.env
assert_exit 0 user stackctl restart shop
whole

step 'project-collision'
user cp .config/stackwarden/stacks/shop.json kept.json
user sh -c 'sed "s/\"startup_timeout\": .*/\"startup_timeout\": \"1m\",/" kept.json >.config/stackwarden/stacks/twin.json'
broken 79 'project-collision' 'project shop is also that of shop'
user rm .config/stackwarden/stacks/twin.json
whole

step 'S09: unhealthy, and stuck in starting because nobody runs the health check'
userctl set-environment DISABLE_HC_SYSTEMD=true
userctl stop podman.service
put_one "{image: '$REGISTRY/bad:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
userctl start one.service
it=$(container_of one it)
if [ "$PROVIDER" = docker-compose ]; then
    health_is "$it" starting
    # The first check was due at once; half a minute later it is missed.
    missed() { broken 79 'one.service health-timer-missing' "container $it is \"starting\""; }
    wait_until 50 missed
fi
userctl unset-environment DISABLE_HC_SYSTEMD
userctl stop podman.service one.service
userctl start one.service
wait_until 60 health_is "$it" unhealthy
broken 79 'one.service stack-unhealthy' "container $it is unhealthy"

step 'S15: an apply that fails, and a stop that does nothing'
assert_exit 0 user stackctl add one --verify gate --verify-timeout 2s
assert_exit 1 userctl restart one.service
userctl stop one.service
container_is "$it" running
broken 79 'one.service containers-unowned' "$it run, and the unit is failed" 'stackctl stop one'
assert_exit 0 user stackctl stop one
assert_exit 79 user stack-audit
assert_lacks "$OUT" containers-unowned 'the report'
userctl reset-failed one.service
whole

step 'a stack that is forgotten while it runs'
put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --verify off
userctl start one.service
assert_exit 0 user stackctl remove one
broken 79 'one containers-unowned' 'not declared any more'
assert_exit 0 user stackctl remove --down one
whole
