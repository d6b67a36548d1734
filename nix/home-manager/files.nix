# Inventory, host configuration and seals, and who wins where an owned unit is linked.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.stackwarden;
  declared = import ./declared.nix { inherit config lib; };

  # As a file of that name: the programs go by it.
  json = name: value: "${pkgs.writeTextDir name (builtins.toJSON value)}/${name}";

  configFile = json "config.json" declared.host;
  inventory = lib.mapAttrs (name: json "${name}.json") declared.entries;

  # Made of the very files that are linked, whoever had a say in them. What the programs would refuse is refused here.
  seal =
    name: units:
    let
      program = "${lib.getBin cfg.package}/bin/stackctl";
      entry = lib.optionals (inventory ? ${name}) [
        "--inventory"
        inventory.${name}
      ];
      # Those of other derivations are there only now.
      present = file: ''
        [ -f ${lib.escapeShellArg file} ] || {
          echo ${lib.escapeShellArg "services.stackwarden.stacks.${name}.composeFiles has ${file}, which does not exist"} >&2
          exit 1
        }
      '';
      sources = map (unit: config.xdg.configFile."systemd/user/${unit}".source) units;
    in
    pkgs.runCommandLocal "stackwarden-${name}.json" { } ''
      ${lib.concatMapStrings present (declared.entries.${name}.compose.files or [ ])}
      ${program} render ${
        lib.escapeShellArgs (
          entry
          ++ [
            "--config"
            configFile
          ]
        )
      } > /dev/null
      ${program} seal ${lib.escapeShellArgs (entry ++ sources)} > "$out"
    '';

  owned = lib.concatMap (unit: [ unit ] ++ declared.enabledBy unit) declared.owned;
in
{
  config = lib.mkIf cfg.enable {
    home.packages = [ cfg.package ];

    xdg.configFile = lib.mkMerge [
      { "stackwarden/config.json".source = configFile; }
      (lib.mapAttrs' (
        name: source: lib.nameValuePair "stackwarden/stacks/${name}.json" { inherit source; }
      ) inventory)
      (lib.mapAttrs' (
        name: units: lib.nameValuePair "stackwarden/sealed/${name}.json" { source = seal name units; }
      ) declared.bySeal)
      # Each owned artifact by its name, and nothing else: a link that enables a unit is an entry of its own.
      (lib.mkIf cfg.ownership.force (
        lib.listToAttrs (
          map (path: lib.nameValuePair "systemd/user/${path}" { force = true; }) (lib.unique owned)
        )
      ))
    ];
  };
}
