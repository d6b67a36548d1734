# shellcheck shell=bash
# The gate on a whole machine: at boot, while the manager starts, when it is gone, and when it comes back.

gate() { assert_exit "$1" user stackctl gate "${@:2}"; } # CODE [ARG…]

step 'what is in force as declared passes'
user stackctl install
add_stack web
userctl start web.service
gate 0
assert_contains "$OUT" 'are linked, loaded and enabled as declared'

step 'while the system boots the verdict is left to the first audit'
# As Home Manager's own service is ordered, which the user manager therefore waits for.
root_put /etc/systemd/system/gate-at-boot.service <<END
[Unit]
Before=systemd-user-sessions.service
[Service]
Type=oneshot
User=$LAB_USER
# Not to the journal, which a process of a few milliseconds can be gone from before it is known there.
StandardOutput=file:/run/gate-at-boot
StandardError=inherit
ExecStart=/opt/stackwarden/bin/stackctl gate
[Install]
WantedBy=multi-user.target
END
root systemctl enable gate-at-boot.service
reboot
assert_eq "$(root systemctl show --value --property Result gate-at-boot.service)" success
assert_contains "$(root cat /run/gate-at-boot)" 'the first audit gives the verdict'
wait_until 30 unit_is web.service active
gate 0

step 'a manager that is starting is waited for, and so is its bus'
put .config/systemd/user/default.target.d/slow.conf <<<$'[Unit]\nWants=slow.service'
put .config/systemd/user/slow.service <<<$'[Service]\nType=oneshot\nExecStart=/bin/sh -c "until [ -e %t/go ]; do sleep 0.1; done"'
root systemctl stop "user@$LAB_UID.service"
root systemctl start --no-block "user@$LAB_UID.service"
gate 69 --wait 2s
assert_contains "$OUT" 'is starting (after 2s)'
# Without a bus yet: the system's manager says that this one is coming.
root systemctl stop "user@$LAB_UID.service"
root_put "/etc/systemd/system/user@$LAB_UID.service.d/late.conf" <<<$'[Service]\nExecStartPre=/bin/sh -c "until [ -e /run/go ]; do sleep 0.1; done"'
root systemctl daemon-reload
root systemctl start --no-block "user@$LAB_UID.service"
user stackctl gate >"$MACHINE/gate.out" 2>&1 &
waiting=$!
always 1 kill -0 "$waiting"
root touch /run/go
wait_until 60 root test -S "/run/user/$LAB_UID/bus"
always 1 kill -0 "$waiting"
user touch "/run/user/$LAB_UID/go"
wait "$waiting" || fail "the gate: $(cat "$MACHINE/gate.out")"

step 'a manager that is gone'
root systemctl stop "user@$LAB_UID.service"
begin=$(now_ms)
gate 69
[ $(($(now_ms) - begin)) -lt 5000 ] || fail "it took $(took "$begin")"
assert_contains "$OUT" "systemctl status user@$LAB_UID.service; loginctl enable-linger $LAB_USER"
root systemctl mask --runtime "user@$LAB_UID.service"
gate 69
root systemctl unmask --runtime "user@$LAB_UID.service"

step 'and back'
root systemctl start "user@$LAB_UID.service"
gate 0
