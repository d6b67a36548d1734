# shellcheck shell=bash
# The demo: acts of `say` (what and why) and `show` (a command of the machine's user), on a booted machine.

OWNER=/home/$LAB_USER/.config/systemd/user

# The findings and repairs that the journal got since the cursor, once there are any that match.
from_the_journal() { # TEXT
    wait_until 10 journal_says "$1"
    show_script "journalctl --user -u stack-audit -g $1 -n 3 -o cat"
}
journal_says() { user journalctl --user -u stack-audit --after-cursor "$CURSOR" -o cat -g "$1" >/dev/null 2>&1; }
mark() { CURSOR=$(user journalctl --user -n 0 --show-cursor -o cat | sed -n 's/^-- cursor: //p'); }

act_a_stack_comes_up() {
    say 'This is a whole machine: systemd as PID 1, podman without root, and a user with a manager of his own.'
    show systemctl --user is-system-running
    image photos:1 v1 health=ok >/dev/null
    put photos/compose.yml <<END
services:
  web: { image: "$REGISTRY/photos:1" }
END
    say 'The auditor and its watchers are installed once; a stack is declared with one command, which starts nothing.'
    show stackctl install
    show stackctl add photos --compose photos/compose.yml
    say 'From now on the stack is a user unit.'
    show systemctl --user start photos
    show podman ps --format 'table {{.Names}} {{.Image}} {{.Status}}'
    show stack-audit
}

act_the_unit_is_swapped() {
    say "Somebody swaps the unit file behind the manager's back. The manager itself does not mind: it says no reload is needed, because the new file is as old as the Nix store's are."
    user cp "$OWNER/photos.service" photos.service
    mark
    show_script "sed 's|apply photos|apply something-else|' photos.service >other.service; touch -d @1 other.service; mv other.service $OWNER/photos.service"
    show systemctl --user show photos -p NeedDaemonReload
    say 'The path unit has started an audit. What it found is in the journal, with what to type next.'
    from_the_journal fragment-content
    say 'The swapped text was not loaded: while it lies there, no daemon-reload is made.'
    show_script "systemctl --user show photos -p ExecStart | grep -o 'argv.*apply [a-z-]*'"
    show stackctl repair photos
}

act_a_drop_in_slips_in() {
    say 'A drop-in need not touch the file at all. This one is for every service of the user, in a directory that has just been made.'
    mark
    show_script "mkdir -p $OWNER/service.d; printf '[Service]\\nExecStartPre=/bin/true\\n' >$OWNER/service.d/99-fix.conf"
    from_the_journal 'photos.*drop-in-unexpected'
    show_script "rm $OWNER/service.d/99-fix.conf"
}

act_a_stale_load_is_healed() {
    say 'The opposite case: an edited text was loaded, then the declared file was put back. File and token are right, and the manager would still run the edited text.'
    wait_until 10 audit_is_green
    show_script "sed -i 's|^TimeoutStopSec=.*|TimeoutStopSec=1s|' $OWNER/photos.service; systemctl --user daemon-reload"
    mark
    show_script "cp photos.service $OWNER/photos.service; touch -d @1 $OWNER/photos.service"
    say 'Everything on disk is declared, so that a daemon-reload is safe, and the audit makes it.'
    from_the_journal 'healed.by'
    show_script 'systemctl --user show photos -p TimeoutStopUSec'
}
audit_is_green() { user stack-audit >/dev/null; }

act_nothing_is_resident() {
    say 'Nothing of ours is running now: systemd watches, schedules and keeps the log.'
    show_script 'pgrep -l "^stack" || echo "no process of ours"'
    show_script "systemctl --user list-units --no-legend --plain 'stack-*.path' 'stack-*.timer'"
    say 'And it all goes away again; volumes would stay.'
    show stackctl remove photos --down
    show stackctl uninstall
}

act_a_stack_comes_up
act_the_unit_is_swapped
act_a_drop_in_slips_in
act_a_stale_load_is_healed
act_nothing_is_resident
