# shellcheck shell=bash
# needs: SD_SWITCH
# What a switch finds in the way: drift, what a switch that was cut off has left, and what is not ours.
# drawn: home-manager and s07-drift have drift each

source "$LAB_DIR/lib/nix.sh"
source "$LAB_DIR/lib/generations.sh"

step 'three generations'
three_generations

step 'the first'
first_generation

step 'what drifted in the owner directory is healed by the switch, kept, and told'
owner=.config/systemd/user
kept() { user sh -c "ls .local/state/stackwarden/set-aside 2>/dev/null || true"; }
# drifted WHAT CHANGE [PART OF THE MESSAGE]: the change is a line of bash, with the unit's path as $1.
drifted() {
    local what=$1 change=$2 message=$3 unit=${4:-a.service} before
    printf '    %s\n' "$what" >&2
    remember a b c
    before=$(user readlink "$owner/a.service")
    user bash -euo pipefail -c "$change" drift "$owner/$unit"
    user systemctl --user daemon-reload
    switch one
    assert_contains "$OUT" "$HOME_IN/$owner/$unit" "$what"
    assert_contains "$OUT" "$message" "$what"
    assert_eq "$(user readlink "$owner/a.service")" "$before" "$what"
    assert_eq "$(property a.service NeedDaemonReload)" no
    assert_kept a b c
    assert_green
}
foreign='[Service]\nExecStart=/bin/false\n'
# shellcheck disable=SC2016  # for the inner shell
{
    drifted 'an identical regular file' 'cp --remove-destination "$(readlink -e "$1")" "$1"' 'was a regular file'
    drifted 'edited' 'sed -i "s/TimeoutStopSec=.*/TimeoutStopSec=1/" "$1"' 'was a regular file'
    drifted 'replaced by a foreign file' "rm \"\$1\"; printf '$foreign' >\"\$1\"" 'was a regular file'
    drifted 'replaced by a foreign link' "printf '$foreign' >foreign; ln -sfn ~/foreign \"\$1\"" 'was a link to'
    drifted 'replaced by a dangling link' 'ln -sfn /nonexistent "$1"' 'was a link to /nonexistent'
    drifted 'a link of a generation that is gone' \
        'ln -sfn "/nix/store/00000000000000000000000000000000-home-manager-files/.config/systemd/user/a.service" "$1"' 'where nothing is'
    drifted 'a link of another generation' 'ln -sfn "$(readlink -e generations/two/result/home-files)/$1" "$1"' 'of another generation'
    drifted 'masked' 'ln -sfn /dev/null "$1"' 'was a link to /dev/null'
    drifted 'replaced by a directory' 'rm "$1"; mkdir "$1"; : >"$1/keep"' 'was a directory'
    drifted 'its enabling link replaced by a file' 'cp --remove-destination "$(readlink -e "$1")" "$1"' 'was a regular file' \
        default.target.wants/a.service
}
assert_eq "$(kept | grep -c '\.service$')" 8 'what is kept'
assert_contains "$(user sh -c 'cat .local/state/stackwarden/set-aside/*-a.service 2>/dev/null')" 'ExecStart=/bin/false'
put "$owner/mine.service" <<<'[Service]'
switch one
user test -f "$owner/mine.service"
user rm "$owner/mine.service"

step 'what a switch that was cut off has left behind is retired by the next one'
image d:1 d-1 health=ok >/dev/null
generation cut-off "${ONE[@]}" d=1 fails=reloadSystemd
remember a b c
switch_fails 3 cut-off
# Home Manager takes the generation before for the current one, and knows nothing of what this one has linked.
userctl daemon-reload
userctl start d.service
assert_eq "$(running d)" 'd-1 running'
DRY=1 switch one
assert_contains "$OUT" 'would stop the stack d'
assert_contains "$OUT" 'd.service, which a switch that was cut off has left behind'
switch one
assert_eq "$(inspect d-web-1 '{{.State.Status}}')" exited
assert_eq "$(user find .config -name 'd.*' -o -name 'd-update.*')" '' 'what is left of d'
assert_kept a b c
assert_green

step 'a switch that is cut off half way comes to its end at the next try'
generation cut-off-two "${TWO[@]}" c=1 fails=reloadSystemd
switch_fails 3 cut-off-two
assert_eq "$(running a)" 'a-1 running'
switch two
assert_eq "$(running a)" 'a-2 running'
assert_kept b c
switch one
remember a
assert_green

step 'nothing is touched in a dry run'
user cp --remove-destination "$(user readlink -e "$owner/a.service")" "$owner/a.service"
DRY=1 switch three
assert_contains "$OUT" 'it would be moved to'
assert_contains "$OUT" 'would stop the stack c'
user test -f "$owner/a.service" -a ! -L "$owner/a.service"
assert_unit c.service active
switch one

step 'what a former owner has left is named, with what takes it away, and stays'
root_put /etc/systemd/user/a.service <<<$'[Service]\nExecStart=/bin/false'
root ln -s "$(user readlink -e "$owner/b.service")" /etc/systemd/user/b.service
userctl daemon-reload
switch one
assert_contains "$OUT" 'a.service: shadowed-copy'
assert_contains "$OUT" 'next: sudo rm /etc/systemd/user/a.service'
assert_contains "$OUT" 'next: remove systemd.user.services.b from the configuration of NixOS, and switch'
assert_contains "$OUT" 'are linked, loaded and enabled as declared'
root test -f /etc/systemd/user/a.service
root rm /etc/systemd/user/a.service /etc/systemd/user/b.service
userctl daemon-reload
assert_green

step 'a drop-in is nobody else'"'"'s to remove: the switch fails, and names it'
put "$owner/a.service.d/x.conf" <<<$'[Service]\nEnvironment=X=1'
switch_fails 79 one
assert_contains "$OUT" drop-in-unexpected
assert_contains "$OUT" "$HOME_IN/$owner/a.service.d/x.conf"
assert_contains "$OUT" 'or allow it (services.stackwarden.stacks.a.allowedDropIns) and switch'
user rm -r "$owner/a.service.d"
switch one
assert_green

step 'a compose file that is not there is found when the generation is built'
assert_exit 1 generation broken a=1 b.composeFiles='[ "/nix/store/nosuch/b.yml" ]'
assert_contains "$OUT" 'services.stackwarden.stacks.b.composeFiles has /nix/store/nosuch/b.yml, which does not exist'

step 'what only a build can tell is told by option'
# refused MESSAGE WORD…: a generation with the stack `a` and these words.
refused() {
    local message=$1
    shift
    assert_exit 1 generation broken a=1 "$@"
    assert_contains "$OUT" "$message"
}
refused 'services.stackwarden.stacks.b.composeFiles has /nix/store, which is no file' b.composeFiles='[ "/nix/store/." ]'
refused 'services.stackwarden.update.onCalendar' .update.onCalendar='"*-13-01"'
refused 'systemd.user.timers.stack-update.Timer.OnCalendar is "*-13-01", which is no time' .update.onCalendar='"*-13-01"'
refused 'services.stackwarden.settings: see above' .settings.skopeo='"../skopeo"'
generation zone "${ONE[@]}" .update.onCalendar='"Sun 05:00 Europe/Berlin"'
