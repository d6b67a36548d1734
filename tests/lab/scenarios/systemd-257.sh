# shellcheck shell=bash
# The tests that start a user manager of their own hold on this machine's systemd too, which is another than cargo test's.
# alone: it keeps both processors busy

# A test program looks for its files and programs where it was built, so they go to the same places in the machine.
step 'the test programs'
cd "$LAB_REPO"
names=()
for file in $(grep -l '^mod support;' tests/*.rs); do
    file=${file##*/}
    names+=("${file%.rs}")
done
built=$(cargo test --locked --no-run --message-format=json "${names[@]/#/--test=}" 2>/dev/null \
    | jq -r 'select(.reason == "compiler-artifact" and .executable != null) | "\(.target.name) \(.executable)"')
{ git ls-files --cached --others --exclude-standard; cut -d' ' -f2 <<<"$built" | sed "s|^$LAB_REPO/||"; } \
    | while IFS= read -r file; do [ ! -e "$file" ] || echo "$file"; done \
    | tar --create --files-from=- | root sh -c 'mkdir -p "$1" && tar --extract --directory="$1"' into "$LAB_REPO"

for name in "${names[@]}"; do
    step "$name"
    program=$(sed -n "s|^$name ||p" <<<"$built")
    assert_exit 0 root env --chdir="$LAB_REPO" "$program"
    tail -n 2 <<<"$OUT"
    assert_match "$OUT" 'test result: ok\. [1-9][0-9]* passed; 0 failed; 0 ignored' "$name"
done
