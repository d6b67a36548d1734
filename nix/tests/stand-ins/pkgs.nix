# A stand-in for nixpkgs' package set. For evaluation alone the packages are names; to build, they are made of what the
# machine has: bash, coreutils, podman, docker-compose, and the programs in `programs`.
{
  lib,
  build ? false,
  programs ? "/opt/stackwarden/bin",
  generation ? "1",
}:
let
  system = "x86_64-linux";

  named = name: {
    type = "derivation";
    inherit name system;
    # Nix writes its hashes without an "e".
    outPath = "${builtins.storeDir}/${
      lib.substring 0 32 (lib.replaceStrings [ "e" ] [ "g" ] (builtins.hashString "sha256" name))
    }-${name}";
  };

  built =
    name: environment: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/bash";
        args = [
          "-euc"
          "source \"$scriptPath\""
        ];
        passAsFile = [ "script" ];
        script = ''
          export HOME=/homeless-shelter
          ${script}
        '';
        PATH = "/usr/bin:/bin";
      }
      // environment
    );

  linked =
    name: program:
    if build then
      built name { } ''
        mkdir -p "$out/bin"
        ln -s ${program} "$out/bin/"
      ''
    else
      named name;
in
rec {
  inherit lib system;
  # For the real Home Manager.
  path = ./nixpkgs;
  stdenv.hostPlatform = {
    inherit system;
    isLinux = true;
    isDarwin = false;
  };
  runtimeShell = "/bin/bash";

  runCommandLocal =
    name: environment: script:
    if build then built name environment script else named name // { inherit script; };

  writeTextFile =
    {
      name,
      text,
      destination ? "",
      executable ? false,
      ...
    }:
    if build then
      built name
        {
          inherit text;
          passAsFile = [
            "script"
            "text"
          ];
        }
        ''
          mkdir -p "$(dirname "$out${destination}")"
          cp "$textPath" "$out${destination}"
          ${lib.optionalString executable "chmod +x \"$out${destination}\""}
        ''
    else
      named name // { inherit text; };
  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      destination = "/${path}";
      inherit text;
    };

  # `generation` stands for a version: another one is another package with the same programs.
  stackwarden =
    if build then
      built "stackwarden-${generation}" { } ''
        mkdir -p "$out/bin"
        cp ${programs}/* "$out/bin/"
      ''
    else
      named "stackwarden-${generation}";
  podman = linked "podman" "/usr/bin/podman";
  docker-compose = linked "docker-compose" "/usr/bin/docker-compose";
  skopeo = linked "skopeo" "/usr/bin/skopeo";
  podman-compose = linked "podman-compose" "/usr/bin/podman-compose";
}
