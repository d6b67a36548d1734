{
  description = "Stackwarden keeps rootless Compose stacks honest";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each =
        of: lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: of nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        stackwarden = pkgs.callPackage ./package.nix { };
        default = stackwarden;
      });

      overlays.default = final: _: { stackwarden = final.callPackage ./package.nix { }; };

      homeModules = rec {
        stackwarden = ./home-manager.nix;
        default = stackwarden;
      };

      nixosModules = rec {
        stackwarden = ./nixos.nix;
        default = stackwarden;
      };

      # The package, and the units of each example, as nixpkgs' own lib evaluates them.
      checks = each (
        pkgs:
        {
          package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        }
        // lib.genAttrs [ "minimal" "everything" "overrides" ] (
          example:
          let
            report = import ./tests/report.nix {
              nixpkgsLib = nixpkgs + "/lib";
              modules = [ (./tests/examples + "/${example}.nix") ];
            };
            expected = ./tests/golden + "/${example}";
            texts = lib.genAttrs (builtins.attrNames (builtins.readDir expected)) (
              unit: builtins.readFile (expected + "/${unit}")
            );
          in
          assert report.failed == [ ];
          assert report.texts == texts;
          pkgs.writeText "stackwarden-${example}" (builtins.toJSON report.texts)
        )
      );
    };
}
