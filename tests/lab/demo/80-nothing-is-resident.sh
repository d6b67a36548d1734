# shellcheck shell=bash
nothing_of_ours_runs() { ! user pgrep -f ^/opt/stackwarden/bin/; }

say 'All this time no process of ours was waiting: systemd watches, schedules and keeps the log.'
until_green
wait_until 20 nothing_of_ours_runs
show_script 'pgrep -l "^stack" || echo "no process of ours"'
show_script "systemctl --user list-units --no-legend --plain 'stack-*.path' 'stack-*.timer' | awk '{ print \$4, \$1 }'"
