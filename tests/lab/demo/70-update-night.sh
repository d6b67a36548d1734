# shellcheck shell=bash
say 'Night. Five more stacks, and what their registry offers under the same tags: v2 of news, nothing of calm, v2 of paused, which is stopped, a v2 of shaky that never gets healthy, and the registry of lost is down.'
export PROVIDER=docker-compose
stacks='calm lost news paused shaky'
for stack in $stacks; do
    image "$stack:1" v1 health=ok >/dev/null
    user podman pull --quiet "$REGISTRY/$stack:1" >/dev/null
    put "$stack/compose.yml" <<<"services: {web: {image: '$REGISTRY/$stack:1'}}"
done
user podman tag "$REGISTRY/lost:1" localhost:5009/lost:1
put lost/compose.yml <<<"services: {web: {image: 'localhost:5009/lost:1'}}"
for stack in $stacks; do
    assert_exit 0 user stackctl add "$stack" --compose "$stack/compose.yml" --project "$stack" --verify-timeout 8s
done
# shellcheck disable=SC2086  # names
userctl start $stacks
image news:1 v2 health=ok >/dev/null
image paused:1 v2 health=ok >/dev/null
image shaky:1 v2 health=bad >/dev/null
show systemctl --user stop paused
put .config/stackwarden/config.json <<'END'
{ "version": 1, "alert": { "command": ["sh", "-c", "jq -c . >>~/alerts"] } }
END
show_script "podman inspect shaky-web-1 -f '{{.Image}}' | cut -c 1-12"
say 'At four the timer starts this. It takes each stack in turn, and goes on when one fails.'
mark
show systemctl --user start stack-update
show systemctl --user show stack-update -p ExecMainStatus
assert_eq "$(property stack-update.service ExecMainStatus)" 83
say 'In the morning one line is true. A rollback is never green.'
show_script 'journalctl --user -u stack-update -o cat -g "^[0-9]+ stacks|^stack "'
show_script "jq -r '.stacks | to_entries[] | \"\\(.key): \\(.value.verdict)\"' ~/.local/state/stackwarden/update.json"
assert_json "$(user cat .local/state/stackwarden/update.json)" '[.stacks | .news, .calm, .paused, .shaky, .lost | .verdict]
    == ["updated", "unchanged", "skipped", "rolled-back", "try-later"]'
say 'One alert was sent for all of it.'
wait_until 20 user test -s alerts
show_script 'jq -r .title ~/alerts'
assert_eq "$(user sh -c 'wc -l <~/alerts')" 1 'alerts'
say 'Shaky runs the very image that it ran before, and its history says why.'
show_script "podman inspect shaky-web-1 -f '{{.Image}}' | cut -c 1-12"
show stackctl history shaky
show stackctl quarantine shaky
say 'The second night does not try that image again.'
show stack-update
assert_json "$(user cat .local/state/stackwarden/update.json)" '.stacks.shaky.verdict == "unchanged"'
for stack in $stacks; do assert_exit 0 user stackctl remove "$stack" --down; done
user rm .config/stackwarden/config.json
