# What is wrong with a declaration, by stack and option.
{
  config,
  lib,
  options,
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
      problem = declared.nameProblem name;
    in
    optional (problem != null) (refuse "services.stackwarden.stacks.${name}: ${problem}");

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
          if !builtins.pathExists file then
            [ (refuse "${at} has ${toString file}, which does not exist") ]
          else
            optional (lib.pathType file != "regular") (
              refuse "${at} has ${toString file}, which is a ${lib.pathType file}; name the compose file itself"
            )
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

  # Of the groups of keys, and of the keys beside them.
  ofSettings =
    let
      twice =
        prefix: ours: theirs:
        concatLists (
          mapAttrsToList (
            key: value:
            if !ours ? ${key} then
              [ ]
            else if lib.isAttrs value then
              twice "${prefix}${key}." ours.${key} value
            else
              [ "${prefix}${key} is set by an option of its own" ]
          ) theirs
        );
      problems = declared.settingsProblems;
    in
    map (problem: refuse "services.stackwarden.settings: ${problem}") (
      if problems != [ ] then problems else twice "" declared.ownHost cfg.settings
    );

  ofStack =
    name: stack:
    concatLists [
      (ofName name)
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
    ++ ofSettings
    ++ import ./owned-units.nix { inherit config lib options; };

    warnings = map (
      name:
      "${option name "autoStart"} is set, but ${config.home.username} does not linger: the stack starts at the first login. Set users.users.${config.home.username}.linger"
    ) (lib.filter (name: lingers == false && stacks.${name}.autoStart != false) (attrNames stacks));
  };
}
