# shellcheck shell=bash
# Every kind of drift is found through the path units in under two seconds, named exactly, and gone after the repair.

step 'a stack is up, and the auditor watches'
user stackctl install
add_stack photo-album --allow-drop-in allowed.conf
userctl start photo-album.service
assert_eq "$(findings)" ''
unit=photo-album.service
file=$OWNER/$unit
repair="stackctl repair photo-album"
other_text="sed 's|^ExecStart=.*|ExecStart=/bin/true|' $file"

step 'the unit file'
drift 'edited in place' "echo 'Environment=X=1' >>$file" "fragment-content $unit $file" "$repair"
drift 'replaced by renaming another file over it' "$other_text >x && mv x $file" "fragment-content $unit $file" "$repair"
drift 'replaced by a link to another text' "$other_text >x && ln -s ~/x y && mv -T y $file" \
    "fragment-content $unit $file
fragment-replaced $unit $file" "$repair"
drift 'replaced by a dangling link' "ln -s /nonexistent y && mv -T y $file" \
    "fragment-replaced $unit $file
unit-missing $unit $file
unit-not-enabled $unit $OWNER/default.target.wants/$unit" "$repair"
drift 'deleted' "rm $file" \
    "unit-missing $unit $file
unit-not-enabled $unit $OWNER/default.target.wants/$unit" "$repair"
drift 'masked by a link' "ln -sf /dev/null $file" \
    "fragment-replaced $unit $file
unit-masked $unit $file" "$repair"
drift 'emptied' ": >$file" "fragment-content $unit $file
unit-masked $unit $file" "$repair"

step 'drop-ins, in directories that were not there'
places=(
    "$OWNER/$unit.d" "$OWNER/photo-.service.d" "$CONTROL/$unit.d" "$CONTROL/photo-.service.d"
    "$RUNTIME/user/$unit.d" "$RUNTIME/user.control/$unit.d" "$RUNTIME/transient/$unit.d"
)
# A prefix is that of the update unit, too.
found_in() { # PLACE
    case $1 in */photo-.service.d) echo "drop-in-unexpected photo-album-update.service $1/bad.conf" ;; esac
    echo "drop-in-unexpected $unit $1/bad.conf"
}
for place in "${places[@]}"; do
    drift "a drop-in in ${place#"$HOME_DIR"/}" "mkdir $place && printf '[Service]\nEnvironment=X=1\n' >$place/bad.conf" \
        "$(found_in "$place")" "rm -r $place"
done
AS=root drift 'a drop-in of the administrator' "mkdir $ETC/$unit.d && printf '[Service]\nEnvironment=X=1\n' >$ETC/$unit.d/bad.conf" \
    "drop-in-unexpected $unit $ETC/$unit.d/bad.conf" "rm -r $ETC/$unit.d"
for place in "$OWNER/service.d" "$CONTROL/service.d" "$RUNTIME/user/service.d"; do
    drift "a drop-in for every service in ${place#"$HOME_DIR"/}" "mkdir -p $place && printf '[Service]\nEnvironment=X=1\n' >$place/bad.conf" \
        "$(of_every_service drop-in-unexpected "$place/bad.conf")" "rm $place/bad.conf"
done

step 'drop-ins, in directories that are there, and so have a watch of their own'
drift 'an empty directory' "mkdir $file.d" "drop-in-directory $unit $file.d" "rmdir $file.d"
for place in "${places[@]}"; do echo '[Service]' | put "$place/allowed.conf"; done
echo '[Service]' | root_put "$ETC/$unit.d/allowed.conf"
wait_until 30 watched "${places[@]}" "$ETC/$unit.d"
for place in "${places[@]}"; do
    drift "a drop-in in ${place#"$HOME_DIR"/}" "printf '[Service]\nEnvironment=X=1\n' >$place/bad.conf" \
        "$(found_in "$place")" "rm $place/bad.conf"
done
AS=root drift 'a drop-in of the administrator' "printf '[Service]\nEnvironment=X=1\n' >$ETC/$unit.d/bad.conf" \
    "drop-in-unexpected $unit $ETC/$unit.d/bad.conf" "rm $ETC/$unit.d/bad.conf"
drift 'a drop-in for every service' "printf '[Service]\nEnvironment=X=1\n' >$OWNER/service.d/bad.conf" \
    "$(of_every_service drop-in-unexpected "$OWNER/service.d/bad.conf")" "rm $OWNER/service.d/bad.conf"

step 'another file of the same name'
drift 'in user.control' "$other_text >$CONTROL/$unit" \
    "fragment-owner $unit $CONTROL/$unit
override-control $unit $CONTROL/$unit" "rm $CONTROL/$unit"
drift 'in the runtime user.control' "$other_text >$RUNTIME/user.control/$unit" \
    "fragment-owner $unit $RUNTIME/user.control/$unit
override-control $unit $RUNTIME/user.control/$unit" "rm $RUNTIME/user.control/$unit"
drift 'in the transient directory' "$other_text >$RUNTIME/transient/$unit" \
    "fragment-owner $unit $RUNTIME/transient/$unit
override-transient $unit $RUNTIME/transient/$unit" "rm $RUNTIME/transient/$unit"
drift 'in the runtime directory' "$other_text >$RUNTIME/user/$unit" \
    "shadowed-copy $unit $RUNTIME/user/$unit" "rm $RUNTIME/user/$unit"
AS=root drift 'in /etc' "$other_text >$ETC/$unit" "shadowed-copy $unit $ETC/$unit" "rm $ETC/$unit"

step 'the unit as a link into a generation, as Home Manager makes it'
as_generation photo-album
wait_until 30 no_findings
user mkdir -p generations/1
user bash -c "$other_text >generations/1/$unit; touch -d @1 generations/1/$unit; cp -p generations/2/$unit generations/same"
link_to() { echo "ln -s $1 y && mv -T y $file"; }
drift 'swapped to a stale generation' "$(link_to "$HOME_DIR/generations/1/$unit")" \
    "fragment-content $unit $file
fragment-replaced $unit $file" "$repair"
drift 'swapped to the same text elsewhere' "$(link_to "$HOME_DIR/generations/same")" "fragment-replaced $unit $file" "$repair"
drift 'swapped to a target that is gone' "$(link_to "$HOME_DIR/generations/0/$unit")" \
    "fragment-replaced $unit $file
unit-missing $unit $file
unit-not-enabled $unit $OWNER/default.target.wants/$unit" "$repair"
drift 'replaced by a regular file with the same text' "cp $GENERATION/$unit x && mv x $file" "fragment-replaced $unit $file" "$repair"
drift 'replaced by a regular file with another text' "$other_text >x && mv x $file" \
    "fragment-content $unit $file
fragment-replaced $unit $file" "$repair"
drift 'its target gone, the link in place' "rm $GENERATION/$unit; touch $OWNER/.nothing" \
    "fragment-replaced $unit $file
unit-missing $unit $file
unit-not-enabled $unit $OWNER/default.target.wants/$unit" "cp -p generations/same $GENERATION/$unit; rm $OWNER/.nothing"

step 'nothing of it touched the stack'
assert_unit "$unit" active
assert_eq "$(property "$unit" NRestarts)" 0
