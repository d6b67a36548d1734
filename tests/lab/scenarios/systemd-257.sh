# shellcheck shell=bash
# The search-path resolver, the comparison of settings and the D-Bus client hold on this machine's systemd too, which is another than cargo test's.
# drawn: cargo test has the same on the systemd that is here

# A test program looks for its files where it was built, so they go to the same place in the machine.
step 'the test programs'
cd "$LAB_REPO" || fail 'where is the repository?'
names=(resolver settings user_manager)
built=$(cargo test --quiet --locked --no-run --message-format=json "${names[@]/#/--test=}" \
    | jq -r 'select(.reason == "compiler-artifact" and .executable != null and .profile.test) | "\(.target.name) \(.executable)"')
root mkdir -p "$LAB_REPO"
{
    printf '%s\n' tests/support
    cut -d' ' -f2 <<<"$built" | sed "s|^$LAB_REPO/||"
} | tar --create --files-from=- | root tar --extract --directory="$LAB_REPO"

trees=250
[ -z "${LAB_THOROUGH:-}" ] || trees=5000
for name in "${names[@]}"; do
    step "$name"
    program=$(sed -n "s|^$name ||p" <<<"$built")
    assert_exit 0 root env --chdir="$LAB_REPO" STACKWARDEN_TREES="${STACKWARDEN_TREES:-$trees}" "$program"
    grep 'test result' <<<"$OUT"
    assert_match "$OUT" 'test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$name"
done
