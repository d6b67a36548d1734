# Stackwarden under Home Manager: stacks are declared here, and Home Manager owns their units.
{
  imports = [
    ./home-manager/options.nix
    ./home-manager/units.nix
    ./home-manager/files.nix
    ./home-manager/activation.nix
    ./home-manager/assertions.nix
  ];
}
