# shellcheck shell=bash
# What tests of the Nix code need beside the machine: tools and nixpkgs' lib from the crate registry, kept in the cache.

# shellcheck disable=SC2034  # for those who source this
NIXFMT=nixfmt_rs@0.5.3 DEADNIX=deadnix@1.3.1 SD_SWITCH=sd-switch@0.6.4
# The published crate carries nixpkgs' lib (22.11) among its tests' inputs. It is under the GPL, and only looked at here.
NIXPKGS_LIB_CRATE=nixel NIXPKGS_LIB_VERSION=5.2.0

LAB_NIX=$LAB_CACHE/nix

# Builds what the files ask for in a line `# needs: NIXFMT DEADNIX`, before the time of a stage or scenario runs.
nix_tools_for() { # FILE…
    local tool
    sed -n 's/^# needs: //p' "$@" | tr ' ' '\n' | while read -r tool; do nix_tool "${!tool}" >/dev/null </dev/null; done
}

# The directory of a tool's program: nix_tool CRATE@VERSION
nix_tool() {
    local root=$LAB_NIX/tools/${1/@/-}
    if [ ! -e "$root/.complete" ]; then
        note "building $1 (once; some minutes)"
        mkdir -p "$LAB_NIX/tools"
        CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=$LAB_NIX/target flock "$LAB_NIX/tools.lock" \
            cargo install --quiet --locked --debug --root "$root" "$1" >&2 || die "$1 could not be installed"
        : >"$root/.complete"
    fi
    echo "$root/bin"
}

# nixpkgs' lib.
nixpkgs_lib() {
    local dir=$LAB_NIX/nixpkgs-lib-$NIXPKGS_LIB_VERSION manifest
    if [ ! -e "$dir/lib/default.nix" ]; then
        mkdir -p "$LAB_NIX"
        rm -rf "$dir"
        dir=$(mktemp -d "$LAB_NIX/lib.XXXXXX")
        mkdir "$dir/src"
        : >"$dir/src/lib.rs"
        printf '[package]\nname = "inputs"\nversion = "0.0.0"\n[dependencies]\n%s = "=%s"\n[workspace]\n' \
            "$NIXPKGS_LIB_CRATE" "$NIXPKGS_LIB_VERSION" >"$dir/Cargo.toml"
        manifest=$(cd "$dir" && cargo metadata --quiet --format-version 1 \
            | jq -r --arg name "$NIXPKGS_LIB_CRATE" '.packages[] | select(.name == $name).manifest_path')
        [ -e "${manifest%/*}/tests/inputs/nixpkgs/lib/default.nix" ] || die "$NIXPKGS_LIB_CRATE carries no nixpkgs' lib"
        cp -r "${manifest%/*}/tests/inputs/nixpkgs/lib" "$dir/lib"
        # Another run may have been faster.
        mv -T "$dir" "$LAB_NIX/nixpkgs-lib-$NIXPKGS_LIB_VERSION" 2>/dev/null || rm -rf "$dir"
        dir=$LAB_NIX/nixpkgs-lib-$NIXPKGS_LIB_VERSION
    fi
    echo "$dir/lib"
}

# copy_in SOURCE DESTINATION: a directory of the host's into the machine, below the user's home directory.
copy_in() {
    # shellcheck disable=SC2016  # for the inner shell
    tar -C "$1" --owner="$LAB_UID" --group="$LAB_UID" -c . | user sh -c 'mkdir -p "$1" && tar -C "$1" -x' copy_in "$2"
}

# Everything that the Nix code is tested with: ~/src (nix and what it reads), ~/lib (nixpkgs'), ~/tools.
nix_sources_in() {
    copy_in "$LAB_REPO/nix" src/nix
    copy_in "$LAB_REPO/units" src/units
    copy_in "$LAB_REPO/docs/schema" src/docs/schema
    put src/Cargo.toml <"$LAB_REPO/Cargo.toml"
    copy_in "$(nixpkgs_lib)" lib
    # Without this directory nix takes a store below the home directory, and builds in a change root.
    root install -d -o "$LAB_USER" -g "$LAB_USER" /nix /nix/var /nix/var/nix /nix/store
}

# Where checkouts are given: Home Manager's own modules, with the `lib` of a nixpkgs that fits them, and sops-nix' own, in
# the place of the stand-ins. REAL is then what nix/tests/evaluate.nix is to be given, REAL_NIXOS what evaluate-nixos.nix is.
REAL='' REAL_NIXOS=''
checkouts_in() {
    [ -n "${STACKWARDEN_HOME_MANAGER:-}" ] || return 0
    copy_in "$STACKWARDEN_HOME_MANAGER" real/home-manager
    copy_in "${STACKWARDEN_NIXPKGS_LIB:?the lib directory of a nixpkgs that fits the Home Manager}" real/lib
    REAL="nixpkgsLib = $HOME_IN/real/lib; homeManager = $HOME_IN/real/home-manager;" REAL_NIXOS=$REAL
    [ -n "${STACKWARDEN_SOPS_NIX:-}" ] || return 0
    copy_in "$STACKWARDEN_SOPS_NIX" real/sops-nix
    REAL_NIXOS+=" sopsNix = $HOME_IN/real/sops-nix;"
}

# evaluate EXPRESSION: JSON, without a store. $nixpkgsLib is in scope.
evaluate() {
    user nix-instantiate --eval --strict --json --store dummy:// --expr "let nixpkgsLib = $HOME_IN/lib; nix = $HOME_IN/src/nix; in $1"
}
HOME_IN=/home/$LAB_USER
