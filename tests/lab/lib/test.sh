# shellcheck shell=bash
# `lab test`: everything that is checked, several at a time, counted. What cannot run, or runs no test, has failed.
#
# Several tests and machines share few processors, which stretches every wait. What fails in company is run once more
# by itself, and that counts. Both runs are printed, and what passed the second time only is named at the end.

PASSED=0 FAILED=0 UNSTEADY=()

verb_test() {
    local begin name known checks=()
    begin=$(now_ms)
    export LAB_THOROUGH='' LAB_SEED=${LAB_SEED:-$(git -C "$LAB_REPO" rev-parse HEAD 2>/dev/null || echo 0)}
    [ "${1:-}" != --thorough ] || { LAB_THOROUGH=1; shift; }
    host_check
    known=$(known_checks)
    for name; do
        grep -qxF -- "$name" <<<"$known" || die "there is no stage or scenario '$name'; there are:"$'\n'"$known"
    done
    mapfile -t checks < <(if [ $# = 0 ]; then usual_checks; else grep -xF -- "$(printf '%s\n' "$@")" <<<"$known"; fi)
    run_begin
    host_packages jq:jq shellcheck:shellcheck setpriv:util-linux flock:util-linux mmdebstrap:mmdebstrap \
        /lib/systemd/systemd:systemd /usr/lib/systemd/user/dbus.socket:dbus-user-session
    if prepare "${checks[@]}"; then run_checks "${checks[@]}"; else FAILED=1; fi
    [ ${#UNSTEADY[@]} = 0 ] || printf 'passed only by itself: %s\n' "${UNSTEADY[@]}" >&2
    printf '%s%s in %s%s\n' "$BOLD" "$([ "$FAILED" = 0 ] && echo passed || echo FAILED)" "$(took "$begin")" "$PLAIN" >&2
    printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}

# In the order in which they are started. At the end nothing should be waited for that takes long by itself; and those
# about updates and verdicts do.
known_checks() {
    printf '%s\n' cargo clippy fmt shellcheck
    hook_files | sed 's|.*/||; s/^[0-9]*-//'
    scenario_files | sed 's|.*/||; s/\.sh$//' | sort --reverse
}
# Of those that say `# drawn: why` in their first lines, one in fourteen, unless all are asked for.
usual_checks() {
    local name drawn=() usual=()
    while read -r name; do
        if says drawn "$name"; then drawn+=("$name"); else usual+=("$name"); fi
    done < <(known_checks)
    mapfile -t -O "${#usual[@]}" usual < <(sample $(((${#drawn[@]} + 13) / 14)) "${drawn[@]}")
    known_checks | grep -xF -- "$(printf '%s\n' "${usual[@]}")"
}
says() { # WORD NAME
    local file
    file=$(check_file "$2")
    [ -n "$file" ] && head -n 5 "$file" | grep -q "^# $1: "
}
hook_files() { find "$LAB_DIR/stages" -maxdepth 1 -name '[0-9]*-*' -type f 2>/dev/null | sort; }
scenario_files() { find "$LAB_DIR/scenarios" -maxdepth 1 -name '*.sh' | sort; }
check_file() { # NAME: of a stage or scenario; of the others there is none
    hook_files | grep -E "/[0-9]+-$1\$" || scenario_files | grep -F "/$1.sh" || true
}

# prepare NAME…: all that the checks need is built, machine and programs side by side.
prepare() {
    local name file files=() tests='' setup=''
    for name; do
        file=$(check_file "$name")
        [ -z "$file" ] || files+=("$file")
        [ "$name" != cargo ] || tests=1
    done
    if [ ${#files[@]} != 0 ]; then
        job_start - bash "$LAB" _setup "${files[@]}"
        setup=$JOB
    fi
    if [ -n "$tests" ]; then
        build_tests || return
        # shellcheck disable=SC2034  # for programs_into
        TESTS_BUILT=1
    fi
    if [ -n "$setup" ]; then
        mkdir "$RUN/.bin"
        programs_into "$RUN/.bin"
        export LAB_BIN=$RUN/.bin LAB RUN
        wait "$setup" || return
        job_over "$setup"
    fi
}
verb_setup() { # FILE…
    machine_setup
    nix_tools_for "$@"
}
build_tests() {
    local begin
    begin=$(now_ms)
    # What is built from nothing is not built faster for keeping what a next build could use.
    [ -d "$(target_directory)/debug" ] || export CARGO_INCREMENTAL=0
    note 'building the programs and their tests'
    (cd "$LAB_REPO" && cargo test --quiet --locked --no-run) >&2 || return
    note "built in $(took "$begin")"
}

# run_checks NAME…: LAB_JOBS at a time; afterwards, one by one, those that say `# alone: why` in their first lines,
# and what failed.
run_checks() {
    local name failed_before together=() alone=() again=() at_a_time=${LAB_JOBS:-$((2 * $(nproc)))} IN_COMPANY=''
    declare -A RUNNING=() BEGUN=()
    for name; do
        if says alone "$name"; then alone+=("$name"); else together+=("$name"); fi
    done
    [ "$at_a_time" = 1 ] || [ ${#together[@]} = 1 ] || IN_COMPANY=1
    note "${#together[@]} checks, $at_a_time at a time; each is told when it is over"
    for name in "${together[@]}"; do
        [ ${#RUNNING[@]} -lt "$at_a_time" ] || check_wait
        check_start "$name"
    done
    while [ ${#RUNNING[@]} != 0 ]; do check_wait; done
    IN_COMPANY=''
    for name in "${alone[@]}"; do
        check_start "$name"
        check_wait
    done
    for name in "${again[@]}"; do
        failed_before=$FAILED
        check_start "$name"
        check_wait
        [ "$FAILED" != "$failed_before" ] || UNSTEADY+=("$name")
    done
}

check_start() { # NAME
    local file command=(timeout --kill-after=30 "${LAB_STAGE_TIMEOUT:-900}")
    file=$(check_file "$1")
    case $1:$file in
    fmt:) command+=(cargo fmt --check -- --color never) ;;
    clippy:) command+=(cargo clippy --quiet --all-targets --locked -- -D warnings) ;;
    shellcheck:) command+=(bash -c "$(declare -f shell_scripts); shell_scripts | xargs shellcheck") ;;
    cargo:)
        command+=(env "RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((3 * $(nproc)))}" ${LAB_THOROUGH:+STACKWARDEN_TREES=5000}
            cargo test --locked --no-fail-fast)
        ;;
    *:*/stages/*) command+=("$file") ;;
    *)
        command=(timeout --kill-after=30 "${LAB_SCENARIO_TIMEOUT:-600}" bash "$LAB_DIR/lib/scenario" "$file" "$RUN/$1")
        ;;
    esac
    cd "$LAB_REPO" || exit
    [ "$1" != cargo ] || [ -n "$IN_COMPANY" ] || cargo_again command
    BEGUN[$1]=$(now_ms)
    job_start "$RUN/$1.log" "${command[@]}"
    RUNNING[$JOB]=$1
}

# Of the tests that failed in company, and of those only, one at a time.
cargo_again() { # NAME of an array: the command
    local -n cargo_test=$1
    local failed=()
    [ -e "$RUN/cargo.log" ] || return 0
    mapfile -t failed < <(sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$RUN/cargo.log" | sort -u)
    # What has no name (it does not compile, say) is in a run of all, which counts all.
    if [ ${#failed[@]} = "$CARGO_FAILED" ]; then PASSED=$((PASSED + CARGO_PASSED)); else failed=(); fi
    # shellcheck disable=SC2034  # it is the caller's
    cargo_test=(timeout --kill-after=30 "${LAB_STAGE_TIMEOUT:-900}" env RUST_TEST_THREADS=1
        cargo test --locked --no-fail-fast -- --exact "${failed[@]}")
}

check_wait() {
    local job='' STATUS=0 name title dir LOG N_PASSED=0 N_FAILED=0
    wait -n -p job "${!RUNNING[@]}" || STATUS=$?
    name=${RUNNING[$job]}
    unset "RUNNING[$job]"
    job_over "$job"
    LOG=$RUN/$name.log
    [ "$STATUS" != 124 ] && [ "$STATUS" != 137 ] || echo 'ended: it took too long' >>"$LOG"
    case $name:$(check_file "$name") in
    cargo:) title='cargo test' && count_cargo ;;
    fmt: | clippy:) title="cargo $name" && count_one ;;
    shellcheck:) title=shellcheck && count_one ;;
    *:*/stages/*) title="stage $name" && count_hook ;;
    *) title="scenario $name" && count_one ;;
    esac
    # Killed, they could not clean up after themselves.
    for dir in "$RUN/$name" "$RUN/stage-$name"; do [ ! -e "$dir/cgroup" ] || machine_remove "$dir"; done
    if [ "$N_FAILED" = 0 ]; then
        PASSED=$((PASSED + N_PASSED))
        printf '%s … %sok%s, %d passed (%s)\n' "$title" "$GREEN" "$PLAIN" "$N_PASSED" "$(took "${BEGUN[$name]}")" >&2
        return
    fi
    if [ -n "$IN_COMPANY" ]; then
        printf '%s … %sfailed%s in company, and is run again by itself (%s)\n' "$title" "$RED" "$PLAIN" "$(took "${BEGUN[$name]}")" >&2
        again+=("$name") # of run_checks
        [ "$name" != cargo ] || CARGO_PASSED=$N_PASSED CARGO_FAILED=$N_FAILED
    else
        PASSED=$((PASSED + N_PASSED)) FAILED=$((FAILED + N_FAILED))
        printf '%s … %sFAILED%s, %d passed, %d failed (%s)\n' "$title" "$RED" "$PLAIN" "$N_PASSED" "$N_FAILED" "$(took "${BEGUN[$name]}")" >&2
    fi
    print_log "$LOG" "$title"
}

shell_scripts() { # by name or by their first line; only what belongs to the project
    git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
        [ -f "$file" ] || continue
        case $file in
        *.sh) echo "$file" ;;
        *) ! head -c 40 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba|da)?sh\b' || echo "$file" ;;
        esac
    done
}

print_log() { # FILE TITLE
    printf '%s===== %s%s\n' "$BOLD" "$2" "$PLAIN" >&2
    if [ "$(wc -l <"$1")" -gt 600 ]; then
        { head -n 200 "$1"; echo '[…]'; tail -n 400 "$1"; } >&2
    else
        cat "$1" >&2
    fi
    printf '%s===== end of %s%s\n' "$BOLD" "$2" "$PLAIN" >&2
}

count_one() { if [ "$STATUS" = 0 ]; then N_PASSED=1; else N_FAILED=1; fi; }

count_cargo() {
    local ignored
    # Test programs and doc tests each end with a line `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    read -r N_PASSED N_FAILED ignored < <(awk '/^test result: / { p += $4; f += $6; i += $8 }
        END { print p + 0, f + 0, i + 0 }' "$LOG")
    if [ "$ignored" != 0 ]; then
        echo "$ignored ignored tests: a test that does not run has not passed" >>"$LOG"
        N_FAILED=$((N_FAILED + ignored))
    fi
    if [ "$STATUS" != 0 ] && [ "$N_FAILED" = 0 ]; then N_FAILED=1; fi
    if [ "$N_PASSED" = 0 ] && [ "$N_FAILED" = 0 ]; then echo 'no test ran' >>"$LOG"; N_FAILED=1; fi
}

count_hook() { # its last line is `N passed, N failed`
    if [[ $(tail -n 1 "$LOG") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        N_PASSED=${BASH_REMATCH[1]} N_FAILED=${BASH_REMATCH[2]}
    else
        echo 'the stage did not end with a line "N passed, N failed"' >>"$LOG"
        N_FAILED=1
    fi
    if [ "$STATUS" != 0 ] && [ "$N_FAILED" = 0 ]; then N_FAILED=1; fi
    if [ "$N_PASSED" = 0 ] && [ "$N_FAILED" = 0 ]; then echo 'no test ran' >>"$LOG"; N_FAILED=1; fi
}
