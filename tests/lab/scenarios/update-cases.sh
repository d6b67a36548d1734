# shellcheck shell=bash
# Which images change, with which services, and which never do; which images stay, and which are let go of.
# drawn: rare states before and after an update
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
pin_provider
for name in shared always many latest; do image "$name:latest" "$name-v1" >/dev/null; done
fixed=$(image fixed:1 fixed-v1)
image base:1 local-v1 >/dev/null
user podman pull --quiet "$REGISTRY/base:1" >/dev/null
user podman tag "$REGISTRY/base:1" localhost/mine:1 localhost/built:1
user podman untag "$REGISTRY/base:1" "$REGISTRY/base:1"
put app/Dockerfile <<<"FROM scratch"
put app/compose.yml <<END
services:
  one: { image: "$REGISTRY/shared:latest" }
  two: { image: "$REGISTRY/shared:latest" }
  by-digest: { image: "$REGISTRY/fixed@$fixed" }
  no-tag: { image: "$REGISTRY/latest" }
  mine: { image: "localhost/mine:1" }
  built: { image: "localhost/built:1", build: . }
  always: { image: "$REGISTRY/always:latest", pull_policy: always }
  many: { image: "$REGISTRY/many:latest", scale: 2 }
END
install_quietly
assert_exit 0 user stackctl add app --compose app/compose.yml --project app --verify-timeout 30s --stable-for 1s
userctl start app.service
markers() { # what runs, as SERVICE=MARKER
    user podman ps --filter label=com.docker.compose.project=app \
        --format '{{index .Labels "com.docker.compose.service"}}={{index .Labels "marker"}}' | sort | tr '\n' ' '
}
assert_eq "$(markers)" 'always=always-v1 built=local-v1 by-digest=fixed-v1 many=many-v1 many=many-v1 mine=local-v1 no-tag=latest-v1 one=shared-v1 two=shared-v1 '

step 'what can change, changes, each image with all its services; what cannot stays'
for name in shared always many latest; do image "$name:latest" "$name-v2" >/dev/null; done
image fixed:1 fixed-v2 >/dev/null
untouched=$(started_at app-by-digest-1)$(started_at app-mine-1)$(started_at app-built-1)
assert_exit 0 user stackctl restart app
assert_contains "$(markers)" 'always=always-v1' 'a restart takes nothing that was not verified'
assert_exit 0 user stackctl update --dry-run --json app
assert_json "$OUT" '[.[] | select(.verdict == "update") | .services] == [["always"], ["no-tag"], ["many"], ["one", "two"]]'
assert_exit 0 user stackctl update app
assert_eq "$(markers)" 'always=always-v2 built=local-v1 by-digest=fixed-v1 many=many-v2 many=many-v2 mine=local-v1 no-tag=latest-v2 one=shared-v2 two=shared-v2 '
assert_eq "$(started_at app-by-digest-1)$(started_at app-mine-1)$(started_at app-built-1)" "$untouched" 'what did not change'
record=$(last_record app update)
assert_contains "$record" 'pinned by its digest, it does not change'
assert_contains "$record" 'built or tagged here, no registry offers it'
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'

step 'two containers of one service are rolled back together'
image many:latest many-v3 exit=1 >/dev/null
assert_exit 81 user stackctl update app
assert_contains "$(markers)" 'many=many-v2 many=many-v2 '

step 'the last two good sets stay, also after a prune; images that no set needs go when that is asked for'
pins() { user podman images --format '{{.Repository}}:{{.Tag}}' | grep -c '^localhost/stackwarden/app/many:'; }
image many:latest many-v4 >/dev/null
assert_exit 0 user stackctl update app
v2=$(user podman inspect app-one-1 --format '{{.Image}}')
assert_eq "$(pins)" 2
assert_exit 0 user sh -c "jq '.update.keep = false' .config/stackwarden/stacks/app.json >n && mv n .config/stackwarden/stacks/app.json"
assert_exit 0 user stackctl sync app
image many:latest many-v5 >/dev/null
old=$(user podman image ls --no-trunc --format '{{.Id}} {{.Repository}}:{{.Tag}}' | grep ' localhost/stackwarden/app/many:' | cut -d' ' -f1 | sort)
assert_exit 0 user stackctl update app
assert_eq "$(pins)" 2
new=$(user podman image ls --no-trunc --format '{{.Id}} {{.Repository}}:{{.Tag}}' | grep ' localhost/stackwarden/app/many:' | cut -d' ' -f1 | sort)
gone=$(comm -23 <(echo "$old") <(echo "$new"))
assert_eq "$(wc -w <<<"$gone")" 1 'images let go of'
assert_exit 1 user podman image exists "$gone"
user podman image prune --force >/dev/null
assert_exit 0 user stackctl rollback app
assert_contains "$(markers)" 'many=many-v4 many=many-v4 '
assert_eq "$(user podman inspect app-one-1 --format '{{.Image}}')" "$v2" 'what did not change'

step 'what was edited and not applied is not updated: its new tag has never named what runs'
image no:2 no-v2 >/dev/null
assert_exit 0 user sed -i "s|$REGISTRY/latest\"|$REGISTRY/no:2\"|" app/compose.yml
before=$(markers)
for dry_run in '' --dry-run; do
    assert_exit 78 user stackctl update $dry_run app
    assert_contains "$OUT" "no-tag runs $REGISTRY/latest"
    assert_contains "$OUT" "the compose files say $REGISTRY/no:2"
    assert_contains "$OUT" 'next: systemctl --user restart app.service'
done
assert_eq "$(markers)" "$before"
assert_exit 0 userctl restart app.service
assert_contains "$(markers)" 'no-tag=no-v2'
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'

step 'an update leaves no volume behind, and one of nothing is told'
image volumes:1 v1 volume=/data >/dev/null
add_app volumes
volumes() { user podman volume ls --quiet | wc -l; }
before=$(volumes)
image volumes:1 v2 volume=/data >/dev/null
assert_exit 0 user stackctl update volumes
assert_eq "$(marker_of volumes)" v2
assert_eq "$(volumes)" "$before" 'volumes'
assert_exit 78 user stackctl update nothing
assert_contains "$OUT" 'expected a stack that is declared'
