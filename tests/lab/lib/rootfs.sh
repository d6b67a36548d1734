# shellcheck shell=bash
# The root file system: built once, then a read-only overlay layer of every machine.
# This file is the recipe: its hash is the key of the cache.

SUITE=trixie
# podman ends before it has made garbage worth collecting, and waits more than it works: a fifth of its time.
LAB_ENVIRONMENT=(GOGC=400 GOMAXPROCS=1)
PACKAGES=(
    systemd systemd-sysv dbus dbus-user-session libpam-systemd
    podman crun conmon catatonit uidmap passt fuse-overlayfs netavark aardvark-dns nftables
    docker-compose podman-compose docker-registry skopeo busybox-static nix-bin postgresql-17
    iproute2 procps jq curl ca-certificates login passwd util-linux
)

rootfs_key() { sha256sum "$LAB_DIR/lib/rootfs.sh" | cut -c1-16; }
rootfs_path() { echo "$LAB_CACHE/rootfs-$(rootfs_key)"; }

# Two runs may start at once: the second waits for the first one's result. `flock -o` closes the
# descriptor before it runs the command, so nothing that outlives it can hold the lock.
rootfs_ensure() {
    [ -e "$(rootfs_path)/.complete" ] && return
    mkdir -p "$LAB_CACHE"
    flock --nonblock "$LAB_CACHE/rootfs.lock" true || note 'waiting for another run, which is building the root file system'
    flock -o "$LAB_CACHE/rootfs.lock" bash "$LAB_DIR/lab" _rootfs
}

rootfs_build() {
    local path work begin mirror
    path=$(rootfs_path) begin=$(now_ms)
    [ -e "$path/.complete" ] && return
    mirror=${LAB_MIRROR:-$(apt_mirror)}
    [ -n "$mirror" ] || cannot "apt's configuration names no Debian mirror" \
        "set LAB_MIRROR to one that has $SUITE"
    note "building the machine's root file system (once; about 40 s and 600 MB in $LAB_CACHE)"
    # Only the holder of the lock is here, so what an interrupted build left behind can go.
    rm -rf "$LAB_CACHE"/rootfs.building.*
    work=$(mktemp -d "$LAB_CACHE/rootfs.building.XXXXXX")
    chmod 755 "$work"
    # In namespaces of its own, so that an interrupted build leaves neither mount nor process.
    if ! unshare --mount --pid --fork --kill-child --propagation private \
        bash "$LAB_DIR/lab" _rootfs_into "$work/root" "$mirror" >"$work/log" 2>&1; then
        tail -n 40 "$work/log" >&2
        rm -rf "$work"
        die "the root file system could not be built (see above)"
    fi
    : >"$work/root/.complete"
    rm -rf "$path"
    mv "$work/root" "$path"
    rm -rf "$work"
    note "root file system built in $(took "$begin")"
    rootfs_prune
}

# Removes what older recipes built, unless a machine still stands on it.
rootfs_prune() {
    local old
    for old in "$LAB_CACHE"/rootfs-*/; do
        old=${old%/}
        [ "$old" != "$(rootfs_path)" ] || continue
        ! grep -qsxF -- "$old" "$LAB_MACHINES"/*/rootfs "$LAB_RUNS"/*/*/rootfs || continue
        ! grep -qsF -- "lowerdir=$old," /proc/[0-9]*/mountinfo || continue
        note "removing ${old##*/}, of an older recipe"
        rm -rf "$old"
    done
}

apt_mirror() {
    # shellcheck disable=SC2016  # $(SITE) is apt's
    apt-get indextargets --format '$(SITE)' 'Origin: Debian' | grep -v security | head -n 1
}

rootfs_into() { # DIR MIRROR, in private mount and PID namespaces
    local root=$1 unit
    mount -t proc proc /proc
    mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include="$(IFS=,; echo "${PACKAGES[*]}")" \
        "$SUITE" "$root" "deb $2 $SUITE main"

    echo lab >"$root/etc/hostname"
    printf '127.0.0.1 localhost lab\n::1 localhost\n' >"$root/etc/hosts"
    rm -f "$root/etc/resolv.conf"
    echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
    : >"$root/etc/machine-id" # empty: each machine draws its own at its first boot

    chroot "$root" useradd -m -u "$LAB_UID" -s /bin/bash "$LAB_USER"
    local file
    for file in subuid subgid; do
        grep -q "^$LAB_USER:" "$root/etc/$file" || echo "$LAB_USER:100000:65536" >>"$root/etc/$file"
    done
    # What `loginctl enable-linger` does.
    mkdir -p "$root/var/lib/systemd/linger"
    : >"$root/var/lib/systemd/linger/$LAB_USER"

    # There is no hardware and no network; nothing may fail or fetch on its own.
    for unit in systemd-modules-load.service systemd-resolved.service systemd-timesyncd.service \
        apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer \
        getty@tty1.service console-getty.service podman-auto-update.timer \
        nix-daemon.service nix-daemon.socket postgresql.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # It is here to be put into images.
    rm -rf "$root"/var/lib/postgresql/* "$root"/etc/postgresql/*

    # Journals outlive a reboot, for the scenarios that look at the boot before.
    mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n' \
        >"$root/etc/systemd/journald.conf.d/lab.conf"

    # The user's programs are on the path of the user manager too, as ~/.cargo/bin is for those who
    # arrange it the documented way (environment.d(5)).
    mkdir -p "$root/etc/environment.d" "$root/opt/stackwarden/bin" "$root/opt/lab"
    echo 'PATH=/opt/stackwarden/bin:/usr/local/bin:/usr/bin:/bin' >"$root/etc/environment.d/60-stackwarden.conf"
    printf '%s\n' "${LAB_ENVIRONMENT[@]}" >"$root/etc/environment.d/60-lab.conf"
    # podman's API asks it for the packages of seven programs whenever it tells of the host: a fifteenth of all time.
    rm -f "$root"/usr/bin/dpkg "$root"/usr/bin/dpkg-query

    # docker-compose talks to podman through it. Enabled for every user; it starts with the user manager.
    chroot "$root" systemctl --global enable podman.socket

    # Where the host's unified hierarchy has no pids controller, crun refuses the default limit.
    # The warning is a banner in front of whatever a compose provider prints.
    mkdir -p "$root"/etc/containers/{containers.conf.d,registries.conf.d}
    printf '[containers]\npids_limit = 0\n[engine]\ncompose_warning_logs = false\n' >"$root/etc/containers/containers.conf.d/99-lab.conf"
    printf '[[registry]]\nlocation = "localhost:5000"\ninsecure = true\n' \
        >"$root/etc/containers/registries.conf.d/99-lab.conf"
    cat >"$root/etc/docker/registry/config.yml" <<'END'
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: /var/lib/docker-registry }
  delete: { enabled: true }
http: { addr: "127.0.0.1:5000" }
END
}
