# shellcheck shell=bash
say 'Somebody breaks the compose file, and then the stack is restarted. Everything is checked before a container is touched.'
until_green
user cp photos/compose.yml good.yml
show_script "echo 'services: {web: [' >photos/compose.yml"
show systemctl --user restart photos
say 'The restart failed, and the first line of the journal says why. The old containers still run.'
show_script "journalctl --user -u photos -g '^stack photos' -n 1 -o cat | cut -c 1-300"
show_script "podman ps --format 'table {{.Names}} {{.Image}} {{.Status}}'"
show stackctl status
say 'With the file mended it goes on: nothing changed, so nothing is restarted.'
user mv good.yml photos/compose.yml
show systemctl --user restart photos
show_script "podman ps --format 'table {{.Names}} {{.Image}} {{.Status}}'"
