# shellcheck shell=bash
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
