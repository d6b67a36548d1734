# shellcheck shell=bash
# S05, S06 and bad input with one provider: each is refused with its code and its object, and nothing is touched.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
make_images
put_stack shop 8080
web=$(container_of shop web)
put shop/shop.env 600 <<<'GREETING=hunter22-the-secret'
install_quietly
assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop \
    --env-file shop/shop.env:shop/old.env --verify off
userctl start shop.service
assert_eq "$(env_of "$web" GREETING)" hunter22-the-secret
before=$(started_at "$web")

untouched() { # CODE TEXT: apply is refused so, and the running containers are the same
    assert_exit "$1" user stackctl apply shop
    assert_contains "$OUT" "$2"
    assert_contains "$OUT" 'the running containers were not touched'
    assert_lacks "$OUT" hunter22 'the message'
    assert_eq "$(started_at "$web")" "$before" StartedAt
}

step 'S05: an env file is missing, then malformed'
user mv shop/shop.env shop/kept.env
untouched 78 '/home/me/shop/shop.env is missing'
assert_exit 78 user stackctl restart shop
assert_unit shop.service active
printf 'GREETING=hunter22-the-secret\n!hunter22 broken\n' | put shop/shop.env 600
untouched 78 'line 2 is not an assignment'
user rm shop/shop.env

step 'S06: a secret has moved, its fallback is in use'
user cp shop/kept.env shop/old.env
assert_exit 0 user stackctl apply shop
assert_contains "$OUT" '/home/me/shop/old.env'
assert_contains "$OUT" 'this fallback is deprecated'
user rm shop/old.env
user mkdir shop/moved
user cp shop/kept.env shop/moved/shop.env
untouched 78 '/home/me/shop/shop.env is missing'
assert_exit 0 user stackctl add shop --env-file shop/moved/shop.env
assert_exit 0 user stackctl apply shop
assert_eq "$(started_at "$web")" "$before" 'StartedAt: the same values from another path'
user cp shop/kept.env shop/shop.env
assert_exit 0 user stackctl add shop --env-file shop/shop.env:shop/old.env

step 'S06: a secret is readable by others, unreadable, no file'
user chmod 644 shop/shop.env
untouched 77 'chmod o-rwx'
user chmod 000 shop/shop.env
untouched 77 'chmod u+r'
user rm -f shop/shop.env
user mkdir shop/shop.env
untouched 78 'expected a regular file, found a directory'
user rmdir shop/shop.env
user mkfifo -m 600 shop/shop.env
untouched 78 'expected a regular file, found a FIFO'
user rm shop/shop.env
user cp shop/kept.env shop/shop.env
user chmod 600 shop/shop.env
assert_exit 0 user stackctl preflight shop

step 'what compose stumbles over may be a secret: a value of an env file is told neither whole nor in part'
user cp shop/compose.yml shop/good.yml
service_env() { # CODE TEXT LINE: the env file of a service, of which only the provider knows
    put shop/service.env 600 <<<"$3"
    untouched "$1" "$2"
}
put shop/compose.yml <<<"services: {web: {image: '$REGISTRY/app:1', env_file: [service.env]}}"
if [ "$PROVIDER" = docker-compose ]; then
    service_env 78 'env file /home/me/shop/service.env is malformed: line 1 opens a quote' 'DB_PASSWORD="hunter22-unclosed'
    # shellcheck disable=SC2016  # for compose
    service_env 78 'Invalid template: ' 'DB_PASSWORD=pa${hunter22'
    service_env 78 'service.env is malformed: line 1 is not an assignment' '!hunter22=value'
    put shop/shop.env 600 <<<'PLACE=Tok3n-hunter22/a:b@c'
    # shellcheck disable=SC2016  # for compose
    put shop/compose.yml <<<'services: {web: {image: x, ports: ["${PLACE}:80"]}}'
    untouched 78 'Invalid ip address: '
    assert_lacks "$OUT" Tok3n
    assert_exit 78 user stackctl add other --compose shop/compose.yml --env-file shop/shop.env
    assert_contains "$OUT" 'Invalid ip address: '
    assert_lacks "$OUT" Tok3n
