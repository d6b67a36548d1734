# shellcheck shell=bash
# S03, S04, S10, S12, S14, S16, S17 with one provider.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
put_stack shop 8080
web=$(container_of shop web) db=$(container_of shop db) side=$(container_of shop side) init=$(container_of shop init)
volumes() { user podman volume ls --format '{{.Name}}' | sort; }
# Which containers there are, and when each was started; compose itself starts what has finished again.
all_started() {
    user podman ps --all --sort names --filter label=com.docker.compose.project=shop \
        --format '{{.Names}} {{.ID}} {{if eq .State "running"}}{{.StartedAt}}{{end}}'
}

step 'S17: an existing project with volumes, an implicit .env and relative paths is added'
put shop/.env <<<'GREETING=from-dot-env'
put shop/files/page <<<'a page'
user sed -i 's|^    ports:|    volumes: ["./files:/files:ro"]\n    ports:|' shop/compose.yml
user env -C shop PODMAN_COMPOSE_PROVIDER="$PROVIDER" podman compose --project-name shop up --detach
user podman exec "$db" sh -c 'echo kept >/data/named; echo kept >/anonymous/file'
volumes_before=$(volumes) containers_before=$(project_containers shop)
install_quietly
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop
userctl start shop.service
wait_until 60 verified shop
up_in_all_views shop
assert_eq "$(project_containers shop)" "$containers_before" 'the containers of the project'
assert_eq "$(user podman exec "$db" cat /data/named)" kept 'the named volume'
assert_eq "$(env_of "$web" GREETING)" from-dot-env 'the implicit .env'
assert_eq "$(user podman exec "$web" cat /files/page)" 'a page' 'the relative path'
if [ "$PROVIDER" = docker-compose ]; then
    assert_eq "$(user podman exec "$db" cat /anonymous/file)" kept 'the anonymous volume'
    assert_eq "$(volumes)" "$volumes_before" 'the volumes'
    assert_eq "$(inspect "$web" '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}')" shop.service
fi

step 'S10: a switch and a restart twice with no change restart no container'
before=$(all_started)
for _ in 1 2; do
    assert_exit 0 user stackctl sync shop
    userctl restart shop.service
    userctl reload shop.service
    assert_exit 0 user stackctl apply shop
    assert_exit 0 user stackctl restart shop
done
assert_eq "$(all_started)" "$before" 'the containers, and when they were started'
assert_json "$(last_record shop apply)" '.outcome.message | contains("no container was replaced")'
up_in_all_views shop

step 'S16: an update of the package changes nothing but program paths, and restarts no container'
user sh -c 'mkdir -p newer && cp /opt/stackwarden/bin/stack* newer/'
assert_exit 0 user newer/stackctl install
assert_exit 0 user newer/stackctl sync
assert_contains "$(property shop.service ExecStart)" "/home/me/newer/stackctl" 'what the manager has loaded'
userctl restart shop.service
assert_eq "$(all_started)" "$before" 'the containers, and when they were started'
up_in_all_views shop
assert_exit 0 user stackctl install
assert_exit 0 user stackctl sync
assert_contains "$(property shop.service ExecStart)" "/opt/stackwarden/bin/stackctl"

step 'S03: an image tag is changed in the compose file, and the stack switched'
db_before=$(id_of "$db")$(started_at "$db") init_before=$(id_of "$init") side_before=$(id_of "$side")
user sed -i "s/TAG:-1/TAG:-2/" shop/compose.yml
assert_exit 0 user stackctl restart shop
assert_eq "$(inspect "$web" '{{.Config.Labels.marker}}')" v2 'what runs'
up_in_all_views shop
if [ "$PROVIDER" = docker-compose ]; then
    assert_eq "$(id_of "$db")$(started_at "$db")" "$db_before" 'a service that did not change'
    assert_eq "$(id_of "$init")" "$init_before" 'a service that did not change'
    # It runs in the network of the one that was replaced, which is gone with it.
    [ "$(id_of "$side")" != "$side_before" ] || fail "$side runs in a network that is gone"
    assert_json "$(last_record shop apply)" ".outcome.message | contains(\"new: $side, $web\")"
