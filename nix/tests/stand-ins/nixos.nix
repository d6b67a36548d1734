# A stand-in for the part of NixOS that the module touches, and those of Home Manager and sops-nix.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  anything = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  text =
    default:
    mkOption {
      type = types.str;
      inherit default;
    };
  packages = mkOption {
    type = types.listOf types.package;
    default = [ ];
  };
  flag = mkOption {
    type = types.bool;
    default = false;
  };
in
{
  imports = [ ./nixpkgs/nixos/modules/misc/assertions.nix ];
  options = {
    environment.etc = anything;
    users.users = mkOption {
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options = {
              inherit packages;
              linger = flag;
              autoSubUidGidRange = flag;
              subUidRanges = mkOption {
                type = types.listOf types.attrs;
                default = [ ];
              };
              name = text name;
              home = text "/home/${name}";
              group = text "users";
            };
          }
        )
      );
      default = { };
    };
    systemd = {
      user = {
        services = anything;
        paths = anything;
        timers = anything;
      };
      inherit packages;
      services = mkOption {
        type = types.attrsOf (
          types.submodule {
            freeformType = types.attrsOf types.anything;
            options.serviceConfig = anything;
          }
        );
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
  };
}
