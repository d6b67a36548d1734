# shellcheck shell=bash
# The orchestrator over stacks that come out in different ways: S13a, skipped ones, the summary, the second night.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
pin_provider
for name in new same stopped off bad; do image "$name:1" v1 health=ok >/dev/null; done
image gone:1 v1 health=ok >/dev/null
install_quietly
assert_unit stack-update.timer active
for name in new same stopped off bad gone; do add_app "$name"; done
userctl stop stopped.service
assert_exit 0 user stackctl add off --update false

step 'the night'
for name in new off; do image "$name:1" v2 health=ok >/dev/null; done
image bad:1 v2 health=bad >/dev/null
registry_forget gone:1
bad_id=$(image_of bad)
same_started=$(started_at "$(container_of same web)")
cursor=$(journal_cursor)
code=0
userctl start stack-update.service || code=$?
assert_eq "$code" 1 'exit of systemctl start'
assert_unit stack-update.service failed
assert_eq "$(property stack-update.service ExecMainStatus)" 83
report=$(user cat .local/state/stackwarden/update.json)
verdict() { assert_json "$report" ".stacks[\"$1\"].verdict == \"$2\"" "the verdict on $1"; }
verdict new updated
verdict same unchanged
verdict stopped skipped
verdict off skipped
verdict bad rolled-back
verdict gone failed
assert_eq "$(marker_of new)" v2
assert_eq "$(marker_of off)" v1
assert_eq "$(image_of bad)" "$bad_id"
assert_eq "$(started_at "$(container_of same web)")" "$same_started" StartedAt
assert_unit bad-update.service failed
assert_unit gone-update.service failed
assert_unit new-update.service inactive
container_is "$(container_of stopped web)" running && fail 'the stopped stack runs'
assert_contains "$(journal --after-cursor="$cursor" MESSAGE_ID=98ca749185af3779e7284097e148b92d)" \
    '6 stacks: 1 updated, 1 unchanged, 2 skipped, 1 rolled back, 1 failed'
assert_contains "$(journal --after-cursor="$cursor" MESSAGE_ID=db28c70a33537142d1020d94b9cc34c3)" 'stack gone: failed'

step 'the second night does not try the quarantined digest again, and takes what comes after it'
image gone:1 v2 health=ok >/dev/null
before=$(started_at "$(container_of bad web)")
assert_exit 0 user stack-update --json
assert_json "$OUT" '.stacks.bad.verdict == "unchanged" and .stacks.gone.verdict == "updated"'
assert_eq "$(started_at "$(container_of bad web)")" "$before" StartedAt
image bad:1 v3 health=ok >/dev/null
assert_exit 0 user stack-update bad
assert_eq "$(marker_of bad)" v3
assert_json "$(user cat .local/state/stackwarden/update.json)" '.stacks.bad.verdict == "unchanged"' 'the last whole run'

step 'a failed stack is attempted, and belongs to its unit again'
image same:1 v2 health=ok >/dev/null
user sh -c 'mv same/compose.yml kept.yml'
assert_exit 1 userctl restart same.service
assert_unit same.service failed
user mv kept.yml same/compose.yml
assert_exit 0 user stack-update same
assert_eq "$(marker_of same)" v2
wait_until 30 unit_is same.service active

step 'a dry run over all'
image new:1 v3 health=ok >/dev/null
assert_exit 0 user stack-update --dry-run
assert_contains "$OUT" 'new: '
assert_contains "$OUT" 'would go from'
assert_eq "$(marker_of new)" v2

step 'no registry at all: try later, and nothing is broken'
registry_stop
assert_exit 75 user stack-update
assert_contains "$OUT" 'try later'
for name in new same bad gone; do assert_unit "$name.service" active; done
registry_start

step 'two orchestrators: the second exits 75; asked to end, the first starts nothing more'
assert_exit 0 user sh -c "jq '.update.before = [[\"sleep\", \"6\"]]' .config/stackwarden/stacks/new.json >n && mv n .config/stackwarden/stacks/new.json"
assert_exit 0 user stackctl sync
user script --quiet --command 'stack-update --concurrency 1 new same' seen >/dev/null </dev/null &
wait_until 60 journal_has 'fetched localhost:5000/new:1' -u new-update.service
assert_exit 75 user stack-update
userctl start --no-block new-update.service
wait
assert_eq "$(marker_of new)" v3
# On a terminal there is a table while it runs: its rows are written anew in place.
assert_match "$(user cat seen)" 'new +running.*same +waiting.*new +updated'
image new:1 v4 health=ok >/dev/null
host_config "\"update_concurrency\": 1, \"provider\": {\"kind\": \"$PROVIDER\"}"
assert_exit 0 user stackctl sync
userctl start --no-block stack-update.service
wait_until 40 unit_is new-update.service activating
status_is() { assert_eq "$(property stack-update.service StatusText)" "$1"; }
wait_until 30 status_is '3/6 done'
userctl stop stack-update.service
report=$(user cat .local/state/stackwarden/update.json)
assert_json "$report" '.interrupted and .stacks.new.verdict == "still-running" and .stacks.same.verdict == "not-reached"'
wait_until 60 unit_is new-update.service inactive
assert_eq "$(marker_of new)" v4
