# shellcheck shell=bash
# What shares a namespace with a container is in the way of its replacement: the stack's own is made anew first, and what
# is somebody else's is told of before anything is touched.
# drawn: lifecycle-docker-compose has a shared network, too
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
install_quietly
ids() { # PROJECT: names and ids of its containers
    user podman ps -a --no-trunc --filter "label=com.docker.compose.project=$1" --format '{{.Names}} {{.ID}}' | sort
}
connected() { assert_contains "$(user podman exec "$1" ls /sys/class/net)" eth0 "the network that $1 shares"; }
put_net() { # the services, a line each
    put net/compose.yml <<<"services:
$1"
}
plain() { echo "  $1: { image: \"$REGISTRY/app:1\", environment: { MARK: \"$2\" } }"; }               # SERVICE MARK
guest_of() { echo "  $1: { image: \"$REGISTRY/app:1\", network_mode: \"service:$2\"${3:-} }"; }     # SERVICE OTHER [MORE]

step 'a chain: a in the network of b, which is in that of c'
chain() { put_net "$(guest_of a b)
$(guest_of b c ", environment: { MARK: \"$1\" }")
$(plain c "$2")"; }
chain 1 1
assert_exit 0 user stackctl add net --compose net/compose.yml --project net --verify off
userctl start net.service
before=$(ids net)
assert_exit 0 userctl restart net.service
assert_eq "$(ids net)" "$before" 'the containers of an unchanged stack'
for marks in '1 2' '2 2' '3 3'; do
    # shellcheck disable=SC2086
    chain $marks
    assert_exit 0 userctl restart net.service
    assert_eq "$(env_of net-b-1 MARK) $(env_of net-c-1 MARK)" "$marks"
    connected net-a-1
done
before=$(ids net)
assert_exit 0 userctl restart net.service
assert_eq "$(ids net)" "$before" 'the containers of an unchanged stack'

step 'what compose told of the hashes is asked again when the files, the containers or the program change'
put bin/compose 755 <<'END'
#!/bin/sh
case " $* " in *' --hash '*) echo asked >>~/asked ;; esac
exec /usr/bin/docker-compose "$@"
END
host_config "\"provider\": {\"kind\": \"$PROVIDER\", \"program\": \"$HOME_DIR/bin/compose\"}"
asked() { # TIMES COMMAND…
    local times=$1
    shift
    user rm -f asked
    assert_exit 0 "$@"
    assert_eq "$(user sh -c 'cat asked 2>/dev/null || true' | wc -l)" "$times" 'questions for hashes'
}
asked 1 userctl restart net.service
asked 0 userctl restart net.service
chain 4 4
asked 1 userctl restart net.service
asked 1 userctl restart net.service # the ids of what is shared are others now
asked 0 userctl restart net.service
user touch bin/compose
asked 1 userctl restart net.service
pin_provider

step 'the middle of the chain goes, and its end is changed in the same edit'
put_net "$(guest_of a c)
$(plain c 4)"
assert_exit 0 userctl restart net.service
assert_eq "$(env_of net-c-1 MARK)" 4
assert_eq "$(project_containers net)" 'net-a-1
net-c-1'
connected net-a-1

step 'a docker-compose that does not tell the hashes starts a stack all the same, with a warning'
put half <<'END'
#!/bin/sh
case "$*" in *--hash*) echo 'unknown flag: --hash' >&2; exit 16 ;; esac
exec docker-compose "$@"
END
user chmod +x half
host_config '"provider": {"kind": "docker-compose", "program": "/home/me/half"}'
assert_exit 0 userctl restart net.service
assert_contains "$(journal -u net.service)" 'what depends on a container that is replaced is not looked for: compose refuses the files of stack net: unknown flag: --hash'
pin_provider

step 'what shared something does not any more, and what it shared is changed in the same edit'
mark=10
for edit in "$(plain t 1)" "$(guest_of t y)" '' "$(guest_of t x ', profiles: [off]')"; do
    put_net "$(guest_of t x)
$(plain x $mark)
$(plain y 1)"
    assert_exit 0 userctl restart net.service
    connected net-t-1
    mark=$((mark + 1))
    put_net "$edit
$(plain x $mark)
$(plain y 1)"
    case $edit in
    *profiles*) # compose leaves its container alone
        before=$(ids net)
        assert_exit 1 userctl restart net.service
        assert_contains "$(journal -u net.service)" 'container net-t-1 of net.service depends on net-x-1; next: podman rm --force net-t-1, which leaves the volumes, then the same again'
        assert_eq "$(ids net)" "$before" 'the containers'
        container_is net-t-1 running
        user podman rm --force --time 0 net-t-1 >/dev/null
        assert_exit 0 userctl restart net.service
        ;;
    *) assert_exit 0 userctl restart net.service ;;
    esac
    assert_eq "$(env_of net-x-1 MARK)" "$mark"
done
put_net "$(guest_of t x)
$(plain x 1)
$(plain y 1)"
assert_exit 0 userctl restart net.service
put_net "$(plain y 1)"
assert_exit 0 userctl restart net.service
assert_eq "$(project_containers net)" net-y-1

