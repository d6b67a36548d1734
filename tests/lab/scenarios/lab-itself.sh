# shellcheck shell=bash
# The machine is real: it reboots, lingers, runs compose stacks from user units, and tells exit codes.

step 'exit codes pass through, also of a service'
assert_exit 0 user true
assert_exit 7 user sh -c 'exit 7'
assert_exit 8 root sh -c 'exit 8'
assert_exit 9 user_unit sh -c 'exit 9'
assert_exit 127 user no-such-program

step 'the user has a manager without having logged in'
assert_eq "$(userctl is-system-running)" running
assert_eq "$(userctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" 257
assert_contains "$(userctl show-environment)" PATH=/opt/stackwarden/bin:
assert_unit podman.socket active
assert_eq "$(root loginctl list-sessions --json=short | jq -r '.[].class')" manager 'classes of sessions'

step 'podman runs a container without root'
digest=$(image app:1 v1 health=ok)
assert_eq "$(registry_digest app:1)" "$digest"
user podman run --quiet --detach --name alone "$REGISTRY/app:1"
wait_until 30 health_is alone healthy
assert_eq "$(inspect alone '{{.ImageDigest}}')" "$digest"
assert_contains "$(user podman logs alone)" marker=v1
user podman rm --force alone

step 'a user unit brings a stack up, with either provider'
put web/compose.yml <<'END'
services:
  web: { image: "localhost:5000/app:1" }
END
for provider in docker-compose podman-compose; do
    # KillMode=process: podman-compose leaves the containers' monitors in the unit's cgroup.
    put ".config/systemd/user/web-$provider.service" <<END
[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
WorkingDirectory=%h/web
Environment=PODMAN_COMPOSE_PROVIDER=$provider PODMAN_COMPOSE_WARNING_LOGS=false
ExecStart=podman compose --project-name web-$provider up -d
ExecStop=podman compose --project-name web-$provider stop

[Install]
WantedBy=default.target
END
done
userctl daemon-reload
containers=(web-docker-compose-web-1 web-podman-compose_web_1)
userctl enable --now --quiet web-docker-compose.service web-podman-compose.service
for name in "${containers[@]}"; do wait_until 30 health_is "$name" healthy; done

step 'a reboot ends everything, keeps the state, and starts it again'
boot_id=$(user cat /proc/sys/kernel/random/boot_id)
machine_id=$(user cat /etc/machine-id)
user touch kept
reboot
[ "$(user cat /proc/sys/kernel/random/boot_id)" != "$boot_id" ] || fail 'the boot id is the same'
assert_eq "$(user cat /etc/machine-id)" "$machine_id"
user test -e kept
for provider in docker-compose podman-compose; do
    wait_until 30 unit_is "web-$provider.service" active # the manager does not wait for it
done
for name in "${containers[@]}"; do wait_until 30 health_is "$name" healthy; done
assert_eq "$(root journalctl --list-boots --quiet --no-pager | wc -l)" 2 boots

step 'a power loss tells nobody, and the machine comes up again'
power_loss
power_on
for name in "${containers[@]}"; do wait_until 60 health_is "$name" healthy; done
assert_lacks "$(root journalctl --quiet --no-pager -b -1)" 'Reached target shutdown.target' 'the journal of the lost boot'
