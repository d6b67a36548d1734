# shellcheck shell=bash
# Data in a volume that only the image declares: podman-compose would put an empty one in its place at every recreation, so
# that is refused until the volume has a name. docker-compose takes it along.
# drawn: lifecycle-docker-compose has an anonymous volume, too
export PROVIDER=podman-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image db:1 v1 volume=/var/lib/db >/dev/null
install_quietly
it=$(container_of dbs db)
put_db() { put dbs/compose.yml <<<"{services: {db: {image: '$REGISTRY/db:1', environment: {SEEN: '$1'}, volumes: [$2]}}, volumes: {$3}}"; }
write_it() { user podman exec "$it" sh -c 'echo kept >/var/lib/db/file'; }
kept() { assert_eq "$(user podman exec "$it" cat /var/lib/db/file)" kept 'the data'; }
untouched() { # CMD…: it is refused, and the container is what it was
    local before
    before="$(id_of "$it") $(started_at "$it")"
    assert_exit 78 "$@"
    assert_contains "$OUT" "container $it has data in the anonymous volume"
    assert_eq "$(id_of "$it") $(started_at "$it")" "$before" 'the container'
    kept
}

step 'an existing stack: add says it before it happens, and the first start is refused'
put_db 1 '' ''
user env -C dbs PODMAN_COMPOSE_PROVIDER=podman-compose podman compose --project-name dbs up --detach
write_it
assert_exit 0 user stackctl add dbs --compose dbs/compose.yml --project dbs --verify off
assert_contains "$OUT" 'podman-compose would give them new anonymous volumes'
untouched user stackctl preflight dbs
userctl start dbs.service && fail 'it was started'
userctl reset-failed dbs.service
untouched user stackctl apply dbs

step 'what the message says keeps the data'
volume=$(inspect "$it" '{{range .Mounts}}{{.Name}}{{end}}')
put_db 1 "'kept:/var/lib/db'" "kept: {external: true, name: $volume}"
assert_exit 0 user stackctl preflight dbs
userctl start dbs.service
kept
assert_eq "$(inspect "$it" '{{range .Mounts}}{{.Name}}{{end}}')" "$volume" 'the volume'
put_db 2 "'kept:/var/lib/db'" "kept: {external: true, name: $volume}"
assert_exit 0 user stackctl restart dbs
kept
assert_exit 0 user stackctl remove --down dbs

step 'a stack of our own: a restart without a change keeps it'
put_db 1 '' ''
assert_exit 0 user stackctl add dbs --compose dbs/compose.yml --project dbs --verify off
userctl start dbs.service
write_it
before=$(id_of "$it")
assert_exit 0 user stackctl restart dbs
assert_eq "$(id_of "$it")" "$before" 'the container'
kept
step 'what a plain run leaves stands in the way, and only that is told'
user env -C dbs PODMAN_COMPOSE_PROVIDER=podman-compose podman compose --project-name dbs run --detach db
temporary=$(project_containers dbs | grep _tmp)
assert_exit 78 user stackctl restart dbs
assert_contains "$OUT" "container $temporary was left by \`podman-compose run\`"
assert_lacks "$OUT" "container $it has data"
assert_contains "$OUT" "podman rm --force $temporary"
user podman rm --force --time 0 "$temporary" >/dev/null
assert_exit 0 user stackctl restart dbs
assert_eq "$(id_of "$it")" "$before" 'the container'
kept

step 'a change and an update are refused'
image db:1 v2 volume=/var/lib/db >/dev/null
untouched user stackctl update dbs
put_db 2 '' ''
untouched user stackctl preflight dbs
untouched user stackctl restart dbs
assert_unit dbs.service active
assert_exit 0 user stackctl remove --down dbs

step 'docker-compose takes it along'
PROVIDER=docker-compose
pin_provider
it=$(container_of dbs db)
put_db 1 '' ''
assert_exit 0 user stackctl add dbs --compose dbs/compose.yml --project dbs --verify off
userctl start dbs.service
write_it
before=$(id_of "$it")
put_db 2 '' ''
assert_exit 0 user stackctl restart dbs
[ "$(id_of "$it")" != "$before" ] || fail 'it was not recreated'
kept
