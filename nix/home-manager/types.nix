# The types, and the kinds, of our options that nixpkgs does not have.
{ lib }:
let
  inherit (lib) mkOption types;
  pure = import ../lib;

  primitive = types.oneOf [
    types.bool
    types.int
    types.str
    types.path
  ];
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

  timespan = types.addCheck types.str pure.timespan.valid // {
    description = ''time span, such as "90s" or "1h 30min"'';
  };

  command = types.addCheck (types.listOf types.str) (list: list != [ ] && lib.head list != "") // {
    description = "program and its arguments, as a list of strings";
  };

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

  # The settings of one section of a unit, as Home Manager has them.
  section = types.attrsOf (types.either primitive (types.listOf primitive)) // {
    description = "settings of a section of a unit";
  };

  # A path alone, or with the path that is looked at when it is missing. Paths in the store and Nix paths are let in
  # here and refused by an assertion, which can name the stack.
  environmentFile =
    types.coercedTo (types.either types.str types.path)
      (path: {
        inherit path;
      })
      (
        types.submodule {
          options = {
            path = mkOption {
              type = types.either types.str types.path;
              example = "/run/secrets/immich.env";
              description = "The file, by its absolute path. It must not be in the Nix store, which everybody can read.";
            };
            fallback =
              optional types.str "/run/user/1000/secrets/immich.env"
                "Where to look if it is missing: for a move from one place to another, and deprecated.";
          };
        }
      );
}
