# shellcheck shell=bash
# A text that was loaded behind a right token is found by what it does, and healed by a reload, although the file on disk
# is the declared one again and is as old as a file of the Nix store.

user stackctl install
add_stack photos
as_generation photos
unit=photos.service
userctl start "$unit"
wait_until 30 no_findings
token=$(user jq -r '.units["photos.service"].token' "$SEALS/photos.json")

step 'somebody edits a copy, token and all, links it in, and reloads'
user bash -c "sed 's|^ExecStart=.*|ExecStart=/bin/true|' $GENERATION/$unit >edited; touch -d @1 edited; ln -sfn ~/edited $OWNER/$unit"
userctl daemon-reload
assert_contains "$(property "$unit" ExecStart)" /bin/true
assert_contains "$(property "$unit" Documentation)" "#$token"
wait_until 30 finding definition-stale "$unit"
assert_json "$(finding definition-stale)" '.severity == "page" and (.seen | contains("/bin/true"))'
finding fragment-replaced "$unit"

step 'while that text is on disk nothing is reloaded, and the finding names what blocks'
reload=$(last_reload)
userctl start stack-audit.service || true
assert_eq "$(last_reload)" "$reload" 'the last daemon-reload'
assert_json "$(finding definition-stale)" '.next | contains("fragment-replaced of photos.service")'

step 'the declared link is put back: systemd sees nothing, the audit sees the loaded text'
cursor=$(journal_cursor)
user ln -sfn "$GENERATION/$unit" "$OWNER/$unit"
assert_eq "$(property "$unit" NeedDaemonReload)" no
wait_until 30 no_findings
assert_healed daemon-reload definition-stale "$unit"
[ "$(last_reload)" != "$reload" ] || fail 'nothing was reloaded'
assert_contains "$(property "$unit" ExecStart)" 'stackctl apply photos'
assert_json "$(journal_json --after-cursor="$cursor" -u stack-audit STACKWARDEN_ACTION=daemon-reload "STACKWARDEN_UNIT=$unit" | head -n 1)" \
    '.STACKWARDEN_CHECK == "definition-stale" and (.MESSAGE | contains("healed by daemon-reload"))'
