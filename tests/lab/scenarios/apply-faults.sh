# shellcheck shell=bash
# What goes wrong around an apply: no pause process, a full disk, an operator's compose at the same time, stale health.
# drawn: kills-docker-compose has what is commoner
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
image never:1 never health=never >/dev/null
put_stack shop 8080
web=$(container_of shop web)
assert_exit 0 user stackctl install
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop --verify gate
userctl start shop.service

step "podman's pause process is gone: the units still reach podman"
user pkill -x catatonit
userctl restart shop.service
assert_unit shop.service active
user pkill -x catatonit || true
# One that a file change has started may be under way, and asks podman nothing.
full_run() { userctl start stack-audit.service && assert_json "$(report)" '.trigger == "manual"'; }
wait_until 60 full_run
assert_json "$(report)" '.podman_asked != null and .counts.unknown == 0 and .counts.page == 0'

step 'a disk that is full: nothing is touched, and nothing is lost'
before=$(started_at "$web")
user cp -a .local/state/stackwarden kept
root_script "$HOME_DIR/.local/state/stackwarden" "$LAB_UID" <<'FILL'
mount -t tmpfs -o "size=4096,uid=$2,gid=$2,mode=700" tmpfs "$1"
dd if=/dev/zero of="$1/fill" bs=4096 count=1 status=none || true
FILL
assert_exit 73 user stackctl apply shop
assert_contains "$OUT" 'No space left'
assert_eq "$(started_at "$web")" "$before" StartedAt
assert_exit 73 user stackctl stop shop
assert_contains "$OUT" 'stack shop: stopped, 3 containers, but not recorded'
assert_lacks "$(user podman ps --format '{{.Names}}')" shop-
root umount "$HOME_DIR/.local/state/stackwarden"
assert_exit 0 user stackctl apply shop
before=$(started_at "$web")

step 'a lock that cannot be written: a stop stops'
root_script "/run/user/$LAB_UID/stackwarden" "$LAB_UID" <<'FILL'
mount -t tmpfs -o "size=4096,uid=$2,gid=$2,mode=700" tmpfs "$1"
dd if=/dev/zero of="$1/fill" bs=4096 count=1 status=none || true
FILL
userctl stop shop.service
assert_unit shop.service failed
assert_lacks "$(user podman ps --format '{{.Names}}')" shop-
assert_contains "$(user stackctl status || true)" 'of a command after its start'
root umount "/run/user/$LAB_UID/stackwarden"
userctl reset-failed shop.service
userctl start shop.service
before=$(started_at "$web")
assert_exit 0 user stackctl apply shop
assert_eq "$(started_at "$web")" "$before" StartedAt

step "an operator's podman compose at the same time"
for _ in 1 2 3; do
    user env -C shop PODMAN_COMPOSE_PROVIDER=docker-compose podman compose --project-name shop up --detach --force-recreate &
    userctl restart shop.service || true
    wait $! || true
done
assert_exit 0 user stackctl restart shop
assert_eq "$(project_containers shop | xargs)" 'shop-db-1 shop-init-1 shop-side-1 shop-web-1'
whole

step 'S09: stale health is replaced where that is asked for, and left alone elsewhere'
put_one "{image: '$REGISTRY/never:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
userctl start one.service
it=$(container_of one it)
before=$(id_of "$it")
sleep 3
userctl restart one.service
assert_eq "$(id_of "$it")" "$before" 'the container'
assert_exit 0 user stackctl add one --stale-health-after 2s
userctl restart one.service
[ "$(id_of "$it")" != "$before" ] || fail 'it was left alone'
assert_contains "$(journal -u one.service)" 'it has been starting for longer than 2s'
