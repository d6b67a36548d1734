# A stand-in for the part of sops-nix' modules, those for NixOS and for Home Manager, that ours touch.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
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
  };
}
