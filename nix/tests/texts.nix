# The unit texts of a case, and what Home Manager makes of them.
{ case, token }:
let
  pure = import ../lib;
  json = name: builtins.fromJSON (builtins.readFile (case + "/${name}"));
  place = json "place.json";
  common = {
    seals = "${place.home}/.config/stackwarden/sealed";
    host = json "config.json";
    inherit (place) programs;
  };
  entries = builtins.filter (name: name != "place.json" && name != "config.json") (
    builtins.attrNames (builtins.readDir case)
  );
  ofStack =
    file:
    pure.stack (
      common
      // {
        name = builtins.head (builtins.match "(.*)\\.json" file);
        entry = json file;
      }
    );
  texts = builtins.mapAttrs (_: unit: unit.text token);
in
{
  inherit entries;
  shipped = texts (pure.shipped common);
  stack = texts (ofStack (builtins.head entries));
  homeManager = builtins.mapAttrs (_: unit: pure.units.toINI (unit.settings token)) (
    pure.shipped common // ofStack (builtins.head entries)
  );
}
