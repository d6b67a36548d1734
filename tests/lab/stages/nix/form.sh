# shellcheck shell=bash
# Every file parses, is formatted, and has no unused code.

while IFS= read -r file; do
    check "$file parses" user nix-instantiate --parse "src/$file"
done < <(cd "$LAB_REPO" && find nix -name '*.nix' | sort)
check 'the Nix code is formatted' "$(nix_tool "$NIXFMT")/nixfmt" --check "$LAB_REPO/nix"
check 'the Nix code has nothing unused' "$(nix_tool "$DEADNIX")/deadnix" --fail "$LAB_REPO/nix"
