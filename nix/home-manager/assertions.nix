# What is wrong with a declaration, by stack and option.
{
  config,
  lib,
  ...
}@arguments:
let
  inherit (lib)
    attrNames
    concatLists
    concatStringsSep
    filterAttrs
    mapAttrsToList
    optional
    ;
  cfg = config.services.stackwarden;
  declared = import ./declared.nix { inherit config lib; };
  inherit (declared) stacks inStore;

  # Given by Home Manager's NixOS module, and null elsewhere or not there at all.
  nixos = arguments.osConfig or null;
  lingers = nixos.users.users.${config.home.username}.linger or null;

  option = name: key: "services.stackwarden.stacks.${name}.${key}";
  refuse = problem: {
    assertion = false;
    message = problem;
  };

  ofName =
    name:
    let
      refused = reason: refuse "services.stackwarden.stacks.${name}: ${reason}";
    in
    optional (builtins.match "[A-Za-z0-9:_][A-Za-z0-9:_.-]{0,127}" name == null) (
      refused "a stack's name is at most 128 letters, digits, \":\", \"_\", \".\" and \"-\", and starts with none of the last two"
    )
    ++ optional (lib.hasSuffix "-update" name) (
      refused "names that end in \"-update\" are those of update units"
    )
    ++ optional (declared.isTaken name) (
      refused "the name is taken by a unit or a seal that Stackwarden ships"
    );

  # Two definitions of the unit that each have a command are two units of one name.
  ofUnit =
    name:
    let
      commands = (declared.final "${name}.service").Service.ExecStart or [ ];
    in
    optional (!declared.isTaken name && lib.length (lib.toList commands) != 1) (
      refuse "services.stackwarden.stacks.${name}: systemd.user.services.${name} is also defined by another module (ExecStart is ${builtins.toJSON commands}); give the stack another name, or force the one that is meant"
    );

  ofComposeFiles =
    name: stack:
    let
      at = option name "composeFiles";
    in
    optional (stack.composeFiles == [ ]) (refuse "${at} is empty; a stack needs a compose file")
    ++ concatLists (
      map (
        file:
        if builtins.isPath file then
          optional (!builtins.pathExists file) (refuse "${at} has ${toString file}, which does not exist")
        else
          optional (!inStore file) (
            refuse "${at} has ${toString file}, which is not in the Nix store; write a Nix path (./compose.yml), so that the switch sees its content"
          )
      ) stack.composeFiles
    );

  ofPaths =
    name: stack:
    concatLists (
      mapAttrsToList
        (
          key: paths:
          concatLists (
            map (
              path:
              optional (!lib.hasPrefix "/" path) (
                refuse "${option name key} has ${builtins.toJSON path}; expected an absolute path"
              )
            ) paths
          )
        )
        {
          directory = [ stack.directory ];
          environmentFiles = concatLists (
            map (
              file: [ (toString file.path) ] ++ optional (file.fallback != null) file.fallback
            ) stack.environmentFiles
          );
          inherit (stack) requiresMounts;
        }
    );

  ofEnvironmentFiles =
    name: stack:
    concatLists (
      map
        (
          file:
          optional (builtins.isPath file || inStore file) (
            refuse "${option name "environmentFiles"} has ${toString file}, which is in the Nix store or would be copied there, where everybody can read it; write the path of the deployed file as a string"
          )
        )
        (
          lib.concatMap (
            file: [ file.path ] ++ optional (file.fallback != null) file.fallback
          ) stack.environmentFiles
        )
    );

  ofEnvironment =
    name: stack:
    map
      (
        variable:
        refuse "${option name "environment"} has the name ${builtins.toJSON variable}; expected letters, digits and \"_\""
      )
      (
        lib.filter (variable: builtins.match "[A-Za-z_][A-Za-z0-9_]*" variable == null) (
          attrNames stack.environment
        )
      );

  ofProject =
    name: stack:
    optional (builtins.match "[a-z0-9][a-z0-9_-]*" stack.projectName == null) (
      refuse "${option name "projectName"} is ${builtins.toJSON stack.projectName}; compose takes lower-case letters, digits, \"-\" and \"_\", and a letter or digit first"
    );

  projects = lib.groupBy (name: stacks.${name}.projectName) (attrNames stacks);
  shared = mapAttrsToList (
    project: names:
    refuse "services.stackwarden.stacks: ${concatStringsSep " and " names} have the same projectName ${builtins.toJSON project}; each would remove the containers of the other as orphans"
  ) (filterAttrs (_: names: lib.length names > 1) projects);

  setTwice =
    let
      common =
        a: b: filterAttrs (key: value: a ? ${key} && !(lib.isAttrs value && lib.isAttrs a.${key})) b;
      keys =
        attrNames (common declared.ownHost cfg.settings)
        ++ attrNames (common (declared.ownHost.alert or { }) (cfg.settings.alert or { }))
        ++ attrNames (common declared.ownHost.heal (cfg.settings.heal or { }))
        ++ attrNames (common declared.ownHost.provider (cfg.settings.provider or { }));
    in
    map (key: refuse "services.stackwarden.settings: ${key} is set by an option of its own") keys;

  ofStack =
    name: stack:
    concatLists [
      (ofName name)
      (ofUnit name)
      (ofComposeFiles name stack)
      (ofPaths name stack)
      (ofEnvironmentFiles name stack)
      (ofEnvironment name stack)
      (ofProject name stack)
    ];
in
{
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.systemd.user.enable;
        message = "services.stackwarden needs systemd.user.enable";
      }
    ]
    ++ concatLists (mapAttrsToList ofStack stacks)
    ++ shared
    ++ setTwice;

    warnings = map (
      name:
      "${option name "autoStart"} is set, but ${config.home.username} does not linger: the stack starts at the first login. Set users.users.${config.home.username}.linger"
    ) (lib.filter (name: lingers == false && stacks.${name}.autoStart != false) (attrNames stacks));
  };
}
