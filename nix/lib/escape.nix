# Values made fit for their place in a unit file, as in src/render/escape.rs. Builtins only.
let
  inherit (builtins)
    concatStringsSep
    elemAt
    filter
    fromJSON
    genList
    hasAttr
    listToAttrs
    match
    replaceStrings
    stringLength
    substring
    ;

  characters = text: genList (index: substring index 1 text) (stringLength text);

  # The control characters, as JSON and as unit files write them. No text has a NUL.
  control =
    map
      (digits: {
        inherit digits;
        character = fromJSON "\"\\u00${digits}\"";
      })
      (
        filter (digits: digits != "00") (
          map (digit: "0${digit}") lowercase ++ map (digit: "1${digit}") lowercase
        )
        ++ [ "7f" ]
      );
  lowercase = characters "0123456789abcdef";
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

  # A text to the end of its line. A backslash there would join the next line to it; the space that keeps it from that
  # is not part of the value.
  line = text: specifiers text + (if match ".*\\\\" text != null then " " else "");

  # The inside of a double-quoted string.
  quoted =
    replaceStrings
      (
        [
          "\\"
          "\""
          "%"
        ]
        ++ map (code: code.character) control
      )
      (
        [
          "\\\\"
          "\\\""
          "%%"
        ]
        ++ map (code: "\\x${code.digits}") control
      );

  isPlain = text: match "[A-Za-z0-9/._+:,-]*" text != null;

  # A path as one of the words of a line; quoted only where it must be.
  word = path: if isPlain path then path else "\"${quoted path}\"";

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
