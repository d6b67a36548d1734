# shellcheck shell=bash
# journalctl shows every line of an auditor that lives for milliseconds, under its unit and by each of its fields.

FINDING=050cf8bf648c43458a0d65efd896a19d
AUDITED=b819215a8f0b43efb047bade901460f3
RUNS=40

user stackctl install
add_stack photos
user sh -c "mkdir $OWNER/photos.service.d; printf '[Service]\nEnvironment=X=1\n' >$OWNER/photos.service.d/bad.conf"
wait_until 30 findings_are "drop-in-unexpected photos.service $OWNER/photos.service.d/bad.conf"
wait_until 30 unit_is stack-audit.service failed

step "$RUNS audits, one after the other"
cursor=$(journal_cursor)
user_script "$RUNS" <<'END'
for ((i = 0; i < $1; i++)); do systemctl --user start stack-audit.service 2>/dev/null || true; done
END
# The manager's own lines about the unit have no run.
events=$(journal_json --after-cursor="$cursor" -u stack-audit | jq -c 'select(.STACKWARDEN_RUN)')
count() { jq -s "[.[] | select($1)] | length" <<<"$events"; }
assert_eq "$(count ".MESSAGE_ID == \"$AUDITED\"")" "$RUNS" 'summaries under -u stack-audit'
assert_eq "$(count ".MESSAGE_ID == \"$FINDING\"")" "$RUNS" 'findings under -u stack-audit'
assert_eq "$(count '.USER_UNIT == "stack-audit.service"')" $((2 * RUNS)) 'events with USER_UNIT'
assert_eq "$(jq -s '[.[].STACKWARDEN_RUN] | unique | length' <<<"$events")" "$RUNS" runs
printf '    the journal itself knew the unit of %s of the %s lines\n' \
    "$(count '._SYSTEMD_USER_UNIT == "stack-audit.service"')" $((2 * RUNS)) >&2
assert_eq "$(journal_json --after-cursor="$cursor" -u stack-audit _TRANSPORT=stdout | wc -l)" 0 'lines without fields'

step 'the last run: the report and its events agree'
run=$(report | jq -r .run)
event=$(journal_json "STACKWARDEN_RUN=$run" "MESSAGE_ID=$FINDING")
assert_json "$event" ".USER_UNIT == \"stack-audit.service\" and .PRIORITY == \"3\"
    and .STACKWARDEN_STACK == \"photos\" and .STACKWARDEN_UNIT == \"photos.service\"
    and .STACKWARDEN_CHECK == \"drop-in-unexpected\" and .STACKWARDEN_SEVERITY == \"page\"
    and .STACKWARDEN_PATH == \"$OWNER/photos.service.d/bad.conf\" and (.DOCUMENTATION | endswith(\"#drop-in-unexpected\"))
    and (.MESSAGE | contains(\"; next: \"))" 'the event of the finding'
assert_json "$(journal_json "STACKWARDEN_RUN=$run" "MESSAGE_ID=$AUDITED")" \
    '.STACKWARDEN_PAGES == "1" and .STACKWARDEN_TICKETS == "0" and .STACKWARDEN_UNKNOWN == "0" and .PRIORITY == "5"'

step 'queries by field'
for field in STACKWARDEN_CHECK=drop-in-unexpected STACKWARDEN_STACK=photos STACKWARDEN_UNIT=photos.service \
    STACKWARDEN_SEVERITY=page "STACKWARDEN_PATH=$OWNER/photos.service.d/bad.conf" "MESSAGE_ID=$FINDING"; do
    assert_eq "$(journal_json --after-cursor="$cursor" "$field" | wc -l)" "$RUNS" "events with $field"
done
assert_eq "$(journal --after-cursor="$cursor" STACKWARDEN_CHECK=fragment-owner)" '' 'events of another check'

step 'what a stack does is under its unit'
userctl start photos.service || true
assert_contains "$(journal -u photos.service)" 'photos'
assert_json "$(journal_json -u photos.service STACKWARDEN_STACK=photos | head -n 1)" '.MESSAGE_ID and .USER_UNIT == "photos.service"'

step 'by hand nothing goes to the journal, and everything to the terminal'
assert_exit 79 user stack-audit
assert_contains "$OUT" "$OWNER/photos.service.d/bad.conf"
assert_exit 79 user stack-audit --json
run=$(jq -r .run <<<"$OUT")
assert_match "$run" '^[0-9a-f]+' 'the run that was made by hand'
assert_eq "$(journal_json "STACKWARDEN_RUN=$run" | wc -l)" 0 'events in the journal'
