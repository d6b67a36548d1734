# The modules of a checkout of Home Manager that a generation needs.
homeManager:
{ lib, pkgs, ... }:
{
  imports = import (homeManager + "/modules/modules.nix") {
    inherit lib pkgs;
    # Modules that are left out have options that others look at.
    check = false;
    minimal = true;
    useNixpkgsModule = false;
  };
  # Of more of nixpkgs than its lib.
  disabledModules = [ (homeManager + "/modules/services-modular") ];
  config = {
    home = {
      homeDirectory = "/home/me";
      stateVersion = "25.05";
      enableNixpkgsReleaseCheck = false;
    };
    manual.manpages.enable = false;
    news.display = "silent";
  };
}
