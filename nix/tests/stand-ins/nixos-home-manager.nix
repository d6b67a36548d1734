# A stand-in for the part of Home Manager's NixOS module that the module touches.
{ lib, pkgs, ... }@arguments:
let
  inherit (lib) mkOption types;
in
{
  options.home-manager = {
    startAsUserService = mkOption {
      type = types.bool;
      default = false;
    };
    users = mkOption {
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
  config.systemd =
    let
      service.serviceConfig.TimeoutStartSec = "5m";
    in
    if arguments.config.home-manager.startAsUserService then
      { user.services.home-manager = service; }
    else
      { services.home-manager-me = service; };
}
