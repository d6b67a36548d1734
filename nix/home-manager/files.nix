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

  # The options that times of the shipped timers come from.
  timeOptions = {
    "stack-audit.timer" = "audit.interval";
    "stack-update.timer" = "update.onCalendar";
  };

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
      option =
        if inventory ? ${name} then
          "services.stackwarden.stacks.${name}"
        else
          "services.stackwarden.settings";
      orElse = problem: "|| { echo ${lib.escapeShellArg problem} >&2; exit 1; }";
      # Those of other derivations are there only now.
      present = file: ''
        [ -e ${lib.escapeShellArg file} ] ${orElse "${option}.composeFiles has ${file}, which does not exist"}
        [ -f ${lib.escapeShellArg file} ] ${orElse "${option}.composeFiles has ${file}, which is no file"}
      '';
      # Without the zone, which a build cannot look up.
      timed =
        unit:
        let
          at = declared.placeOf unit;
          times = lib.filter (time: time != "") (lib.toList ((declared.final unit).Timer.OnCalendar or [ ]));
          withoutZone =
            time:
            let
              found = builtins.match "(.*[^ ]) +[A-Z][^ :]*" time;
            in
            if found == null then time else builtins.head found;
          refused =
            time:
            "systemd.user.${at.set}.${at.stem}.Timer.OnCalendar is ${builtins.toJSON time}, which is no time: see systemd.time(7)${
              lib.optionalString (timeOptions ? ${unit}) ", and services.stackwarden.${timeOptions.${unit}}"
            }";
        in
        lib.concatMapStrings (time: ''
          ${lib.getBin pkgs.systemd}/bin/systemd-analyze calendar ${lib.escapeShellArg (withoutZone time)} > /dev/null ${orElse (refused time)}
        '') times;
      sources = map (unit: config.xdg.configFile."systemd/user/${unit}".source) units;
    in
    pkgs.runCommandLocal "stackwarden-${name}.json" { } ''
      ${lib.concatMapStrings present (declared.entries.${name}.compose.files or [ ])}
      ${lib.concatMapStrings timed units}
      ${program} render ${
        lib.escapeShellArgs (
          entry
          ++ [
            "--config"
            configFile
          ]
        )
      } > /dev/null ${orElse "${option}: see above"}
      ${program} seal ${
        lib.escapeShellArgs (entry ++ sources)
      } > "$out" ${orElse "${option}: a unit cannot be sealed as systemd.user has it in the end: see above"}
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
