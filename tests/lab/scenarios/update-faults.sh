# shellcheck shell=bash
# Commands of the operator that fail or hang, damaged state and record files, a full disk, and units that are skipped:
# each is told by its name, and nothing changes.
# drawn: rare faults of an update
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
# A small disk of its own for images.
STORAGE=.local/share/containers
user mkdir -p "$STORAGE"
root mount -t tmpfs -o "size=480M,uid=$LAB_UID,gid=$LAB_UID,mode=700" storage "/home/$LAB_USER/$STORAGE"
begin_app
image app:1 v2 health=ok >/dev/null
web=$(container_of app web)
before=$(started_at "$web")$(tag_id "$REGISTRY/app:1")
entry() { # FILTER: changes the declaration
    # shellcheck disable=SC2016  # for the inner shell
    assert_exit 0 user sh -c 'jq "$1" .config/stackwarden/stacks/app.json >n && mv n .config/stackwarden/stacks/app.json' entry "$1"
    assert_exit 0 user stackctl sync app
}
refused() { # CODE TEXT
    assert_exit "$1" user stackctl update app
    assert_contains "$OUT" "$2"
    assert_eq "$(started_at "$web")$(tag_id "$REGISTRY/app:1")" "$before" 'what runs, and the tag'
    assert_eq "$(user podman ps -a --quiet --filter label=stackwarden.holder)" '' 'holders'
}

step 'a failing, a missing and a hanging command before an update stop it'
entry '.update.before = [["sh", "-c", "echo the disk of the dump is full >&2; exit 3"]]'
refused 76 'the disk of the dump is full'
entry '.update.before = [["/nonexistent/dump"]]'
refused 76 '/nonexistent/dump'
entry '.update.before = [["sleep", "600"]] | .update.hook_timeout = "1s"'
refused 76 'update.before'

step 'what the commands are told'
entry '.update.before = [["sh", "-c", "env | grep ^STACKWARDEN_ | sort >~/before"]]
    | .update.on_rollback = [["sh", "-c", "env | grep ^STACKWARDEN_ | sort >~/after; pwd >>~/after; podman ps --quiet >>~/after"]]'
v1=$(digest_of app)
bad=$(image app:1 v2 health=bad)
assert_exit 81 user stackctl update app
assert_eq "$(user cat before)" "STACKWARDEN_HOOK=before
STACKWARDEN_NEW_DIGESTS=$bad
STACKWARDEN_OLD_DIGESTS=$v1
STACKWARDEN_PROJECT=app
STACKWARDEN_SERVICES=web
STACKWARDEN_STACK=app"
assert_eq "$(user cat after)" "$(user cat before | sed 's/HOOK=before/HOOK=on_rollback/')
/home/me/app" 'what a command is told, while nothing of the stack runs'

step 'a failing command after a rollback is a rollback that failed'
entry '.update.before = [] | .update.on_rollback = [["sh", "-c", "echo no dump to restore >&2; exit 1"]]'
image app:1 v3 health=bad >/dev/null
assert_exit 82 user stackctl update app
assert_contains "$OUT" 'no dump to restore'
assert_contains "$OUT" 'stay stopped'
assert_contains "$OUT" 'next: bring the data back, then: stackctl restart app'
held() { container_is "$web" exited || fail 'what cannot work with the data was started'; }
held
step 'until the data is back nothing starts it'
assert_exit 1 userctl restart app.service
assert_eq "$(property app.service ExecMainStatus)" 82
held
assert_exit 82 user stackctl update app
assert_contains "$OUT" 'next: bring the data back, then: stackctl restart app'
userctl reset-failed app.service
assert_exit 1 userctl start app.service
held
assert_exit 0 user stackctl restart app
assert_eq "$(marker_of app)" v1

step 'so it is where the command was cut short'
image app:1 v31 health=bad >/dev/null
assert_exit 137 user env STACKWARDEN_KILL_AT=on-rollback stackctl update app
assert_exit 82 user stackctl apply app
held
assert_exit 79 user stack-audit
assert_contains "$OUT" 'bring the data back'
assert_exit 0 user stackctl restart app
assert_eq "$(marker_of app)" v1
entry '.update.on_rollback = []'
image app:1 v4 health=ok >/dev/null

step 'an update that only makes a container anew costs no way back'
assert_exit 0 user stackctl update app
state=.local/state/stackwarden/stacks/app.json
pins() { user jq --compact-output '[.pins[].images[].image.id]' "$state"; }
kept=$(pins)
assert_json "$kept" 'length == 2 and .[0] != .[1]'
user podman rm --force --time 0 "$web" >/dev/null
assert_exit 0 user stackctl update app
container_is "$web" running
assert_eq "$(pins)" "$kept" 'the pinned sets'
image app:1 v5 health=ok >/dev/null
before=$(started_at "$web")$(tag_id "$REGISTRY/app:1")

step 'damaged state and record files'
user cp "$state" kept.json
damaged() { # CONTENT TEXT
    put "$state" <<<"$1"
    refused 76 "$2"
    assert_contains "$OUT" 'stacks/app.json'
}
damaged '{"version": 1, "proj' 'not a valid stack state'
damaged '{"version": 2}' 'newer version'
user sh -c ": >$state"
refused 76 'the file is empty'
user cp kept.json "$state"
newest=.local/state/stackwarden/records/99990101T000000.000Z-app-update.json
put "$newest" <<<'{"version": 1, "stack": "app", "verb": "upd'
refused 76 "$newest"
user mv "$newest" .local/state/stackwarden/records/20200101T000000.000Z-app-update.json

step 'a disk that is almost full is refused, and so is an image that does not fit'
entry '.update.before = []'
image app:1 v5 size=320 >/dev/null
leave() { # MIB
    local free
    user rm -f "$STORAGE/filler"
    free=$(user df --output=avail -B1M "$STORAGE" | tail -n 1)
    user fallocate -l "$((free - $1))M" "$STORAGE/filler"
}
leave 280
refused 76 'there is no room for it'
leave 100
refused 76 'MiB are free'
user rm "$STORAGE/filler"
image app:1 v6 health=ok >/dev/null

step 'then it goes on'
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v6
assert_settled app