fi
put shop/shop.env 600 <<<'NAME_OF_IT=hunter22-a-secret'
# shellcheck disable=SC2016  # for compose
put shop/compose.yml <<<'services: {web: {image: "${NAME_OF_IT} bad ref"}}'
untouched 78 'service web of stack shop: expected its "image" to read'
user rm -f shop/service.env
user cp shop/kept.env shop/shop.env
user mv shop/good.yml shop/compose.yml

step 'what compose would wait for is named before it is run'
named() { # PATH KIND: refused at once
    local begin
    begin=$(now_ms)
    untouched 78 "$1"
    assert_contains "$OUT" "expected a regular file, found a $2"
    [ $(($(now_ms) - begin)) -lt 20000 ] || fail "it took $(($(now_ms) - begin)) ms"
}
user mkfifo -m 600 shop/.env
named shop/.env FIFO
assert_exit 78 user stackctl compose shop -- ps
assert_contains "$OUT" 'shop/.env'
user rm shop/.env
user mkdir shop/.env
assert_exit 0 user stackctl preflight shop
assert_contains "$OUT" 'shop/.env is a directory, of which compose takes no notice'
user rmdir shop/.env
user cp shop/compose.yml shop/good.yml
user mkfifo -m 600 shop/waits
for text in 'services: {web: {image: x, env_file: [waits]}}' \
    $'include: [waits]\nservices: {web: {image: x}}' \
    'services: {web: {image: x, extends: {file: waits, service: web}}}'; do
    put shop/compose.yml <<<"$text"
    named shop/waits FIFO
done
user rm -f shop/waits shop/compose.yml
user mv shop/good.yml shop/compose.yml

if [ "$PROVIDER" = podman-compose ]; then
    step 'the env files that are joined for podman-compose go with the command, or with the next one'
    put shop/.env 600 <<<'MORE=hunter22-more'
    # shellcheck disable=SC2016  # for the inner shell
    joined() { user sh -c 'ls "$XDG_RUNTIME_DIR/stackwarden/env"'; }
    assert_exit 7 user stackctl compose shop -- exec -T web sh -c 'exit 7'
    assert_eq "$(joined)" '' 'joined env files'
    follows() { user pgrep --full '[p]odman-compose .*shop.* logs' >/dev/null; }
    for signal in TERM KILL; do
        user stackctl compose shop -- logs --follow web >/dev/null 2>&1 &
        wait_until 60 follows
        user pkill "-$signal" --full '[s]tackctl compose shop -- logs'
        wait $! || true
        user pkill -KILL --full '[p]odman.* logs' || true
        [ "$signal" = KILL ] || assert_eq "$(joined)" '' 'joined env files after SIGTERM'
    done
    assert_contains "$(joined)" shop. 'what a killed one leaves'
    assert_exit 0 user stackctl preflight shop
    assert_eq "$(joined)" '' 'joined env files'
    user rm shop/.env
fi

step 'compose files'
user cp shop/compose.yml shop/good.yml
bad_file() { # CODE TEXT CONTENT
    put shop/compose.yml <<<"$3"
    untouched "$1" "$2"
}
bad_file 78 compose 'services: {web: ['
bad_file 78 '' ''
# shellcheck disable=SC2016  # for compose
bad_file 78 "must be set" 'services: {web: {image: "x:${NEEDED:?must be set}"}}'
if [ "$PROVIDER" = docker-compose ]; then
    bad_file 78 cycle 'services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}'
    bad_file 78 nosuch 'services: {a: {image: x, depends_on: [nosuch]}}'
