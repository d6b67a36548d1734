# shellcheck shell=bash
# S13a: a registry that is down or misbehaves in each way; nothing changes, the reason is told, the code is 75 or 76.
# drawn: update-night-docker-compose has a registry that is away
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
pin_provider
BAD=localhost:5001
printf '[[registry]]\nlocation = "localhost:5001"\ninsecure = true\n' | root_put /etc/containers/registries.conf.d/98-bad.conf
bad_registry() { # MODE
    root systemctl stop bad-registry.service 2>/dev/null || true
    root rm -f /tmp/bad-registry.log
    root systemd-run --quiet --collect --unit bad-registry /opt/lab/bad-registry 5001 "$1" /tmp/bad-registry.log
    wait_until 30 root sh -c "curl --silent --max-time 5 http://$BAD/v2/ >/dev/null"
}
image app:1 v1 health=ok >/dev/null
bad_registry full
install_quietly
add_app app "$BAD/app:1"
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'
image app:1 v2 health=ok >/dev/null
web=$(container_of app web)
before=$(started_at "$web")$(tag_id "$BAD/app:1")

refused() { # MODE CODE TEXT
    step "the registry: $1"
    [ "$1" = down ] || bad_registry "$1"
    assert_exit "$2" user stackctl update app
    assert_contains "$OUT" "$3"
    assert_contains "$OUT" "$BAD/app:1"
    assert_eq "$(started_at "$web")$(tag_id "$BAD/app:1")" "$before" 'what runs, and the tag'
    assert_settled app "$BAD/app:1"
    assert_json "$(last_record app update)" ".outcome.code == $2 and .update.result == \"failed\""
}
refused 401 76 'unauthorized'
assert_contains "$OUT" "; next: podman login $BAD"
refused 404 76 'manifest unknown'
assert_contains "$OUT" "; next: podman search --list-tags $BAD/app, which lists"
refused 500 75 'the next run tries again'
refused garbage 76 'is not an image'
refused half 75 'the next run tries again'
refused arm 76 'is for arm64, expected amd64'
refused 429 75 'the next run tries again'
[ "$(root grep -c manifests /tmp/bad-registry.log)" -ge 3 ] || fail "it was not asked again: $(root cat /tmp/bad-registry.log)"
root systemctl stop bad-registry.service
refused down 75 'connection refused'

step 'slow is not broken'
bad_registry slow=1
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v2
assert_settled app "$BAD/app:1"

step 'no skopeo: the tag is pulled under the lock and put back, and all else is the same'
host_config "\"skopeo\": \"/nonexistent/skopeo\", \"provider\": {\"kind\": \"$PROVIDER\"}"
bad_registry full
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'nothing new'
image app:1 v3 health=bad >/dev/null
assert_exit 81 user stackctl update app
assert_eq "$(marker_of app)" v2
assert_settled app "$BAD/app:1"
assert_exit 0 user stackctl update app
assert_contains "$OUT" 'quarantined'
assert_eq "$(marker_of app)" v2
assert_settled app "$BAD/app:1"
image app:1 v4 health=ok >/dev/null
assert_exit 137 user env STACKWARDEN_KILL_AT=pull stackctl update app
assert_exit 137 user env STACKWARDEN_KILL_AT=pull+ stackctl update app
assert_exit 0 user stackctl apply app
assert_settled app "$BAD/app:1"
assert_exit 0 user stackctl update app
assert_eq "$(marker_of app)" v4
assert_exit 76 user stackctl update --dry-run app
assert_contains "$OUT" 'skopeo is not installed'
