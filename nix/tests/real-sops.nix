# What the modules of a checkout of sops-nix are to be told.
{ pkgs, ... }:
{
  sops = {
    package = pkgs.emptyDirectory;
    age.keyFile = "/var/lib/sops-nix/key.txt";
  };
}
