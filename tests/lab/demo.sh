# shellcheck shell=bash
# The demo: chapters of `say` (what and why) and `show` (a command of the machine's user), told in the order of their
# numbers on one booted machine. The first makes the stack `photos`, the last removes it; each between them begins and
# ends with that stack running, and everything as declared.

# What follows happens now; from_the_journal shows what came of it.
mark() {
    CURSOR=$(user journalctl --user -n 0 --show-cursor -o cat | sed -n 's/^-- cursor: //p')
    BEGIN=${EPOCHREALTIME/[.,]/}
}
# from_the_journal PATTERN LINES: waits for what the auditor says of it, and tells how long that took.
from_the_journal() {
    local at
    wait_until 60 journal_says "$1"
    show_script "journalctl --user -u stack-audit -g '$1' -n $2 -o cat"
    at=$(user journalctl --user -u stack-audit --after-cursor "$CURSOR" -o json -g "$1" | head -n 1 | jq -r .__REALTIME_TIMESTAMP)
    aside "$(((at - BEGIN) / 1000)) ms after the change"
}
journal_says() { user journalctl --user -u stack-audit --after-cursor "$CURSOR" -o cat -g "$1" >/dev/null 2>&1; }
until_green() { wait_until 60 user stack-audit >/dev/null; }

for chapter in "$LAB_DIR"/demo/[0-9][0-9]-*.sh; do
    # shellcheck source=/dev/null
    source "$chapter"
done
