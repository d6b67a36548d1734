# shellcheck shell=bash
say 'It goes away as it came. Volumes would stay.'
show stackctl remove photos --down
show stackctl uninstall
say 'What is left of units, containers and configuration:'
show_script "(systemctl --user list-units --all --no-legend 'stack*' 'photos*'; podman ps -aq; find ~/.config -mindepth 1) | wc -l"
