# A stand-in for the part of NixOS, and of the NixOS modules of Home Manager and sops-nix, that the module touches.
{ lib, pkgs, ... }@arguments:
let
  inherit (lib) mkOption types;
  anything = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  flag = mkOption {
    type = types.bool;
    default = false;
  };
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    environment.etc = anything;
    users.users = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            linger = flag;
            autoSubUidGidRange = flag;
            subUidRanges = mkOption {
              type = types.listOf types.attrs;
              default = [ ];
            };
          };
        }
      );
      default = { };
    };
    systemd = {
      user = {
        services = anything;
        paths = anything;
        timers = anything;
      };
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      services = mkOption {
        type = types.attrsOf (types.submodule { options.serviceConfig = anything; });
        default = { };
      };
      targets = mkOption {
        type = types.attrsOf (
          types.submodule {
            options.wants = mkOption {
              type = types.listOf types.str;
              default = [ ];
            };
          }
        );
        default = { };
      };
    };
    sops.secrets = mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = lib.genAttrs [ "format" "key" "mode" "owner" ] (_: mkOption { type = types.str; }) // {
              sopsFile = mkOption { type = types.path; };
              path = mkOption {
                type = types.str;
                default = "/run/secrets/${name}";
              };
            };
          }
        )
      );
      default = { };
    };
    home-manager.users = mkOption {
      type = types.attrsOf (
        types.submoduleWith {
          specialArgs = {
            inherit pkgs;
            lib = import ./lib.nix lib;
            osConfig = arguments.config;
          };
          modules = [
            ./home-manager.nix
            (
              { name, ... }:
              {
                home.username = name;
              }
            )
          ];
        }
      );
      default = { };
    };
  };

  # As Home Manager's module has it.
  config.systemd.services.home-manager-me.serviceConfig.TimeoutStartSec = "5m";
}
