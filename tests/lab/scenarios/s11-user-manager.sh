# shellcheck shell=bash
# The user manager stopped, starting, degraded, hung; no linger; no bus: exit 69 within the deadline, seen from the
# system scope, and over by itself.

CHECK=stack-manager@$LAB_USER.service
# The documented commands, as they are written.
root mkdir -p "$HOME_DIR/.cargo/bin" /root/units
root cp /opt/stackwarden/bin/stackctl "$HOME_DIR/.cargo/bin/"
for file in stack-manager@.service stack-manager@.timer stackwarden.catalog; do
    root_put "/root/units/$file" <"$LAB_REPO/units/$file"
done
sed -n '/<!-- install-system -->/,/^$/s/^    //p' "$LAB_REPO/docs/monitoring.md" >"$MACHINE/install-system"
assert_contains "$(cat "$MACHINE/install-system")" 'systemctl enable --now stack-manager@me.timer'
root sh -ec "cd /root; $(cat "$MACHINE/install-system")"

check_is() { # STATE: of the last look from the system scope
    local seen
    seen=$(root systemctl is-failed "$CHECK" || true)
    [ "$seen" = "$1" ] || { echo "$CHECK is $seen"; return 1; }
}
said() { root journalctl --sync && root journalctl --quiet --no-pager -o cat -b --after-cursor="$cursor" -u "$CHECK"; }
says() { assert_contains "$(said)" "$1"; }
look() { cursor=$(root journalctl --quiet -n 1 -o json | jq -r .__CURSOR); root systemctl start "$CHECK" 2>/dev/null || true; }
# seen CODE TEXT: from the system scope, now.
seen() {
    look
    assert_eq "$(root systemctl show --value --property ExecMainStatus "$CHECK")" "$1" "exit status of $CHECK: $(said)"
    wait_until 30 says "$2"
}
# within SECONDS CODE CMD…
within() {
    local limit=$1 begin
    shift
    begin=$(now_ms)
    assert_exit "$@"
    [ $(($(now_ms) - begin)) -lt $((limit * 1000)) ] || fail "\`${*:2}\` took $(took "$begin")"
}
is_starting() { [ "$(user systemctl --user is-system-running)" = starting ]; }
settled() {
    case $(user systemctl --user is-system-running || true) in running | degraded) ;; *) return 1 ;; esac
}
all_is_well() { user stack-audit; }

step 'up, lingering, audited'
assert_eq "$(root systemctl is-active "stack-manager@$LAB_USER.timer")" active
user stackctl install
userctl start stack-audit.service
seen 0 'lingers, and an audit ended'
assert_eq "$(root systemctl is-failed "$CHECK" || true)" inactive
# From here on it looks every second, and nobody asks it to.
root_put "/etc/systemd/system/stack-manager@.timer.d/often.conf" <<<$'[Timer]\nOnUnitActiveSec=\nOnUnitInactiveSec=1s\nAccuracySec=100ms'

step 'degraded is up'
put .config/systemd/user/bad.service <<<$'[Service]\nType=oneshot\nExecStart=/bin/false'
userctl daemon-reload
userctl start bad.service 2>/dev/null && fail 'it should have failed'
assert_eq "$(user systemctl --user is-system-running || true)" degraded
assert_exit 0 user stack-audit
seen 0 "the user manager of $LAB_USER is degraded"
userctl reset-failed bad.service

step 'starting is up'
put .config/systemd/user/default.target.d/slow.conf <<<$'[Unit]\nWants=slow.service'
put .config/systemd/user/slow.service <<<$'[Service]\nType=oneshot\nExecStart=/bin/sh -c "until [ -e %t/go ]; do sleep 0.1; done"'
root systemctl restart --no-block "user@$LAB_UID.service"
wait_until 30 is_starting
assert_exit 0 user stack-audit
seen 0 "the user manager of $LAB_USER is starting"
user touch "/run/user/$LAB_UID/go"
wait_until 60 settled

step 'hung: 69 within the deadline, and over by itself'
manager=$(root systemctl show --value --property MainPID "user@$LAB_UID.service")
root systemctl daemon-reload
root systemctl restart "stack-manager@$LAB_USER.timer"
cursor=$(root journalctl --quiet -n 1 -o json | jq -r .__CURSOR)
root kill -STOP "$manager"
within 15 69 user stack-audit
assert_contains "$OUT" 'manager-unreachable'
within 15 69 user stackctl gate --wait 2s
wait_until 30 check_is failed
wait_until 30 says 'expected it up, saw'
root kill -CONT "$manager"
wait_until 30 check_is inactive
wait_until 30 all_is_well

step 'stopped: 69 at once, and over by itself'
root systemctl stop "user@$LAB_UID.service"
within 5 69 user stack-audit
within 5 0 user stackctl alert stack-audit.service
wait_until 30 check_is failed
root systemctl start "user@$LAB_UID.service"
user touch "/run/user/$LAB_UID/go"
wait_until 60 settled
wait_until 30 check_is inactive
wait_until 30 all_is_well

step 'no bus socket: 69 at once, and over by itself'
root mv "/run/user/$LAB_UID/bus" "/run/user/$LAB_UID/bus.away"
within 5 69 user stack-audit
wait_until 30 check_is failed
root mv "/run/user/$LAB_UID/bus.away" "/run/user/$LAB_UID/bus"
wait_until 30 check_is inactive
wait_until 30 all_is_well

step 'no lingering'
root loginctl disable-linger "$LAB_USER"
wait_until 30 check_is failed
seen 69 "$LAB_USER does not linger: nothing runs before login or after logout; next: loginctl enable-linger $LAB_USER"
root loginctl enable-linger "$LAB_USER"
wait_until 60 user test -S "/run/user/$LAB_UID/bus"
user touch "/run/user/$LAB_UID/go"
wait_until 60 check_is inactive

step 'no audit for too long'
user cp .local/state/stackwarden/audit.json audit.json
user sh -c 'jq ".finished = \"2026-01-01T00:00:00.000Z\"" audit.json >.local/state/stackwarden/audit.json'
seen 79 'expected an audit that ended in the last 35m, saw: the last ended'
user cp audit.json .local/state/stackwarden/audit.json
seen 0 'lingers, and an audit ended'

step 'a user who never logged in, and one who is not there at all'
root useradd --create-home ghost
CHECK=stack-manager@ghost.service
seen 69 'ghost does not linger'
wait_until 30 says 'the user manager of ghost'
CHECK=stack-manager@nobody-is-called-so.service
seen 69 'the user database has no such user'

step 'the user reaches nothing by it that root could: a link in the place of the report'
root sh -c 'echo secret >/root/secret && chmod 600 /root/secret'
user ln -sf /root/secret .local/state/stackwarden/audit.json
CHECK=stack-manager@$LAB_USER.service
seen 79 'expected an audit that ended in the last 35m'
assert_lacks "$(said)" secret\" 'what was said'
