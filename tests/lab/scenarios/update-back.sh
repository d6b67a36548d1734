# shellcheck shell=bash
# Going back by hand after a failed update that was not undone; a version that cannot be remembered; what was left open
# of a stack that its operator has stopped.
# drawn: updates-docker-compose goes back, too
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
begin_app
web=$(container_of app web)
image app:1 v2 health=ok >/dev/null
assert_exit 0 user stackctl update app

step 'while an image runs that failed and was not undone, no night is green'
image app:1 v3 health=bad >/dev/null
assert_exit 0 user stackctl add app --rollback false
assert_exit 82 user stackctl update app
assert_exit 82 user stackctl update app
assert_contains "$OUT" 'stackctl rollback app'
assert_exit 0 user stackctl add app --rollback true

step 'back to the last good version, further back, and not forward again'
assert_exit 0 user stackctl rollback app
assert_contains "$OUT" 'rolled back and up'
assert_eq "$(marker_of app)" v2
assert_exit 0 user stackctl rollback app
assert_eq "$(marker_of app)" v1
assert_exit 78 user stackctl rollback app
assert_contains "$OUT" 'not rolled back, nothing was changed'
assert_contains "$OUT" 'there are 0: none'
assert_eq "$(marker_of app)" v1
image app:1 v4 health=ok >/dev/null
assert_exit 0 user stackctl update app

step 'a version that cannot be remembered is given up, and the way back needs no memory'
states() { user chmod "$1" .local/state/stackwarden/stacks; } # MODE
image app:1 v6 health=ok >/dev/null
states 500
assert_exit 81 user stackctl update app
states 700
assert_contains "$OUT" 'stackwarden/stacks'
assert_eq "$(marker_of app)" v4
assert_settled app

step 'killed at work, and stopped by the operator: it stays stopped until it is started'
image app:1 v7 health=bad >/dev/null
assert_exit 137 user env STACKWARDEN_KILL_AT=verify stackctl update app
userctl stop app.service
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'the operator has stopped it'
assert_contains "$OUT" 'was killed: the next start finishes or undoes that'
assert_exit 78 user stackctl rollback app
assert_contains "$OUT" 'next: systemctl --user start app.service, which finishes or undoes it'
container_is "$web" exited || fail 'an update has started it'
userctl start app.service
assert_exit 0 user stackctl history app
assert_contains "$OUT" 'before that, an update was left open: begun '
assert_contains "$OUT" 'update rolled back, the old images run again'
assert_eq "$(marker_of app)" v4
