# shellcheck shell=bash
# What the verbs that declare say next is what to type, and nothing of a stack stays that was removed.

user stackctl install
image app:1 v1 >/dev/null
image bad:1 bad health=bad >/dev/null
image once:1 once exit=1 >/dev/null
put one/compose.yml <<<"services: {it: {image: \"$REGISTRY/app:1\"}}"
unit=one.service

step 'next is a start, then a restart'
assert_contains "$(user stackctl add one --compose one/compose.yml)" "next: systemctl --user start $unit"
userctl start "$unit"
said=$(user stackctl add one --compose one/compose.yml --env COLOUR=red)
assert_contains "$said" "next: systemctl --user restart $unit"
assert_lacks "$said" adopts
user sed -i 's/"red"/"blue"/' .config/stackwarden/stacks/one.json
assert_contains "$(user stackctl sync one)" "next: systemctl --user restart $unit"

step 'what compose does not take is added again, since no other verb knows it'
put bad/compose.yml <<<'services: {it: {imag: x}}'
assert_exit 78 user stackctl add bad --compose bad/compose.yml
assert_contains "$OUT" 'Additional property imag is not allowed'
assert_eq "${OUT##*; next: }" 'mend that, then again: stackctl add bad --compose FILE'
assert_exit 78 user stackctl sync bad
assert_contains "$OUT" '; next: stackctl add bad --compose FILE'

step 'a name is not that of a unit'
assert_exit 64 user stackctl restart one.service

step 'one project, two stacks: neither add nor sync takes it'
user sh -c 'sed "s/\"project\": *\"one\"/\"project\": \"one\"/" ~/.config/stackwarden/stacks/one.json >~/.config/stackwarden/stacks/two.json'
assert_exit 78 user stackctl sync two
user rm .config/stackwarden/stacks/two.json

step 'nobody reads what is said: the work is done all the same'
assert_exit 74 user sh -c 'stackctl add three --compose one/compose.yml --project three >/dev/full'
wait_until 30 unit_is three.service inactive
assert_exit 0 user stackctl sync three
user stackctl remove three

step 'a refused restart by stackctl leaves the unit as it was'
user cp one/compose.yml one/kept.yml
echo 'services: [' | put one/compose.yml
assert_exit 78 user stackctl restart one
assert_unit "$unit" active
user mv one/kept.yml one/compose.yml
assert_exit 0 user stackctl restart one

step 'a slip in config.json keeps nothing running'
echo '{"heal": {}}' | put .config/stackwarden/config.json 600
userctl stop "$unit"
assert_unit "$unit" inactive
container_is one-it-1 exited
user rm .config/stackwarden/config.json
userctl start "$unit"

step 'a stop by hand says what the unit still thinks'
assert_contains "$(user stackctl stop one 2>&1)" "next: systemctl --user stop $unit"

step 'remove forgets the unit when nothing runs, and a new start is a start'
assert_lacks "$(user stackctl remove one)" next
assert_unit "$unit" inactive
user stackctl add one --compose one/compose.yml
userctl start "$unit"
container_is one-it-1 running

step 'remove says what still runs, and --down takes it down afterwards, too'
assert_exit 0 user stackctl remove one
assert_lacks "$OUT" warning
assert_contains "$OUT" 'a page (containers-unowned) until they end or are declared again: one-it-1; next: stackctl remove --down one'
container_is one-it-1 running
assert_contains "$(journal -u "$unit")" 'stack one: it is removed: the containers are kept'
assert_eq "$(userctl list-units --all --plain --no-legend "$unit")" '' 'the unit, after its stack was removed'
assert_exit 79 user stack-audit
assert_contains "$OUT" containers-unowned
assert_lacks "$OUT" orphan-unit

step 'and what still runs of one stack is in no other one'"'"'s way'
put two/compose.yml <<<"services: {it: {image: \"$REGISTRY/app:1\"}}"
user stackctl add two --compose two/compose.yml
userctl start two.service
assert_exit 0 user stackctl remove --down two
assert_exit 0 user stackctl remove one --down
assert_eq "$(project_containers one)" '' 'containers'
assert_unit "$unit" inactive
assert_exit 0 user stack-audit

step 'a failed verification is found, and reset by a later one'
put two/compose.yml <<<"services: {it: {image: \"$REGISTRY/once:1\", restart: always}}"
user stackctl add two --compose two/compose.yml --verify-timeout 3s --stable-for 1s
userctl start two.service
wait_until 60 unit_is stack-verify@two.service failed
userctl start stack-audit.service || true
assert_contains "$(findings)" 'unit-failed stack-verify@two.service'
put two/compose.yml <<<"services: {it: {image: \"$REGISTRY/app:1\", restart: always}}"
user stackctl apply two
user stackctl verify two
userctl start stack-audit.service
no_findings
assert_eq "$(userctl --failed --plain --no-legend)" '' 'failed units'

step 'a stack that never came up leaves no failed unit behind'
userctl stop two.service
echo 'services: [' | put two/compose.yml
assert_exit 1 userctl start two.service
user stackctl remove two
assert_eq "$(userctl --failed --plain --no-legend)" '' 'failed units'
