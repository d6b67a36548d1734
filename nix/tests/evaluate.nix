# Evaluates an example: with the stand-ins, or with the real modules where a checkout of them is given.
{
  nixpkgsLib,
  homeManager ? null,
  modules ? [ ],
  build ? false,
  generation ? "1",
  username ? "me",
  osConfig ? null,
}:
let
  plain = import nixpkgsLib;
  lib =
    if homeManager == null then
      import ./stand-ins/lib.nix plain
    else
      import (homeManager + "/modules/lib/stdlib-extended.nix") plain;
  pkgs = import ./stand-ins/pkgs.nix { inherit lib build generation; };
  theirs =
    if homeManager == null then
      [ ./stand-ins/home-manager.nix ]
    else
      [ (import ./real-home-manager.nix homeManager) ];
in
lib.evalModules {
  specialArgs = {
    inherit lib pkgs osConfig;
  }
  // lib.optionalAttrs (homeManager != null) { modulesPath = homeManager + "/modules"; };
  modules =
    theirs
    ++ [
      ../home-manager.nix
      { home.username = username; }
    ]
    ++ modules;
}
