# shellcheck shell=bash
# Wrong declarations: each is refused, or warned of, by stack and option.

with() { # MODULE [ARGUMENTS [ATTRIBUTE]]
    evaluate "let lib = import nixpkgsLib; x = [ (nix + \"/tests/examples/compose/web.yml\") ];
        report = import (nix + \"/tests/report.nix\") {
            inherit nixpkgsLib; modules = [ { services.stackwarden.enable = true; } $1 ]; ${2:-} }; in report${3:-}"
}
# Refused by an assertion, which is looked at before anything else.
refused() { # MODULE MESSAGE
    local seen
    seen=$(with "$1" '' .failed)
    assert_contains "$(jq -r '.[]' <<<"$seen")" "$2"
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
composeFiles = x; environmentFiles = [ "/run/../nix/store/x.env" ];|services.stackwarden.stacks.web.environmentFiles has /run/../nix/store/x.env, which is in the Nix store
composeFiles = x; environmentFiles = [ "//nix/store/x.env" ];|services.stackwarden.stacks.web.environmentFiles has //nix/store/x.env, which is in the Nix store
composeFiles = x; environmentFiles = [ { path = "/a"; fallback = "/nix/./store/x"; } ];|services.stackwarden.stacks.web.environmentFiles has /nix/./store/x, which is in the Nix store
composeFiles = [ "/nix/store/../../home/me/web.yml" ];|services.stackwarden.stacks.web.composeFiles has /nix/store/../../home/me/web.yml, which is not in the Nix store
composeFiles = [ (nix + "/tests/examples") ];|/tests/examples, which is a directory; name the compose file itself
composeFiles = [ /etc/os-release ];|services.stackwarden.stacks.web.composeFiles has /etc/os-release, which is a symlink; name the compose file itself
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
ü|services.stackwarden.stacks.ü: a stack's name is
web.service|services.stackwarden.stacks.web.service: that is the name of a unit; a stack's has no ".service" at its end
systemd-exit|services.stackwarden.stacks.systemd-exit: systemd-exit.service is somebody else's
END
# The names that stackctl refuses too.
while read -r name; do
    check "refused: a stack called $name" refused "{ services.stackwarden.stacks.$name = { composeFiles = x; projectName = \"p\"; }; }" \
        "services.stackwarden.stacks.$name: $name.service is somebody else's, and stacks or the user's manager need it"
done < <(grep -v '^#' "$LAB_REPO/units/reserved-names")
check 'refused: two stacks with one project' refused \
    '{ services.stackwarden.stacks = { a = { composeFiles = x; projectName = "p"; }; b = { composeFiles = x; projectName = "p"; }; }; }' \
    'services.stackwarden.stacks: a and b have the same projectName "p"'

# A unit that another module defines too, or that somebody has changed so that it cannot be audited.
while IFS='|' read -r module message; do
    check "refused: $module" refused "{ services.stackwarden.stacks.web.composeFiles = x; systemd.user = { $module }; }" "$message"
done <<'END'
services.web.Service.ExecStart = [ "/bin/theirs" ];|services.stackwarden.stacks.web: systemd.user.services.web is also defined in
services.web.Service.ExecStart = "/bin/theirs";|services.stackwarden.stacks.web: systemd.user.services.web is also defined in
services.web-update.Service.ExecStart = "/bin/theirs";|services.stackwarden.stacks.web: systemd.user.services.web-update is also defined in
services.stack-audit = lib.mkIf true { Service = lib.mkMerge [ { ExecStart = "/bin/theirs"; } ]; };|services.stackwarden: systemd.user.services.stack-audit is also defined in
services."stack-verify@".Service.ExecStart = "/bin/theirs";|services.stackwarden: systemd.user.services.stack-verify@ is also defined in
services.web.Service.ExecStart = lib.mkForce [ "/bin/a" "/bin/b" ];|services.stackwarden.stacks.web: systemd.user.services.web has more than one ExecStart
timers.stack-update.Timer.Unit = "theirs.service";|services.stackwarden: systemd.user.timers.stack-update starts theirs.service, and not stack-update.service
paths.stack-audit.Path.Unit = "theirs.service";|services.stackwarden: systemd.user.paths.stack-audit starts theirs.service, and not stack-audit.service
services = lib.mkForce { };|services.stackwarden.stacks.web: systemd.user.services.web is not there any more
services.stack-audit = lib.mkForce { };|services.stackwarden: systemd.user.services.stack-audit has no ExecStart any more
paths.stack-audit = lib.mkForce { };|services.stackwarden: systemd.user.paths.stack-audit waits for nothing any more
timers.stack-audit.Timer = lib.mkForce { };|services.stackwarden: systemd.user.timers.stack-audit waits for nothing any more
services.web.Service.ExecStart = lib.mkForce "";|services.stackwarden.stacks.web: systemd.user.services.web has no ExecStart any more
timers.stack-update.Timer.OnCalendar = lib.mkForce "";|services.stackwarden: systemd.user.timers.stack-update waits for nothing any more
services.web.Install.WantedBy = [ "mine" ];|services.stackwarden.stacks.web: systemd.user.services.web has "mine" in Install.WantedBy; expected a unit's name
services.web.Install.UpheldBy = [ "a.target" ];|services.stackwarden.stacks.web: systemd.user.services.web has Install.UpheldBy, of which Home Manager makes no link
services.web.Install.RequiredBy = [ "a.target b.target" ];|services.stackwarden.stacks.web: systemd.user.services.web has "a.target b.target" in Install.RequiredBy
services.web.Unit.Documentation = lib.mkAfter [ "" ];|services.stackwarden.stacks.web: systemd.user.services.web has lost the link to its seal
services.web.Unit.Documentation = lib.mkForce [ "file:///home/me/.config/stackwarden/sealed/other.json#0123456789abcdef x" ];|services.stackwarden.stacks.web: systemd.user.services.web has lost the link to its seal
services.web.Unit.Documentation = lib.mkForce [ "man:mine(1)" ];|services.stackwarden.stacks.web: systemd.user.services.web has lost the link to its seal
timers.stack-update = lib.mkForce { Timer.OnCalendar = "daily"; };|services.stackwarden: systemd.user.timers.stack-update has lost the link to its seal
services.web.Service.Environment = [ "A=1\nExecStartPre=/bin/theirs" ];|services.stackwarden.stacks.web: systemd.user.services.web has more than one line in Service.Environment
services.web-update.Service.User = "me\\";|services.stackwarden.stacks.web: systemd.user.services.web-update has more than one line in Service.User
END
check 'refused: a setting that is more than one' refused \
    "$(stack 'composeFiles = x; extraConfig.Service."Nice=1\nUser" = "me";')" \
    'services.stackwarden.stacks.web: systemd.user.services.web has the setting "Service.Nice=1\nUser"'
check 'refused: a second command by extraConfig' refused \
    "$(stack 'composeFiles = x; extraConfig.Service.ExecStart = [ "/bin/mine" ];')" \
    'services.stackwarden.stacks.web: systemd.user.services.web has more than one ExecStart'
while IFS='|' read -r settings message; do
    check "refused: settings = $settings" refused "{ services.stackwarden.settings = $settings; }" "services.stackwarden.settings: $message"
done <<'END'
{ heal.reload = true; }|heal.reload is set by an option of its own
{ podman = "/usr/bin/podman"; }|podman is set by an option of its own
{ heal = true; }|heal is true; expected object
{ alert = [ ]; }|alert is []; expected object
{ alert.daily = "yes"; }|alert.daily is "yes"; expected boolean
{ lock_wait = 5; }|lock_wait is 5; expected a time span
{ lock_wait = "soon"; }|lock_wait is "soon"; expected a time span
{ version = 2; }|version is 2; expected 1
{ lock_weit = "5min"; }|lock_weit is not known; known are alert, bus_deadline, heal, lock_wait
END
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
composeFiles = x; environmentFiles = [ "/run/a\nb" ];|services.stackwarden.stacks.web.environmentFiles."[definition 1-entry 1]".path' is not of type
composeFiles = x; description = "a\nExecStartPre=/bin/b";|services.stackwarden.stacks.web.description' is not of type `string of one line
composeFiles = x; directory = "/a\nb";|services.stackwarden.stacks.web.directory' is not of type `string of one line
composeFiles = x; after = [ "a.service\nRequires=b.service" ];|services.stackwarden.stacks.web.after."[definition 1-entry 1]"' is not of type `name of a unit
composeFiles = x; after = [ "sops-nix" ];|services.stackwarden.stacks.web.after."[definition 1-entry 1]"' is not of type `name of a unit
composeFiles = x; wants = [ "a.service b.service" ];|services.stackwarden.stacks.web.wants."[definition 1-entry 1]"' is not of type `name of a unit
composeFiles = x; autoStart = "../../x";|services.stackwarden.stacks.web.autoStart' is not of type `boolean or name of a unit
composeFiles = x; autoStart = "graphical-session";|services.stackwarden.stacks.web.autoStart' is not of type `boolean or name of a unit
composeFiles = x; restartTriggers = [ "a\nExecStartPre=/bin/b" ];|services.stackwarden.stacks.web.restartTriggers."[definition 1-entry 1]"' is not of type
composeFiles = x; extraConfig.Service.Environment = [ "A=1\nExecStartPre=/bin/b" ];|services.stackwarden.stacks.web.extraConfig.Service.Environment."[definition 1-entry 1]"' is not of type
composeFiles = x; extraConfig.Unit.Before = "a.service\\";|services.stackwarden.stacks.web.extraConfig.Unit.Before' is not of type
composeFiles = x; extraConfig.Service.Nice.x = 5;|services.stackwarden.stacks.web.extraConfig.Service.Nice' is not of type
composeFiles = x; allowedDropIns = [ "../x.conf" ];|services.stackwarden.stacks.web.allowedDropIns."[definition 1-entry 1]"' is not of type `file name of a drop-in
composeFiles = x; allowedDropIns = [ "/etc/../x.conf" ];|services.stackwarden.stacks.web.allowedDropIns."[definition 1-entry 1]"' is not of type `file name of a drop-in
composeFiles = x; allowedDropIns = [ "mine" ];|services.stackwarden.stacks.web.allowedDropIns."[definition 1-entry 1]"' is not of type `file name of a drop-in
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
settings = "x";|services.stackwarden.settings' is not of type
path = [ "bin" ];|services.stackwarden.path."[definition 1-entry 1]"' is not of type
update.onCalendar = "tonight";|services.stackwarden.update.onCalendar' is not of type `null or time as in systemd.time(7)
audit.interval = "15min";|services.stackwarden.audit.interval' is not of type `null or time as in systemd.time(7)
audit.onBootSec = "soon";|services.stackwarden.audit.onBootSec' is not of type `null or time span as in systemd.time(7)
update.randomizedDelaySec = "-1h";|services.stackwarden.update.randomizedDelaySec' is not of type `null or time span as in systemd.time(7)
END

check 'warned: a start at boot without lingering' warned "$(stack 'composeFiles = x;')" \
    'osConfig.users.users.me.linger = false;' 'services.stackwarden.stacks.web.autoStart is set, but me does not linger'
not_warned() {
    assert_json "$(with "$(stack "$1")" "$2")" '.warnings == []'
}
check 'not warned: a start at boot with lingering' not_warned 'composeFiles = x;' 'osConfig.users.users.me.linger = true;'
check 'not warned: no start at boot' not_warned 'composeFiles = x; autoStart = false;' 'osConfig.users.users.me.linger = false;'
