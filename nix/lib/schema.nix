# What is wrong with a value by one of our JSON Schemas, as far as Nix can tell: patterns are left to the programs.
# Builtins only.
let
  inherit (builtins)
    attrNames
    concatLists
    concatStringsSep
    elem
    filter
    genList
    hasAttr
    elemAt
    isAttrs
    isList
    length
    map
    toJSON
    ;

  timespan = import ./timespan.nix;

  typeOf =
    value:
    {
      int = "integer";
      float = "number";
      bool = "boolean";
      set = "object";
      list = "array";
    }
    .${builtins.typeOf value} or (builtins.typeOf value);
in
rec {
  # [ "lock_wait is 5; expected …" ]. `key` is that of the value.
  problems =
    schema: key: value:
    let
      types = if isList schema.type then schema.type else [ schema.type ];
      expected = text: [ "${key} is ${toJSON value}; expected ${text}" ];
      member = name: if key == "" then name else "${key}.${name}";
    in
    if schema ? "$ref" then
      if typeOf value == "string" && timespan.valid value then
        [ ]
      else
        expected "a time span, such as \"90s\" or \"1h 30min\""
    else if schema ? const then
      if value == schema.const then [ ] else expected (toJSON schema.const)
    else if schema ? enum then
      if elem value schema.enum then [ ] else expected "one of ${toJSON schema.enum}"
    else if !elem (typeOf value) types then
      expected (concatStringsSep " or " types)
    else if schema ? minimum && value < schema.minimum then
      expected "at least ${toString schema.minimum}"
    else if isAttrs value then
      map (
        name:
        "${member name} is not known; known are ${concatStringsSep ", " (attrNames schema.properties)}"
      ) (filter (name: !hasAttr name schema.properties) (attrNames value))
      ++ concatLists (
        map (name: problems schema.properties.${name} (member name) value.${name}) (
          filter (name: hasAttr name schema.properties) (attrNames value)
        )
      )
    else if isList value then
      concatLists (
        genList (index: problems schema.items "${key}[${toString index}]" (elemAt value index)) (
          length value
        )
      )
    else
      [ ];
}