fi
assert_eq "$(user podman exec "$db" cat /data/named)" kept

step 'S04: a service is renamed'
user sed -i 's/^  side:/  sidecar:/' shop/compose.yml
assert_exit 0 user stackctl restart shop
assert_eq "$(project_containers shop)" "$(printf '%s\n' "$db" "$init" "$web" "$(container_of shop sidecar)" | sort)" 'the containers: the old one is gone'
container_is "$(container_of shop sidecar)" running
up_in_all_views shop

step 'S12: back to the previous declaration: container, environment, env file and units are those of before'
put shop/one.env 600 <<<'GREETING=one'
assert_exit 0 user stackctl add shop --env-file shop/one.env --stable-for 2s
assert_exit 0 user stackctl restart shop
user sh -c 'rm -rf previous && mkdir previous && cp -a shop/compose.yml .config/stackwarden/stacks/shop.json .config/systemd/user/shop.service previous/'
seen() { inspect "$web" '{{println .Image .ImageName}}{{range .Config.Env}}{{println .}}{{end}}' | grep -v ^HOSTNAME= | sort; }
previous=$(seen)
assert_eq "$(env_of "$web" GREETING)" one
put shop/two.env 600 <<<'GREETING=two'
user sed -i "s/TAG:-2/TAG:-1/" shop/compose.yml
assert_exit 0 user stackctl add shop --env-file shop/two.env --stable-for 1s --startup-timeout 100s
assert_exit 0 user stackctl restart shop
assert_eq "$(env_of "$web" GREETING)" two
[ "$(seen)" != "$previous" ] || fail 'nothing has changed'
user sh -c 'cp -a previous/compose.yml shop/ && cp -a previous/shop.json .config/stackwarden/stacks/'
assert_exit 0 user stackctl sync shop
assert_exit 0 user stackctl restart shop
assert_eq "$(seen)" "$previous" 'the image and the environment'
assert_eq "$(user cat .config/systemd/user/shop.service)" "$(user cat previous/shop.service)" 'the unit, with its token'
assert_eq "$(property shop.service Documentation | tr -d '"')" "$(user sed -n 's/^Documentation=//p' previous/shop.service | tail -n 1 | tr -d '"')" 'the definition that is loaded'
up_in_all_views shop
assert_eq "$(user podman exec "$db" cat /data/named)" kept

step 'a plain stop stops, and a start starts'
userctl stop shop.service
assert_eq "$(user podman ps --quiet --filter label=com.docker.compose.project=shop)" ''
userctl start shop.service
wait_until 60 container_is "$web" running

step 'compose with the stack'\''s own project, files, environment and labels'
assert_exit 0 user stackctl compose shop -- ps
assert_contains "$OUT" "$web"
if [ "$PROVIDER" = docker-compose ]; then
    assert_exit 0 user stackctl compose shop -- config
    assert_contains "$OUT" 'GREETING: one'
    assert_contains "$OUT" 'PODMAN_SYSTEMD_UNIT: shop.service'
fi

step 'S14: a stack is removed from the declaration'
user cp .config/stackwarden/stacks/shop.json kept.json
user rm .config/stackwarden/stacks/shop.json
userctl stop shop.service
assert_eq "$(user podman ps --quiet --filter label=com.docker.compose.project=shop)" '' 'what runs, stopped without its entry'
user cp kept.json .config/stackwarden/stacks/shop.json
assert_exit 0 user stackctl remove shop --down
assert_eq "$(project_containers shop)" '' 'its containers'
assert_eq "$(property shop.service LoadState)" not-found 'its unit, for the manager'
# shellcheck disable=SC2016  # for the inner shell
assert_eq "$(user sh -c 'find .config/systemd .config/stackwarden -name "*shop*"')" '' 'its units, links and declaration'
assert_contains "$(volumes)" shop_data 'its volumes'
assert_exit 0 user stackctl history shop
assert_contains "$OUT" 'stopped, ' 'its records'
assert_exit 0 user stackctl status
assert_contains "$OUT" 'no stack is declared'
