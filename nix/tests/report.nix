# What an example comes to: unit texts, files, the activation, and what is wrong with it.
arguments:
let
  evaluated = import ./evaluate.nix arguments;
  inherit (evaluated) config options;
  lib = import arguments.nixpkgsLib;
  pure = import ../lib;

  sets = {
    services = "service";
    paths = "path";
    timers = "timer";
  };
  ours = unit: lib.any (link: lib.hasInfix "/stackwarden/sealed/" link) unit.Unit.Documentation;
  ownTexts = lib.listToAttrs (
    lib.concatLists (
      lib.mapAttrsToList (
        set: suffix:
        lib.mapAttrsToList (stem: unit: lib.nameValuePair "${stem}.${suffix}" (pure.units.toINI unit)) (
          lib.filterAttrs (_: ours) config.systemd.user.${set}
        )
      ) sets
    )
  );
  failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
in
{
  inherit failed;
  inherit (config) warnings;
  texts = ownTexts;
  files = lib.mapAttrs (_: file: {
    inherit (file) force;
    source = "${file.source}";
  }) config.xdg.configFile;
  activation = lib.mapAttrs (_: entry: entry.data) config.home.activation;
  # Laziness lets a mistake in an option pass that nobody looks at.
  forced = builtins.deepSeq (config.services.stackwarden) (
    lib.length (lib.collect lib.isOption options.services.stackwarden)
  );
}
