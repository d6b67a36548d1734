# shellcheck shell=bash
# Names as compose accepts them: of projects, services and containers, and times with the names of their zones.
# drawn: unit tests have the names, too
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
long=$(printf 'x%.0s' {1..63})
install_quietly

# goes STACK PROJECT SERVICE CONTAINER: it is applied, verified, kept by a second apply, found by the auditor, and stopped.
goes() {
    local stack=$1 project=$2 service=$3 container=$4 began
    step "stack $stack, project $project, service $service, container $container"
    assert_exit 0 user stackctl add "$stack" --compose "$stack/compose.yml" --project "$project" --verify gate --stable-for 1s
    userctl start "$stack.service"
    container_is "$container" running
    began=$(started_at "$container")
    assert_exit 0 user stackctl apply "$stack"
    assert_eq "$(started_at "$container")" "$began" StartedAt
    up_in_all_views "$stack"
    whole
    user podman kill "$container" >/dev/null
    broken 79 "container $container was stopped by hand"
    userctl stop "$stack.service"
    assert_exit 0 user stackctl remove "$stack" --down
    assert_eq "$(project_containers "$project")" '' "what is left of $project"
}
for provider in $(sample 1 docker-compose podman-compose); do
    PROVIDER=$provider
    pin_provider
    for project in 9lives 0_0-a_-b "$long"; do
        put odd/compose.yml <<<"services: {it: {image: '$REGISTRY/app:1'}}"
        goes odd "$project" it "$(container_of "$project" it)"
    done
    put 1.odd_Name:x/compose.yml <<<"services: {Web_1.a-b: {image: '$REGISTRY/app:1', container_name: 9.My_Own-Name}}"
    goes 1.odd_Name:x named Web_1.a-b 9.My_Own-Name
done

step 'times with the names of their zones'
PROVIDER=docker-compose
# shellcheck disable=SC2016  # for the inner shell
put zones 755 <<'END'
#!/bin/bash
set -o pipefail
[ "$1 $2" = "container inspect" ] || exec podman "$@"
podman "$@" | sed -E 's/"StartedAt": "([0-9-]+)T([0-9:.]+)(Z|[+-][0-9:]+)"/"StartedAt": "\1 \2 +0000 AWST"/'
END
host_config '"podman": "/home/me/zones", "provider": {"kind": "docker-compose"}'
put odd/compose.yml <<<"services: {it: {image: '$REGISTRY/app:1'}}"
assert_exit 0 user stackctl add odd --compose odd/compose.yml --project odd --verify off --stable-for 3s
begin=$(now_ms)
assert_exit 0 user stackctl apply odd
assert_contains "$(user ./zones container inspect odd-it-1)" '+0000 AWST'
assert_exit 0 user stackctl verify odd
[ $(($(now_ms) - begin)) -ge 3000 ] || fail 'the verdict came before the container had run for 3 s'
