# shellcheck shell=bash
# What the lab needs of the machine it runs on.

host_check() {
    local instead='use a Debian 12 or 13 machine (a virtual one will do) as root'
    [ "$(id -u)" = 0 ] || cannot 'it makes namespaces, mounts and cgroups, and so needs root' \
        "sudo bash tests/lab/lab …, or $instead"
    command -v apt-get >/dev/null || cannot 'there is no apt-get to get packages with' "$instead"
    [ -n "$(cgroup_root)" ] || cannot 'no cgroup2 file system is mounted below /sys/fs/cgroup' "$instead"
    unshare --mount --pid --uts --ipc --net --cgroup --fork true 2>/dev/null \
        || cannot 'this kernel or container denies namespaces (unshare failed)' "$instead; in a container: give it all privileges"
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null \
        || cannot 'the kernel has no overlayfs' "$instead"
}

# Where cgroup2 is mounted: alone, or beside version 1 (hybrid).
cgroup_root() {
    local dir
    for dir in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [ -e "$dir/cgroup.procs" ] && [ "$(stat -fc %T "$dir")" = cgroup2fs ] && { echo "$dir"; return; }
    done
    return 0
}

# Can the cache hold the upper layer of an overlay? Not where it is itself on an overlay, as in most containers.
overlay_check() {
    local dir
    mkdir -p "$LAB_CACHE"
    dir=$(mktemp -d "$LAB_CACHE/probe.XXXXXX")
    mkdir "$dir"/{lower,upper,work,root}
    if ! unshare --mount --propagation private mount -t overlay overlay \
        -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" 2>/dev/null; then
        rm -rf "$dir"
        cannot "$LAB_CACHE is on a file system that overlayfs cannot write to" \
            'set XDG_CACHE_HOME to a directory on ext4, xfs or btrfs'
    fi
    rm -rf "$dir"
}

# PROGRAM:PACKAGE…: installs what is missing, and only then asks apt anything.
host_packages() {
    local pair program missing=() begin
    for pair; do
        program=${pair%%:*}
        command -v "$program" >/dev/null || [ -e "$program" ] || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} = 0 ] && return
    begin=$(now_ms)
    note "installing ${missing[*]}"
    apt_lists
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends \
        "${missing[@]}" >/dev/null || die "apt-get could not install ${missing[*]}"
    note "installed in $(took "$begin")"
}

apt_lists() {
    local out
    # shellcheck disable=SC2016  # $(SITE) is apt's
    [ -n "$(apt-get indextargets --format '$(SITE)')" ] && return
    note 'fetching package lists (apt-get update)'
    out=$(apt-get -o DPkg::Lock::Timeout=300 update -qq 2>&1) || die "apt-get update failed: $out"
}

# debian_program PACKAGE PATH: one program out of a package of Debian's, without what else it brings; prints where it is.
debian_program() {
    local program=$LAB_CACHE/${2##*/} work
    if [ ! -x "$program" ]; then
        note "fetching ${2##*/}"
        command -v dpkg-deb >/dev/null || cannot 'there is no dpkg-deb' 'run it on Debian'
        apt_lists >&2
        work=$(mktemp -d "$LAB_CACHE/program.XXXXXX")
        chmod 755 "$work"
        (cd "$work" && apt-get -o DPkg::Lock::Timeout=300 download -qq "$1") >/dev/null || die "apt-get could not download $1"
        dpkg-deb --fsys-tarfile "$work/$1"_*.deb | tar -x -C "$work" ".$2"
        mv "$work$2" "$program"
        rm -rf "$work"
    fi
    echo "$program"
}