step 'what a compose run has left goes, and what it still runs is in the way'
put_net "$(guest_of t x)
$(plain x 1)"
assert_exit 0 userctl restart net.service
assert_exit 0 user stackctl compose net -- run --no-deps --name once t true
assert_exit 0 user stackctl compose net -- run --no-deps --detach --name still t
put_net "$(guest_of t x)
$(plain x 2)"
assert_exit 1 userctl restart net.service
assert_contains "$(journal -u net.service)" 'container still of net.service depends on net-x-1'
assert_eq "$(env_of net-x-1 MARK)" 1
user podman stop --time 0 still >/dev/null
assert_exit 0 userctl restart net.service
assert_eq "$(env_of net-x-1 MARK)" 2
assert_eq "$(project_containers net)" 'net-t-1
net-x-1'

step 'containers of nobody and of another stack are in the network of one that is changed, or updated'
put other/compose.yml <<<"services: { g: { image: \"$REGISTRY/app:1\", network_mode: \"container:net-x-1\" } }"
assert_exit 0 user stackctl add other --compose other/compose.yml --project other --verify off
userctl start other.service
user podman create --quiet --name guest --network container:net-x-1 "$REGISTRY/app:1" >/dev/null
before=$(ids net)
assert_exit 0 userctl restart net.service
assert_eq "$(ids net)" "$before" 'the containers of an unchanged stack'
put_net "$(guest_of t x)
$(plain x 3)"
assert_exit 1 userctl restart net.service
assert_contains "$(journal -u net.service)" 'refused, the running containers were not touched: expected nobody else to need a container that is to go'
assert_contains "$(journal -u net.service)" 'container other-g-1 of other.service depends on net-x-1'
assert_contains "$(journal -u net.service)" 'next: podman rm --force guest other-g-1, which leaves the volumes, then the same again, then: systemctl --user restart other.service'
assert_eq "$(ids net)" "$before" 'the containers'
put_net "$(guest_of t x)
$(plain x 2)"
assert_exit 0 userctl restart net.service
old=$(user podman image inspect --format '{{.Id}}' "$REGISTRY/app:1")
image app:1 newer >/dev/null
assert_exit 76 user stackctl update net
assert_contains "$OUT" 'nothing was changed'
assert_contains "$OUT" 'container guest depends on net-x-1'
assert_eq "$(user podman image inspect --format '{{.Id}}' "$REGISTRY/app:1")" "$old" 'what the tag names'
assert_eq "$(ids net)" "$before" 'the containers'
user podman rm --force --time 0 guest other-g-1 >/dev/null
assert_exit 0 user stackctl update net
assert_eq "$(inspect net-x-1 '{{.Image}}')" "$(user podman image inspect --format '{{.Id}}' "$REGISTRY/app:1")"
assert_exit 0 userctl restart other.service
connected other-g-1

step 'what another stack shares was started again'
sleep 1 # podman lists whole seconds: what began in the same one tells nothing
user podman restart --time 0 net-x-1 >/dev/null
assert_exit 0 userctl restart other.service
connected other-g-1
assert_exit 0 user stackctl remove --down other

step 'containers that need one in another way'
for need in '--requires net-x-1' '--uts container:net-x-1' '--network none --pid container:net-x-1'; do
    # shellcheck disable=SC2086
    user podman create --quiet --name guest $need "$REGISTRY/app:1" >/dev/null
    put_net "$(guest_of t x)
$(plain x 5)"
    assert_exit 1 userctl restart net.service
    assert_contains "$(journal -u net.service)" 'container guest depends on net-x-1; next: podman rm --force guest'
    container_is net-x-1 running
    user podman rm guest >/dev/null
    put_net "$(guest_of t x)
$(plain x 3)"
    assert_exit 0 userctl restart net.service
done

step 'a replacement that was cut short before the old container was gone'
# shellcheck disable=SC2016  # for podman
labels=$(inspect net-x-1 '{{range $name, $value := .Config.Labels}}--label={{$name}}={{$value}} {{end}}')
x=$(id_of net-x-1)
# shellcheck disable=SC2086
user podman create --quiet --name "${x:0:12}_net-x-1" $labels --label "com.docker.compose.replace=$x" "$REGISTRY/app:1" >/dev/null
put_net "$(guest_of t x)
$(plain x 4)"
assert_exit 0 userctl restart net.service
assert_contains "$(journal -u net.service)" "removed ${x:0:12}_net-x-1, never started: its replacement of net-x-1 was cut short"
assert_eq "$(project_containers net)" 'net-t-1
net-x-1'
connected net-t-1

