# What the options come to: the host's configuration, each stack's inventory entry, and the units, before anybody
# overrides them.
{ config, lib }:
let
  cfg = config.services.stackwarden;
  pure = import ../lib;

  withoutNulls = lib.filterAttrs (_: value: value != null);

  inStore = path: lib.hasPrefix "${builtins.storeDir}/" (pure.names.normal (toString path));
  # A Nix path is copied by itself and not with the tree that it is in: only its own content changes it.
  stored =
    path:
    if builtins.isPath path && builtins.pathExists path && lib.pathType path == "regular" then
      "${builtins.path {
        inherit path;
        name = lib.strings.sanitizeDerivationName (baseNameOf path);
      }}"
    else
      "${toString path}";

  entryOf = _: stack: {
    version = 1;
    inherit (stack) description environment;
    compose = {
      project = stack.projectName;
      inherit (stack) directory profiles;
      files = map stored stack.composeFiles;
    };
    env_files = map (
      file: withoutNulls (file // { path = toString file.path; })
    ) stack.environmentFiles;
    requires_mounts = stack.requiresMounts;
    startup_timeout = stack.startupTimeout;
    pull_timeout = stack.pullTimeout;
    stale_health_after = stack.staleHealthAfter;
    verify = {
      inherit (stack.verify) mode timeout;
      stable_for = stack.verify.stableFor;
    };
    update = {
      enabled = stack.update.enable;
      inherit (stack.update) rollback before keep;
      on_rollback = stack.update.onRollback;
      hook_timeout = stack.update.hookTimeout;
    };
    allowed_drop_ins = stack.allowedDropIns;
  };
in
rec {
  inherit pure inStore;

  stacks = lib.filterAttrs (_: stack: stack.enable) cfg.stacks;

  # What is wrong with a stack's name, or null; no units are made of what is refused.
  nameProblem =
    name:
    if
      name == pure.shippedSeal
      || lib.any (unit: (pure.units.nameParts unit).stem == name) pure.shippedNames
    then
      "the name is taken by a unit or a seal that Stackwarden ships"
    else
      pure.names.stackProblem name;

  # The content of config.json. What is left out has the program's own default.
  ownHost = {
    version = 1;
    podman = "${lib.getBin cfg.podmanPackage}/bin/podman";
    provider = {
      inherit (cfg.composeProvider) kind;
      program = "${lib.getBin cfg.composeProvider.package}/bin/${cfg.composeProvider.kind}";
    };
    path = lib.concatMapStringsSep ":" (
      part: if lib.isString part then part else "${lib.getBin part}/bin"
    ) cfg.path;
    heal = {
      inherit (cfg.audit.heal) reload watchers;
      restore_links = cfg.audit.heal.restoreLinks;
    };
  }
  // lib.optionalAttrs (cfg.alert.command != null) { alert.command = cfg.alert.command; }
  // lib.optionalAttrs (cfg.update.concurrency != null) {
    update_concurrency = cfg.update.concurrency;
  };
  host = lib.recursiveUpdate ownHost (lib.optionalAttrs (settingsProblems == [ ]) cfg.settings);
  settingsProblems =
    pure.schema.problems (lib.importJSON ../../docs/schema/config.schema.json) ""
      cfg.settings;

  entries = lib.mapAttrs entryOf stacks;

  place = {
    seals = "${config.xdg.configHome}/stackwarden/sealed";
    inherit host;
    programs = "${lib.getBin cfg.package}/bin";
  };

  # The shipped units that are wanted.
  shipped =
    let
      # What is there for a user to start by hand, too, stays.
      wanted =
        name:
        if lib.hasPrefix "stack-audit" name || lib.hasPrefix "stack-watch@" name then
          cfg.audit.enable && (cfg.audit.watch || name != "stack-audit.path")
        else
          cfg.update.enable || name != "stack-update.timer";
    in
    lib.filterAttrs (name: _: wanted name) (pure.shipped place);

  # The units of each stack.
  ofStacks = lib.mapAttrs (name: entry: pure.stack (place // { inherit name entry; })) (
    lib.filterAttrs (name: _: nameProblem name == null) entries
  );

  # What a path or a timer starts.
  startedBy = lib.mapAttrs (
    name: unit:
    let
      settings = unit.settings "";
    in
    settings.Path.Unit or settings.Timer.Unit or "${(pure.units.nameParts name).stem}.service"
  ) shipped;

  # Home Manager has a set of units for each type.
  sets = {
    service = "services";
    path = "paths";
    timer = "timers";
    socket = "sockets";
    target = "targets";
    slice = "slices";
    mount = "mounts";
    automount = "automounts";
  };

  # Where a unit is declared: systemd.user.<set>.<stem>.
  placeOf =
    unit:
    let
      parts = pure.units.nameParts unit;
    in
    {
      inherit (parts) stem;
      set = sets.${parts.type};
    };

  # A unit as it is in the end, whoever set what.
  final =
    unit:
    let
      at = placeOf unit;
    in
    config.systemd.user.${at.set}.${at.stem};

  # The token of a unit: of everything that it is in the end, but for the link in its documentation that the token is
  # part of. X-Restart-Triggers hold the inventory, the compose files and the secrets.
  token =
    unit:
    let
      settings = final unit;
      rest = settings // {
        Unit = removeAttrs settings.Unit [ "Documentation" ];
      };
    in
    builtins.substring 0 16 (builtins.hashString "sha256" (builtins.toJSON (written rest)));

  # Paths as a unit has them: as JSON they would be copied into the store, where everybody can read what may be a secret.
  written =
    value:
    if builtins.isPath value then
      toString value
    else if lib.isList value then
      map written value
    else if lib.isAttrs value && !value ? outPath then
      lib.mapAttrs (_: written) value
    else
      value;

  # The links below systemd/user that enable a unit.
  enabledBy =
    unit:
    let
      install = (final unit).Install or { };
      links = key: kind: map (target: "${target}.${kind}/${unit}") (lib.toList (install.${key} or [ ]));
    in
    links "WantedBy" "wants" ++ links "RequiredBy" "requires";

  # Every owned unit, by the name of the seal that it is in.
  bySeal = lib.mapAttrs (_: builtins.attrNames) (
    ofStacks // lib.optionalAttrs (shipped != { }) { ${pure.shippedSeal} = shipped; }
  );
  owned = lib.concatLists (lib.attrValues bySeal);
}
