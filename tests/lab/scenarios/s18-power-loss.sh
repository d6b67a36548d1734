# shellcheck shell=bash
# S18: a power loss and a reboot in the middle of an apply, with lingering: the stack comes up, the open record is closed.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
begin_shop
web=$(container_of shop web) db=$(container_of shop db)
everything=$(project_containers shop)

in_step() { # STEP: an apply is in it right now
    # shellcheck disable=SC2016  # for the inner shell
    user bash -c 'record=$(ls ~/.local/state/stackwarden/records/*-shop-apply*.json | tail -n 1)
        jq -e --arg step "$1" "select(.finished == null and .steps[-1].name == \$step)" "$record" >/dev/null' in_step "$1"
}
tag=1
for how in power_loss reboot; do
    for phase in apply verify; do
        step "$how in the step $phase"
        tag=$((3 - tag))
        user sed -i "s/TAG:-./TAG:-$tag/" shop/compose.yml
        userctl restart --no-block shop.service
        wait_until 30 in_step "$phase"
        "$how"
        [ "$how" = reboot ] || power_on
        wait_until 120 unit_is shop.service active
        assert_eq "$(inspect "$web" '{{.Config.Labels.marker}}')" "v$tag" 'what runs'
        assert_eq "$(project_containers shop)" "$everything" 'the containers'
        assert_eq "$(user podman exec "$db" cat /data/named)" kept 'the data'
        # shellcheck disable=SC2016  # for the inner shell
        assert_eq "$(user sh -c 'jq -r "select(.finished == null) | .verb" ~/.local/state/stackwarden/records/*.json')" '' 'open records'
        assert_exit 0 user stack-audit
    done
done
