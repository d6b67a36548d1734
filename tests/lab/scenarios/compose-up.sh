# shellcheck shell=bash
# A compose stack is its unit: started, changed by a reload, kept by a restart, stopped, with the unit's label on it.

user stackctl install
image web:1 v1 health=ok
image job:1 job exit=0
put shop/compose.yml <<END
services:
  web: { image: "$REGISTRY/web:1", environment: { COLOUR: "\${COLOUR:-none}" } }
  db: { image: "$REGISTRY/web:1", volumes: ["data:/data"] }
  job: { image: "$REGISTRY/job:1" }
volumes: { data: {} }
END
echo COLOUR=red | put shop/.env
user stackctl add shop --compose shop/compose.yml
unit=shop.service
id_and_start() { inspect "$1" '{{.Id}} {{.State.StartedAt}}'; }

step 'start'
userctl start "$unit"
assert_unit "$unit" active
assert_eq "$(property "$unit" SubState)" exited
assert_eq "$(project_containers shop | xargs)" 'shop-db-1 shop-job-1 shop-web-1'
for container in shop-web-1 shop-db-1 shop-job-1; do
    assert_eq "$(inspect "$container" '{{index .Config.Labels "PODMAN_SYSTEMD_UNIT"}}')" "$unit" "the label of $container"
done
wait_until 60 health_is shop-web-1 healthy
assert_contains "$(inspect shop-web-1 '{{.Config.Env}}')" COLOUR=red "compose's own .env"

step 'no process of ours is left running'
wait_until 30 nothing_resident

step 'restart without a change keeps every container'
web=$(id_and_start shop-web-1)
db=$(id_and_start shop-db-1)
userctl restart "$unit"
assert_eq "$(id_and_start shop-web-1)" "$web" 'shop-web-1'
assert_eq "$(id_and_start shop-db-1)" "$db" 'shop-db-1'

step 'reload applies an edited compose file, and recreates that service only'
user sed -i 's/COLOUR: "[^"]*"/COLOUR: blue/' shop/compose.yml
userctl reload "$unit"
assert_contains "$(inspect shop-web-1 '{{.Config.Env}}')" COLOUR=blue
[ "$(id_and_start shop-web-1)" != "$web" ] || fail 'shop-web-1 was not recreated'
assert_eq "$(id_and_start shop-db-1)" "$db" 'shop-db-1'
assert_unit "$unit" active

step 'a renamed service leaves no orphan'
user sed -i 's/^  web:/  front:/' shop/compose.yml
userctl restart "$unit"
assert_eq "$(project_containers shop | xargs)" 'shop-db-1 shop-front-1 shop-job-1'
assert_eq "$(id_and_start shop-db-1)" "$db" 'shop-db-1'

step 'stop stops, and removes neither container nor volume'
userctl stop "$unit"
assert_unit "$unit" inactive
assert_eq "$(inspect shop-db-1 '{{.State.Status}}')" exited
assert_eq "$(user podman volume ls --quiet --filter label=com.docker.compose.project=shop)" shop_data

step 'start again takes the same containers'
userctl start "$unit"
assert_eq "$(inspect shop-db-1 '{{.Id}}')" "${db%% *}"
container_is shop-db-1 running
wait_until 30 no_findings
