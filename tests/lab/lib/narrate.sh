# shellcheck shell=bash
# What the demo is written with, beside the functions of assert.sh. Everything goes to standard output.

# say TEXT: what happens next, and why it matters.
say() { printf '\n%s' "$BOLD"; fold -s -w 90 <<<"$*" | sed 's/ *$//'; printf '%s' "$PLAIN"; }
# aside TEXT: something that the machine's user would not see.
aside() { printf '%s  (%s)%s\n' "$DIM" "$*" "$PLAIN"; }

# show CMD…: the command as the machine's user would type it, then what it prints. A status other
# than 0 is shown, not an error: the product's exit codes are part of the story.
show() { show_line "$*" user "$@"; }
# show_script TEXT: the same for a line of shell.
show_script() { show_line "$1" user bash -c "$1"; }
show_line() {
    local line=$1 code=0
    shift
    printf '%s$ %s%s\n' "$GREEN" "$line" "$PLAIN"
    # The home directory as one types it, and lines that a terminal does not break in the middle of a word.
    "$@" 2>&1 | sed "s|/home/$LAB_USER/|~/|g" | fold -s -w 96 | sed 's/^/  /; s/ *$//' || code=$?
    [ "$code" = 0 ] || aside "exit $code"
}
