# shellcheck shell=bash
# S18 and S08: a power loss and a reboot in the middle of an update, and a switch beside one.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
begin_app

step 'S18: the power goes while a bad version is verified'
old=$(image_of app)
image app:1 v2 health=bad >/dev/null
userctl start --no-block app-update.service
wait_until 60 at_step verify
power_loss
power_on
wait_until 90 unit_is app.service active
assert_eq "$(image_of app)" "$old"
assert_settled app
assert_json "$(last_record app update)" '.outcome.code == 81'
wait_until 60 health_is "$(container_of app web)" healthy

step 'S18: a reboot while a good version waits for a command of the operator'
image app:1 v3 health=ok >/dev/null
assert_exit 0 user sh -c "jq '.update.before = [[\"sleep\", \"20\"]]' .config/stackwarden/stacks/app.json >n && mv n .config/stackwarden/stacks/app.json"
assert_exit 0 user stackctl sync
userctl start --no-block app-update.service
wait_until 60 at_step before
reboot
wait_until 90 unit_is app.service active
assert_eq "$(image_of app)" "$old"
assert_settled app

step 'S08: a switch while an update runs: one waits for the other, and the declared one is there in the end'
userctl start --no-block app-update.service
wait_until 60 at_step before
user sed -i 's/restart: unless-stopped/restart: unless-stopped, environment: {DECLARED: later}/' app/compose.yml
assert_exit 0 user stackctl add app --description 'another one'
userctl restart app.service
assert_eq "$(env_of "$(container_of app web)" DECLARED)" later
wait_until 60 unit_is app-update.service inactive
assert_eq "$(marker_of app)" v3
assert_unit app.service active
assert_settled app
assert_exit 0 user stackctl verify app

step 'S08: an update while a restart runs'
image app:1 v4 health=ok >/dev/null
userctl restart --no-block app.service
userctl start app-update.service
assert_eq "$(marker_of app)" v4
assert_unit app.service active
before=$(started_at "$(container_of app web)")
assert_exit 0 user stackctl restart app
assert_eq "$(started_at "$(container_of app web)")" "$before" 'nothing oscillates'
assert_settled app
