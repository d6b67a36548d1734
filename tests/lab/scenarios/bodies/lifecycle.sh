# shellcheck shell=bash
# S03, S04, S10, S14, S16, S17 with one provider.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
put_stack shop 8080
web=$(container_of shop web) db=$(container_of shop db) side=$(container_of shop side)

step 'S17: a project that runs already, with volumes and an implicit .env, is taken over'
put shop/.env <<<'GREETING=from-dot-env'
user env -C shop PODMAN_COMPOSE_PROVIDER="$PROVIDER" podman compose --project-name shop up --detach
user podman exec "$db" sh -c 'echo kept >/data/named; echo kept >/anonymous/file'
assert_exit 0 user stackctl install
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop
userctl start shop.service
assert_unit shop.service active
db=$(container_of shop db)
assert_eq "$(user podman exec "$db" cat /data/named)" kept 'the named volume'
assert_eq "$(env_of "$web" GREETING)" from-dot-env
if [ "$PROVIDER" = docker-compose ]; then
    assert_eq "$(user podman exec "$db" cat /anonymous/file)" kept 'the anonymous volume'
    assert_eq "$(inspect "$web" '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}')" shop.service
fi
wait_until 30 unit_is 'stack-verify@shop.service' inactive
assert_json "$(last_record shop verify)" '.outcome.code == 0'

step 'S10, S16: nothing changed, nothing is restarted'
before=$(started_at "$web")$(started_at "$db")$(started_at "$side")
userctl restart shop.service
userctl reload shop.service
assert_exit 0 user stackctl apply shop
assert_exit 0 user stackctl restart shop
assert_eq "$(started_at "$web")$(started_at "$db")$(started_at "$side")" "$before" 'StartedAt'

step 'S03: a new tag takes the place of the old one'
db_before=$(id_of "$db")
user sed -i "s/TAG:-1/TAG:-2/" shop/compose.yml
assert_exit 0 user stackctl restart shop
assert_eq "$(inspect "$web" '{{.Config.Labels.marker}}')" v2
assert_unit shop.service active
[ "$PROVIDER" != docker-compose ] || assert_eq "$(id_of "$db")" "$db_before" 'only what changed is replaced'
assert_eq "$(user podman exec "$db" cat /data/named)" kept

step 'S04: a renamed service leaves no orphan'
user sed -i 's/^  side:/  sidecar:/' shop/compose.yml
assert_exit 0 user stackctl restart shop
assert_lacks "$(project_containers shop) " "$side"$'\n'
assert_contains "$(project_containers shop)" "$(container_of shop sidecar)"

step 'a plain stop stops, and a start starts'
userctl stop shop.service
assert_eq "$(user podman ps --quiet --filter label=com.docker.compose.project=shop)" ''
userctl start shop.service
wait_until 20 container_is "$web" running

step 'compose with the stack'\''s own project and files'
assert_exit 0 user stackctl compose shop -- ps
assert_contains "$OUT" "$web"

step 'S14: a stack that is removed is stopped without its entry, and its volumes and records are left'
user cp .config/stackwarden/stacks/shop.json kept.json
user rm .config/stackwarden/stacks/shop.json
userctl stop shop.service
assert_eq "$(user podman ps --quiet --filter label=com.docker.compose.project=shop)" ''
user cp kept.json .config/stackwarden/stacks/shop.json
assert_exit 0 user stackctl remove shop
assert_contains "$(user podman volume ls --format '{{.Name}}')" shop_data
assert_exit 0 user stackctl history shop
assert_contains "$OUT" 'stopped, '
