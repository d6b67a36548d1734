# shellcheck shell=bash
# S13c: images are pruned while a bad version is verified; the rollback gets the very same image back, or says what is left.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
begin_app
assert_exit 0 user stackctl add app --verify-timeout 10s
old=$(image_of app)
prune_during_update() { # EXIT COMMAND…
    local expected=$1 code=0 update
    shift
    user stackctl update app >"$MACHINE/out" 2>&1 &
    update=$!
    wait_until 120 at_step verify
    "$@"
    wait "$update" || code=$?
    OUT=$(cat "$MACHINE/out")
    assert_eq "$code" "$expected" "exit of the update, which said: $OUT"
}

step 'image prune -af: the holder keeps the old image'
image app:1 v2 health=bad >/dev/null
prune_during_update 81 user podman image prune --all --force
assert_eq "$(image_of app)" "$old"
assert_settled app

step 'system prune -af: it comes back from the registry by its digest, with the same id'
image app:1 v3 health=bad >/dev/null
prune_during_update 81 user podman system prune --all --force
assert_contains "$(last_record app update)" 'it was gone'
assert_eq "$(image_of app)" "$old"
assert_settled app

step 'and with the registry gone, too: 82, and what is left is said'
image app:1 v4 health=bad >/dev/null
prune_and_stop() { user podman system prune --all --force; registry_stop; }
prune_during_update 82 prune_and_stop
assert_contains "$OUT" 'the rollback failed'
assert_contains "$OUT" 'registry cannot be asked'
registry_start
assert_exit 80 user stackctl restart app
image app:1 v5 health=ok >/dev/null
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v5
assert_settled app
