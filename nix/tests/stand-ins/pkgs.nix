# A stand-in for nixpkgs' package set. For evaluation alone the packages are names; to build, they are made of what the
# machine has: bash, coreutils, podman, docker-compose, and the programs in `programs`.
{
  lib,
  build ? false,
  programs ? "/opt/stackwarden/bin",
  sdSwitch ? "/home/me/tools/sd-switch",
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
      environment
      // {
        inherit name system;
        builder = "/bin/bash";
        args = [
          "-ec"
          "source \"$scriptPath\""
        ];
        passAsFile = [ "script" ] ++ environment.passAsFile or [ ];
        script = ''
          export HOME=/homeless-shelter
          PATH=${
            lib.concatMapStrings (input: "${input}/bin:") (environment.nativeBuildInputs or [ ])
          }/usr/bin:/bin
          source ${./stdenv.sh}
          ${script}
        '';
      }
    );

  # A package of one program of the machine's, or of all of them.
  linked =
    name: program:
    if build then
      built name { } ''
        mkdir -p "$out/bin"
        ln -s ${program} "$out/bin/"
      ''
    else
      named name;
  machine = linked "machine" "/usr/bin/*";

  scripts =
    name: texts:
    if build then
      built name { } (
        lib.concatStrings (
          lib.mapAttrsToList (program: text: ''
            mkdir -p "$out/bin"
            printf '#!/bin/sh\n%s\n' ${lib.escapeShellArg text} > "$out/bin/${program}"
            chmod +x "$out/bin/${program}"
          '') texts
        )
      )
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
  runCommand = runCommandLocal;

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
          passAsFile = [ "text" ];
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

  # What the real Home Manager makes a generation of. Translations it can do without.
  bash = machine;
  coreutils = machine;
  diffutils = machine;
  findutils = machine;
  gnugrep = machine;
  gnused = machine;
  jq = machine;
  ncurses = machine;
  systemd = machine;
  gettext = scripts "gettext" {
    gettext = "printf %s \"$1\"";
    ngettext = "[ \"$3\" = 1 ] || shift; printf %s \"$1\"";
    msgfmt = ": > \"$2\"";
  };
  buildPackages = {
    inherit gettext;
  };
  lndir = machine;
  sd-switch = linked "sd-switch" sdSwitch // {
    meta.mainProgram = "sd-switch";
  };
  emptyDirectory = runCommandLocal "empty" { } "mkdir \"$out\"";
  glibcLocales = emptyDirectory // {
    version = "2.40";
  };
  formats.ini = _: { type = lib.types.attrs; };

  writeText =
    name: text:
    writeTextFile {
      inherit name text;
    };
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeShellScript = name: text: writeScript name "#!${runtimeShell}\n${text}";
  replaceVars =
    file: values:
    writeText (baseNameOf file) (
      lib.replaceStrings (map (name: "@${name}@") (lib.attrNames values)) (map toString (
        lib.attrValues values
      )) (builtins.readFile file)
    );
  buildEnv =
    { name, paths, ... }:
    runCommandLocal name { } (
      lib.concatMapStrings (path: ''
        (cd ${path} && find . -mindepth 1 -type d -exec mkdir -p "$out/{}" \;)
        (cd ${path} && find . ! -type d -exec ln -sf "${path}/{}" "$out/{}" \;)
      '') paths
    );
}
