# shellcheck shell=bash
# The NixOS module: what the host does for the user, and that no unit has two owners.

# A user with one stack and a secret for it.
NIXOS='{
    services.stackwarden = { enable = true; user = "me"; secrets.web.env.sopsFile = nix + "/tests/examples/compose/web.yml"; };
    home-manager.users.me.services.stackwarden = {
        enable = true; stacks.web.composeFiles = [ (nix + "/tests/examples/compose/web.yml") ];
    };
}'
# What Home Manager and sops-nix are: stand-ins, or their own modules.
OTHERS='inherit nixpkgsLib;'
nixos() { # MODULE…
    evaluate "import (nix + \"/tests/report-nixos.nix\") { $OTHERS modules = [ $* ]; }"
}
host_is_set_up() {
    local seen
    seen=$(nixos "$NIXOS")
    assert_json "$seen" '.failed == [] and .warnings == [] and .forced > 0'
    assert_json "$seen" '.user.linger and .user.autoSubUidGidRange'
    assert_json "$seen" '.activation == ["30min", null]'
    assert_json "$(nixos "$NIXOS" '{ home-manager.startAsUserService = true; }')" '.failed == [] and .activation == [null, "30min"]'
    assert_json "$seen" '.secrets["stackwarden/web/env"] | .owner == "me" and .mode == "0400" and .format == "dotenv" and .key == ""'
    assert_json "$seen" '.stacks.web.environmentFiles == [{ "path": "/run/secrets/stackwarden/web/env", "fallback": null }]'
    assert_eq "$(jq -r '.stacks.web.restartTriggers[]' <<<"$seen")" \
        "$(sha256sum "$LAB_REPO/nix/tests/examples/compose/web.yml" | cut -d' ' -f1)" 'hash of the encrypted file'
}
manager_is_checked() {
    local seen
    seen=$(nixos "$NIXOS")
    assert_json "$seen" '.wanted == ["stack-manager@me.timer"] and .systemPackages == ["stackwarden-1"]'
    assert_json "$seen" '.etc == ["systemd/catalog/stackwarden.catalog"]'
    assert_json "$(nixos "$NIXOS" '{ services.stackwarden.managerCheck = false; }')" '.wanted == [] and .systemPackages == []'
}
what_the_user_says_stays() {
    local seen
    seen=$(nixos "$NIXOS" '{ users.users.me = { linger = false; subUidRanges = [ { startUid = 1; count = 2; } ]; }; }')
    assert_json "$seen" '(.user.linger or .user.autoSubUidGidRange) | not'
    assert_contains "$(jq -r '.warnings[]' <<<"$seen")" 'services.stackwarden.stacks.web.autoStart is set, but me does not linger'
    assert_json "$(nixos "$NIXOS" '{ services.stackwarden.secrets.web.env.fallback = "/home/me/web.env"; }')" \
        '.stacks.web.environmentFiles[0].fallback == "/home/me/web.env"'
}
disabled_is_nothing_here() {
    assert_json "$(nixos '{ users.users.me = { }; home-manager.users.me = { };
        services.stackwarden = { user = "me"; secrets.web.env.sopsFile = nix + "/tests/examples/compose/web.yml"; }; }')" \
        '(.user.linger or .user.autoSubUidGidRange | not) and .activation == ["5m", null]
            and .secrets == {} and .stacks == {} and .wanted == [] and .systemPackages == [] and .etc == []'
}
fails_with() { # MODULE MESSAGE
    assert_contains "$(nixos "$NIXOS" "$1" | jq -r '.failed[]')" "$2"
}
stackless_is_told() {
    local seen
    seen=$(nixos '{ users.users.me = { }; home-manager.users.me = { }; services.stackwarden = { enable = true; user = "me"; }; }' \
        '{ systemd.user.services.stack-audit = { }; }')
    assert_json "$seen" '.failed == []'
    assert_contains "$(jq -r '.warnings[]' <<<"$seen")" 'home-manager.users.me.services.stackwarden is not: no stack is declared'
}
two_owners() { # SET NAME UNIT
    assert_contains "$(nixos "$NIXOS" "{ systemd.user.$1.\"$2\" = { }; }" | jq -r '.failed[]')" \
        "systemd.user.$1.$2 is defined in NixOS, and services.stackwarden of Home Manager's me owns $3"
}
nixos_refuses() { # MODULE MESSAGE
    assert_exit 1 nixos "$NIXOS" "$1"
    assert_contains "$OUT" "$2"
}

nixos_holds() { # OF-WHAT
    check "NixOS$1: lingering, subordinate ids, secrets, and time for the activation" host_is_set_up
    check "NixOS$1: the manager of the user is looked at from outside" manager_is_checked
    check "NixOS$1: what is said otherwise stays" what_the_user_says_stays
    check "NixOS$1: what is not enabled leaves no trace" disabled_is_nothing_here
    check "NixOS$1: a unit of a stack has one owner" two_owners services web web.service
    check "NixOS$1: an update unit has one owner" two_owners services web-update web-update.service
    check "NixOS$1: a shipped unit has one owner" two_owners timers stack-audit stack-audit.timer
    check "NixOS$1: a secret of a stack that is not declared is refused" fails_with \
        '{ services.stackwarden.secrets.nosuch.env.sopsFile = nix + "/tests/report-nixos.nix"; }' \
        'services.stackwarden.secrets.nosuch: home-manager.users.me.services.stackwarden.stacks has no nosuch; expected one of ["web"]'
    check "NixOS$1: a secret that would be deployed elsewhere is refused" fails_with \
        '{ services.stackwarden.secrets.web."../x".sopsFile = nix + "/tests/report-nixos.nix"; }' \
        'services.stackwarden.secrets.web has the name "../x"'
    check "NixOS$1: that no stack is declared is told" stackless_is_told
}
nixos_holds ''
if [ -n "$REAL_NIXOS" ]; then
    OTHERS=$REAL_NIXOS
    nixos_holds ", with the real modules"
    OTHERS='inherit nixpkgsLib;'
fi
# sops-nix looks into it for the report of these tests.
check 'NixOS: a secret whose file does not exist is refused' fails_with \
    '{ services.stackwarden.secrets.web.other.sopsFile = "/nosuch/web.env"; }' \
    'services.stackwarden.secrets.web.other.sopsFile is /nosuch/web.env, which does not exist'
check 'NixOS refuses: a secret without a file' nixos_refuses '{ services.stackwarden.secrets.web.other = { }; }' \
    'services.stackwarden.secrets.web.other.sopsFile'
check 'NixOS refuses: an unknown option' nixos_refuses '{ services.stackwarden.lingering = true; }' \
    "services.stackwarden.lingering' does not exist"
