# shellcheck shell=bash
# Installing, adding, starting, removing and uninstalling leave nothing behind but what is meant to stay.

# Everything that decides what the manager loads, and our own configuration.
configuration() {
    user mkdir -p .config
    user sh -c 'find .config "$@" 2>&1 || true' find "$ETC" "$RUNTIME/user" "$RUNTIME/user.control" | sort # some are not there at first
}
waits() { assert_eq "$(property "$1" SubState)" waiting; }
nothing_loaded() { assert_eq "$(userctl list-units --all --plain --no-legend 'stack*' 'photos*')" '' 'loaded units'; }

user podman info >/dev/null # so that podman has made what it makes at its first run
before=$(configuration)
image photos:1 v1 health=ok
put photos/compose.yml <<END
services:
  web: { image: "$REGISTRY/photos:1" }
END

step 'install says what it would do, and then does that'
assert_exit 0 user stackctl install --dry-run
assert_contains "$OUT" "would write $OWNER/stack-audit.path"
assert_eq "$(configuration)" "$before" 'after --dry-run'
would=$(sed -n 's/^would write //p' <<<"$OUT")
assert_exit 0 user stackctl install
assert_eq "$(sed -n 's/^wrote //p' <<<"$OUT")" "$would" 'what was written'
assert_contains "$OUT" 'next: stackctl add NAME --compose FILE'
for watcher in stack-audit.path stack-audit.timer stack-update.timer; do
    assert_unit "$watcher" active
    wait_until 30 waits "$watcher" # podman, which install asks, is in a transient scope: an audit may be running
    assert_eq "$(userctl is-enabled "$watcher")" enabled
done
assert_exit 0 user stackctl install
assert_lacks "$OUT" wrote 'a second install'

step 'add declares, and starts nothing'
assert_exit 0 user stackctl add photos --compose photos/compose.yml
assert_contains "$OUT" 'next: systemctl --user start photos.service'
assert_unit photos.service inactive
assert_eq "$(userctl is-enabled photos.service)" enabled
assert_eq "$(project_containers photos)" ''
for file in $(user find "$OWNER" -maxdepth 1 -type f -printf '%f\n'); do
    file=${file/@./@photos.}
    assert_exit 0 user systemd-analyze --user verify --man=no "$OWNER/$file"
    assert_lacks "$OUT" "$file" 'systemd-analyze verify'
done
assert_exit 0 user stackctl add photos --compose photos/compose.yml
assert_lacks "$OUT" wrote 'adding the same again'

step 'start brings it up'
userctl start photos.service
assert_unit photos.service active
wait_until 60 health_is photos-web-1 healthy
userctl start stack-audit.service
assert_eq "$(findings)" ''
assert_json "$(report)" '.stacks == ["photos"] and .counts.passed > 50'
assert_exit 0 user stack-audit
assert_contains "$OUT" 'every invariant holds'

step 'no process of ours stays'
wait_until 30 nothing_resident

step 'a failed update, and a failed run of updates, leave no failed unit when they go'
registry_stop
assert_exit 1 userctl start stack-update.service
registry_start
assert_unit photos-update.service failed

step 'remove forgets the stack; its containers stay'
userctl stop photos.service
assert_exit 0 user stackctl remove photos
container_is photos-web-1 exited
user test ! -e "$OWNER/photos.service"
assert_exit 78 user stackctl remove photos

step 'uninstall takes the watchers away'
assert_exit 0 user stackctl uninstall --dry-run
assert_contains "$OUT" "would remove $OWNER/stack-audit.path"
would=$(sed -n 's/^would remove //p' <<<"$OUT")
assert_exit 0 user stackctl uninstall
assert_eq "$(sed -n 's/^removed //p' <<<"$OUT")" "$would" 'what was removed'
user sh -c 'podman rm --force --all >/dev/null; podman network prune --force >/dev/null'
wait_until 30 nothing_loaded # the last audit may just be ending
assert_eq "$(configuration)" "$before" 'what is left'
user rm -f .local/state/stackwarden/repairs.json # if an audit came in between a change and its reload
assert_eq "$(user ls .local/state/stackwarden | xargs)" 'alerts.json audit.json metrics.prom records stacks update.json' 'what is meant to stay'
assert_exit 78 user stackctl uninstall
