# shellcheck shell=bash
# A run: a `test` or a `demo`. Its machines live in one directory and go with it, however it ends.

# All that machines need on this host.
machine_setup() {
    host_check
    host_packages mmdebstrap:mmdebstrap jq:jq setpriv:util-linux flock:util-linux
    overlay_check
    rootfs_ensure
}

RUN=''
JOBS=() # process groups of ours that are still going

run_begin() {
    mkdir -p "$LAB_RUNS"
    runs_sweep
    RUN=$(mktemp -d "$LAB_RUNS/XXXXXX")
    process_id $$ >"$RUN/owner"
    trap run_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

run_end() {
    local code=$? job dir i
    trap - EXIT
    trap '' INT TERM HUP # once is enough: what follows is bounded
    for job in "${JOBS[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done
    # The machines' ends end what waits in them, too, and with it the scenarios.
    for dir in "$RUN"/*/; do [ ! -e "$dir/leader" ] || machine_kill "$dir"; done
    for job in "${JOBS[@]}"; do
        for ((i = 0; i < 600; i++)); do kill -0 "$job" 2>/dev/null || continue 2; sleep 0.05; done
        kill -KILL -- "-$job" 2>/dev/null || true
    done
    # A scenario may have been booting again just then.
    for dir in "$RUN"/*/; do [ ! -e "$dir/cgroup" ] || machine_kill "$dir"; done
    rm -rf "$RUN"
    exit "$code"
}

# What runs left behind that were killed: directories and empty cgroups. (Their machines died with them.)
runs_sweep() {
    local run dir
    for run in "$LAB_RUNS"/*/; do
        [ -d "$run" ] || continue
        process_lives "$run/owner" && continue
        # One that is only just beginning has not written its name yet.
        [ -e "$run/owner" ] || [ -n "$(find "$run" -maxdepth 0 -mmin +1)" ] || continue
        note "removing what a killed run left: $run"
        for dir in "$run"/*/; do [ ! -e "$dir/cgroup" ] || machine_kill "$dir"; done
        rm -rf "$run"
    done
    find "$(cgroup_root)" -mindepth 1 -maxdepth 1 -name 'stackwarden-lab.*' -mmin +2 2>/dev/null | while read -r dir; do
        grep -q '^populated 0' "$dir/cgroup.events" && find "$dir" -depth -type d -exec rmdir {} \;
    done || true
}

# job_start LOG CMD…: in the background, in a session of its own, so that it can be ended with all its
# children; JOB is its process. If this shell is killed, it is asked to end. LOG may be -, which is where we speak.
job_start() {
    local log=$1
    shift
    if [ "$log" = - ]; then
        setsid setpriv --pdeathsig TERM "$@" </dev/null >&2 &
    else
        setsid setpriv --pdeathsig TERM "$@" </dev/null >"$log" 2>&1 &
    fi
    JOB=$!
    JOBS+=("$JOB")
}
job_over() {
    local job left=()
    for job in "${JOBS[@]}"; do [ "$job" = "$1" ] || left+=("$job"); done
    JOBS=("${left[@]}")
}

verb_demo() {
    local begin
    begin=$(now_ms)
    run_begin
    machine_setup
    # shellcheck disable=SC2034  # both are for the demo's functions
    MACHINE=$RUN/demo SCENARIO_BEGIN=$begin
    mkdir -p "$MACHINE/bin"
    programs_into "$MACHINE/bin"
    note 'booting a machine'
    machine_boot "$MACHINE" tied
    source "$LAB_DIR/lib/assert.sh"
    source "$LAB_DIR/lib/narrate.sh"
    set -E
    trap 'note "the demo stopped at a command that failed: $BASH_COMMAND"' ERR
    # shellcheck source=/dev/null
    source "$LAB_DIR/demo.sh"
    note "that was the demo ($(took "$begin")); the machine is gone"
}
