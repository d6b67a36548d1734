# shellcheck shell=bash
# The demo: steps of `say` (what and why) and `show` (a command of the machine's user), on a booted machine.

say 'This is a whole machine: systemd as PID 1, and a user who has a manager of his own without having logged in.'
show id -un
show systemctl --user is-system-running

say 'A compose stack, an image for it, and podman without root.'
image hello:1 v1 health=ok >/dev/null
put hello/compose.yml <<'END'
services:
  web: { image: "localhost:5000/hello:1" }
END
show cat hello/compose.yml
show podman compose --project-directory hello -f hello/compose.yml up -d
show podman ps --format 'table {{.Names}} {{.Image}} {{.Status}}'
