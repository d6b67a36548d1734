#!/usr/bin/env bash
# retire.sh NEW OLD: stops the stacks that the generation OLD, or a switch that was cut off, has declared and NEW does not,
# while their units are still on disk and loaded. Once the units are gone, any reload would make the manager forget how to
# stop them; and one that is failed is stopped by nobody else.
set -euo pipefail
new=$1 old=${2:-/nonexistent}
configuration=${XDG_CONFIG_HOME#"$HOME/"}
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}

warn() { printf 'stackwarden: warning: %s\n' "$*" >&2; }

# Home Manager knows of two generations. Of a third one, whose activation did not come to its end, there are links.
left_behind() { # PATH
    [ ! -e "$new/home-files/$configuration/$1" ] || return 1
    [ ! -e "$old/home-files/$configuration/$1" ] || return 1
    case $(readlink -- "$XDG_CONFIG_HOME/$1" || true) in
    "$NIX_STORE"/*-home-manager-files/*) ;;
    *) return 1 ;;
    esac
}

stop_stack() { # STACK
    local stack=$1 unit
    if [[ -v DRY_RUN ]]; then
        echo "stackwarden: would stop the stack $stack, which is not declared any more"
        return
    fi
    echo "stackwarden: stopping the stack $stack, which is not declared any more"
    # An update that is going on goes back first.
    for unit in "$stack-update.service" "$stack.service"; do
        # 5: there is no such unit.
        "$SYSTEMCTL" --user --quiet stop -- "$unit" 2>/dev/null || [ $? = 5 ] || warn "$unit could not be stopped"
    done
    # A failed unit's stop does nothing, and its containers stay.
    "$STACKCTL" stop -- "$stack" </dev/null || warn "the containers of $stack may still run; next: stackctl stop $stack"
}

for entry in "$XDG_CONFIG_HOME"/stackwarden/stacks/*.json "$old/home-files/$configuration"/stackwarden/stacks/*.json; do
    file=stackwarden/stacks/${entry##*/}
    [ -e "$new/home-files/$configuration/$file" ] || [ ! -e "$entry" ] || echo "$file"
done | sort --unique | while IFS= read -r file; do
    if [ -e "$old/home-files/$configuration/$file" ] || left_behind "$file"; then
        stack=${file##*/}
        stop_stack "${stack%.json}"
    fi
done

for link in "$XDG_CONFIG_HOME"/stackwarden/{stacks,sealed}/*.json "$XDG_CONFIG_HOME"/systemd/user/* "$XDG_CONFIG_HOME"/systemd/user/*.{wants,requires}/*; do
    path=${link#"$XDG_CONFIG_HOME/"}
    if [ ! -L "$link" ] || ! left_behind "$path"; then continue; fi
    case $path in
    systemd/*)
        # Another module's unit is not ours to remove.
        grep --quiet --extended-regexp '^Documentation=file://[^ ]*/stackwarden/sealed/[^ ]*#' -- "$link" 2>/dev/null || continue
        ;;
    esac
    if [[ -v DRY_RUN ]]; then
        echo "stackwarden: would remove $link, which a switch that was cut off has left behind"
    else
        echo "stackwarden: removing $link, which a switch that was cut off has left behind"
        rm -- "$link"
    fi
done
