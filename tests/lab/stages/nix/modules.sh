# shellcheck shell=bash
# The Home Manager module, evaluated with the real nixpkgs' lib: every option forced, no assertion broken, and unit texts
# as in the golden files.

report() { # EXAMPLE
    evaluate "import (nix + \"/tests/report.nix\") { inherit nixpkgsLib; modules = [ (nix + \"/tests/examples/$1.nix\") ]; }"
}

golden() { # EXAMPLE
    local report directory=$LAB_REPO/nix/tests/golden/$1 unit seen
    report=$(report "$1")
    assert_json "$report" '.failed == [] and .warnings == [] and .forced > 0'
    if [ "${NIX_GOLDEN:-}" = write ]; then
        rm -rf "$directory"
        mkdir -p "$directory"
        while IFS= read -r unit; do
            jq -j --arg unit "$unit" '.texts[$unit]' <<<"$report" >"$directory/$unit"
        done < <(jq -r '.texts | keys[]' <<<"$report")
    fi
    assert_eq "$(jq -r '.texts | keys[]' <<<"$report")" "$(ls "$directory")" 'names of the units'
    for unit in "$directory"/*; do
        seen=$(jq -j --arg unit "$(basename "$unit")" '.texts[$unit]' <<<"$report")
        assert_eq "$seen" "$(cat "$unit")" "$(basename "$unit")"
    done
}

# With a checkout of Home Manager: its own modules make the same of it, but for the token, which is made of all that
# their options hold.
without_token() { sed -E 's/#[0-9a-f]{16} /# /'; }
real_units() { # EXAMPLE
    local seen directory=$LAB_REPO/nix/tests/golden/$1 unit
    seen=$(evaluate "(import (nix + \"/tests/report.nix\") { $REAL modules = [ (nix + \"/tests/examples/$1.nix\") ]; }).texts")
    assert_eq "$(jq -r 'keys[]' <<<"$seen")" "$(ls "$directory")" 'names of the units'
    for unit in "$directory"/*; do
        assert_eq "$(jq -j --arg unit "$(basename "$unit")" '.[$unit]' <<<"$seen" | without_token)" \
            "$(without_token <"$unit")" "$(basename "$unit")"
    done
}

# Owned artifacts are forced, and nothing else is.
only_owned_is_forced() { # EXAMPLE
    # shellcheck disable=SC2016  # jq's variables
    assert_json "$(report "$1")" '
        [.files | to_entries[] | select(.value.force) | .key] as $forced
        | ($forced - [.texts | keys[] as $unit | ($forced[] | select(endswith("/" + $unit)))]) == []
        and ([.texts | keys[] | "systemd/user/" + .] - $forced) == []'
}
nothing_is_forced() {
    local seen
    seen=$(evaluate 'import (nix + "/tests/report.nix") { inherit nixpkgsLib; modules = [ (nix + "/tests/examples/minimal.nix")
        { services.stackwarden.ownership.force = false; services.stackwarden.ownership.check = "off"; } ]; }')
    assert_json "$seen" '[.files[] | select(.force)] == []'
    assert_json "$seen" '.activation | has("stackwardenGate") or has("stackwardenWait") or has("stackwardenSetAside") | not'
}
# Nothing of ours is there unless it is enabled.
disabled_is_nothing() {
    local seen
    seen=$(evaluate 'import (nix + "/tests/report.nix") { inherit nixpkgsLib; }')
    assert_json "$seen" '.files == {} and .texts == {} and ([.activation | keys[] | select(startswith("stackwarden"))] == [])'
}
activation_is_sound() { # EXAMPLE
    report "$1" | jq -r '"# shellcheck shell=bash disable=SC2034,SC2154",
        "run() { \"$@\"; }; warnEcho() { echo \"$@\"; }",
        (.activation | to_entries[] | select(.key | startswith("stackwarden")) | .value)' >"$RUN/activation.sh"
    shellcheck "$RUN/activation.sh"
}

# A secret that sops-nix deploys from Home Manager: the unit waits for it, and a changed file restarts it.
sops_is_waited_for() { # ARGUMENTS MODULES
    local seen
    seen=$(evaluate "(import (nix + \"/tests/report.nix\") { $1 modules = [ $2 (nix + \"/tests/examples/minimal.nix\") ({ config, ... }: {
        sops.secrets.env.sopsFile = nix + \"/tests/examples/compose/web.yml\";
        services.stackwarden.stacks.web.environmentFiles = [ config.sops.secrets.env.path ]; }) ]; }).texts.\"web.service\"" | jq -r .)
    assert_contains "$seen" $'\nAfter=sops-nix.service\n'
    assert_contains "$seen" $'\nWants=sops-nix.service\n'
    assert_contains "$seen" "X-Restart-Triggers=$(sha256sum "$LAB_REPO/nix/tests/examples/compose/web.yml" | cut -d' ' -f1)"
}

for example in "$LAB_REPO"/nix/tests/examples/*.nix; do
    example=$(basename "$example" .nix)
    check "example $example: its units are the golden ones" golden "$example"
    check "example $example: what is owned is forced, and nothing else" only_owned_is_forced "$example"
    check "example $example: its activation passes shellcheck" activation_is_sound "$example"
done
check 'without ownership nothing is forced, and nothing is asked at the end' nothing_is_forced
check 'what is not enabled leaves no trace' disabled_is_nothing

check "a secret of Home Manager's sops-nix is waited for" sops_is_waited_for 'inherit nixpkgsLib;' '(nix + "/tests/stand-ins/sops.nix")'

if [ -n "$REAL" ]; then
    for example in "$LAB_REPO"/nix/tests/examples/*.nix; do
        example=$(basename "$example" .nix)
        check "example $example: the real Home Manager makes the same units" real_units "$example"
    done
fi
if [ -n "${STACKWARDEN_SOPS_NIX:-}" ]; then
    check "a secret of Home Manager's real sops-nix is waited for" sops_is_waited_for "$REAL" \
        "$HOME_IN/real/sops-nix/modules/home-manager/sops.nix (nix + \"/tests/real-sops.nix\")"
fi
