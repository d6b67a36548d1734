# shellcheck shell=bash
# Of two units with one name the owner's runs and the other is told of; what happens to the other changes nothing.

user stackctl install
add_stack photos
userctl start photos.service
unit=photos.service
file=$OWNER/$unit
foreign() { # WORD: a unit of the same name that does something else
    root_put "$ETC/$unit" <<END
[Unit]
Description=Photos, by the administrator
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo $1 >>$HOME_DIR/foreign-ran'
END
}

step 'the same name in /etc/systemd/user: reported as shadowed, and what it says is not done'
foreign one
wait_until 30 findings_are "shadowed-copy $unit $ETC/$unit"
assert_json "$(finding shadowed-copy)" '.severity == "ticket" and (.next | contains("rm /etc/systemd/user/photos.service"))'
userctl daemon-reload
userctl restart "$unit"
assert_eq "$(property "$unit" FragmentPath)" "$file"
assert_contains "$(property "$unit" ExecStart)" 'stackctl apply photos'
user test ! -e foreign-ran
container_is photos-web-1 running

step 'only the losing copy changes, then reload and restart: nothing changes'
started=$(inspect photos-web-1 '{{.Id}} {{.State.StartedAt}}')
main=$(property "$unit" ExecStart | sed 's/start_time=.*//')
foreign two
userctl daemon-reload
userctl restart "$unit"
assert_eq "$(inspect photos-web-1 '{{.Id}} {{.State.StartedAt}}')" "$started" container
assert_eq "$(property "$unit" ExecStart | sed 's/start_time=.*//')" "$main"
assert_eq "$(property "$unit" FragmentPath)" "$file"
user test ! -e foreign-ran
wait_until 30 findings_are "shadowed-copy $unit $ETC/$unit"

step "without the owner's copy the foreign one wins on disk, which is fragment-owner, and it is not loaded"
reload=$(last_reload)
user rm "$file"
wait_until 30 finding fragment-owner "$unit"
assert_json "$(finding fragment-owner)" ".severity == \"page\" and .path == \"$ETC/$unit\" and .state == \"on-disk\""
assert_eq "$(last_reload)" "$reload" 'the last daemon-reload'
assert_eq "$(property "$unit" FragmentPath)" "$file"

step 'somebody else reloads: the foreign one is loaded, and still reported'
userctl daemon-reload
assert_eq "$(property "$unit" FragmentPath)" "$ETC/$unit"
assert_exit 79 user stack-audit photos
assert_contains "$OUT" fragment-owner
assert_contains "$OUT" "$ETC/$unit"

step 'stackctl repair puts the owner back in'
assert_exit 0 user stackctl repair photos
assert_eq "$(property "$unit" FragmentPath)" "$file"
root rm "$ETC/$unit"
wait_until 30 no_findings
user test ! -e foreign-ran
