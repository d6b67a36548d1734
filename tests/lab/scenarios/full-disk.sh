# shellcheck shell=bash
# A disk that gets full in the middle of an apply: that of our state, and that of podman's images. What runs goes on, the
# message names the place, and the next apply finishes.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
storage=$HOME_DIR/.local/share/containers state=$HOME_DIR/.local/state/stackwarden
# small DIR SIZE: a file system of its own for what the user keeps there.
small() {
    user mkdir -p "$1"
    root_script "$1" "$2" "$LAB_UID" <<'END'
mount -t tmpfs -o "size=$2,uid=$3,gid=$3,mode=700" tmpfs "$1"
END
}
userctl stop podman.socket podman.service
small "$storage" 48M
userctl start podman.socket
pin_provider
make_images
image big:1 big size=96 >/dev/null
put shop/compose.yml <<END
services:
  web: { image: "$REGISTRY/app:1" }
  gate: { image: "$REGISTRY/app:1", healthcheck: { test: "test -e /tmp/up", interval: 1s, retries: 1000 } }
  after: { image: "$REGISTRY/app:\${TAG:-1}", depends_on: { gate: { condition: service_healthy } } }
END
web=$(container_of shop web) after=$(container_of shop after)
install_quietly
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop --verify off
userctl start --no-block shop.service
pass() { user podman exec "$(container_of shop gate)" touch /tmp/up; }
wait_until 60 pass
wait_until 30 unit_is shop.service active
before=$(started_at "$web")

step 'the images have no room: nothing is started, nothing is stopped, and the image is named'
user sh -c "sed 's|app:1\" }|big:1\" }|' shop/compose.yml >big.yml && cp shop/compose.yml good.yml && cp big.yml shop/compose.yml"
assert_exit 76 user stackctl apply shop
assert_contains "$OUT" "cannot pull $REGISTRY/big:1"
assert_contains "$OUT" 'no space left on device'
assert_eq "$(started_at "$web")" "$before" StartedAt
user cp good.yml shop/compose.yml
assert_exit 0 user stackctl apply shop
assert_eq "$(started_at "$web")" "$before" StartedAt

step 'the state has no room any more while compose waits'
user cp -a "$state" kept
small "$state" 400k
user sh -c 'cp -a kept/. .local/state/stackwarden/'
user sed -i 's/TAG:-1/TAG:-2/' shop/compose.yml
user podman restart --time 1 "$(container_of shop gate)" >/dev/null
user stackctl apply shop >"$MACHINE/apply" 2>&1 &
apply=$!
in_apply() { assert_json "$(last_record shop apply)" '.finished == null and .steps[-1].name == "apply"'; }
wait_until 30 in_apply
root dd if=/dev/zero "of=$state/fill" bs=1k status=none || true
pass
code=0
wait "$apply" || code=$?
assert_eq "$code" 73 "the status of an apply that said: $(cat "$MACHINE/apply")"
assert_contains "$(cat "$MACHINE/apply")" "$state/"
assert_contains "$(cat "$MACHINE/apply")" 'No space left'
assert_eq "$(started_at "$web")" "$before" 'StartedAt: what was not changed'
container_is "$after" running
assert_exit 73 user stackctl restart shop
assert_contains "$OUT" 'its job ended as "failed", and its program with 73'
root rm "$state/fill"
userctl reset-failed shop.service
assert_exit 0 user stackctl apply shop
assert_eq "$(started_at "$web")" "$before" StartedAt
assert_eq "$(inspect "$after" '{{.Config.Labels.marker}}')" v2
# shellcheck disable=SC2016  # for the inner shell
assert_eq "$(user sh -c 'jq -r "select(.finished == null) | .verb" ~/.local/state/stackwarden/records/*.json')" '' 'open records'
