# Evaluates a NixOS configuration, with a stand-in for NixOS, and with stand-ins for Home Manager and sops-nix, or with
# their own modules where checkouts are given.
{
  nixpkgsLib,
  homeManager ? null,
  sopsNix ? null,
  modules ? [ ],
}:
let
  lib = import nixpkgsLib;
  pkgs = import ./stand-ins/pkgs.nix { inherit lib; };
in
lib.evalModules (
  {
    specialArgs = {
      inherit lib pkgs;
      utils.escapeSystemdPath = lib.replaceStrings [ "-" ] [ "\\x2d" ];
    };
    modules = [
      ./stand-ins/nixos.nix
      ../nixos.nix
    ]
    ++ (
      if homeManager == null then
        [ ./stand-ins/nixos-home-manager.nix ]
      else
        [
          (homeManager + "/nixos")
          (import ./real-nixos.nix homeManager)
        ]
    )
    ++ (
      if sopsNix == null then
        [ ./stand-ins/sops.nix ]
      else
        [
          (sopsNix + "/modules/sops")
          ./real-sops.nix
        ]
    )
    ++ modules;
  }
  // lib.optionalAttrs (homeManager != null) { class = "nixos"; }
)
