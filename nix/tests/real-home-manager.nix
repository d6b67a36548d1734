# The modules of a checkout of Home Manager that a generation needs.
homeManager:
{ lib, pkgs, ... }:
{
  imports = [
    (import ./real-settings.nix homeManager)
  ]
  ++ import (homeManager + "/modules/modules.nix") {
    inherit lib pkgs;
    # Modules that are left out have options that others look at.
    check = false;
    minimal = true;
    useNixpkgsModule = false;
  };
  config.home.homeDirectory = "/home/me";
}
