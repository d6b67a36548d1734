# shellcheck shell=bash
# What an activation of Home Manager starts with, in its behaviour: links are made without a look at links that are
# there, identical files are left, orphans go only where they lead into a generation, and nothing is reloaded unless the
# manager says that it is up.
set -eu -o pipefail
shopt -s nullglob
export PATH=/usr/bin:/bin VERBOSE_ARG=
: "${newGenPath:?}"
currentGenGcPath=${XDG_STATE_HOME:-$HOME/.local/state}/home-manager/gcroots/current-home
mkdir -p "${currentGenGcPath%/*}"
[ ! -e "$currentGenGcPath" ] || oldGenPath=$(readlink -e "$currentGenGcPath")
ours="${NIX_STORE_DIR:-/nix/store}/*-home-manager-files/*"

run() {
    if [[ -v DRY_RUN ]]; then
        echo "$@"
    elif [ "$1" = --silence ]; then
        shift
        "$@" >/dev/null
    else
        "$@"
    fi
}
warnEcho() { echo "$@" >&2; }

each_file() { (cd "$1/home-files/" && find . \( -type f -o -type l \) -printf '%P\n' | sort); }

checkLinkTargets() { # FORCED…
    local path forced failed=''
    while IFS= read -r path; do
        for forced; do [ "$forced" != "$path" ] || continue 2; done
        # shellcheck disable=SC2053  # a pattern
        if [ -e "$HOME/$path" ] && [[ $(readlink "$HOME/$path" || true) != $ours ]] \
            && ! cmp --quiet "$newGenPath/home-files/$path" "$HOME/$path"; then
            echo "Existing file '$HOME/$path' would be clobbered" >&2
            failed=1
        fi
    done < <(each_file "$newGenPath")
    [ -z "$failed" ]
}

linkGeneration() {
    local path files
    if [[ -v oldGenPath ]]; then
        while IFS= read -r path; do
            [ ! -e "$newGenPath/home-files/$path" ] || continue
            # shellcheck disable=SC2053  # a pattern
            if [[ $(readlink "$HOME/$path" || true) != $ours ]]; then
                warnEcho "Path '$HOME/$path' does not link into a Home Manager generation. Skipping delete."
            else
                run rm "$HOME/$path"
                (cd "$HOME" && run rmdir -p --ignore-fail-on-non-empty "$(dirname "$path")")
            fi
        done < <(each_file "$oldGenPath")
    fi
    files=$(readlink -e "$newGenPath/home-files")
    while IFS= read -r path; do
        if [ -e "$HOME/$path" ] && [ ! -L "$HOME/$path" ] && cmp --quiet "$files/$path" "$HOME/$path"; then
            continue
        fi
        run mkdir -p "$(dirname "$HOME/$path")"
        run ln -Tsf "$files/$path" "$HOME/$path"
    done < <(each_file "$newGenPath")
}

reloadSystemd() { # SD_SWITCH TIMEOUT UNITS
    local status old=()
    export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
    status=$(systemctl --user is-system-running 2>&1 || true)
    case $status in
    running | degraded) ;;
    *) echo 'User systemd daemon not running. Skipping reload.'; return ;;
    esac
    [[ ! -v oldGenPath ]] || old=(--old-units "$oldGenPath/home-files/$3")
    [ ${#old[@]} = 0 ] || [ -e "${old[1]}" ] || old=()
    "$1" ${DRY_RUN:+--dry-run} --timeout "$2" "${old[@]}" --new-units "$newGenPath/home-files/$3"
}