fi
bad_file 78 'device of service web: expected a file at /dev/nosuch' "services: {web: {image: '$REGISTRY/app:1', devices: ['/dev/nosuch:/dev/x']}}"
bad_file 78 'secret pw: expected a file at /home/me/shop/pw.txt' "services: {web: {image: '$REGISTRY/app:1', secrets: [pw]}}
secrets: {pw: {file: ./pw.txt}}"
user test ! -e shop/pw.txt || fail 'something was made in the place of the secret'
bad_file 78 'network lan is declared as external, and there is none' "services: {web: {image: '$REGISTRY/app:1', networks: [lan]}}
networks: {lan: {external: true}}"
bad_file 78 'volume data is declared as external, and there is none' "services: {web: {image: '$REGISTRY/app:1', volumes: ['data:/data']}}
volumes: {data: {external: true}}"
bad_file 78 nosuch "services: {web: {image: '$REGISTRY/app:1', network_mode: 'service:nosuch'}}"
put none/compose.yml <<<'services: {web: {image: x, profiles: [other]}}'
assert_exit 0 user stackctl add none --compose none/compose.yml --project none
assert_contains "$OUT" 'no service in the enabled profiles'
put .config/stackwarden/stacks/none.json <<<'{garbage'
for verb in restart compose; do
    assert_exit 78 user sh -c "stackctl $verb none $([ $verb = restart ] || echo -- ps)"
    assert_contains "$OUT" 'none.json, then: stackctl sync'
done
user rm .config/stackwarden/stacks/none.json
assert_exit 0 user stackctl remove none
user rm shop/compose.yml
untouched 78 'compose.yml: no such file'
user mv shop/good.yml shop/compose.yml

step 'another project name makes no second copy beside the first'
assert_exit 0 user stackctl add shop --project renamed
untouched 78 "runs in project shop, and the stack's project is renamed now"
assert_exit 0 user stackctl add shop --project shop

step 'the unit itself'
user sh -c 'echo "# edited" >>.config/systemd/user/shop.service'
untouched 78 fragment-content
assert_exit 0 user stackctl repair shop
assert_exit 0 user stackctl apply shop

step 'S05: an env file that is missing is no longer declared'
user rm shop/shop.env
untouched 78 '/home/me/shop/shop.env is missing'
user sh -c 'cp .config/stackwarden/stacks/shop.json with.json && jq "del(.env_files)" with.json >.config/stackwarden/stacks/shop.json'
assert_exit 0 user stackctl sync shop
userctl restart shop.service
assert_unit shop.service active
# podman-compose (1.3) leaves the reference as it stands.
assert_lacks "$(env_of "$web" GREETING)" hunter22 'the environment'
user cp shop/kept.env shop/shop.env
user sh -c 'cp with.json .config/stackwarden/stacks/shop.json'
assert_exit 0 user stackctl sync shop
userctl restart shop.service
assert_eq "$(env_of "$web" GREETING)" hunter22-the-secret
before=$(started_at "$web")

step 'all that is wrong is told, and the gravest code wins'
user chmod 644 shop/shop.env
user mv shop/compose.yml shop/away.yml
untouched 78 'no such file'
assert_contains "$OUT" 'chmod o-rwx'
user mv shop/away.yml shop/compose.yml
user chmod 600 shop/shop.env

step 'a container of another unit is refused, never removed'
user podman run --detach --name foreign --label PODMAN_SYSTEMD_UNIT=podman.service \
    --label com.docker.compose.project=shop --label com.docker.compose.service=web "$REGISTRY/app:1"
untouched 78 'container foreign belongs to podman.service'
user podman rm --force --time 0 foreign

step 'a paused container'
user podman pause "$web" >/dev/null
untouched 76 "next: podman unpause $web"
user podman unpause "$web" >/dev/null

step 'another provider made the containers'
other=docker-compose
[ "$PROVIDER" = podman-compose ] || other=podman-compose
host_config "\"provider\": {\"kind\": \"$other\"}"
untouched 78 "was made by $PROVIDER"

