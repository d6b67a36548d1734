# Values made fit for their place in a unit file, as in src/render.rs. Builtins only.
let
  inherit (builtins)
    concatStringsSep
    elemAt
    genList
    hasAttr
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    ;

  characters = text: genList (index: substring index 1 text) (stringLength text);

  hexadecimal = characters "0123456789ABCDEF";
  printable = characters " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
  percent = listToAttrs (
    genList (index: {
      name = elemAt printable index;
      value =
        let
          code = index + 32;
        in
        "%${elemAt hexadecimal (code / 16)}${elemAt hexadecimal (code - (code / 16) * 16)}";
    }) 95
  );
in
rec {
  # "%" introduces a specifier in every unit setting.
  specifiers = replaceStrings [ "%" ] [ "%%" ];

  # The inside of a double-quoted string.
  quoted =
    replaceStrings
      [
        "\\"
        "\""
        "%"
      ]
      [
        "\\\\"
        "\\\""
        "%%"
      ];

  # One word of a command line or of a list of paths.
  word = text: if match "[A-Za-z0-9/._+:,-]*" text != null then text else "\"${quoted text}\"";

  # A path as the path of a URL. Nix cannot look at the bytes of what is not ASCII.
  urlPath =
    path:
    concatStringsSep "" (
      map (
        character:
        if match "[A-Za-z0-9/._~-]" character != null then
          character
        else if hasAttr character percent then
          percent.${character}
        else
          throw "stackwarden: the path ${path} has characters that are not printable ASCII"
      ) (characters path)
    );
}
