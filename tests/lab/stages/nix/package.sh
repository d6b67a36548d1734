# shellcheck shell=bash
# The package and the flake, as far as they go without nixpkgs: what the package is made of builds, and the flake has the
# outputs that it promises.

# A stand-in for nixpkgs, with its real lib.
NIXPKGS="{ lib = import nixpkgsLib; outPath = \"$HOME_IN\"; legacyPackages = lib.genAttrs [ \"x86_64-linux\" \"aarch64-linux\" ] (system: rec {
    inherit lib system; stdenv.hostPlatform = { inherit system; }; installShellFiles = null; rustPlatform.buildRustPackage = x: x;
    callPackage = file: _: import file { inherit lib installShellFiles rustPlatform; };
    writeText = name: text: { inherit name text; };
}); }"
flake() { evaluate "let lib = import nixpkgsLib; nixpkgs = $NIXPKGS; self = (import (nix + \"/flake.nix\")).outputs { inherit self nixpkgs; }; in $1"; }

flake_has() {
    assert_eq "$(flake 'map builtins.attrNames [ self.packages self.homeModules self.nixosModules self.overlays ]' | jq -c .)" \
        '[["aarch64-linux","x86_64-linux"],["default","stackwarden"],["default","stackwarden"],["default"]]'
    assert_eq "$(flake 'self.homeModules.default == nix + "/home-manager.nix" && self.nixosModules.default == nix + "/nixos.nix"')" true
    assert_eq "$(flake '(self.overlays.default nixpkgs.legacyPackages.x86_64-linux { }).stackwarden.pname')" '"stackwarden"'
    # The one input.
    assert_eq "$(evaluate 'builtins.attrNames (import (nix + "/flake.nix")).inputs')" '["nixpkgs"]'
}
flake_checks() {
    assert_eq "$(flake 'builtins.attrNames self.checks.x86_64-linux' | jq -c .)" '["everything","minimal","overrides","package"]'
    assert_json "$(flake 'self.checks.x86_64-linux.minimal.text' | jq -r .)" 'has("web.service")'
}
package_says() {
    local seen
    seen=$(flake '{ inherit (self.packages.x86_64-linux.default) pname version doCheck meta; }')
    assert_eq "$(jq -r .version <<<"$seen")" "$(cd "$LAB_REPO" && cargo metadata --no-deps --format-version 1 --locked | jq -r '.packages[0].version')"
    assert_json "$seen" '.pname == "stackwarden" and (.doCheck | not) and .meta.mainProgram == "stackctl"'
}
# The files that the package is made of are all that a build needs, and nothing else is among them.
sources_build() {
    local source=$RUN/package-source file
    rm -rf "$source"
    mkdir "$source"
    (cd "$LAB_REPO" && git ls-files --cached --others --exclude-standard -z) | while IFS= read -r -d '' file; do
        [ ! -f "$LAB_REPO/$file" ] || (cd "$LAB_REPO" && cp --parents -- "$file" "$source/")
    done
    copy_in "$source" package
    user nix-instantiate --eval --read-write-mode --json --expr "
        let lib = import $HOME_IN/lib; in (import $HOME_IN/package/nix/package.nix {
            inherit lib; installShellFiles = null; rustPlatform.buildRustPackage = x: x; }).src" >"$RUN/path"
    rm -rf "$source"
    mkdir "$source"
    user tar -C "$(jq -r . "$RUN/path")" -c . | tar -C "$source" -x --no-same-permissions --no-same-owner --mode=u+w
    assert_eq "$(find "$source" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')" 'Cargo.lock Cargo.toml README.md docs src units '
    CARGO_TARGET_DIR=$LAB_NIX/package-target cargo check --quiet --locked --bins --manifest-path "$source/Cargo.toml"
}

check 'the flake has its outputs' flake_has
check 'the checks of the flake hold' flake_checks
check 'the package is what Cargo.toml says' package_says
check 'what the package is made of builds' sources_build
