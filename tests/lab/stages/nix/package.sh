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
# The lock file is the committed one, and nothing in it needs a hash that is not there.
lock_is_whole() {
    assert_eq "$(flake 'self.packages.x86_64-linux.default.cargoLock.lockFile == nix + "/../Cargo.lock"')" true
    git -C "$LAB_REPO" ls-files --error-unmatch Cargo.lock
    assert_eq "$(sed -n 's/^source = //p' "$LAB_REPO/Cargo.lock" | sort -u)" '"registry+https://github.com/rust-lang/crates.io-index"'
}

# The files that the package is made of, as the store has them.
SOURCE=$RUN/package-source
source_is_exact() {
    local tree=$RUN/package-tree file
    mkdir "$tree" "$SOURCE"
    (cd "$LAB_REPO" && git ls-files --cached --others --exclude-standard -z) | while IFS= read -r -d '' file; do
        [ ! -f "$LAB_REPO/$file" ] || (cd "$LAB_REPO" && cp --parents -- "$file" "$tree/")
    done
    copy_in "$tree" package
    user nix-instantiate --eval --read-write-mode --json --expr "
        let lib = import $HOME_IN/lib; in (import $HOME_IN/package/nix/package.nix {
            inherit lib; installShellFiles = null; rustPlatform.buildRustPackage = x: x; }).src" >"$RUN/path"
    user tar -C "$(jq -r . "$RUN/path")" -c . | tar -C "$SOURCE" -x --no-same-permissions --no-same-owner --mode=u+w
    assert_eq "$(find "$SOURCE" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')" 'Cargo.lock Cargo.toml README.md docs src units '
}
# As Nix reads it, purely, from the directory of a repository.
flake_is_pure() {
    copy_in "$(nixpkgs_lib)" nixpkgs/lib
    copy_in "$LAB_REPO/nix/tests/stand-ins" nixpkgs/stand-ins
    put nixpkgs/flake.nix <<'END'
{ outputs = { self }: let lib = import ./lib; in { inherit lib; legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (_:
  let pkgs = import ./stand-ins/pkgs.nix { inherit lib; build = true; }; in pkgs // { callPackage = _: _: pkgs.emptyDirectory; }); }; }
END
    assert_exit 0 user nix --extra-experimental-features 'nix-command flakes' flake check --no-build --offline \
        --no-write-lock-file --override-input nixpkgs "path:$HOME_IN/nixpkgs" "path:$HOME_IN/package?dir=nix"
    assert_contains "$OUT" 'checks.x86_64-linux.overrides'
}
# They are all that the build needs.
source_builds() {
    local flags target
    target=$(target_directory)
    mapfile -t flags < <(flake 'self.packages.x86_64-linux.default.cargoBuildFlags' | jq -r '.[]')
    assert_eq "${flags[*]}" '--bins --examples'
    # Into the directory where clippy has looked at the same dependencies.
    CARGO_TARGET_DIR=$target cargo check --quiet --locked "${flags[@]}" --manifest-path "$SOURCE/Cargo.toml"
}
# What it does when the programs are built: its own commands, with the programs of this run.
OUTPUT=$RUN/package-output
everything_is_installed() {
    local target verb file
    cargo build --quiet --locked --examples --manifest-path "$LAB_REPO/Cargo.toml"
    target=$(target_directory)
    mkdir -p "$OUTPUT/bin"
    cp "$LAB_BIN"/* "$OUTPUT/bin/"
    flake 'self.packages.x86_64-linux.default.postInstall' | jq -r . >"$RUN/post-install"
    shellcheck --shell=bash --exclude=SC2154 "$RUN/post-install"
    (cd "$SOURCE" && out=$OUTPUT releaseDir=$target/debug bash -euo pipefail -c "source \"\$0\"; source \"\$1\"" \
        "$LAB_REPO/nix/tests/stand-ins/stdenv.sh" "$RUN/post-install")

    for file in "$LAB_BIN"/*; do
        file=${file##*/}
        test -s "$OUTPUT/share/man/man1/$file.1"
        test -s "$OUTPUT/share/bash-completion/completions/$file.bash"
        test -s "$OUTPUT/share/fish/vendor_completions.d/$file.fish"
        test -s "$OUTPUT/share/zsh/site-functions/_$file"
    done
    while read -r verb; do
        test -s "$OUTPUT/share/man/man1/stackctl-$verb.1" || fail "no page for stackctl $verb"
    done < <("$LAB_BIN/stackctl" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]\+\) .*/\1/p' | grep -v '^help$')
    for file in "$LAB_REPO"/docs/*.md "$LAB_REPO"/docs/schema/* "$LAB_REPO"/docs/examples/*; do
        cmp "$file" "$OUTPUT/share/doc/stackwarden/${file#"$LAB_REPO/docs/"}"
    done
    diff -r "$LAB_REPO/units" "$OUTPUT/share/stackwarden/units"
    cmp "$LAB_REPO/units/stackwarden.catalog" "$OUTPUT/lib/systemd/catalog/stackwarden.catalog"
    for file in MIT APACHE; do test -s "$OUTPUT/share/licenses/stackwarden/LICENSE-$file"; done
    # A unit for a user's manager in a package is one more owner.
    assert_eq "$(find "$OUTPUT" -type d -path '*systemd/*' -printf '%P\n' | sort | tr '\n' ' ')" 'lib/systemd/catalog lib/systemd/system '
}
# The system's manager takes the units and the catalog, and starts the program by its path.
system_takes_it() {
    local file units=()
    root mkdir -p "$OUTPUT/bin"
    for file in "$LAB_BIN"/*; do root ln -s "/opt/stackwarden/bin/${file##*/}" "$OUTPUT/bin/${file##*/}"; done
    for file in "$OUTPUT"/lib/systemd/system/*; do
        assert_lacks "$(cat "$file")" '@stackctl@'
        root_put "/etc/systemd/system/${file##*/}" <"$file"
        units+=("/etc/systemd/system/${file##*/}")
    done
    assert_eq "${#units[@]}" 2 'units of the system'
    root ln -s /etc/systemd/system/stack-manager@.service "/run/systemd/system/stack-manager@$LAB_USER.service"
    assert_exit 0 root systemd-analyze verify --man=no "/run/systemd/system/stack-manager@$LAB_USER.service"
    assert_eq "$OUT" ''
    root systemctl daemon-reload
    assert_contains "$(root systemctl show --property ExecStart --value "stack-manager@$LAB_USER.service")" \
        "path=$OUTPUT/bin/stackctl ; argv[]=$OUTPUT/bin/stackctl check-manager $LAB_USER"
    root_put /usr/local/lib/systemd/catalog/stackwarden.catalog <"$OUTPUT/lib/systemd/catalog/stackwarden.catalog"
    assert_exit 0 root journalctl --update-catalog
    assert_contains "$(root journalctl --list-catalog)" Stackwarden
}

check 'the flake has its outputs' flake_has
check 'the checks of the flake hold' flake_checks
check 'the package is what Cargo.toml says' package_says
check 'the package has the committed lock file' lock_is_whole
check 'the package is made of its own files' source_is_exact
check 'the flake is one, and needs nothing from outside' flake_is_pure
check 'the package is made of all that a build needs' source_builds
check 'the package has every page, completion, unit and document' everything_is_installed
check 'the system takes the units and the catalog of the package' system_takes_it
