#!/usr/bin/env bash
# retire.sh NEW OLD: stops the stacks that the generation OLD declares and NEW does not, while their units are still on
# disk and loaded. Once the units are gone, any reload would make the manager forget how to stop them; and one that is
# failed is stopped by nobody else.
set -euo pipefail
new=$1 old=$2
declared=home-files/${XDG_CONFIG_HOME#"$HOME/"}/stackwarden/stacks
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}

warn() { printf 'stackwarden: warning: %s\n' "$*" >&2; }

[ -n "$old" ] || exit 0
for entry in "$old/$declared"/*.json; do
    stack=${entry##*/} stack=${stack%.json}
    if [ ! -e "$entry" ] || [ -e "$new/$declared/$stack.json" ]; then
        continue
    fi
    if [[ -v DRY_RUN ]]; then
        echo "stackwarden: would stop the stack $stack, which is not declared any more"
        continue
    fi
    echo "stackwarden: stopping the stack $stack, which is not declared any more"
    "$SYSTEMCTL" --user stop -- "$stack.service" || warn "$stack.service could not be stopped"
    # A failed unit's stop does nothing, and its containers stay.
    "$STACKCTL" stop -- "$stack" || warn "the containers of $stack may still run; next: stackctl stop $stack"
done
