# What the NixOS module of a checkout of Home Manager needs beside it.
homeManager:
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  # The stand-in has a part of NixOS' options, and theirs are for all of them.
  config = {
    _module.check = false;
    home-manager = {
      minimal = true;
      useGlobalPkgs = true;
      sharedModules = [
        (import ./real-settings.nix homeManager)
        { _module.check = lib.mkForce false; }
      ];
    };
  };
  options = {
    nix.enable = mkOption {
      type = types.bool;
      default = false;
    };
    services.openssh.enable = mkOption {
      type = types.bool;
      default = false;
    };
  };
}
