# shellcheck shell=bash
# What people do by hand beside an apply, or in its way: names that are taken or swapped, files that are edited meanwhile.
# drawn: rare doings of an operator
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 volume=/data >/dev/null
image app:2 v2 volume=/data >/dev/null
install_quietly

put_two() { # TAG NAME-OF-A NAME-OF-B
    put two/compose.yml <<END
services:
  a: { image: "$REGISTRY/app:$1", $2 volumes: ["/more"] }
  b: { image: "$REGISTRY/app:1", $3 volumes: ["/more"] }
END
}
ids() { user podman ps -a --no-trunc --format '{{.Names}} {{.ID}} {{.State}}' | sort; }
kept() { # CONTAINER
    assert_eq "$(user podman exec "$1" sh -c 'cat /data/file /more/file')" "kept
kept" "the data of $1"
}
refused() { # TEXT: and nothing is touched
    local before
    before=$(ids)
    assert_exit 78 user stackctl restart two
    assert_contains "$OUT" "$1"
    assert_eq "$(ids)" "$before" 'the containers'
}

step 'somebody else has the name of a container that is to be replaced'
put_two 1 '' ''
assert_exit 0 user stackctl add two --compose two/compose.yml --project two --verify gate --stable-for 1s
userctl start two.service
for one in two-a-1 two-b-1; do user podman exec "$one" sh -c 'echo kept >/data/file; echo kept >/more/file'; done
user podman rename two-a-1 away
user podman run --quiet --detach --name two-a-1 "$REGISTRY/app:1" >/dev/null
put_two 2 '' ''
refused 'service a needs the container name two-a-1, which another container has'
refused 'next: podman rename two-a-1 two-a-1.before'
user podman rename two-a-1 two-a-1.before
assert_exit 0 user stackctl restart two
assert_eq "$(inspect two-a-1 '{{.Config.Labels.marker}}')" v2 'the image'
kept two-a-1
user podman rm --force --time 0 two-a-1.before >/dev/null

step 'two services swap their names'
put_two 2 'container_name: x,' 'container_name: y,'
assert_exit 0 user stackctl restart two
put_two 2 'container_name: y,' 'container_name: x,'
refused 'service a needs the container name y, which another container of two.service has'
user podman rename x x.before
user podman rename y y.before
assert_exit 0 user stackctl restart two
assert_eq "$(inspect y '{{index .Config.Labels "com.docker.compose.service"}}')" a 'whose name it is'
kept x
kept y
assert_exit 0 user stackctl remove --down two

for PROVIDER in podman-compose docker-compose; do
    step "$PROVIDER: a file that is edited while it is applied is not what runs"
    pin_provider
    put_slow() { # MARK
        put slow/compose.yml <<END
services:
  db: { image: "$REGISTRY/app:1", healthcheck: { test: "test -e /tmp/up", interval: 1s, retries: 1000 }, volumes: ["data:/data"] }
  web: { image: "$REGISTRY/app:1", environment: { MARK: "$1" }, depends_on: { db: { condition: service_healthy } }, volumes: ["more:/data"] }
volumes: { data: {}, more: {} }
END
    }
    put_slow A
    assert_exit 0 user stackctl add slow --compose slow/compose.yml --project slow --verify off
    userctl start --no-block slow.service
    wait_until 60 container_is "$(container_of slow db)" running
    put_slow B
    user podman exec "$(container_of slow db)" touch /tmp/up
    wait_until 60 unit_is slow.service active
    assert_eq "$(env_of "$(container_of slow web)" MARK)" A
    broken 0 "$HOME_DIR/slow/compose.yml was edited"
    user podman exec "$(container_of slow db)" touch /tmp/up
    assert_exit 0 user stackctl remove --down slow
done
