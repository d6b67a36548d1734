# shellcheck shell=bash
# What no path unit can see (a directory that is a link, directories of packages) is found by the timer's run.

# NixOS has /etc/systemd/user as a link.
root sh -c 'mkdir -p /etc/static/1 /etc/static/2 && mv /etc/systemd/user/* /etc/static/1/ && cp -a /etc/static/1/. /etc/static/2/
    rmdir /etc/systemd/user && ln -s /etc/static/1 /etc/systemd/user'
user stackctl install
add_stack photos
unit=photos.service

step 'the timer, declared to run every few seconds instead of every 15 minutes'
user_script "$OWNER/stack-audit.timer" "$SEALS/stackwarden.json" <<'END'
systemctl --user stop stack-audit.timer # the audit starts it again, from the new text
sed -i 's|^OnCalendar=.*|OnCalendar=*:*:0/4|; s|^AccuracySec=.*|AccuracySec=10ms|' "$1"
sum=$(sha256sum "$1")
jq --arg sum "${sum%% *}" '.units["stack-audit.timer"] |= (.sha256 = $sum
    | (.settings[] | select(.key == "OnCalendar")).value = "*:*:0/4"
    | (.settings[] | select(.key == "AccuracySec")).value = "10ms")' "$2" >"$2.new"
mv "$2.new" "$2"
END
timer_is() { assert_contains "$(property stack-audit.timer TimersCalendar)" "$1"; }
wait_until 60 timer_is '*:*:00/4'
wait_until 30 findings_are ''
assert_unit stack-audit.timer active

between_audits() { ! userctl is-active --quiet stack-audit.service stack-audit-settle.service && [ -z "$(userctl list-jobs --no-legend)" ]; }
# found_by_timer WHAT CHANGE FINDINGS REPAIR: as root.
found_by_timer() {
    local what=$1 change=$2 expected=$3 repair=$4 seen ms begin run trigger
    step "$what"
    wait_until 30 between_audits # or what comes after the one that runs now finds it first
    seen=$(root /opt/lab/lab-until "$change" "$expected" 30 2>&1) || fail "$what: $seen"
    read -r ms begin run trigger <<<"$seen"
    printf '    %5d ms after %s\n' "$ms" "$begin" >&2
    assert_eq "$trigger" timer "what started run $run"
    seen=$(root /opt/lab/lab-until "$repair" '' 30 2>&1) || fail "$what, after the repair: $seen"
}

root cp "$OWNER/$unit" /etc/static/2/
found_by_timer 'the link /etc/systemd/user points to another directory' 'ln -sfn /etc/static/2 /etc/systemd/user' \
    "shadowed-copy $unit $ETC/$unit" 'ln -sfn /etc/static/1 /etc/systemd/user'

root mkdir -p /usr/lib/systemd/user/photos.service.d
found_by_timer 'a drop-in among those of packages' "printf '[Service]\nEnvironment=X=1\n' >/usr/lib/systemd/user/$unit.d/bad.conf" \
    "drop-in-unexpected $unit /usr/lib/systemd/user/$unit.d/bad.conf" "rm -r /usr/lib/systemd/user/$unit.d"

user mkdir -p elsewhere/drop-ins .local/share/systemd/user
found_by_timer 'a copy in the directory of user packages' "cp $OWNER/$unit $HOME_DIR/.local/share/systemd/user/" \
    "shadowed-copy $unit $HOME_DIR/.local/share/systemd/user/$unit" "rm $HOME_DIR/.local/share/systemd/user/$unit"

# The manager names such a drop-in by the directory that the link leads to.
linked=$HOME_DIR/elsewhere/drop-ins
user ln -s "$linked" "$OWNER/$unit.d"
wait_until 30 findings_are "drop-in-directory $unit $OWNER/$unit.d"
step 'a drop-in in a directory that is a link'
wait_until 30 between_audits
seen=$(user /opt/lab/lab-until "printf '[Service]\nEnvironment=X=1\n' >$linked/bad.conf" \
    "drop-in-unexpected $unit $linked/bad.conf" 30 2>&1) || fail "$seen"
assert_match "$seen" ' timer$'
