# shellcheck shell=bash
# needs: SD_SWITCH
# Three generations and a roll-back: only what changed is recreated, what is removed is stopped, and a switch that does not
# reach the user manager fails.

source "$LAB_DIR/lib/nix.sh"
source "$LAB_DIR/lib/generations.sh"

step 'three generations'
three_generations

step 'from a generation with a unit of somebody else'"'"'s, and none of ours'
put generations/before/default.nix <<'END'
{ systemd.user = {
    servicesStartTimeoutMs = 10000;
    services.theirs.Service = { Type = "oneshot"; ExecStart = "/bin/true"; };
}; }
END
build before
switch before

step 'the first'
first_generation
assert_eq "$(property a.service UnitFileState)" enabled
assert_eq "$(property a.service FragmentPath)" "$HOME_IN/.config/systemd/user/a.service"
# What is linked is the sealed file, by way of a link of the generation.
assert_exit 0 user stackctl explain --json a.service
assert_json "$OUT" '.differences == [] and .declared.by == "stack"'

step 'again, with nothing changed'
remember a b c
switch one
assert_kept a b c
assert_green

step 'another version of the package, with nothing else changed'
generation one-again "${ONE[@]}" package=2
switch one-again
assert_contains "$(property a.service ExecStart)" stackwarden-2/bin/stackctl
assert_kept a b c
assert_green

step 'the second: one stack changes'
switch two
assert_eq "$(running a)" 'a-2 running'
assert_eq "$(variables)" 'MODE=two SECRET=two '
assert_kept b c
assert_green

step 'the third: one stack is removed'
remember a
switch three
assert_eq "$(userctl show --property LoadState --value c.service)" not-found
assert_eq "$(inspect c-web-1 '{{.State.Status}}')" exited
assert_kept a b
assert_eq "$(user find .config -name 'c.*')" '' 'what is left of c'
assert_green

step 'back to the first'
switch one
assert_eq "$(running a)" 'a-1 running'
assert_eq "$(variables)" 'MODE=one SECRET=one '
assert_eq "$(userctl show --property ExecStart --value a.service | grep -c stackwarden-1/bin)" 1
assert_eq "$(running c)" 'c-1 running'
assert_kept b
assert_green

step 'a stack whose start failed is removed with its containers'
remember a b
user podman stop --time 1 c-web-1
# The start fails, and what was there before stays; the manager itself would stop nothing of a failed unit.
generation four "${ONE[@]}" c.environmentFiles='[ "/nonexistent/c.env" ]'
user podman start c-web-1
switch four
wait_until 60 unit_is c.service failed
assert_eq "$(running c)" 'c-1 running'
switch three
assert_eq "$(inspect c-web-1 '{{.State.Status}}')" exited
switch one
assert_eq "$(running c)" 'c-1 running'
assert_green

step 'with the manager stopped the activation fails, and says so'
root systemctl stop "user@$LAB_UID.service"
switch_fails 69 two
assert_contains "$OUT" "systemctl status user@$LAB_UID.service"

step 'and after a reboot it comes to its end'
# Not by a start of the manager alone: podman 5.4 then still holds the network of the containers that ended with it.
reboot
wait_until 60 unit_is a.service active
switch two
assert_eq "$(running a)" 'a-2 running'
assert_green
