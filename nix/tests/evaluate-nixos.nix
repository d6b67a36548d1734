# Evaluates a NixOS configuration, with stand-ins for NixOS, Home Manager and sops-nix.
{
  nixpkgsLib,
  modules ? [ ],
}:
let
  lib = import nixpkgsLib;
in
lib.evalModules {
  specialArgs = {
    inherit lib;
    pkgs = import ./stand-ins/pkgs.nix { inherit lib; };
    utils.escapeSystemdPath = lib.replaceStrings [ "-" ] [ "\\x2d" ];
  };
  modules = [
    ./stand-ins/nixos.nix
    ../nixos.nix
  ]
  ++ modules;
}
