# shellcheck shell=bash
# An operator's alert command gets exactly one message that all is well, one of what is new and one of its end, whatever
# fails in between; what it does not take it gets later; a failed update run is one message.

TAKEN=$HOME_DIR/taken
put take 755 <<'END'
#!/bin/sh
tr -d '\n' >>"$HOME/taken" && echo >>"$HOME/taken"
END
configure() { # COMMAND
    put .config/stackwarden/config.json <<END
{ "version": 1, "alert": { "command": ["$HOME_DIR/$1"], "daily": true, "timeout": "2s" } }
END
}
taken() { user cat "$TAKEN" 2>/dev/null || true; }
kinds() { taken | jq -r '[.events[].kind] | join(" ")' | paste -sd, -; }
taken_are() { assert_eq "$(kinds)" "$1" 'messages that the command took'; }
audits() { # N: audits, each with the alert that it ends with
    local i
    for ((i = 0; i < $1; i++)); do userctl start stack-audit.service 2>/dev/null || true; done
    wait_until 60 alerts_are_over
}
alerts_are_over() { [ -z "$(userctl list-units --plain --no-legend --state=activating 'stack-*')" ]; }
drop_in=$OWNER/photos.service.d/bad.conf
configure take

step 'one daily, one new, one recovered, and nothing else'
user stackctl install
add_stack photos
userctl start photos.service
wait_until 60 unit_is stack-verify@photos.service inactive
audits 3
wait_until 60 taken_are all-is-well
user sh -c "mkdir '${drop_in%/*}'; printf '[Service]\nEnvironment=X=1\n' >'$drop_in'"
wait_until 60 taken_are all-is-well,new
audits 5
taken_are all-is-well,new
user rm -r "${drop_in%/*}"
wait_until 60 taken_are all-is-well,new,recovered
audits 3
taken_are all-is-well,new,recovered
taken >"$MACHINE/taken"
assert_json "$(sed -n 1p "$MACHINE/taken")" '.level == "all-is-well" and .open == 0 and .user == "me" and .host == "lab"'
assert_json "$(sed -n 2p "$MACHINE/taken")" '.level == "page" and .open == 1 and (.events | length == 1)
    and (.title | contains("photos.service: drop-in-unexpected")) and (.events[0].problem.next | contains("rm "))'
assert_json "$(sed -n 3p "$MACHINE/taken")" '.level == "recovered" and .open == 0'

step 'the journal has each of them, by its kind, under the unit that told it'
for id in 531956ee5fc7405abc760a988f469784 926b3d7bccd242cb9cf6aaacad1d79d7 c3a706daacfa46979cef5ea42fe9c274; do
    assert_eq "$(journal_json "MESSAGE_ID=$id" | wc -l)" 1 "events of kind $id"
    assert_json "$(journal_json -u stack-alert@stack-audit.service.service "MESSAGE_ID=$id")" '.MESSAGE'
done

step 'a command that does not take it: said, with an exit code, and tried again'
put fail 755 <<<$'#!/bin/sh\necho no route to host >&2; exit 3'
put hang 755 <<<$'#!/bin/sh\nexec sleep 1000'
put flood 755 <<<$'#!/bin/sh\nexec yes'
put plain 644 <<<$'#!/bin/sh\nexit 0'
alerter=stack-alert@stack-audit.service.service
not_taken() { # COMMAND CODE REASON
    local cursor
    cursor=$(journal_cursor)
    configure "$1"
    audits 1
    assert_unit "$alerter" failed
    assert_eq "$(property "$alerter" ExecMainStatus)" "$2" "exit status with $1"
    wait_until 30 journal_has "$3" --after-cursor="$cursor" -u "$alerter"
    assert_eq "$(journal_json --after-cursor="$cursor" -u "$alerter" MESSAGE_ID=1e8013d4507647b585352e6ef7a34ab4 | wc -l)" 1
    assert_json "$(user cat .local/state/stackwarden/alerts.json)" '.undelivered | length == 1'
}
configure fail
user sh -c "mkdir '${drop_in%/*}'; printf '[Service]\nEnvironment=X=1\n' >'$drop_in'"
wait_until 60 unit_is "$alerter" failed
not_taken fail 76 "no route to host (\`fail\` failed with exit status 3)"
not_taken hang 76 'did not end within 2s'
not_taken flood 76 'printed more than'
not_taken missing 78 'is not there, or may not be run'
not_taken plain 78 'Permission denied'
assert_eq "$(kinds)" all-is-well,new,recovered
configure take
audits 1
wait_until 30 taken_are all-is-well,new,recovered,new
assert_unit "$alerter" inactive
user rm -r "${drop_in%/*}"
wait_until 60 taken_are all-is-well,new,recovered,new,recovered

