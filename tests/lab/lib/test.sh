# shellcheck shell=bash
# `lab test`: every stage in order, counted. A stage that cannot run, or that runs no test, has failed.
#
# Several tests and machines share few processors, which stretches every wait. What fails in company is run once more
# by itself, and that counts. Both runs are printed, and what passed the second time only is named at the end.

PASSED=0 FAILED=0 UNSTEADY=()

verb_test() {
    local begin names=("$@") name known
    begin=$(now_ms)
    host_check
    known=$(known_stages)
    for name in "${names[@]}"; do
        grep -qxF -- "$name" <<<"$known" || die "there is no stage or scenario '$name'; there are:"$'\n'"$known"
    done
    run_begin
    host_packages jq:jq shellcheck:shellcheck setpriv:util-linux /lib/systemd/systemd:systemd \
        /usr/lib/systemd/user/dbus.socket:dbus-user-session
    wanted fmt && stage fmt 'cargo fmt' count_one cargo fmt --check -- --color never
    wanted clippy && stage clippy 'cargo clippy' count_one cargo clippy --quiet --all-targets --locked -- -D warnings
    wanted shellcheck && stage shellcheck 'shellcheck' count_one bash -c "$(declare -f shell_scripts); shell_scripts | xargs shellcheck"
    wanted cargo && stage_cargo
    test_machines
    [ ${#UNSTEADY[@]} = 0 ] || printf 'passed only by itself: %s\n' "${UNSTEADY[@]}" >&2
    printf '%s%s in %s%s\n' "$BOLD" "$([ "$FAILED" = 0 ] && echo passed || echo FAILED)" "$(took "$begin")" "$PLAIN" >&2
    printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}

wanted() { # uses verb_test's names
    local name
    [ ${#names[@]} = 0 ] && return
    for name in "${names[@]}"; do [ "$name" = "$1" ] && return; done
    return 1
}

known_stages() {
    printf '%s\n' fmt clippy shellcheck cargo
    hook_files | sed 's|.*/||; s/^[0-9]*-//'
    scenario_files | sed 's|.*/||; s/\.sh$//'
}
hook_files() { find "$LAB_DIR/stages" -maxdepth 1 -name '[0-9]*-*' -type f 2>/dev/null | sort; }
scenario_files() { find "$LAB_DIR/scenarios" -maxdepth 1 -name '*.sh' | sort; }

shell_scripts() { # by name or by their first line; only what belongs to the project
    git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
        [ -f "$file" ] || continue
        case $file in
        *.sh) echo "$file" ;;
        *) ! head -c 40 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba|da)?sh\b' || echo "$file" ;;
        esac
    done
}

stage_cargo() {
    local threads=${RUST_TEST_THREADS:-$((3 * $(nproc)))} failed=()
    IN_COMPANY=cargo stage cargo 'cargo test' count_cargo \
        env RUST_TEST_THREADS="$threads" cargo test --locked --no-fail-fast
    if [ -n "$FAILED_IN_COMPANY" ]; then
        mapfile -t failed < <(sed -n 's/^test \([^ ]*\) \.\.\. FAILED$/\1/p' "$RUN/cargo.log" | sort -u)
        # What has no name (it does not compile, say) is in a run of all, which counts all.
        if [ ${#failed[@]} = "$FAILED_IN_COMPANY" ]; then
            PASSED=$((PASSED + PASSED_IN_COMPANY))
        else
            failed=()
        fi
        stage cargo "cargo test, one at a time: ${failed[*]:-all of them}" count_cargo \
            env RUST_TEST_THREADS=1 cargo test --locked --no-fail-fast -- --exact "${failed[@]}"
        [ "$FAILED" != 0 ] || UNSTEADY+=("cargo test ${failed[*]:-}")
    fi
    # shellcheck disable=SC2034  # for programs_into
    [ "$FAILED" != 0 ] || TESTS_BUILT=1
}

# stage NAME TITLE COUNT CMD…: COUNT looks at STATUS and LOG and sets N_PASSED and N_FAILED.
stage() {
    local name=$1 title=$2 count=$3 begin STATUS=0 LOG N_PASSED=0 N_FAILED=0
    shift 3
    begin=$(now_ms)
    LOG=$RUN/$name.log
    printf '%s … ' "$title" >&2
    cd "$LAB_REPO" || exit
    job_start "$LOG" timeout --kill-after=30 "${LAB_STAGE_TIMEOUT:-900}" "$@"
    wait "$JOB" || STATUS=$?
    job_over "$JOB"
    [ "$STATUS" != 124 ] && [ "$STATUS" != 137 ] || echo "ended after ${LAB_STAGE_TIMEOUT:-900} s" >>"$LOG"
    "$count"
    stage_report "$title" "$begin"
}

# With IN_COMPANY a failure does not count: it sets FAILED_IN_COMPANY, and the caller runs what failed once more.
stage_report() { # TITLE BEGIN
    FAILED_IN_COMPANY='' PASSED_IN_COMPANY=$N_PASSED
    if [ "$N_FAILED" != 0 ] && [ -n "${IN_COMPANY:-}" ]; then
        FAILED_IN_COMPANY=$N_FAILED
        printf '%sfailed%s in company, and is run again by itself (%s)\n' "$RED" "$PLAIN" "$(took "$2")" >&2
        print_log "$LOG" "$1"
        return
    fi
    PASSED=$((PASSED + N_PASSED)) FAILED=$((FAILED + N_FAILED))
    if [ "$N_FAILED" = 0 ]; then
        printf '%sok%s, %d passed (%s)\n' "$GREEN" "$PLAIN" "$N_PASSED" "$(took "$2")" >&2
    else
        printf '%sFAILED%s, %d passed, %d failed (%s)\n' "$RED" "$PLAIN" "$N_PASSED" "$N_FAILED" "$(took "$2")" >&2
        print_log "$LOG" "$1"
    fi
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

# Everything that needs a machine or the programs.
test_machines() {
    local file name chosen=() hooks=()
    while read -r file; do
        name=${file##*/}
        wanted "${name%.sh}" && chosen+=("$file")
    done < <(scenario_files)
    while read -r file; do
        name=${file##*/}
        wanted "${name#*-}" && hooks+=("$file")
    done < <(hook_files)
    [ $((${#chosen[@]} + ${#hooks[@]})) != 0 ] || return 0
    machine_setup
    nix_tools_for "${chosen[@]}" "${hooks[@]}"
    mkdir "$RUN/.bin"
    programs_into "$RUN/.bin"
    export LAB_BIN=$RUN/.bin LAB RUN
    in_machines "${hooks[@]}" "${chosen[@]}"
}

# LAB_JOBS at a time; afterwards, one by one, those that say `# alone: why` in their first lines, and what failed.
in_machines() { # FILE…: stages and scenarios
    local file failed_before again=() alone=() together=() at_a_time=${LAB_JOBS:-$((3 * $(nproc) / 2))}
    for file; do
        if head -n 5 "$file" | grep -q '^# alone: '; then alone+=("$file"); else together+=("$file"); fi
    done
    declare -A RUNNING=() BEGUN=() FILE_OF=()
    local IN_COMPANY=''
    [ "$at_a_time" = 1 ] || [ ${#together[@]} = 1 ] || IN_COMPANY=1
    for file in "${together[@]}"; do
        [ ${#RUNNING[@]} -lt "$at_a_time" ] || machine_wait
        machine_start "$file"
    done
    while [ ${#RUNNING[@]} != 0 ]; do machine_wait; done
    IN_COMPANY=''
    for file in "${alone[@]}" "${again[@]}"; do
        failed_before=$FAILED
        machine_start "$file"
        machine_wait
        case " ${again[*]} " in
        *" $file "*) [ "$FAILED" != "$failed_before" ] || UNSTEADY+=("$(basename "$file" .sh)") ;;
        esac
    done
}

machine_start() { # FILE
    local name=${1##*/}
    case $1 in
    */stages/*)
        name="stage ${name#*-}"
        job_start "$RUN/$name.log" timeout --kill-after=30 "${LAB_STAGE_TIMEOUT:-900}" "$1"
        ;;
    *)
        name="scenario ${name%.sh}"
        job_start "$RUN/$name.log" timeout --kill-after=30 "${LAB_SCENARIO_TIMEOUT:-600}" \
            bash "$LAB_DIR/lib/scenario" "$1" "$RUN/${name#* }"
        ;;
    esac
    RUNNING[$JOB]=$name
    FILE_OF[$name]=$1
    BEGUN[$name]=$(now_ms)
}

machine_wait() {
    local job='' STATUS=0 name LOG N_PASSED=0 N_FAILED=0 dir
    wait -n -p job "${!RUNNING[@]}" || STATUS=$?
    name=${RUNNING[$job]}
    unset "RUNNING[$job]"
    job_over "$job"
    LOG=$RUN/$name.log dir=${name#scenario }
    dir=$RUN/${dir/ /-}
    [ "$STATUS" != 124 ] && [ "$STATUS" != 137 ] || echo 'ended: it took too long' >>"$LOG"
    # Killed, it could not clean up after itself.
    [ ! -e "$dir/cgroup" ] || machine_remove "$dir"
    case $name in stage*) count_hook ;; *) count_one ;; esac
    printf '%s … ' "$name" >&2
    stage_report "$name" "${BEGUN[$name]}"
    [ -z "$FAILED_IN_COMPANY" ] || again+=("${FILE_OF[$name]}") # of in_machines
}
