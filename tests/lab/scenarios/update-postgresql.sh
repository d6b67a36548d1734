# shellcheck shell=bash
# The example of the handbook, docs/examples/update-postgresql, with a real PostgreSQL: a new version migrates the data
# and never gets healthy; the old one, which cannot work with them, is back with the data that it had.
# drawn: updates-docker-compose has the same steps with less data
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
pin_provider
# A version of the application reads one column; its migration runs when it starts.
application() { # MARKER COLUMN MIGRATION [health=bad]
    local sql='psql --quiet --host db --username photos --dbname photos'
    image app:1 "$1" with=postgresql "${4:-health=ok}" "check=$sql --command 'SELECT $2 FROM picture' && [ \$HEALTH = ok ]" \
        "run=until pg_isready --quiet --host db; do sleep 0.2; done; $sql --command '$3'; exec sleep 3600" >/dev/null
}
# shellcheck disable=SC2016  # for the shell in the container
image postgresql:17 server with=postgresql \
    'run=export PGDATA=/var/lib/postgresql/data
        [ -e $PGDATA ] || { initdb --username photos --auth trust --no-locale --encoding UTF8 --no-sync >/dev/null
            echo "host all all all trust" >>$PGDATA/pg_hba.conf; echo "CREATE DATABASE photos" | postgres --single postgres; }
        exec postgres -c listen_addresses="*" -c fsync=off -c unix_socket_directories=/var/run/postgresql' >/dev/null
application v1 title 'CREATE TABLE IF NOT EXISTS picture (title text)'
put photos/compose.yml <<END
services:
  db:
    image: "$REGISTRY/postgresql:17"
    volumes: ["data:/var/lib/postgresql"]
    healthcheck: { test: [CMD-SHELL, pg_isready --quiet --username photos --dbname photos], interval: 500ms, retries: 100 }
  web: { image: "$REGISTRY/app:1", depends_on: { db: { condition: service_healthy } } }
volumes: { data: {} }
END
user install -D --mode 755 /dev/stdin bin/update-postgresql <"$LAB_REPO/docs/examples/update-postgresql"
install_quietly
assert_exit 0 user stackctl add photos --compose photos/compose.yml --verify-timeout 20s
# What the example says, word for word.
sed -n 's/^# \{5\}//p' "$LAB_REPO/docs/examples/update-postgresql" | { echo '{'; cat; echo '}'; } | user tee update.json >/dev/null
assert_exit 0 user sh -c 'jq --slurp ".[0] * .[1]" .config/stackwarden/stacks/photos.json update.json >n && mv n .config/stackwarden/stacks/photos.json'
assert_exit 0 user stackctl sync photos
assert_exit 0 user stackctl restart photos
database() { user podman exec "$(container_of photos db)" psql --username photos --dbname photos --tuples-only --no-align --command "$1"; }
columns() { database "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1"; }
database "INSERT INTO picture VALUES ('summer')" >/dev/null
v1=$(image_of photos)

step 'a version that migrates the data and never gets healthy'
application v2 caption 'ALTER TABLE picture RENAME title TO caption; UPDATE picture SET caption = NULL; CREATE TABLE album (id int)' health=bad
assert_exit 81 user stackctl update photos
assert_eq "$(image_of photos)" "$v1" 'the image that runs'
assert_eq "$(columns)" 'picture|title'
assert_eq "$(database 'SELECT * FROM picture')" summer
health_is "$(container_of photos web)" healthy || fail 'the old version does not work with the data'
assert_settled photos "$REGISTRY/app:1"
assert_json "$(last_record photos update)" '.outcome.code == 81 and [.steps[-4:][].name] == ["restore", "on-rollback", "reapply", "reverify"]'
assert_eq "$(user stat -c %a .local/state/dumps/photos-photos.dump)" 600 'mode of the dump'

step 'a database that cannot be saved is not updated'
application v3 caption 'ALTER TABLE picture RENAME title TO caption'
user podman stop "$(container_of photos db)" >/dev/null
assert_exit 76 user stackctl update photos
assert_contains "$OUT" 'no container of service db runs in project photos'
assert_eq "$(image_of photos)" "$v1" 'the image that runs'
user podman start "$(container_of photos db)" >/dev/null
wait_until 60 health_is "$(container_of photos db)" healthy

step 'a version that works keeps what it migrated'
assert_exit 0 user stackctl update photos
assert_eq "$(columns)" 'picture|caption'
assert_eq "$(database 'SELECT * FROM picture')" summer
