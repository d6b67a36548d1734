# shellcheck shell=bash
# What the scenarios about updates share.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"

# put_app NAME [REFERENCE]: a stack of one service, `web`, at a tag that moves.
put_app() {
    put "$1/compose.yml" <<<"services: {web: {image: '${2:-$REGISTRY/$1:1}', restart: unless-stopped}}"
}
# add_app NAME [REFERENCE]: the same, declared and started.
add_app() {
    put_app "$@"
    assert_exit 0 user stackctl add "$1" --compose "$1/compose.yml" --project "$1" --verify-timeout 10s --stable-for 1s
    userctl start "$1.service"
    wait_until 30 container_is "$(container_of "$1" web)" running
}
# begin_app: v1 of `app` runs.
begin_app() {
    pin_provider
    image app:1 v1 health=ok >/dev/null
    install_quietly
    add_app app
}
# The newest record of an update of `app` is open, in this step.
at_step() { assert_json "$(last_record app update)" ".finished == null and .steps[-1].name == \"$1\""; } # STEP
marker_of() { inspect "$(container_of "$1" web)" '{{.Config.Labels.marker}}'; } # STACK
image_of() { inspect "$(container_of "$1" web)" '{{.Image}}'; }
digest_of() { inspect "$(container_of "$1" web)" '{{.ImageDigest}}'; }
tag_id() { user podman image inspect --format '{{.Id}}' "$1"; }
# Nothing of an update is left but what is meant to be: no holder, no open record, the tag names what runs.
assert_settled() { # STACK [REFERENCE]
    assert_eq "$(user podman ps -a --quiet --filter label=stackwarden.holder)" '' 'holders'
    assert_eq "$(tag_id "${2:-$REGISTRY/$1:1}")" "$(image_of "$1")" 'the image that the tag names'
    # A verification after a boot ends by itself.
    wait_until 30 no_open_record "$1"
}
no_open_record() { # STACK
    # shellcheck disable=SC2016  # for the inner shell
    assert_eq "$(user sh -c 'for f in ~/.local/state/stackwarden/records/*-"$1"-*.json; do jq -r "select(.finished == null) | .verb" "$f"; done' open "$1")" '' 'open records'
}
