# The types, and the kinds, of our options that nixpkgs does not have.
{ lib }:
let
  inherit (lib) mkOption types;
  pure = import ../lib;

  checked =
    type: check: description:
    types.addCheck type check // { inherit description; };

  # One assignment. A path is one of the store, or of the machine.
  primitive = types.oneOf [
    types.bool
    types.int
    line
    (checked types.path (path: pure.names.isLine (toString path)) "path")
  ];
  line = checked types.str pure.names.isLine "string of one line, without \"\\\" at its end";
in
rec {
  # An option that is on or off.
  flag =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
      example = !default;
    };

  # An option that may be left to somebody else.
  optional =
    type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit example description;
    };

  # A bound.
  bound =
    default: example: description:
    mkOption {
      type = timespan;
      inherit default example description;
    };

  timespan = checked types.str pure.timespan.valid ''time span, such as "90s" or "1h 30min"'';

  # systemd's own; it knows more, and what has no unit is seconds.
  delay = checked types.str (
    text: builtins.match " *([0-9]+(\\.[0-9]+)? *(${delayUnits})? *)+" text != null
  ) ''time span as in systemd.time(7), such as "90s" or "1h 30min"'';
  delayUnits = "us|usec|ms|msec|s|sec|second|seconds|m|min|minute|minutes|h|hr|hour|hours|d|day|days|w|week|weeks|M|month|months|y|year|years";

  # Whether there is such a time is looked at when the generation is built.
  calendar =
    checked types.str pure.calendar.isForm
      ''time as in systemd.time(7), such as "Sun 05:00" or "*:0/15"'';

  command = checked (types.listOf types.str) (
    list: list != [ ] && lib.head list != ""
  ) "program and its arguments, as a list of strings";

  text = checked types.str pure.names.isPrintable "string of one line, without control characters";
  unitName =
    checked types.str pure.names.isUnit
      ''name of a unit with its type, such as "web.service"'';
  dropIn = checked text (
    name:
    if lib.hasPrefix "/" name then
      pure.names.normal name == name
    else
      builtins.match "[^/]+\\.conf" name != null
  ) "file name of a drop-in (x.conf), or its absolute path";
  searchDirectory = checked text (
    directory: builtins.match "/[^:]*" directory != null
  ) "absolute path without \":\"";

  # For X-Restart-Triggers.
  trigger = types.either types.package line;

  json =
    types.nullOr (
      types.oneOf [
        types.bool
        types.int
        types.float
        types.str
        (types.listOf json)
        (types.attrsOf json)
      ]
    )
    // {
      description = "JSON value";
    };

  # The settings of one section of a unit, as Home Manager has them. The unit gets the definitions as they were made, so
  # that `mkForce`, `mkBefore` and the like are about what is there already, and not about each other alone.
  section =
    let
      plain = types.attrsOf (types.either primitive (types.listOf primitive));
      look = value: if lib.isList value then map builtins.typeOf value else builtins.typeOf value;
    in
    lib.mkOptionType {
      name = "section";
      description = "settings of a section of a unit";
      inherit (plain) check emptyValue;
      merge =
        loc: definitions:
        let
          merged = plain.merge loc definitions;
        in
        # What is wrong is told of this option, and not of the unit.
        builtins.deepSeq (lib.mapAttrs (_: look) merged) (
          merged // lib.mkMerge (map (definition: definition.value) definitions)
        );
    };

  # A path alone, or with the path that is looked at when it is missing. Paths in the store and Nix paths are let in
  # here and refused by an assertion, which can name the stack.
  filePath = types.either text (checked types.path builtins.isPath "path");
  environmentFile =
    types.coercedTo (types.either types.str types.path)
      (path: {
        inherit path;
      })
      (
        types.submodule {
          options = {
            path = mkOption {
              type = filePath;
              example = "/run/secrets/immich.env";
              description = "The file, by its absolute path. It must not be in the Nix store, which everybody can read.";
            };
            fallback =
              optional text "/run/user/1000/secrets/immich.env"
                "Where to look if it is missing: for a move from one place to another, and deprecated.";
          };
        }
      );
}
