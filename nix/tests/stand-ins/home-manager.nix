# A stand-in for the part of Home Manager that the module touches: its options with their types, unit files, and a
# generation whose activation runs the entries in their order, links, and switches the units with sd-switch.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  pure = import ../../lib;

  primitive = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ];
  unit = {
    freeformType = types.attrsOf (types.attrsOf (types.either primitive (types.listOf primitive)));
    options.Unit = {
      Description = mkOption {
        type = types.nullOr types.str;
        default = null;
      };
      Documentation = mkOption {
        type = types.coercedTo types.str lib.toList (types.listOf types.str);
        default = [ ];
      };
    };
  };
  service.options.Service.ExecStart = mkOption {
    type = types.either types.str (types.listOf types.str);
    apply = lib.toList;
    default = [ ];
  };
  unitsOf =
    modules:
    mkOption {
      type = types.attrsOf (types.submodule ([ unit ] ++ modules));
      default = { };
    };
  units = unitsOf [ ];
  string = mkOption { type = types.str; };

  file =
    { config, name, ... }:
    {
      options = {
        target = mkOption {
          type = types.str;
          default = name;
        };
        source = mkOption { type = types.path; };
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
        };
        force = mkOption {
          type = types.bool;
          default = false;
        };
      };
      config.source = lib.mkIf (config.text != null) (
        lib.mkDefault (
          pkgs.writeTextFile {
            name = baseNameOf name;
            inherit (config) text;
          }
        )
      );
    };

  unitFiles =
    suffix: set:
    lib.concatLists (
      lib.mapAttrsToList (
        stem: settings:
        let
          name = "${stem}.${suffix}";
          text = pure.units.toINI settings;
          source = "${
            pkgs.writeTextFile {
              name = lib.replaceStrings [ "@" ":" "\\" "[" "]" ] [ "-" "-" "-" "" "" ] name;
              destination = "/${name}";
              inherit text;
            }
          }/${name}";
          install =
            key: kind:
            map (target: lib.nameValuePair "systemd/user/${target}.${kind}/${name}" { inherit source; }) (
              settings.Install.${key} or [ ]
            );
        in
        [ (lib.nameValuePair "systemd/user/${name}" { inherit source; }) ]
        ++ install "WantedBy" "wants"
        ++ install "RequiredBy" "requires"
      ) set
    );

  configHome = lib.removePrefix "${config.home.homeDirectory}/" config.xdg.configHome;
  files = lib.attrValues config.xdg.configFile;
  homeFiles = pkgs.runCommandLocal "home-manager-files" { } (
    lib.concatMapStrings (
      one:
      let
        target = "${configHome}/${one.target}";
      in
      ''
        mkdir -p "$out"/${lib.escapeShellArg (dirOf target)}
        ln -s ${lib.escapeShellArg "${one.source}"} "$out"/${lib.escapeShellArg target}
      ''
    ) files
  );
  forced = map (one: "${configHome}/${one.target}") (lib.filter (one: one.force) files);

  # In the order of the dependencies, else of the names.
  entries =
    let
      dag = config.home.activation;
      after =
        name:
        dag.${name}.after ++ lib.filter (other: lib.elem name dag.${other}.before) (lib.attrNames dag);
      sorted = lib.toposort (a: b: lib.elem a (after b)) (lib.attrNames dag);
    in
    map (name: {
      inherit name;
      inherit (dag.${name}) data;
    }) sorted.result;
in
{
  imports = [ ./nixpkgs/nixos/modules/misc/assertions.nix ];
  options = {
    systemd.user = {
      enable = mkOption {
        type = types.bool;
        default = true;
      };
      systemctlPath = mkOption {
        type = types.str;
        default = "/usr/bin/systemctl";
      };
      startServices = mkOption {
        type = types.either types.bool (
          types.enum [
            "suggest"
            "sd-switch"
          ]
        );
        default = true;
      };
      servicesStartTimeoutMs = mkOption {
        type = types.ints.unsigned;
        default = 0;
      };
      services = unitsOf [ service ];
      paths = units;
      timers = units;
      sockets = units;
      targets = units;
      slices = units;
      mounts = units;
      automounts = units;
    };
    xdg = {
      configHome = string;
      dataHome = string;
      stateHome = string;
      configFile = mkOption {
        type = types.attrsOf (types.submodule file);
        default = { };
      };
    };
    home = {
      username = string;
      homeDirectory = string;
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      activation = mkOption {
        type = types.attrsOf (
          types.submodule {
            options = {
              before = mkOption { type = types.listOf types.str; };
              after = mkOption { type = types.listOf types.str; };
              data = mkOption { type = types.str; };
            };
          }
        );
        default = { };
      };
      activationPackage = mkOption { type = types.package; };
    };
  };

  config = {
    home = {
      homeDirectory = lib.mkDefault "/home/${config.home.username}";
      activation = {
        writeBoundary = lib.hm.dag.entryAnywhere "";
        checkLinkTargets = lib.hm.dag.entryBefore [ "writeBoundary" ] ''
          checkLinkTargets ${lib.escapeShellArgs forced}
        '';
        linkGeneration = lib.hm.dag.entryAfter [ "writeBoundary" ] "linkGeneration";
        reloadSystemd = lib.hm.dag.entryAfter [ "linkGeneration" ] ''
          reloadSystemd ${
            lib.escapeShellArgs [
              (lib.getExe pkgs.sd-switch)
              (toString config.systemd.user.servicesStartTimeoutMs)
              "${configHome}/systemd/user"
            ]
          }
        '';
      };
      activationPackage = pkgs.runCommandLocal "home-manager-generation" { } ''
        mkdir -p "$out"
        ln -s ${homeFiles} "$out/home-files"
        cat ${
          pkgs.writeTextFile {
            name = "activate";
            text = ''
              #!/bin/bash
              newGenPath=@out@
              ${lib.readFile ./activation.sh}
              ${lib.concatMapStrings (entry: ''
                echo "Activating ${entry.name}"
                ${entry.data}
              '') entries}
              # Only now: an entry that fails leaves the old generation as the current one.
              run --silence nix-store --realise "$newGenPath" --add-root "$currentGenGcPath"
            '';
          }
        } | sed "s|@out@|$out|" > "$out/activate"
        chmod +x "$out/activate"
      '';
    };
    xdg = {
      configHome = lib.mkDefault "${config.home.homeDirectory}/.config";
      dataHome = lib.mkDefault "${config.home.homeDirectory}/.local/share";
      stateHome = lib.mkDefault "${config.home.homeDirectory}/.local/state";
      configFile = lib.listToAttrs (
        lib.concatLists (
          lib.mapAttrsToList unitFiles {
            service = config.systemd.user.services;
            path = config.systemd.user.paths;
            timer = config.systemd.user.timers;
            socket = config.systemd.user.sockets;
            target = config.systemd.user.targets;
            slice = config.systemd.user.slices;
            mount = config.systemd.user.mounts;
            automount = config.systemd.user.automounts;
          }
        )
      );
    };
  };
}
