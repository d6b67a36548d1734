# shellcheck shell=bash
# One machine: its directory holds everything that outlives a boot (upper layer, home), so booting
# the same directory again is a reboot. Everything else lives in namespaces and one cgroup.

machine_up() { process_lives "$1/leader"; }
machine_leader() { local pid; read -r pid _ <"$1/leader"; echo "$pid"; }

# machine_boot DIR [tied]: a tied machine dies with the shell that booted it, whatever kills that.
machine_boot() {
    local dir=$1 tied=() rootfs cgroup launcher leader='' begin state i
    begin=$(now_ms)
    mkdir -p "$dir"/{upper,work,home,root,bin}
    dir=$(realpath "$dir")
    machine_up "$dir" && die "$dir is running already"
    machine_sweep "$dir"
    # What a machine has written fits the root file system that it was first booted with.
    [ -e "$dir/rootfs" ] || rootfs_path >"$dir/rootfs"
    rootfs=$(cat "$dir/rootfs")
    [ -e "$rootfs/.complete" ] || die "the root file system of $(basename "$dir") is gone: \`stop --purge\` it"
    [ -e "$dir/home/$LAB_USER" ] || cp -a "$rootfs/home/." "$dir/home/"
    cgroup=$(mktemp -d "$(cgroup_root)/stackwarden-lab.XXXXXX")
    chmod 755 "$cgroup" # a user's tools read what is above them
    echo "$cgroup" >"$dir/cgroup"
    cat /proc/sys/kernel/random/uuid >"$dir/boot_id" # its own per boot, for journalctl -b
    [ "${2:-}" = tied ] && tied=(setpriv --pdeathsig KILL)
    # A session of its own: Ctrl-C is for the lab, which then takes the machine down.
    # shellcheck disable=SC2016  # for the inner shell
    ROOTFS=$rootfs DIR=$dir CGROUP=$cgroup \
        setsid "${tied[@]}" bash -c '
            echo $$ >"$CGROUP/cgroup.procs"
            exec unshare --mount --pid --uts --ipc --net --cgroup --fork --kill-child \
                --propagation private bash "$0/lib/machine-init"' "$LAB_DIR" \
        </dev/null >"$dir/console.log" 2>&1 &
    launcher=$!
    disown "$launcher" # or bash reports its death on every power loss
    for ((i = 0; i < 250; i++)); do
        read -r leader _ 2>/dev/null <"/proc/$launcher/task/$launcher/children" || true
        # Until the new PID namespace exists, a child is only one of the launcher's own.
        [ -n "$leader" ] && [ "$(readlink "/proc/$leader/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] && break
        leader=''
        sleep 0.02
    done
    process_id "$leader" >"$dir/leader" 2>/dev/null || machine_boot_failed "$dir" 'its first process died'
    while :; do
        machine_up "$dir" || machine_boot_failed "$dir" 'its first process died'
        if machine_user_ready "$dir" "$leader"; then
            state=$(enter_root "$dir" systemctl is-system-running 2>/dev/null || true)
            case $state in running | degraded) break ;; esac
        fi
        # Debian 13 takes well under two seconds here; a stack that starts at boot may take its time.
        [ $(($(now_ms) - begin)) -lt "$((${LAB_BOOT_TIMEOUT:-120} * 1000))" ] \
            || machine_boot_failed "$dir" "still '${state:-no answer}' after ${LAB_BOOT_TIMEOUT:-120} s"
        sleep 0.05
    done
}

# A lingering user has a bus soon; without lingering there is nothing to wait for.
machine_user_ready() { # DIR LEADER
    [ ! -e "/proc/$2/root/var/lib/systemd/linger/$LAB_USER" ] || [ -S "/proc/$2/root/run/user/$LAB_UID/bus" ]
}

machine_boot_failed() {
    tail -n 50 "$1/console.log" >&2
    machine_kill "$1"
    die "the machine did not boot: $2 (console above)"
}

# An orderly shutdown, as by the power button.
machine_stop() {
    local dir=$1 leader i
    if machine_up "$dir"; then
        leader=$(machine_leader "$dir")
        kill -s RTMIN+3 "$leader" 2>/dev/null || true # systemd(1): start halt.target
        for ((i = 0; i < 2400; i++)); do # more than the 90 s that one unit may take to stop
            machine_up "$dir" || break
            sleep 0.05
        done
        machine_up "$dir" && note "shutdown hung for 120 s: power cut"
    fi
    machine_kill "$dir"
}