step 'no provider, no podman, a podman that is too old, hangs, prints garbage or far too much'
host_config "\"provider\": {\"kind\": \"$PROVIDER\", \"program\": \"/nonexistent/compose\"}"
untouched 78 '/nonexistent/compose'
host_config '"podman": "/nonexistent/podman"'
untouched 69 '/nonexistent/podman'
fake() { # SCRIPT: a podman that tells its version and otherwise does this
    # shellcheck disable=SC2016  # for the inner shell
    printf '#!/bin/sh\n[ "$1" = --version ] && { echo "podman version ${VERSION:-5.4.2}"; exit; }\n%s\n' "$1" | put fake 755
    host_config "\"podman\": \"/home/me/fake\", \"provider\": {\"kind\": \"$PROVIDER\"}"
}
put fake 755 <<<$'#!/bin/sh\necho podman version 4.3.1'
host_config '"podman": "/home/me/fake"'
untouched 78 'podman 4.3.1 has no'
fake 'echo "{garbage"'
untouched 76 'is not understood'
fake 'exec yes'
untouched 76 'printed more than'
# shellcheck disable=SC2016  # for the fake
fake 'printf "[\""; head -c 100000000 /dev/zero | tr "\000" x; printf "\"]"'
untouched 76 'printed more than'
fake 'exec sleep 1000'
untouched 69 'did not end within'
assert_exit 75 user timeout --preserve-status --signal=TERM 1 stackctl apply shop
assert_contains "$OUT" 'asked to end'
pin_provider

if [ "$PROVIDER" = docker-compose ]; then
    step 'the socket is down'
    userctl stop podman.socket podman.service
    untouched 69 'systemctl --user start podman.socket'
    userctl start podman.socket
fi

step 'an image that cannot be had leaves the running containers'
user sed -i 's/TAG:-1/TAG:-nosuch/' shop/compose.yml
assert_exit 76 user stackctl apply shop
assert_contains "$OUT" "cannot pull $REGISTRY/app:nosuch"
assert_contains "$OUT" "next: podman search --list-tags $REGISTRY/app, which lists"
assert_exit 0 user podman search --list-tags "$REGISTRY/app"
assert_eq "$(started_at "$web")" "$before" StartedAt
registry_stop
untouched 75 "cannot pull $REGISTRY/app:nosuch"
registry_start
user sed -i 's/TAG:-nosuch/TAG:-1/' shop/compose.yml

step 'two at once wait for each other, and the one that gives up says for whom'
host_config "\"lock_wait\": \"1s\", \"provider\": {\"kind\": \"$PROVIDER\"}"
# shellcheck disable=SC2016  # for the inner shell
user sh -c 'exec flock --exclusive "$XDG_RUNTIME_DIR/stackwarden/locks/shop.lock" sleep 5' &
sleep 0.5
assert_exit 75 user stackctl apply shop
assert_contains "$OUT" 'stack shop is locked by'
wait $!

pin_provider

step 'a podman that is killed takes compose with it, and is not told as a verdict'
put slow/compose.yml <<END
services:
  web: { image: "$REGISTRY/app:1", ports: ["8090:80"], depends_on: { db: { condition: service_healthy } } }
  db:
    image: "$REGISTRY/app:1"
    healthcheck: { test: "test -e /healthy", interval: 1s, retries: 1000 }
END
assert_exit 0 user sh -c 'umask 777; exec stackctl add slow --compose slow/compose.yml --project slow --verify off'
assert_eq "$(user stat --format %a .config/stackwarden/stacks/slow.json)" 600 'the mode in spite of the umask'
slow_up="[${PROVIDER:0:1}]${PROVIDER:1} .*slow.* up"
provider() { user pgrep --full "$slow_up" >/dev/null; }
waits() { [ "$(inspect "$(container_of slow db)" '{{.State.Health.FailingStreak}}')" -gt 0 ]; }
userctl start --no-block slow.service
wait_until 60 container_is "$(container_of slow db)" running
wait_until 60 waits
provider || fail 'compose is not at work'
user pkill -KILL --full '[p]odman compose .*slow.* up'
wait_until 30 unit_is slow.service failed
if provider; then fail 'compose goes on without podman'; fi
assert_json "$(last_record slow apply)" '.outcome.code == 76'
assert_lacks "$(last_record slow apply)" 'gave up waiting'
step 'no secret in anything that was written'
# shellcheck disable=SC2016  # for the inner shell
assert_eq "$(user sh -c 'grep -rl hunter22 .local/state "$XDG_RUNTIME_DIR/stackwarden" || true')" '' 'files with the secret'
assert_lacks "$(journal)" hunter22 'the journal'
