# The programs, with what belongs to them: man pages, completions, the message catalog, the unit templates.
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

  # They need user managers of their own, which a build has not: tests/lab/lab runs them.
  doCheck = false;

  postInstall = ''
    mkdir -p "$out/share/stackwarden"
    cp -r units "$out/share/stackwarden/"
    install -D -m 444 -t "$out/share/doc/stackwarden" README.md docs/*.md
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