step 'replicas, volumes of another service, an env file, and a dependency that is not enabled'
several() { # MARK of w
    put net/compose.yml <<END
services:
  x: { image: "$REGISTRY/app:1", scale: 2 }
  t:
    image: "$REGISTRY/app:1"
    network_mode: "service:x"
    volumes_from: [w]
    env_file: [t.env]
    depends_on: { off: { condition: service_healthy, required: false } }
  u: { image: "$REGISTRY/app:1", network_mode: "service:x", pid: "service:t" }
  w: { image: "$REGISTRY/app:1", volumes: ["/anonymous"], environment: { MARK: "$1" } }
  off: { image: "$REGISTRY/ok:1", profiles: [off] }
END
}
put net/t.env <<<'OF=1'
several 1
assert_exit 0 userctl restart net.service
user podman exec net-t-1 sh -c 'echo kept >/anonymous/file'
before=$(ids net)
for _ in 1 2; do
    assert_exit 0 userctl restart net.service
    assert_eq "$(ids net)" "$before" 'the containers of an unchanged stack'
done
assert_exit 0 user stack-audit
several 2
assert_exit 0 userctl restart net.service
put net/t.env <<<'OF=2'
assert_exit 0 userctl restart net.service
assert_eq "$(env_of net-w-1 MARK) $(env_of net-t-1 OF) $(user podman exec net-t-1 cat /anonymous/file)" '2 2 kept'
assert_exit 0 user stack-audit

step 'nothing is taken down that somebody else needs'
user podman run --quiet --detach --name guest --network container:net-w-1 "$REGISTRY/app:1" >/dev/null
before=$(ids net)
assert_exit 76 user stackctl remove --down net
assert_contains "$OUT" 'container guest depends on net-w-1; next: podman rm --force guest'
assert_eq "$(ids net)" "$before" 'the containers'
assert_unit net.service active
user podman rm --force --time 0 guest >/dev/null
assert_exit 0 user stackctl remove --down net

# x, and t that shares $1 of it; x has the mark $2.
tied() {
    put ns/compose.yml <<END
services:
  x: { image: "$REGISTRY/app:1", environment: { MARK: "$2" } }
  t: { image: "$REGISTRY/app:1", $1: "service:x", volumes: ["/anonymous"] }
END
}
namespace() { user podman exec "$1" readlink "/proc/self/ns/$2"; } # CONTAINER pid|ipc
together() { assert_eq "$(namespace ns-t-1 "$1")" "$(namespace ns-x-1 "$1")" "the $1 namespace of both"; }
for kind in $(sample 1 pid ipc); do
    step "$kind: the other service is changed, again and again"
    tied "$kind" 1
    assert_exit 0 user stackctl add ns --compose ns/compose.yml --project ns --verify off
    userctl start ns.service
    together "$kind"
    user podman exec ns-t-1 sh -c 'echo kept >/anonymous/file'
    for mark in 2 3; do
        tied "$kind" "$mark"
        assert_exit 0 userctl restart ns.service
        together "$kind"
        assert_eq "$(env_of ns-x-1 MARK)" "$mark"
        assert_eq "$(user podman exec ns-t-1 cat /anonymous/file)" kept
    done
    assert_eq "$(project_containers ns)" 'ns-t-1
ns-x-1'

    step "$kind: the other container was restarted, stopped, or killed"
    for how in $(sample 1 restart stop kill); do
        sleep 1 # podman lists whole seconds: what began in the same one tells nothing
        [ "$how" = kill ] && time='' || time='--time 0'
        # shellcheck disable=SC2086
        user podman "$how" $time ns-x-1 >/dev/null
        assert_exit 0 userctl restart ns.service
        together "$kind"
    done

    step "$kind: nothing has changed"
    before=$(started_at ns-x-1) mine=$(started_at ns-t-1)
    assert_exit 0 userctl restart ns.service
    assert_eq "$(started_at ns-x-1) $(started_at ns-t-1)" "$before $mine" StartedAt
    whole
    assert_exit 0 user stackctl remove --down ns
done

step 'podman-compose, which cannot make one and ignores the other, is told of'
PROVIDER=podman-compose pin_provider
tied pid 1
assert_exit 0 user stackctl add ns --compose ns/compose.yml --project ns --verify off
assert_exit 78 user stackctl apply ns
assert_contains "$OUT" 'service t shares the process namespace of service x, and podman-compose (1.3) cannot make such a container; next: '
assert_eq "$(project_containers ns)" ''
tied ipc 1
assert_exit 0 user stackctl apply ns
assert_contains "$OUT" 'service t shares the IPC namespace of service x, and podman-compose (1.3) gives each its own'

step 'podman-compose without a pod: a container of nobody is in the network of one that is changed'
alone() { put alone/compose.yml <<<"{ x-podman: { in_pod: false }, services: { x: { image: \"$REGISTRY/app:1\", environment: { MARK: \"$1\" } } } }"; }
alone 1
assert_exit 0 user stackctl add alone --compose alone/compose.yml --project alone --verify off
userctl start alone.service
user podman run --quiet --detach --name guest --network container:alone_x_1 "$REGISTRY/app:1" >/dev/null
assert_exit 0 userctl restart alone.service
alone 2
assert_exit 1 userctl restart alone.service
assert_contains "$(journal -u alone.service)" 'container guest depends on alone_x_1; next: podman rm --force guest'
connected guest
user podman rm --force --time 0 guest >/dev/null
assert_exit 0 userctl restart alone.service
assert_eq "$(env_of alone_x_1 MARK)" 2
