# The programs, with what belongs to them: man pages, completions, the units of the system's manager, the message catalog,
# the unit templates.
{
  lib,
  rustPlatform,
  installShellFiles,
}:
let
  # The files that the package is made of; nothing else changes it.
  sources = [
    "Cargo.lock"
    "Cargo.toml"
    "README.md"
    "docs"
    "src"
    "units"
  ];
  root = toString ../.;
in
rustPlatform.buildRustPackage {
  pname = "stackwarden";
  inherit ((builtins.fromTOML (builtins.readFile ../Cargo.toml)).package) version;

  src = builtins.path {
    name = "stackwarden-source";
    path = ../.;
    filter =
      path: _:
      builtins.elem (builtins.head (lib.splitString "/" (lib.removePrefix "${root}/" path))) sources;
  };
  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];

  # The example makes man pages and completions.
  cargoBuildFlags = [
    "--bins"
    "--examples"
  ];

  # They need user managers of their own, which a build has not: tests/lab/lab runs them.
  doCheck = false;

  # No units for a user's manager: what a package has of them would shadow, or be shadowed by, those that are owned.
  postInstall = ''
    "$releaseDir/examples/man" generated
    installManPage generated/man1/*
    installShellCompletion --bash generated/bash/* --fish generated/fish/* --zsh generated/zsh/*

    install -D -m 444 -t "$out/lib/systemd/system" units/stack-manager@.timer
    substitute units/stack-manager@.service "$out/lib/systemd/system/stack-manager@.service" \
      --subst-var-by stackctl "$out/bin/stackctl"
    install -D -m 444 -t "$out/lib/systemd/catalog" units/stackwarden.catalog

    mkdir -p "$out/share/stackwarden"
    cp -r units "$out/share/stackwarden/"
    install -D -m 444 -t "$out/share/doc/stackwarden" README.md docs/*.md
    cp -r docs/schema docs/examples "$out/share/doc/stackwarden/"
    install -D -m 444 -t "$out/share/licenses/stackwarden" docs/LICENSE-*
  '';

  meta = {
    description = "Keeps rootless Compose stacks honest";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "stackctl";
    platforms = lib.platforms.linux;
  };
}
