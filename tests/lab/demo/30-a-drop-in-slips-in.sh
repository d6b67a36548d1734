# shellcheck shell=bash
say 'A drop-in changes a unit without touching its file. This one comes with a directory that nobody watched yet.'
until_green
mark
show_script "mkdir ~/.config/systemd/user/photos.service.d; printf '[Service]\nExecStartPre=/bin/true\n' >~/.config/systemd/user/photos.service.d/fix.conf"
from_the_journal 'photos.*drop-in-unexpected' 1
say 'That directory has a watch of its own now.'
show_script "systemctl --user list-units --no-legend --plain 'stack-*.path' | awk '{ print \$4, \$1 }'"
show_script 'rm -r ~/.config/systemd/user/photos.service.d'
