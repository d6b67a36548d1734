# shellcheck shell=bash
# alone: it uses up the inotify instances, which all machines have in common
# What a host lacks is told, each lack with the command that mends it; here each thing is really missing once.

# lacks ABOUT NEED [CODE]: exactly one thing is lacking, and the exit code says so; NEXT is the command that mends it.
lacks() {
    local code=79
    [ "$2" != advised ] || code=0
    assert_exit "${3:-$code}" user stackctl doctor --json
    assert_json "$OUT" "[.lacks[].about] == [\"$1\"] and .lacks[0].need == \"$2\""
    NEXT=$(jq -r '.lacks[0].next' <<<"$OUT")
}
fine() {
    assert_exit 0 user stackctl doctor --json
    assert_json "$OUT" '.lacks == []'
}
# without PROGRAM ABOUT: while the program is not there. The machine's files are its own.
without() {
    local path
    path=$(root sh -c "command -v $1")
    root mv "$path" "$path.away"
    lacks "$2" required
    root mv "$path.away" "$path"
}

step 'before the installation'
lacks installed required
assert_exit 0 user stackctl install
userctl start podman.socket
fine
assert_json "$OUT" '.versions | has("podman") and has("systemd") and has("docker-compose")'
assert_exit 0 user stackctl doctor
assert_match "$OUT" '^([0-9]+) of \1 fine; versions: docker-compose 2'

step 'programs'
without newuidmap newuidmap
assert_contains "$NEXT" 'apt install uidmap'
without newgidmap newgidmap
without systemd-run systemd-run
without docker-compose provider
assert_contains "$NEXT" '"kind": "podman-compose"'
without podman podman
user mkdir bin
root mv /usr/bin/podman "$HOME_DIR/bin/podman"
assert_exit 79 user env "PATH=$HOME_DIR/bin:/opt/stackwarden/bin:/usr/bin:/bin" stackctl doctor
assert_contains "$OUT" "add $HOME_DIR/bin to \"path\" in config.json"
root mv "$HOME_DIR/bin/podman" /usr/bin/podman
put old-podman 755 <<<'#!/bin/sh
echo podman version 4.3.1'
put .config/stackwarden/config.json <<<"{\"version\": 1, \"podman\": \"$HOME_DIR/old-podman\"}"
lacks podman required
assert_json "$OUT" '.lacks[0].seen | contains("4.3.1")'
user rm .config/stackwarden/config.json

step 'a configuration that cannot be read'
put .config/stackwarden/config.json <<<'{"version": 1, "podmann": "x"}'
lacks configuration required
assert_json "$OUT" '.lacks[0].seen | contains("podmann")'
user rm .config/stackwarden/config.json

step "podman's socket"
userctl stop podman.socket
lacks podman-socket required
user sh -c "$NEXT"
fine

step 'subordinate ids'
root sh -c 'mv /etc/subuid /etc/subuid.away; mv /etc/subgid /etc/subgid.away; touch /etc/subuid /etc/subgid'
assert_exit 79 user stackctl doctor --json
assert_json "$OUT" '[.lacks[].about] | contains(["subuid", "subgid"])'
assert_json "$OUT" '.lacks[] | select(.about == "subuid") | .next | startswith("sudo usermod --add-subuids")'
root sh -c 'mv /etc/subuid.away /etc/subuid; mv /etc/subgid.away /etc/subgid'

step 'lingering'
root rm "/var/lib/systemd/linger/$LAB_USER"
lacks lingering required
root sh -c "$NEXT"
fine

step 'inotify instances: somebody uses them all'
user_script <<'END'
limit=$(cat /proc/sys/fs/inotify/max_user_instances)
[ "$limit" -le 1024 ] || limit=1024 # a machine that has so many lacks none
touch watched
for ((i = 0; i < limit; i++)); do
    setsid tail -f watched >/dev/null 2>&1 &
done
sleep 1
END
if [ "$(user cat /proc/sys/fs/inotify/max_user_instances)" -le 1024 ]; then
    lacks inotify advised
    assert_contains "$NEXT" fs.inotify.max_user_instances
fi
user pkill -x tail
wait_until 30 fine

step 'podman auto-update'
userctl enable --now podman-auto-update.timer
lacks auto-update advised
user sh -c "$NEXT"
fine

step 'a health check whose container is gone'
id=$(printf 'a%.0s' {1..64})
user systemd-run --user --quiet --unit="$id-1" --on-active=1h true
lacks health-timers advised
user sh -c "$NEXT"
fine

step 'no user manager: the rest is told all the same'
assert_exit 69 user env XDG_RUNTIME_DIR=/run/user/1 stackctl doctor --json
assert_json "$OUT" '([.lacks[].about] | index("user-manager")) == 0 and (.fine | index("subuid") != null)'

step 'an installation tells what is lacking, and has not failed'
userctl enable --now podman-auto-update.timer
assert_exit 0 user stackctl install
assert_contains "$OUT" 'auto-update: expected'

step 'an alert command that is not there'
userctl disable --now podman-auto-update.timer
put .config/stackwarden/config.json 600 <<<'{"version": 1, "alert": {"command": ["/nonexistent/tell"]}}'
lacks alert-command required
put .config/stackwarden/config.json 600 <<<'{"version": 1, "alert": {"command": ["/usr/bin/true"]}}'
fine
