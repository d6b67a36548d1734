# shellcheck shell=bash
# The stop decision table on a real manager: whatever restarts the unit keeps its containers, whatever stops it stops them,
# and a manager that goes down is left alone.
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
put_one "{image: '$REGISTRY/app:1', restart: unless-stopped}"
install_quietly
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off --allow-drop-in 10-group.conf
put .config/systemd/user/one.service.d/10-group.conf <<'UNIT'
[Unit]
PartOf=group.target
Requires=needed.service
After=needed.service
UNIT
put .config/systemd/user/group.target <<<'[Unit]'
put .config/systemd/user/needed.service <<<$'[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true'
userctl daemon-reload
userctl start group.target one.service
it=$(container_of one it)
runs() { container_is "$it" running; }
stopped() { container_is "$it" exited || container_is "$it" stopped; }
seen=$(started_at "$it")

kept() { # WHAT CMD…: the unit is active, and the container is the same process
    local what=$1
    step "$what keeps the containers"
    shift
    "$@"
    wait_until 30 unit_is one.service active
    runs
    assert_eq "$(started_at "$it")" "$seen" "StartedAt after $what"
}
gone() { # WHAT CMD…: the unit is inactive, and nothing runs; then it is started again
    local what=$1
    step "$what stops them"
    shift
    "$@"
    wait_until 30 unit_is one.service inactive
    stopped
    userctl start group.target one.service
    runs
    [ "$(started_at "$it")" != "$seen" ] || fail "$it was never stopped"
    seen=$(started_at "$it")
}

kept restart userctl restart one.service
kept try-restart userctl try-restart one.service
kept reload userctl reload one.service
kept reload-or-restart userctl reload-or-restart one.service
kept daemon-reexec userctl daemon-reexec
step 'a daemon-reexec at any moment of a restart'
settled() { [ -z "$(userctl list-jobs --no-legend one.service)" ] && unit_is one.service active; }
for pause in 0 .01 .02 .04 .06 .1 .15 .2; do
    userctl restart --no-block one.service
    sleep "$pause"
    userctl daemon-reexec
    wait_until 30 settled
done
assert_eq "$(started_at "$it")" "$seen" 'the start of the container'
kept 'a restart that PartOf= passes on' userctl restart group.target
kept 'a restart that Requires= passes on' userctl restart needed.service
gone stop userctl stop one.service
gone 'a stop that PartOf= passes on' userctl stop group.target
gone 'a stop that Requires= passes on' userctl stop needed.service
# systemd then sends the apply a signal, and does not run the stop command.
step 'a stop while a restart starts the unit stops them'
applies() {
    # shellcheck disable=SC2016  # for the inner shell
    user bash -c 'jq -e "select(.finished == null)" "$(ls ~/.local/state/stackwarden/records/*-one-apply*.json | tail -n 1)" >/dev/null'
}
for _ in 1 2 3 4 5 6 7 8; do # the apply may be over before the stop comes
    userctl restart --no-block one.service
    wait_until 60 applies
    assert_exit 0 userctl stop one.service
    stopped
    assert_unit one.service inactive
    if journal_has 'this program was asked to end' -u one.service; then break; fi
    userctl start one.service
done
assert_contains "$(journal -u one.service)" 'this program was asked to end'
assert_contains "$(journal -u one.service)" 'its unit was asked to stop or to restart meanwhile'
userctl start one.service
runs
step 'a restart while a restart starts the unit is no failure'
mark=$(user date +%s)
userctl restart --no-block one.service
wait_until 60 applies
assert_exit 0 userctl restart one.service
assert_unit one.service active
runs
assert_lacks "$(journal --since "@$mark" _SYSTEMD_USER_UNIT=init.scope + USER_UNIT=one.service)" 'Failed with result'
step 'a stop that comes before the apply catches signals is none, at whatever moment'
mark=$(user date +%s)
userctl stop one.service
# One shell: the way into the machine takes longer than a program needs to catch signals.
# shellcheck disable=SC2016  # for the inner shell
assert_exit 0 user sh -c '
    for delay in 0 0.003 0.006 0.01 0.02 0.03 0.05; do
        systemctl --user start --no-block one.service
        sleep "$delay"
        systemctl --user stop one.service
        systemctl --user is-failed one.service && exit 1
    done; true'
assert_unit one.service inactive
stopped
assert_lacks "$(journal --since "@$mark" _SYSTEMD_USER_UNIT=init.scope + USER_UNIT=one.service)" 'Failed with result'
userctl start one.service
runs
step 'a signal by hand is one'
userctl restart --no-block one.service
wait_until 60 applies
userctl kill --signal=SIGTERM one.service
wait_until 30 unit_is one.service failed
assert_eq "$(property one.service ExecMainStatus)" 75
userctl start one.service
runs
step 'a stop before the apply of a restart has begun stops them'
drop_in=.config/systemd/user/one.service.d/10-group.conf
user cp "$drop_in" kept.conf
user sh -c "printf '[Service]\nExecStartPre=sleep 30\n' >>$drop_in"
userctl daemon-reload
userctl restart --no-block one.service
begins() { assert_eq "$(property one.service SubState)" start-pre; }
wait_until 60 begins
runs
userctl stop one.service || true
stopped
user mv kept.conf "$drop_in"
userctl daemon-reload
userctl reset-failed one.service
userctl start one.service
runs
seen=$(started_at "$it")
restart_behind_stop() { userctl stop --no-block one.service; userctl restart one.service; }
step 'a restart behind a stop ends with the stack up'
restart_behind_stop
assert_unit one.service active
runs

step 'a shutdown is left alone'
reboot
wait_until 60 unit_is one.service active
wait_until 60 runs
said=$(root journalctl --quiet --no-pager -b -1 -o cat _UID="$LAB_UID")
assert_contains "$said" 'the user manager is stopping: nothing is touched' 'the journal of the shutdown'