step 'a failed unit is told once, and what it is now when that is over'
put .config/systemd/user/backup.service <<<$'[Unit]\nOnFailure=stack-alert@%n.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c "test -e %t/fine"'
userctl daemon-reload
userctl start backup.service 2>/dev/null && fail 'it should have failed'
wait_until 60 taken_are all-is-well,new,recovered,new,recovered,new
userctl start backup.service 2>/dev/null && fail 'it should have failed again'
audits 1
taken_are all-is-well,new,recovered,new,recovered,new
user touch "/run/user/$LAB_UID/fine"
userctl start backup.service
audits 1
wait_until 60 taken_are all-is-well,new,recovered,new,recovered,new,recovered
assert_contains "$(taken | tail -n 1 | jq -r .text)" 'backup.service: no longer failed, now '

step 'a failed update run is one message, however many updates failed in it'
add_stack music
userctl start music.service
wait_until 60 unit_is stack-verify@music.service inactive
audits 1
user rm "$TAKEN"
registry_stop
userctl start stack-update.service 2>/dev/null && fail 'an update without a registry should have failed'
assert_eq "$(userctl list-units --plain --no-legend --state=failed '*-update.service' | wc -l)" 3
wait_until 60 taken_are new
audits 2
taken_are new
assert_json "$(taken)" '(.events | length == 1) and .events[0].problem.object == "stack-update.service"
    and (.text | contains("photos")) and (.text | contains("music"))'
registry_start
userctl start stack-update.service
audits 1
wait_until 60 taken_are new,recovered

step 'a stack that is not started is told with the reason'
user rm "$TAKEN"
user mv music/compose.yml music/compose.off
userctl restart music.service 2>/dev/null && fail 'a stack without its compose file should have been refused'
wait_until 60 taken_are new
assert_json "$(taken)" '.events[0].problem.object == "music.service" and (.text | contains("exit status 78"))
    and (.text | contains("music/compose.yml"))'
user mv music/compose.off music/compose.yml
userctl restart music.service
audits 1
wait_until 60 taken_are new,recovered

step 'the documented queries find what they say'
userctl stop stack-audit.timer # a repair: it is started again
audits 1
wait_until 30 unit_is stack-audit.timer active
sed -n '/<!-- queries -->/,/^$/s/^    \([^#]*[^# ]\).*/\1/p' "$LAB_REPO/docs/monitoring.md" >"$MACHINE/queries"
assert_eq "$(wc -l <"$MACHINE/queries")" 10 'queries'
root journalctl --sync
while read -r query; do
    seen=$(user sh -c "$query --quiet --no-pager")
    [ -n "$seen" ] || fail "nothing found: $query"
done <"$MACHINE/queries"

step 'the catalog says below each message what it means'
root_put /usr/local/lib/systemd/catalog/stackwarden.catalog <"$LAB_REPO/units/stackwarden.catalog"
assert_exit 0 root journalctl --update-catalog
seen=$(user journalctl --user --quiet --no-pager -x -n 1 \
    MESSAGE_ID=050cf8bf648c43458a0d65efd896a19d STACKWARDEN_CHECK=drop-in-unexpected)
assert_contains "$seen" 'Subject: drop-in-unexpected: an invariant is broken'
assert_contains "$seen" 'docs/handbook.md#drop-in-unexpected'
assert_contains "$seen" 'stackctl explain photos.service'
