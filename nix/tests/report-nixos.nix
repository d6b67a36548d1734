# What a NixOS configuration comes to.
arguments:
let
  lib = import arguments.nixpkgsLib;
  inherit (import ./evaluate-nixos.nix arguments) config options;
  home = config.home-manager.users.me or null;
  broken = assertions: map (one: one.message) (lib.filter (one: !one.assertion) assertions);
in
{
  failed = broken config.assertions ++ lib.optionals (home != null) (broken home.assertions);
  warnings = config.warnings ++ lib.optionals (home != null) home.warnings;
  user = config.users.users.me or null;
  inherit (config.sops) secrets;
  activation = map (service: service.serviceConfig.TimeoutStartSec or null) [
    (config.systemd.services.home-manager-me or { })
    (config.systemd.user.services.home-manager or { })
  ];
  systemPackages = map (package: package.name) config.systemd.packages;
  wanted = config.systemd.targets.timers.wants or [ ];
  etc = lib.attrNames config.environment.etc;
  stacks = lib.mapAttrs (_: stack: {
    inherit (stack) environmentFiles restartTriggers;
  }) (home.services.stackwarden.stacks or { });
  forced = builtins.deepSeq config.services.stackwarden (
    lib.length (lib.collect lib.isOption options.services.stackwarden)
  );
}