# The power is cut: every process dies at once and nothing is told. (Files keep what was written,
# synchronised or not: the kernel is the host's, and it lives on.)
machine_kill() {
    local dir=$1 i
    if machine_up "$dir"; then
        kill -KILL "$(machine_leader "$dir")" 2>/dev/null || true
        for ((i = 0; i < 500; i++)); do machine_up "$dir" || break; sleep 0.01; done
    fi
    machine_sweep "$dir"
}

# Removes the cgroup of a boot that is over. The mounts went with the last process.
machine_sweep() {
    local cgroup i
    [ -e "$1/cgroup" ] || return 0
    cgroup=$(cat "$1/cgroup")
    case $cgroup in */stackwarden-lab.*) ;; *) return 0 ;; esac
    for ((i = 0; i < 200; i++)); do
        [ -d "$cgroup" ] || break
        # Commands that were entered from outside are not in its PID tree: end those, too.
        [ "$i" = 0 ] && echo 1 >"$cgroup/cgroup.kill" 2>/dev/null
        find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
        sleep 0.01
    done
    [ -d "$cgroup" ] && note "cgroup $cgroup could not be removed"
    rm -f "$1/cgroup" "$1/leader"
}

machine_remove() { machine_kill "$1"; rm -rf "$1"; }

# enter_user | enter_root DIR CMD…: runs CMD inside with this shell's standard streams and its exit
# status. No transient unit is made, as `systemd-run --user` would: that writes into a directory which
# the product watches. The process is put where a login would put it. (setpriv, because nsenter has a
# child in between that would not hear of its end.)
enter_user() {
    local dir=$1
    shift
    enter "$dir" "user.slice/user-$LAB_UID.slice/session-lab.scope" \
        setpriv --pdeathsig TERM --reuid="$LAB_UID" --regid="$LAB_UID" --init-groups \
        env -i --chdir="/home/$LAB_USER" "HOME=/home/$LAB_USER" "USER=$LAB_USER" "LOGNAME=$LAB_USER" SHELL=/bin/bash LANG=C.UTF-8 "TERM=${TERM:-dumb}" \
        PATH=/opt/stackwarden/bin:/usr/local/bin:/usr/bin:/bin "${LAB_ENVIRONMENT[@]}" \
        "XDG_RUNTIME_DIR=/run/user/$LAB_UID" "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$LAB_UID/bus" \
        "$@"
}
enter_root() {
    local dir=$1
    shift
    enter "$dir" system.slice/lab.scope setpriv --pdeathsig TERM env -i HOME=/root LANG=C.UTF-8 "TERM=${TERM:-dumb}" \
        PATH=/opt/stackwarden/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

enter() { # DIR CGROUP CMD…
    local dir=$1 group=$2 leader cgroup
    machine_up "$dir" || { note "the machine $(basename "$dir") is not running"; return "$EXIT_CANNOT"; }
    read -r leader _ <"$dir/leader"
    read -r cgroup <"$dir/cgroup"
    group=$cgroup/$group
    shift 2
    # `lab run` becomes the command's keeper itself: a signal to it is one to that.
    [ -z "${ENTER_IN_PLACE:-}" ] || enter_exec "$leader" "$group" "$@"
    (enter_exec "$leader" "$group" "$@")
}

enter_exec() { # LEADER CGROUP CMD…
    local leader=$1 group=$2
    shift 2
    [ -d "$group" ] || mkdir -p "$group"
    echo "$BASHPID" >"$group/cgroup.procs"
    enter_v1_cgroups "$leader"
    exec nsenter -t "$leader" -m -u -i -n -p -C -r -w -- "$@"
}

# On a hybrid host podman looks at the version 1 lines of /proc/self/cgroup as well, and takes a
# path that is not `/` for a cgroup to leave. Seen from inside, `/` is where the machine was started.
enter_v1_cgroups() {
    local line controllers path
    while IFS= read -r line; do
        line=${line#*:} controllers=${line%%:*} path=${line#*:}
        [ -n "$controllers" ] || continue
        controllers=${controllers#name=}
        echo "$BASHPID" 2>/dev/null >"/sys/fs/cgroup/${controllers}$path/cgroup.procs" || true
    done <"/proc/$1/cgroup"
}
