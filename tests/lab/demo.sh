# shellcheck shell=bash
# The demo: acts of `say` (what and why) and `show` (a command of the machine's user), on a booted machine. Each act
# begins and ends with a stack that is as declared.

OWNER=/home/$LAB_USER/.config/systemd/user

# What follows happens now; from_the_journal shows what came of it.
mark() {
    CURSOR=$(user journalctl --user -n 0 --show-cursor -o cat | sed -n 's/^-- cursor: //p')
    BEGIN=${EPOCHREALTIME/[.,]/}
}
# from_the_journal PATTERN LINES: waits for what the auditor says of it, and tells how long that took.
from_the_journal() {
    local at
    wait_until 20 journal_says "$1"
    show_script "journalctl --user -u stack-audit -g '$1' -n $2 -o cat"
    at=$(user journalctl --user -u stack-audit --after-cursor "$CURSOR" -o json -g "$1" | head -n 1 | jq -r .__REALTIME_TIMESTAMP)
    aside "$(((at - BEGIN) / 1000)) ms after the change"
}
journal_says() { user journalctl --user -u stack-audit --after-cursor "$CURSOR" -o cat -g "$1" >/dev/null 2>&1; }
until_green() { wait_until 20 user stack-audit >/dev/null; }

act_a_stack_comes_up() {
    say 'This is a whole machine: systemd as PID 1, podman without root, and a user whose manager runs without a login.'
    show systemctl --user is-system-running
    image photos:1 v1 health=ok >/dev/null
    put photos/compose.yml <<END
services:
  web: { image: "$REGISTRY/photos:1" }
END
    say 'The auditor and its watchers are installed once. A stack is declared with one command, which starts nothing.'
    show stackctl install
    show stackctl add photos --compose photos/compose.yml
    say 'From now on the stack is a user unit.'
    show systemctl --user start photos
    show_script "podman ps --format 'table {{.Names}} {{.Image}} {{.Status}}'"
    show_script "podman inspect photos-web-1 -f '{{.Config.Labels.PODMAN_SYSTEMD_UNIT}}'"
    show stack-audit
}

act_the_unit_is_swapped() {
    say "Somebody swaps the unit file behind the manager's back. The manager sees nothing: the new file is as old as every file of the Nix store."
    user cp "$OWNER/photos.service" declared.service
    user cp "$OWNER/photos.service" other.service
    user sed -i 's|apply photos$|apply other|' other.service
    user touch -d @1 other.service
    mark
    show_script 'mv other.service ~/.config/systemd/user/photos.service'
    show systemctl --user show photos -p NeedDaemonReload
    say 'The path unit has started an audit. What that found is in the journal, with what to type next.'
    from_the_journal 'photos.*fragment-content' 1
    say 'A daemon-reload is the repair for what is stale, and here it would do the harm. None was made: the loaded text is still the declared one.'
    show_script "systemctl --user show photos -p ExecStart | grep -o 'argv[^;]*'"
    say 'So one types what the message says. The swapped file is kept.'
    show stackctl repair photos
}

act_a_drop_in_slips_in() {
    say 'A drop-in changes a unit without touching its file. This one comes with a directory that nobody watched yet.'
    until_green
    mark
    show_script "mkdir ~/.config/systemd/user/photos.service.d; printf '[Service]\nExecStartPre=/bin/true\n' >~/.config/systemd/user/photos.service.d/fix.conf"
    from_the_journal 'photos.*drop-in-unexpected' 1
    say 'That directory has a watch of its own now.'
    show_script "systemctl --user list-units --no-legend --plain 'stack-*.path' | awk '{ print \$4, \$1 }'"
    show_script 'rm -r ~/.config/systemd/user/photos.service.d'
}

act_a_stale_load_is_healed() {
    say 'The opposite case. Somebody reloads an edited text, and then puts the declared file back: file and token are right, and the manager would still run the edited text.'
    until_green
    show_script "sed -i 's|^TimeoutStopSec=.*|TimeoutStopSec=1s|' ~/.config/systemd/user/photos.service; systemctl --user daemon-reload"
    mark
    show_script 'touch -d @1 declared.service; mv declared.service ~/.config/systemd/user/photos.service'
    say 'Everything on disk is declared. So a daemon-reload is safe, and the audit makes it.'
    from_the_journal 'photos.*definition-stale.*healed' 1
    show systemctl --user show photos -p TimeoutStopUSec
}

act_nothing_is_resident() {
    say 'All this time no process of ours was waiting: systemd watches, schedules and keeps the log.'
    until_green
    wait_until 20 nothing_of_ours_runs
    show_script 'pgrep -l "^stack" || echo "no process of ours"'
    show_script "systemctl --user list-units --no-legend --plain 'stack-*.path' 'stack-*.timer' | awk '{ print \$4, \$1 }'"
}
nothing_of_ours_runs() { ! user pgrep -f ^/opt/stackwarden/bin/; }

act_it_all_goes_away() {
    say 'It goes away as it came. Volumes would stay.'
    show stackctl remove photos --down
    show stackctl uninstall
    say 'What is left of units, containers and configuration:'
    show_script "(systemctl --user list-units --all --no-legend 'stack*' 'photos*'; podman ps -aq; find ~/.config -mindepth 1) | wc -l"
}

act_a_stack_comes_up
act_the_unit_is_swapped
act_a_drop_in_slips_in
act_a_stale_load_is_healed
act_nothing_is_resident
act_it_all_goes_away
