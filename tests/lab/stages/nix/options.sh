# shellcheck shell=bash
# The reference of the options is what the modules say, and every option has a type, a description and an example.

reference_is_current() {
    local file=$LAB_REPO/docs/nix-options.md seen
    seen=$(evaluate 'import (nix + "/tests/options.nix") { inherit nixpkgsLib; }' | jq -r .)
    [ "${NIX_GOLDEN:-}" != write ] || printf '%s\n' "$seen" >"$file"
    assert_eq "$seen" "$(cat "$file")" 'the reference'
    assert_eq "$(grep -c '^- type:' "$file")" "$(grep -c '^### ' "$file")" 'options with a type'
    assert_eq "$(grep -c '^- example:' "$file")" "$(grep -c '^### ' "$file")" 'options with an example'
}
check 'the reference of the options is current' reference_is_current
