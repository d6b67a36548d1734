# shellcheck shell=bash
# What the scenarios about stacks share. $PROVIDER is docker-compose or podman-compose.

# The name of a service's first container, as the provider makes it.
container_of() { # PROJECT SERVICE
    if [ "$PROVIDER" = docker-compose ]; then echo "$1-$2-1"; else echo "$1_$2_1"; fi
}
started_at() { inspect "$1" '{{.State.StartedAt}}'; }
id_of() { inspect "$1" '{{.Id}}'; }
env_of() { inspect "$1" '{{range .Config.Env}}{{println .}}{{end}}' | sed -n "s/^$2=//p"; } # CONTAINER NAME
# STACK VERB: the newest record as JSON
# shellcheck disable=SC2016  # for the inner shell
last_record() { user sh -c 'cat "$(ls ~/.local/state/stackwarden/records/*-"$1"-"$2"*.json | tail -n 1)"' last "$1" "$2"; }

host_config() { put .config/stackwarden/config.json 600 <<<"{\"version\": 1, $1}"; }
pin_provider() { host_config "\"provider\": {\"kind\": \"$PROVIDER\"}"; }

# Images: app:1 and app:2 run for ever, ok is healthy, bad never is, once ends with 0.
make_images() {
    image app:1 v1 >/dev/null
    image app:2 v2 >/dev/null
    image ok:1 ok health=ok >/dev/null
    image bad:1 bad health=bad >/dev/null
    image once:1 once exit=0 >/dev/null
}

# The stack that most scenarios use: a database with a health check and an anonymous volume, something that waits for
# it, an init container, a named volume, a published port, a shared network namespace.
put_stack() { # NAME PORT
    put "$1/web.env" 600 <<<'OWN="hunter22 \$ of its own"'
    put "$1/compose.yml" <<END
services:
  db: { image: "$REGISTRY/ok:1", volumes: ["/anonymous", "data:/data"] }
  init: { image: "$REGISTRY/once:1", restart: "no" }
  web:
    image: "$REGISTRY/app:\${TAG:-1}"
    restart: unless-stopped
    ports: ["$2:80"]
    environment: { GREETING: "\${GREETING:-none}" }
    env_file: [web.env]
    depends_on: { db: { condition: service_healthy } }
  side: { image: "$REGISTRY/app:1", network_mode: "service:web", depends_on: [web] }
volumes: { data: {} }
END
}
# With the auditor's path unit stopped: podman makes a scope for each command that a person types, which is a change in a
# watched directory, and hundreds of audits would run beside what is looked at here.
install_quietly() {
    assert_exit 0 user stackctl install
    # The first audit would start it again.
    wait_until 30 audits_are_over
    userctl stop stack-audit.timer stack-audit.path
}
audits_are_over() { unit_is stack-audit.service inactive && unit_is stack-audit-settle.service inactive; }
# begin_shop: that stack runs, verified, and has written something.
begin_shop() {
    pin_provider
    make_images
    put_stack shop 8080
    install_quietly
    assert_exit 0 user stackctl add shop --compose shop/compose.yml --project shop --verify gate
    userctl start shop.service
    user podman exec "$(container_of shop db)" sh -c 'echo kept >/data/named'
}
# $STACK's compose file with one service, `it`, given as its mapping.
put_one() { put one/compose.yml <<<"services: {it: $1}"; }

# The verification that a start has pulled in is over, and has held.
verified() { unit_is "stack-verify@$1.service" inactive && assert_json "$(last_record "$1" verify)" '.outcome.code == 0'; }
# In systemd's view, and in our own: with podman's there is no third that could disagree.
up_in_all_views() { # STACK
    assert_unit "$1.service" active
    assert_eq "$(property "$1.service" Result)" success "the result of $1.service"
    assert_json "$(user stackctl status --json "$1")" ".stacks[\"$1\"] | .condition == \"up\" and .provenance.declared" "the status of $1"
}

# broken CODE TEXT…: an audit on demand ends so and tells each of these; whole: it finds nothing.
broken() {
    local text
    assert_exit "$1" user stack-audit
    for text in "${@:2}"; do assert_contains "$OUT" "$text" 'the report'; done
    assert_lacks "$OUT" hunter22 'the report'
}
whole() { broken 0 'every invariant holds'; }
