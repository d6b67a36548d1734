#!/usr/bin/env bash
# set-aside.sh NEW OLD: makes way for the links of the generation NEW where something else than a link of Home Manager's
# lies in the place of an owned unit file, or of a link that enables one. What lies there is kept. Home Manager alone
# would leave an identical file where it is, and a file of a unit that is gone.
set -euo pipefail
new=$1 old=$2
units=${XDG_CONFIG_HOME#"$HOME/"}/systemd/user
kept=$XDG_STATE_HOME/stackwarden/set-aside
# What links lead to.
new_files=$(readlink -e -- "$new/home-files")/$units
old_files=$(readlink -e -- "$old/home-files" || true)/$units

# The owned artifacts of a generation, below systemd/user: what carries one of our tokens.
owned() { # GENERATION
    local directory=$1/home-files/$units
    [ -d "$directory" ] || return 0
    # A generation may have units, and none of ours; what a link of it leads to may hold anything.
    find -L "$directory" -mindepth 1 -maxdepth 2 \
        -type d ! -name '*.wants' ! -name '*.requires' -prune -o -type f -exec \
        grep --quiet --extended-regexp '^Documentation=file://[^ ]*/stackwarden/sealed/[^ ]*#' {} \; -printf '%P\0'
}

set_aside() { # PATH WHAT
    local place
    if [[ -v DRY_RUN ]]; then
        echo "stackwarden: $1 is $2 and not the declared link; it would be moved to $kept"
        return
    fi
    mkdir -p "$kept"
    place=$kept/$(date -u +%Y-%m-%dT%H-%M-%S.%NZ)-${1##*/}
    mv --no-target-directory -- "$1" "$place"
    echo "stackwarden: $1 was $2 and not the declared link; it is kept as $place" >&2
}

look() { # RELATIVE
    local path=$XDG_CONFIG_HOME/systemd/user/$1 target
    if [ -L "$path" ]; then
        target=$(readlink -- "$path")
        case $target in
        "$NIX_STORE"/*-home-manager-files/*)
            # Home Manager replaces its own links, those of another generation too.
            if [ ! -e "$path" ]; then
                echo "stackwarden: $path led to $target, where nothing is" >&2
            elif [ "$target" != "$new_files/$1" ] && [ "$target" != "$old_files/$1" ]; then
                echo "stackwarden: $path led to $target, of another generation" >&2
            fi
            ;;
        *) set_aside "$path" "a link to $target" ;;
        esac
    elif [ -d "$path" ]; then
        set_aside "$path" 'a directory'
    elif [ -f "$path" ]; then
        set_aside "$path" 'a regular file'
    elif [ -e "$path" ]; then
        set_aside "$path" 'a special file'
    fi
}

{
    owned "$new"
    [ -z "$old" ] || owned "$old"
} | sort --zero-terminated --unique | while IFS= read -r -d '' artifact; do
    look "$artifact"
done
