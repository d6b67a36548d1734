# shellcheck shell=bash
# SIGKILL of an apply in each of its steps, with one provider: the next apply takes over and finishes, a stop undoes.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
begin_shop
web=$(container_of shop web) db=$(container_of shop db)
everything=$(project_containers shop)

tag=1
# killed_in STEP: a new tag is applied, and its program is killed in this step.
killed_in() {
    tag=$((3 - tag))
    user sed -i "s/TAG:-./TAG:-$tag/" shop/compose.yml
    userctl set-environment STACKWARDEN_KILL_AT="$1"
    assert_exit 1 userctl restart shop.service
    userctl unset-environment STACKWARDEN_KILL_AT
    assert_eq "$(property shop.service ExecMainStatus)" 9 'the signal'
    wait_until 60 unit_is shop.service failed
}
no_open_record() {
    # shellcheck disable=SC2016  # for the inner shell
    assert_eq "$(user sh -c 'jq -r "select(.finished == null) | .verb" ~/.local/state/stackwarden/records/*.json')" '' 'open records'
}
nothing_left() {
    assert_eq "$(user pgrep -fa 'overrides/shop' || true)" '' 'composes that go on without us'
    no_open_record
}

for phase in $(sample 3 preflight pull clean apply apply+ verify); do
    step "killed in $phase"
    killed_in "$phase"
    userctl start shop.service
    assert_unit shop.service active
    assert_eq "$(inspect "$web" '{{.Config.Labels.marker}}')" "v$tag" 'what runs'
    assert_eq "$(project_containers shop)" "$everything" 'the containers'
    assert_eq "$(user podman exec "$db" cat /data/named)" kept 'the data'
    assert_json "$(last_record shop apply)" 'any(.steps[]; .name == "take-over") and .outcome.code == 0'
    assert_exit 0 user stackctl history shop
    assert_contains "$OUT" "killed in the step ${phase%+}; the next apply took over"
    nothing_left
done

step 'killed in apply, then stopped'
killed_in apply+
assert_exit 0 user stackctl stop shop
assert_eq "$(user podman ps --quiet --filter label=com.docker.compose.project=shop)" ''
assert_exit 0 user stackctl history shop
assert_contains "$OUT" 'the next stop took over'
nothing_left
userctl start shop.service
assert_eq "$(project_containers shop)" "$everything"

step 'killed together with the podman compose that it had started: the provider that goes on is found, and ended'
put slow/compose.yml <<END
services:
  web: { image: "$REGISTRY/app:1", depends_on: { db: { condition: service_healthy } } }
  db:
    image: "$REGISTRY/app:1"
    healthcheck: { test: "test -e /healthy", interval: 1s, retries: 1000 }
END
assert_exit 0 user stackctl add slow --compose slow/compose.yml --project slow --verify off
# Its own first argument is the provider; `podman compose` has it as its second.
provider() { user pgrep --full "${PROVIDER:0:-1}[${PROVIDER: -1}] .*overrides/slow.* up"; }
waits() { [ "$(inspect "$(container_of slow db)" '{{.State.Health.FailingStreak}}')" -gt 0 ]; }
for next in stop apply; do
    userctl start --no-block slow.service
    wait_until 30 container_is "$(container_of slow db)" running
    wait_until 30 waits
    # shellcheck disable=SC2016  # for the inner shell
    user bash -c 'kill -KILL "$(jq .pid "$(ls ~/.local/state/stackwarden/records/*-slow-apply*.json | tail -n 1)")" \
        "$(pgrep --full "[p]odman compose .*overrides/slow.* up")"'
    wait_until 60 unit_is slow.service failed
    provider >/dev/null || fail 'the provider has ended by itself, and this shows nothing'
    [ "$next" = stop ] || user podman exec "$(container_of slow db)" touch /healthy
    assert_exit 0 user stackctl "$next" slow
    assert_contains "$(last_record slow "$next")" 'which a killed program had left running'
    if provider; then fail 'the provider goes on'; fi
    userctl reset-failed slow.service
done
assert_exit 0 user stackctl stop slow
no_open_record
