# shellcheck shell=bash
# What the user cannot read is told of, by a finding and an exit code, whoever owns it; the rest is audited as ever.

step 'two stacks, of which nothing is found'
user stackctl install
for name in photos music; do
    echo 'services: { web: { image: nowhere.invalid/web } }' | put "$name/compose.yml"
    user stackctl add "$name" --compose "$name/compose.yml"
done
assert_exit 0 user stack-audit

CONFIG=$HOME_DIR/.config/stackwarden DATA=$HOME_DIR/.local/share/systemd/user STATE=$HOME_DIR/.local/state/stackwarden
echo '{ "version": 1 }' | put "$CONFIG/config.json"
user mkdir -p "$DATA"

# shut OWNER PATH, and open PATH: nobody but root may look at it, and everything is as it was.
shut() { root chown "$1" "$2" && root chmod 000 "$2"; }
open() { root chown "$LAB_USER" "$1" && root chmod u=rwX "$1"; }

# unreadable PATH CODE FINDINGS: these and no others are found (lines of `STATUS CHECK OBJECT`), and none of the other stack.
unreadable() {
    local whose seen
    for whose in "$LAB_USER" root; do
        step "${1#"$HOME_DIR"/} of $whose"
        shut "$whose" "$1"
        assert_exit "$2" user stack-audit --dry-run --json
        seen=$(jq -r '[.findings[] | "\(.status) \(.check) \(.unit // .stack // "-")"] | sort | .[]' <<<"$OUT")
        assert_eq "$seen" "$3" "found of ${whose}'s $1"
        assert_contains "$OUT" 'Permission denied'
        assert_json "$OUT" '.passed["fragment-content"] > 10 and all(.findings[]; .stack != "music")'
        open "$1"
    done
}
unreadable "$OWNER/photos.service" 79 'broken unit-missing photos.service
unknown fragment-content photos.service'
unreadable "$CONFIG/stacks/photos.json" 78 'unknown declaration-invalid photos'
unreadable "$SEALS/photos.json" 78 'unknown declaration-invalid photos'
unreadable "$CONFIG/stacks" 78 'unknown declaration-invalid -'
unreadable "$CONFIG/config.json" 78 'unknown declaration-invalid -'
unreadable "$DATA" 76 'unknown fragment-owner -'
user mkdir "$OWNER/photos.service.d"
unreadable "$OWNER/photos.service.d" 76 'unknown drop-in-unexpected photos.service'
user rmdir "$OWNER/photos.service.d"

step 'all seals, and the whole owner directory: nothing is said to be gone that could not be looked at'
shut "$LAB_USER" "$SEALS"
assert_exit 78 user stack-audit --dry-run --json
assert_json "$OUT" '[.findings[] | "\(.status) \(.check)"] | unique == ["unknown declaration-invalid", "unknown watcher-dead"]'
open "$SEALS"
shut root "$OWNER"
assert_exit 76 user stack-audit --dry-run --json
assert_json "$OUT" 'all(.findings[]; .status == "unknown") and any(.findings[]; .check == "unit-missing" and .unit == "music.service")'
open "$OWNER"

step 'the state: the report is set aside, or cannot be kept'
# An audit that the changes above have triggered would write a report of its own.
wait_until 30 userctl start stack-audit.service
over() {
    [ -z "$(userctl list-jobs --no-legend)" ] && unit_is stack-audit.service inactive \
        && unit_is stack-audit-settle.service inactive
}
wait_until 30 over
shut root "$STATE/audit.json"
assert_exit 74 user stack-audit
assert_contains "$OUT" "kept as $STATE/set-aside/"
shut root "$STATE"
assert_exit 73 user stack-audit
assert_contains "$OUT" "$STATE/audit.json: cannot make a temporary file: Permission denied"
open "$STATE"
assert_exit 0 user stack-audit
