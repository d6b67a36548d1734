# shellcheck shell=bash
# Nix and stackctl fill the same templates: the texts are equal byte by byte, and what Home Manager writes of them sets
# the same, in the same order.

TOKEN=0123456789abcdef

by_nix() { evaluate "import (nix + \"/tests/texts.nix\") { case = nix + \"/tests/cases/$1\"; token = \"$TOKEN\"; }"; }
by_stackctl() { # CASE [ENTRY]
    local case=src/nix/tests/cases/$1 home programs
    home=$(user jq -r .home "$case/place.json")
    programs=$(user jq -r .programs "$case/place.json")
    user env "HOME=$home" stackctl render --config "$case/config.json" --programs "$programs" --token "$TOKEN" \
        ${2:+--inventory "$case/$2"}
}
same_texts() { # CASE
    local nix entry
    nix=$(by_nix "$1")
    entry=$(jq -r '.entries[0]' <<<"$nix")
    assert_eq "$(jq --sort-keys .shipped <<<"$nix")" "$(by_stackctl "$1" | jq --sort-keys .)" 'shipped units'
    assert_eq "$(jq --sort-keys .stack <<<"$nix")" "$(by_stackctl "$1" "$entry" | jq --sort-keys .)" 'units of a stack'
}

# What a unit file sets, as the seal has it; the order counts only among the lines of one setting.
settings() { user stackctl seal "$1" | jq '.units[].settings | group_by([.section, .key])'; }
same_settings() { # CASE
    local nix unit
    nix=$(by_nix "$1")
    while IFS= read -r unit; do
        jq -j --arg unit "$unit" '(.shipped + .stack)[$unit]' <<<"$nix" | put "text/$unit"
        jq -j --arg unit "$unit" '.homeManager[$unit]' <<<"$nix" | put "ini/$unit"
        assert_eq "$(settings "$HOME_IN/ini/$unit")" "$(settings "$HOME_IN/text/$unit")" "$unit"
    done < <(jq -r '.homeManager | keys[]' <<<"$nix")
}
# A plain name with a file in the place of a template's instance.
verified() { # CASE
    local nix unit files=()
    nix=$(by_nix "$1")
    user rm -rf verify
    while IFS= read -r unit; do
        files+=("verify/${unit/@./@web.}")
        jq -j --arg unit "$unit" '.homeManager[$unit]' <<<"$nix" | put "verify/${unit/@./@web.}"
    done < <(jq -r '.homeManager | keys[]' <<<"$nix")
    assert_exit 0 user systemd-analyze --user verify --man=no "${files[@]}"
    assert_eq "$OUT" ''
}

for case in "$LAB_REPO"/nix/tests/cases/*/; do
    case=$(basename "$case")
    check "case $case: the texts of Nix are those of stackctl" same_texts "$case"
    check "case $case: Home Manager's form sets the same" same_settings "$case"
done
check 'systemd accepts the units' verified plain
