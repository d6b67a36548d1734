# shellcheck shell=bash
# Wrong declarations: each is refused, or warned of, by stack and option.

with() { # MODULE [ARGUMENTS]
    evaluate "let lib = import nixpkgsLib; x = [ (nix + \"/tests/examples/compose/web.yml\") ]; in
        import (nix + \"/tests/report.nix\") { inherit nixpkgsLib; modules = [ { services.stackwarden.enable = true; } $1 ]; ${2:-} }"
}
# Refused by an assertion.
refused() { # MODULE MESSAGE
    local seen
    seen=$(with "$1")
    assert_contains "$(jq -r '.failed[]' <<<"$seen")" "$2"
}
# Refused by an option's type, or because there is no such option.
impossible() { # MODULE MESSAGE
    assert_exit 1 with "$1"
    assert_contains "$OUT" "$2"
}
warned() { # MODULE ARGUMENTS MESSAGE
    local seen
    seen=$(with "$1" "$2")
    assert_contains "$(jq -r '.warnings[]' <<<"$seen")" "$3"
}
stack() { echo "{ services.stackwarden.stacks.web = { $1 }; }"; }

while IFS='|' read -r module message; do
    check "refused: $module" refused "$(stack "$module")" "$message"
done <<'END'
composeFiles = [ ];|services.stackwarden.stacks.web.composeFiles is empty
composeFiles = [ ./nosuch.yml ];|services.stackwarden.stacks.web.composeFiles has /home/me/nosuch.yml, which does not exist
composeFiles = [ "/home/me/web.yml" ];|services.stackwarden.stacks.web.composeFiles has /home/me/web.yml, which is not in the Nix store
composeFiles = x; environmentFiles = [ ./secret.env ];|services.stackwarden.stacks.web.environmentFiles has /home/me/secret.env, which is in the Nix store or would be copied there
composeFiles = x; environmentFiles = [ "/nix/store/x.env" ];|services.stackwarden.stacks.web.environmentFiles has /nix/store/x.env, which is in the Nix store
composeFiles = x; environmentFiles = [ "secret.env" ];|services.stackwarden.stacks.web.environmentFiles has "secret.env"; expected an absolute path
composeFiles = x; requiresMounts = [ "mnt" ];|services.stackwarden.stacks.web.requiresMounts has "mnt"; expected an absolute path
composeFiles = x; directory = "web";|services.stackwarden.stacks.web.directory has "web"; expected an absolute path
composeFiles = x; environment."A-B" = "";|services.stackwarden.stacks.web.environment has the name "A-B"
composeFiles = x; projectName = "Web";|services.stackwarden.stacks.web.projectName is "Web"; compose takes lower-case letters
END
while IFS='|' read -r name message; do
    check "refused: a stack called $name" refused "{ services.stackwarden.stacks.\"$name\" = { composeFiles = x; projectName = \"p\"; }; }" "$message"
done <<'END'
stack-audit|services.stackwarden.stacks.stack-audit: the name is taken
stackwarden|services.stackwarden.stacks.stackwarden: the name is taken
web-update|services.stackwarden.stacks.web-update: names that end in "-update"
a b|services.stackwarden.stacks.a b: a stack's name is
-a|services.stackwarden.stacks.-a: a stack's name is
END
check 'refused: two stacks with one project' refused \
    '{ services.stackwarden.stacks = { a = { composeFiles = x; projectName = "p"; }; b = { composeFiles = x; projectName = "p"; }; }; }' \
    'services.stackwarden.stacks: a and b have the same projectName "p"'
check 'refused: a unit that another module defines too' refused \
    '{ services.stackwarden.stacks.web.composeFiles = x; systemd.user.services.web.Service.ExecStart = [ "/bin/theirs" ]; }' \
    'services.stackwarden.stacks.web: systemd.user.services.web is also defined by another module'
check 'refused: a setting that has an option' refused \
    '{ services.stackwarden.settings.heal.reload = true; }' \
    'services.stackwarden.settings: reload is set by an option of its own'
check 'refused: no user manager' refused '{ systemd.user.enable = false; }' 'services.stackwarden needs systemd.user.enable'

while IFS='|' read -r module message; do
    check "refused: $module" impossible "$(stack "$module")" "$message"
done <<'END'
composeFile = x;|services.stackwarden.stacks.web.composeFile' does not exist
composeFiles = "web.yml";|services.stackwarden.stacks.web.composeFiles' is not of type
composeFiles = x; startupTimeout = "soon";|services.stackwarden.stacks.web.startupTimeout' is not of type `time span
composeFiles = x; startupTimeout = 120;|services.stackwarden.stacks.web.startupTimeout' is not of type `time span
composeFiles = x; verify.mode = "later";|services.stackwarden.stacks.web.verify.mode' is not of type
composeFiles = x; update.before = [ [ ] ];|services.stackwarden.stacks.web.update.before
composeFiles = x; update.before = [ "pg_dump" ];|services.stackwarden.stacks.web.update.before
composeFiles = x; environment.A = 1;|services.stackwarden.stacks.web.environment.A' is not of type `string'
composeFiles = x; switchMethod = "stop";|services.stackwarden.stacks.web.switchMethod' is not of type
composeFiles = x; extraConfig.Path = { };|services.stackwarden.stacks.web.extraConfig.Path' does not exist
composeFiles = x; environmentFiles = [ { file = "/a"; } ];|does not exist
update.onCalender = "daily";|services.stackwarden.stacks.web.update.onCalender' does not exist
END
while IFS='|' read -r module message; do
    check "refused: $module" impossible "{ services.stackwarden = { $module }; }" "$message"
done <<'END'
stack = { };|services.stackwarden.stack' does not exist
composeProvider.kind = "docker";|services.stackwarden.composeProvider.kind' is not of type
update.concurrency = 0;|services.stackwarden.update.concurrency' is not of type
ownership.check = true;|services.stackwarden.ownership.check' is not of type
alert.command = "sendmail";|services.stackwarden.alert.command' is not of type
package = 1;|services.stackwarden.package' is not of type
END

check 'warned: a start at boot without lingering' warned "$(stack 'composeFiles = x;')" \
    'osConfig.users.users.me.linger = false;' 'services.stackwarden.stacks.web.autoStart is set, but me does not linger'
not_warned() {
    assert_json "$(with "$(stack "$1")" "$2")" '.warnings == []'
}
check 'not warned: a start at boot with lingering' not_warned 'composeFiles = x;' 'osConfig.users.users.me.linger = true;'
check 'not warned: no start at boot' not_warned 'composeFiles = x; autoStart = false;' 'osConfig.users.users.me.linger = false;'
