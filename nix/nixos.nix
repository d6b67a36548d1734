# What NixOS itself does for the user whose stacks Home Manager declares: lingering, subordinate ids, secrets, a look at
# the user's manager from outside, and time for the activation. The units belong to Home Manager.
{
  config,
  lib,
  options,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.stackwarden;
  pure = import ./lib;
  own = import ./home-manager/types.nix { inherit lib; };

  home = config.home-manager.users.${cfg.user} or { };
  declares = home.services.stackwarden.enable or false;
  stacks = home.services.stackwarden.stacks or { };
  enabled = lib.attrNames (lib.filterAttrs (_: stack: stack.enable) stacks);
  ownedUnits = lib.optionals declares (
    pure.shippedNames ++ lib.concatMap (stack: map (suffix: stack + suffix) pure.suffixes) enabled
  );
  # What only a secret is declared of.
  undeclared = lib.filter (stack: (stacks.${stack}.composeFiles or [ ]) == [ ]) (
    lib.attrNames cfg.secrets
  );

  # Two definitions of one unit: the one in /etc would be shadowed, or take over when the other one goes.
  sets = {
    service = "services";
    path = "paths";
    timer = "timers";
  };
  twice = lib.filter (
    unit:
    let
      parts = pure.units.nameParts unit;
    in
    config.systemd.user.${sets.${parts.type}} ? ${parts.stem}
  ) ownedUnits;

  # Home Manager's activation is a service of the system, or of the user's manager.
  asUser = config.home-manager.startAsUserService or false;
  patience.serviceConfig.TimeoutStartSec = lib.mkForce cfg.activationTimeout;

  secretName = stack: name: "stackwarden/${stack}/${name}";
in
{
  options.services.stackwarden = {
    enable = lib.mkEnableOption "what the host does for a user with Compose stacks";

    package = mkOption {
      type = types.package;
      default = pkgs.stackwarden or (pkgs.callPackage ./package.nix { });
      defaultText = literalExpression "pkgs.stackwarden";
      example = literalExpression "inputs.stackwarden.packages.\${pkgs.stdenv.hostPlatform.system}.default";
      description = "The package. The user's stacks have it by default.";
    };

    user = mkOption {
      type = types.str;
      example = "me";
      description = "The user whose stacks they are. `home-manager.users.<user>` declares them.";
    };

    linger = own.flag true "Whether the user's manager runs from boot on, and not only while the user is logged in.";

    subordinateIds = own.flag true ''
      Whether the user gets subordinate ids, which rootless podman needs. They are not touched where
      `users.users.<user>.subUidRanges` says what they are.
    '';

    secrets = mkOption {
      type = types.attrsOf (
        types.attrsOf (
          types.submodule {
            options = {
              sopsFile = mkOption {
                type = types.path;
                example = literalExpression "./secrets/immich.env";
                description = "The encrypted file, with all of the variables.";
              };
              format = mkOption {
                type = types.enum [
                  "dotenv"
                  "binary"
                ];
                default = "dotenv";
                example = "binary";
                description = "The form of the encrypted file.";
              };
              fallback =
                own.optional own.text "/home/me/secrets/immich.env"
                  "Where the stack looks while the file is not deployed: for a move from one place to another, and deprecated.";
            };
          }
        )
      );
      default = { };
      example = literalExpression "{ immich.env.sopsFile = ./secrets/immich.env; }";
      description = ''
        Secrets by stack and name. sops-nix deploys each for the user alone (owner, 0400), and it is one of the stack's
        `environmentFiles`. A changed file restarts the stack at the next switch.
      '';
    };

    managerCheck = own.flag true ''
      Whether the system's manager looks every 15 minutes whether the user's is up, lingering and freshly audited
      (`stack-manager@<user>.timer`): what does not run cannot say that it does not run.
    '';

    activationTimeout = own.bound "30min" "2h" ''
      How long Home Manager's activation of the user may take. It waits for stacks whose images have to be pulled; its
      own 5 minutes would cut it off.
    '';
  };

  config = lib.mkMerge [
    (lib.mkIf cfg.enable {
      users.users.${cfg.user} = {
        linger = lib.mkIf cfg.linger (lib.mkDefault true);
        autoSubUidGidRange = lib.mkIf (
          cfg.subordinateIds && config.users.users.${cfg.user}.subUidRanges == [ ]
        ) (lib.mkDefault true);
      };

      systemd = {
        services."home-manager-${utils.escapeSystemdPath cfg.user}" = lib.mkIf (!asUser) patience;
        user.services.home-manager = lib.mkIf asUser patience;

        # The units are the package's; NixOS does not look at what they say for an installation.
        packages = lib.mkIf cfg.managerCheck [ cfg.package ];
        targets.timers.wants = lib.mkIf cfg.managerCheck [ "stack-manager@${cfg.user}.timer" ];
      };

      environment.etc."systemd/catalog/stackwarden.catalog".source =
        "${cfg.package}/lib/systemd/catalog/stackwarden.catalog";

      assertions =
        map (
          unit:
          let
            parts = pure.units.nameParts unit;
          in
          {
            assertion = false;
            message = "systemd.user.${sets.${parts.type}}.${parts.stem} is defined in NixOS, and services.stackwarden of Home Manager's ${cfg.user} owns ${unit}: a unit has one owner; remove the one in NixOS, or rename the stack";
          }
        ) twice
        ++ lib.optional (!options ? home-manager) {
          assertion = false;
          message = "services.stackwarden.user: ${cfg.user}'s stacks are declared in Home Manager, whose NixOS module is not imported";
        }
        ++ map (stack: {
          assertion = false;
          message = "services.stackwarden.secrets.${stack}: home-manager.users.${cfg.user}.services.stackwarden.stacks has no ${stack}; expected one of ${builtins.toJSON (lib.subtractLists undeclared enabled)}";
        }) undeclared
        ++ lib.concatLists (
          lib.mapAttrsToList (
            stack: secrets:
            map
              (name: {
                assertion = false;
                message = "services.stackwarden.secrets.${stack} has the name ${builtins.toJSON name}; expected letters, digits, \"_\", \".\" and \"-\", and none of the last two first";
              })
              (
                lib.filter (name: builtins.match "[A-Za-z0-9_][A-Za-z0-9_.-]*" name == null) (lib.attrNames secrets)
              )
            ++ map (name: {
              assertion = false;
              message = "services.stackwarden.secrets.${stack}.${name}.sopsFile is ${
                toString secrets.${name}.sopsFile
              }, which does not exist";
            }) (lib.filter (name: !builtins.pathExists secrets.${name}.sopsFile) (lib.attrNames secrets))
          ) cfg.secrets
        )
        ++ lib.optional (cfg.secrets != { } && !options ? sops) {
          assertion = false;
          message = "services.stackwarden.secrets needs the NixOS module of sops-nix";
        };

      warnings =
        lib.optional (options ? home-manager && !declares)
          "services.stackwarden is enabled, but home-manager.users.${cfg.user}.services.stackwarden is not: no stack is declared";
    })

    (lib.optionalAttrs (options ? sops) {
      sops.secrets = lib.mkIf cfg.enable (
        lib.listToAttrs (
          lib.concatLists (
            lib.mapAttrsToList (
              stack:
              lib.mapAttrsToList (
                name: secret:
                lib.nameValuePair (secretName stack name) {
                  inherit (secret) sopsFile format;
                  # All of the file, and not one variable of it.
                  key = "";
                  owner = cfg.user;
                  mode = "0400";
                }
              )
            ) cfg.secrets
          )
        )
      );
    })

    (lib.optionalAttrs (options ? home-manager) {
      home-manager.users = lib.mkIf cfg.enable {
        ${cfg.user} = {
          imports = [ ./home-manager.nix ];
          services.stackwarden = {
            package = lib.mkDefault cfg.package;
            stacks = lib.mapAttrs (stack: secrets: {
              # That there is no such stack is told by an assertion.
              composeFiles = lib.mkOptionDefault [ ];
              # That sops-nix is not there is, too.
              environmentFiles = lib.optionals (options ? sops) (
                lib.mapAttrsToList (name: secret: {
                  inherit (config.sops.secrets.${secretName stack name}) path;
                  inherit (secret) fallback;
                }) secrets
              );
              # What sops-nix restarts by itself are the system's units.
              restartTriggers = map (builtins.hashFile "sha256") (
                lib.filter builtins.pathExists (lib.mapAttrsToList (_: secret: secret.sopsFile) secrets)
              );
            }) cfg.secrets;
          };
        };
      };
    })
  ];
}
