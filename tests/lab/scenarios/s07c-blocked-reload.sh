# shellcheck shell=bash
# An old text in the manager's memory is healed by a reload. A drifted text on disk is not reloaded, and blocks the
# reload that another stack needs: both are reported, and who blocks whom.

user stackctl install
add_stack photos
add_stack music
userctl start photos.service music.service
wait_until 30 no_findings

step 'the declared text on disk, an old one loaded: reloaded'
# What a switch does whose reload failed: text, seal and entry are those of another time than what is loaded.
cursor=$(journal_cursor)
reload=$(user_script "$OWNER/photos.service" "$OWNER/photos-update.service" "$SEALS/photos.json" "$HOME_DIR/.config/stackwarden/stacks/photos.json" <<'END'
for file; do cp -p "$file" "$file.declared"; done
stackctl add photos --description 'of another time' >/dev/null
[ "$(systemctl --user show --value -p Description photos.service)" = 'of another time' ]
systemctl --user show --value -p UnitsLoadTimestampMonotonic
for file; do mv "$file.declared" "$file"; done
END
)
wait_until 30 journal_has 'photos.service: definition-stale healed by daemon-reload' --after-cursor="$cursor" -u stack-audit
wait_until 30 no_findings
[ "$(last_reload)" != "$reload" ] || fail 'nothing was reloaded'
assert_eq "$(property photos.service Description)" 'Compose stack photos'

step 'a drifted text on disk, the declared one loaded: reported, and not reloaded'
reload=$(last_reload)
user sed -i 's|^ExecStart=.*|ExecStart=/bin/false|' "$OWNER/photos.service"
wait_until 30 finding fragment-content photos.service
userctl start stack-audit.service || true
assert_eq "$(last_reload)" "$reload" 'the last daemon-reload'
assert_contains "$(property photos.service ExecStart)" 'stackctl apply photos'
assert_json "$(finding fragment-content photos.service)" '.severity == "page" and .next == "stackctl repair photos"'

step 'another stack that needs a reload waits for it: both are reported, and what blocks'
assert_exit 79 user stackctl add music --description 'of another time'
assert_contains "$OUT" 'music.service: definition-stale'
wait_until 30 finding definition-stale music.service
assert_eq "$(last_reload)" "$reload" 'the last daemon-reload'
finding fragment-content photos.service
assert_json "$(finding definition-stale music.service)" '.next | contains("fragment-content of photos.service")'

step 'the drift repaired, both are well'
assert_exit 0 user stackctl repair photos
wait_until 30 no_findings
assert_eq "$(property music.service Description)" 'of another time'
assert_contains "$(property photos.service ExecStart)" 'stackctl apply photos'
