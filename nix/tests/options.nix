# The reference of the options, as Markdown.
{ nixpkgsLib }:
let
  lib = import nixpkgsLib;
  ofModule =
    title: options:
    let
      # What a package's default evaluates to is said in words.
      documented = lib.filter (option: option.visible && !option.internal) (
        lib.optionAttrSetToDocList options
      );
      ours = lib.filter (option: lib.hasPrefix "services.stackwarden." option.name) documented;
      shown =
        value:
        let
          text = value.text or (lib.generators.toPretty { } value);
        in
        if lib.hasInfix "\n" text then "\n\n  ```nix\n  ${indented text}\n  ```" else " `${text}`";
      indented = text: lib.replaceStrings [ "\n" ] [ "\n  " ] (lib.removeSuffix "\n" text);
      section =
        option:
        ''
          ### `${option.name}`

          ${lib.removeSuffix "\n" option.description}

          - type: ${option.type}
        ''
        + "- default:${if option ? default then shown option.default else " none: it must be set"}\n"
        + lib.optionalString (option ? example) "- example:${shown option.example}\n";
    in
    "## ${title}\n\n" + lib.concatStringsSep "\n" (map section ours);
in
''
  # Options

  Generated from the modules; `NIX_GOLDEN=write bash tests/lab/lab test nix` writes it anew.

''
+ ofModule "Home Manager" (import ./evaluate.nix { inherit nixpkgsLib; }).options
+ "\n"
+ ofModule "NixOS" (import ./evaluate-nixos.nix { inherit nixpkgsLib; }).options
