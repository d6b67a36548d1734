# shellcheck shell=bash
# After a reboot, and after a power loss, the stack comes up and the watchers are armed, without a login.

user stackctl install
add_stack photos
unit=photos.service
userctl start "$unit"

armed() {
    for watcher in stack-audit.path stack-audit.timer stack-update.timer; do
        [ "$(property "$watcher" SubState)" = waiting ] || { echo "$watcher is $(property "$watcher" SubState)"; return 1; }
    done
}
all_well() { # BOOT
    step "after $1: nobody logged in, the stack is up"
    assert_eq "$(root loginctl list-sessions --json=short | jq -r '.[].class')" manager 'classes of sessions'
    wait_until 60 unit_is "$unit" active
    wait_until 60 health_is photos-web-1 healthy
    assert_eq "$(inspect photos-web-1 '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}')" "$unit"
    wait_until 60 armed
    step "after $1: the path unit finds drift"
    drift 'edited in place' "echo Environment=X=1 >>$OWNER/$unit" "fragment-content $unit $OWNER/$unit" 'stackctl repair photos'
}
all_well 'the first boot'

step 'reboot'
container=$(inspect photos-web-1 '{{.Id}}')
reboot
all_well 'a reboot'
assert_eq "$(inspect photos-web-1 '{{.Id}}')" "$container" 'the container: the same one, started again'
stopping=$(root journalctl --quiet --no-pager -b -1 -o cat _UID="$LAB_UID")
assert_lacks "$stopping" "$unit: Failed" 'the journal of the shutdown'

step 'power loss'
power_loss
power_on
all_well 'a power loss'
