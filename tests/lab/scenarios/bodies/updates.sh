# shellcheck shell=bash
# S13, S13b and rollback by hand with one provider: the running image decides, never the tag.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
pin_provider
v1=$(image app:1 v1 health=ok)
install_quietly
add_app app
web=$(container_of app web)

step 'nothing new: nothing is restarted'
before=$(started_at "$web")
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'
assert_eq "$(started_at "$web")" "$before" StartedAt
assert_json "$(last_record app update)" '.outcome.code == 0 and .update.result == "unchanged"'

step 'the same again asks compose nothing, and podman once'
for program in podman skopeo "$PROVIDER"; do
    put "counted/$program" 755 <<<"#!/bin/sh
echo $program >>~/asked; exec /usr/bin/$program \"\$@\""
done
host_config "\"path\": \"/home/$LAB_USER/counted:/usr/local/bin:/usr/bin:/bin\", \"provider\": {\"kind\": \"$PROVIDER\"}"
assert_exit 0 user stackctl sync
user rm -f asked
assert_exit 0 user stackctl update app
assert_eq "$(user sort asked | tr '\n' ' ')" 'podman skopeo ' 'the programs that were asked'
assert_contains "$OUT" 'nothing new'
pin_provider
assert_exit 0 user stackctl sync

step 'whatever has changed since is seen'
user sed -i 's/unless-stopped/always/' app/compose.yml
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'
user sed -i 's/web:/[broken/' app/compose.yml
assert_exit 78 user stackctl update app
put_app app
assert_exit 0 user stackctl update app

step 'S13: the same tag is v2 now'
v1_id=$(image_of app)
v2=$(image app:1 v2 health=ok)
assert_exit 0 user stackctl update --dry-run app
assert_contains "$OUT" "would go from $v1 to $v2"
assert_eq "$(tag_id "$REGISTRY/app:1")" "$v1_id" 'the tag after a dry run'
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v2
assert_eq "$(digest_of app)" "$v2" 'the running digest'
assert_contains "$(user podman logs "$web")" marker=v2
assert_json "$(last_record app update)" ".update.images[0].old.digest == \"$v1\" and .update.images[0].new.digest == \"$v2\" and .update.result == \"updated\""
assert_settled app
assert_unit app.service active
v2_id=$(image_of app)

step 'S13b: v3 starts and never gets healthy'
v3=$(image app:1 v3 health=bad)
assert_exit 81 user stackctl update app
assert_contains "$OUT" 'rolled back'
assert_eq "$(image_of app)" "$v2_id" 'the running image id'
assert_json "$(last_record app update)" '.outcome.code == 81 and .update.result == "rolled-back"'
assert_settled app
assert_unit app.service active
wait_until 30 health_is "$web" healthy

step 'the next night does not try v3 again, a restart does not take it, v4 is taken'
before=$(started_at "$web")
assert_exit 0 user stackctl update --dry-run app
assert_contains "$OUT" "stays: $v3 is quarantined"
assert_exit 0 user stackctl update app
assert_contains "$OUT" "$v3"
assert_exit 0 user stackctl restart app
assert_eq "$(started_at "$web")" "$before" StartedAt
assert_exit 0 user stackctl quarantine app
assert_contains "$OUT" "$v3"
image app:1 v4 health=ok >/dev/null
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v4
assert_settled app
assert_exit 0 user stackctl quarantine app
assert_contains "$OUT" 'nothing is quarantined'

step 'rollback by hand, which the next night respects'
assert_exit 0 user stackctl rollback app
assert_eq "$(image_of app)" "$v2_id" 'the running image id'
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'quarantined'
assert_eq "$(marker_of app)" v2
for clear in '' --clear; do
    # shellcheck disable=SC2086
    assert_exit 78 user stackctl quarantine nope $clear
    assert_contains "$OUT" 'stack nope: expected a stack that is declared, saw only app'
done
assert_exit 0 user stackctl quarantine app --clear
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v4
assert_contains "$OUT" 'updated and up'
assert_exit 78 user stackctl rollback app --to 7
assert_contains "$OUT" 'there is no pinned set 7'
assert_settled app

step 'rollback: false stops after the failed verification, and says so'
image app:1 v5 health=bad >/dev/null
assert_exit 0 user stackctl add app --rollback false
assert_exit 82 user stackctl update app
assert_contains "$OUT" '"update.rollback" is false'
assert_eq "$(marker_of app)" v5
assert_exit 0 user stackctl add app --rollback true
assert_exit 0 user stackctl rollback app
assert_eq "$(marker_of app)" v4
assert_exit 0 user stackctl history app
assert_contains "$OUT" 'rolled back'
