# shellcheck shell=bash
# SIGKILL before and after each step of an update (PLACES, KIND): the next run finishes or undoes it, what runs is one
# verified version, and no restart takes what was not verified.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update.sh"
export PROVIDER=docker-compose
pin_provider
image app:1 v0 >/dev/null
install_quietly
add_app app
# What is bad gets all of that time.
if [ "$KIND" = health=bad ]; then timeout=4s; else timeout=30s; fi
assert_exit 0 user stackctl add app --verify-timeout "$timeout" --stable-for 1s

number=0
for place in $(sample 4 "${PLACES[@]}"); do
    number=$((number + 1))
    old_id=$(image_of app)
    old=$(marker_of app)
    image app:1 "v$number" "$KIND" >/dev/null
    step "killed at $place"
    assert_exit 137 user env STACKWARDEN_KILL_AT="$place" stackctl update app
    container_is "$(container_of app web)" running || fail 'the kill took the stack down'
    case $((number % 3)) in
    0) assert_exit 0 user stackctl restart app ;;
    1) assert_exit 0 user stackctl apply app ;;
    2)
        # What fails only now is not hidden by the update that follows.
        code=0
        [ "$KIND" != health=bad ] || code=81
        assert_exit "$code" user stackctl update app
        ;;
    esac
    assert_settled app
    assert_exit 0 user stackctl verify app --timeout 30s
    if [ "$KIND" = health=bad ]; then
        assert_eq "$(image_of app)" "$old_id" 'the image that runs'
    else
        case $(marker_of app) in "$old" | "v$number") ;; *) fail "it runs $(marker_of app)" ;; esac
        assert_exit 0 user stackctl update app
        assert_eq "$(marker_of app)" "v$number"
    fi
    assert_settled app
done
