# shellcheck shell=bash
# shellcheck disable=SC2034  # the places are for scenarios
# What scenarios about the auditor are written with: a stack to audit, changes behind the manager's back, and what
# must be found of them.

HOME_DIR=/home/$LAB_USER
OWNER=$HOME_DIR/.config/systemd/user
CONTROL=$HOME_DIR/.config/systemd/user.control
RUNTIME=/run/user/$LAB_UID/systemd
ETC=/etc/systemd/user
SEALS=$HOME_DIR/.config/stackwarden/sealed

# From a change to its finding (the settle time of half a second included).
FOUND_WITHIN_MS=2000

# add_stack NAME: an image in the registry, a compose file, and the stack declared; nothing is started.
add_stack() {
    image "$1:1" v1 health=ok >/dev/null
    put "$1/compose.yml" <<END
services:
  web: { image: "$REGISTRY/$1:1" }
END
    user stackctl add "$1" --compose "$1/compose.yml" "${@:2}"
}

report() { user cat .local/state/stackwarden/audit.json; }
# The findings of the last report, one per line: CHECK UNIT PATH.
findings() {
    report | jq -r '[.findings[] | "\(.check) \(.unit // .stack // "-") \(.path // "-")"] | sort | .[]'
}
# The finding of one check in the last report, as JSON: finding CHECK [UNIT].
finding() {
    report | jq -e --arg check "$1" --arg unit "${2:-}" \
        '.findings[] | select(.check == $check and ($unit == "" or .unit == $unit))'
}

# drift WHAT CHANGE FINDINGS REPAIR: after the change (a line of bash) the path units bring an audit whose report and
# journal have exactly these findings (lines of `CHECK UNIT PATH`), in time; after the repair there are none.
# With AS=root, both are root's doing.
drift() {
    local what=$1 change=$2 expected=$3 repair=$4 tries=0 seen ms begin run trigger line
    while :; do
        seen=$("${AS:-user}" /opt/lab/lab-until "$change" "$expected" 2>&1) || fail "$what: $seen"
        read -r ms begin run trigger <<<"$seen"
        printf '    %5d ms  %s\n' "$ms" "$what" >&2
        assert_eq "$trigger" path "$what: what started the audit"
        while read -r line; do journal_tells "$run" "$begin" "$line" "$ms"; done <<<"$expected"
        seen=$("${AS:-user}" /opt/lab/lab-until "$repair" '' 2>&1) || fail "$what, after the repair: $seen"
        [ "$ms" -ge "$FOUND_WITHIN_MS" ] || return 0
        # The machine may have been busy with something else just then; thrice in a row is the auditor's own doing.
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || fail "$what: found after $ms ms"
    done
}

# The journal has an event for one finding of this run, with its fields, not later than the report.
journal_tells() { # RUN MICROSECONDS 'CHECK UNIT PATH' MILLISECONDS
    local run=$1 begin=$2 check unit path event
    read -r check unit path <<<"$3"
    event=$(journal_json -u stack-audit.service "STACKWARDEN_RUN=$run" "STACKWARDEN_CHECK=$check" \
        "STACKWARDEN_UNIT=$unit" | jq -c --arg path "$path" 'select((.STACKWARDEN_PATH | if . == "" then "-" else . end) == $path)')
    [ -n "$event" ] || fail "no event of run $run for: $3"
    # The report is written first; the event follows at once.
    assert_json "$event" "(.__REALTIME_TIMESTAMP | tonumber) - $begin < ($4 + 500) * 1000" "the event for: $3"
}

# healed ACTION CHECK UNIT: the last report says so.
assert_healed() {
    assert_json "$(report)" \
        "any(.healed[]; .action == \"$1\" and any(.findings[]; .check == \"$2\" and .unit == \"$3\"))" "healed by $1"
}
# When the manager last read all unit files; it moves on every daemon-reload.
last_reload() { userctl show --value --property UnitsLoadTimestampMonotonic; }

# as_generation NAME: the stack's unit becomes what Home Manager makes of it: a link to a text in a directory whose
# files all have the same time, with a seal that says so. $GENERATION is that directory.
GENERATION=$HOME_DIR/generations/2
as_generation() {
    user_script "$1" "$OWNER/$1.service" "$GENERATION/$1.service" "$SEALS/$1.json" <<'END'
name=$1 unit=$2 target=$3 seal=$4
mkdir -p "${target%/*}"
cp "$unit" "$target"
touch -d @1 "$target"
jq --arg unit "$name.service" --arg target "$target" '.units[$unit].link = $target' "$seal" >"$seal.new"
mv "$seal.new" "$seal"
ln -s "$target" "$unit.new"
mv -T "$unit.new" "$unit"
END
}

findings_are() { assert_eq "$(findings)" "$1" findings; } # for wait_until
no_findings() { findings_are ""; }

# watched DIR…: each drop-in directory has a watch that waits, and nothing is found.
watched() {
    local directory
    for directory; do
        unit_is "$(user systemd-escape --path --template=stack-watch@.path "$directory")" active || return 1
    done
    no_findings
}

# What one file means for every service that was audited: of_every_service CHECK PATH.
of_every_service() {
    report | jq -r --arg check "$1" --arg path "$2" '.units[] | select(endswith(".service")) | "\($check) \(.) \($path)"'
}

# No program of ours runs. (What was just triggered may take its milliseconds.)
nothing_resident() {
    local seen
    seen=$(user pgrep -fa ^/opt/stackwarden/bin/ || true)
    [ -z "$seen" ] || { echo "$seen"; return 1; }
}
