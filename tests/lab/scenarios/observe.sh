# shellcheck shell=bash
# Units that somebody else makes are audited as they were when they were sealed: a Quadlet, a hand-written unit, a link
# of another Home Manager module. Nothing is ever done to them.

# No patience with a manager that has not read a change, so that a wrong "not read yet" shows at once.
put .config/stackwarden/config.json <<<'{"version": 1, "reload_grace": "1ms"}'
user stackctl install
quadlet=$HOME_DIR/.config/containers/systemd/box.container
generated=$RUNTIME/generator/box.service

step 'a Quadlet as podman makes it is sealed with what it was made from'
image box:1 v1 >/dev/null
user podman pull --quiet "$REGISTRY/box:1"
put "$quadlet" <<END
[Container]
Image=$REGISTRY/box:1
[Quadlet]
DefaultDependencies=false
END
userctl daemon-reload
userctl start box.service
container_is systemd-box running
assert_eq "$(property box.service FragmentPath)" "$generated"
assert_eq "$(property box.service SourcePath)" "$quadlet"
assert_exit 0 user stackctl observe box
assert_eq "$OUT" 'box.service: observed from now on, as it is'
seal=$(user cat "$SEALS/observed/box.service.json")
assert_json "$seal" ".fragment.path == \"$generated\" and .source.path == \"$quadlet\" and .source.sha256 != null"
assert_exit 0 user stack-audit
assert_eq "$(findings)" ''
assert_json "$(report)" '.units | contains(["box.service"])'
assert_exit 0 user stackctl explain box
assert_contains "$OUT" 'as declared (observed)'
assert_lacks "$OUT" 'daemon-reload'

step 'its source is edited: told, and so is that the manager has not read it; nothing is done'
reload=$(last_reload)
user sed -i 's/^Image=/Environment=X=1\n&/' "$quadlet"
assert_exit 79 user stack-audit
assert_eq "$(findings)" "fragment-content box.service $quadlet
reload-pending box.service $quadlet"
assert_json "$(finding fragment-content)" '.next | contains("stackctl observe --accept box.service")'
assert_eq "$(last_reload)" "$reload" 'the last daemon-reload'

step 'after a reload and a restart by its owner: accepted once it was meant'
userctl daemon-reload
userctl restart box.service
assert_exit 79 user stack-audit
assert_eq "$(findings)" "fragment-content box.service $quadlet
fragment-content box.service $generated"
assert_exit 78 user stackctl observe box
assert_contains "$OUT" "its source $quadlet changed"
assert_exit 0 user stackctl observe --accept box
assert_contains "$OUT" "box.service: accepted: its source $quadlet changed"
assert_exit 0 user stack-audit
assert_eq "$(findings)" ''

step 'a unit that is written by hand, and one that is a link into a generation: the path units see what happens to them'
user_script "$OWNER" <<'END'
mkdir -p generations/1 generations/2
for unit in "$1/byhand.service" generations/1/linked.service generations/2/linked.service; do
    printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' >"$unit"
    touch -d @1 "$unit"
done
ln -s ~/generations/1/linked.service "$1/linked.service"
systemctl --user daemon-reload
systemctl --user start byhand.service linked.service
END
assert_exit 0 user stackctl observe byhand.service linked
wait_until 30 no_findings
hand=$OWNER/byhand.service
drift 'edited' "cp -p $hand hand; sed -i 's|/bin/true|/bin/false|' $hand" \
    "definition-stale byhand.service -
fragment-content byhand.service $hand" "mv hand $hand; systemctl --user daemon-reload"
link=$OWNER/linked.service
drift 'linked to another generation of the same text' "ln -sfn ~/generations/2/linked.service $link" \
    "fragment-replaced linked.service $link
reload-pending linked.service $link" "ln -sfn ~/generations/1/linked.service $link; systemctl --user daemon-reload"
drift 'masked' "mkdir -p $CONTROL; ln -s /dev/null $CONTROL/byhand.service" \
    "definition-stale byhand.service -
fragment-owner byhand.service $CONTROL/byhand.service
override-control byhand.service $CONTROL/byhand.service
shadowed-copy byhand.service $hand
unit-masked byhand.service $CONTROL/byhand.service" "rm $CONTROL/byhand.service"
drift 'changed by a drop-in' "systemctl --user set-property linked.service CPUWeight=50" \
    "drop-in-unexpected linked.service $CONTROL/linked.service.d/50-CPUWeight.conf
reload-pending linked.service $CONTROL/linked.service.d/50-CPUWeight.conf" \
    "rm -r $CONTROL/linked.service.d; systemctl --user daemon-reload"
assert_unit byhand.service active
assert_unit linked.service active

step 'remove forgets the unit and does not touch it'
assert_exit 0 user stackctl remove byhand.service
assert_contains "$OUT" 'byhand.service: no longer observed'
user rm "$hand"
assert_exit 0 user stack-audit
assert_eq "$(findings)" ''
assert_json "$(report)" '.units | contains(["byhand.service"]) | not'
container_is systemd-box running
