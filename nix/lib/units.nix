# The templates in units/, filled by the rules of src/render and read into the attribute sets that Home Manager
# makes units of. Builtins only.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    groupBy
    hasAttr
    head
    isBool
    isList
    isString
    length
    listToAttrs
    map
    mapAttrs
    match
    readDir
    readFile
    replaceStrings
    split
    ;

  lines =
    text:
    let
      all = filter isString (split "\n" text);
      count = length all;
      last = elemAt all (count - 1);
    in
    if last == "" then firsts (count - 1) all else all;
  firsts = count: list: builtins.genList (elemAt list) count;

  # Settings of which systemd keeps every assignment. What else stands in a template more than once is a list too; the
  # targets of [Install] are one by one.
  accumulates =
    key:
    match "(Condition|Assert|Exec|Path|On).*" key != null
    || elem key [
      "After"
      "Before"
      "BindsTo"
      "Conflicts"
      "Documentation"
      "Environment"
      "EnvironmentFile"
      "PartOf"
      "Requires"
      "RequiresMountsFor"
      "SystemCallFilter"
      "Upholds"
      "Wants"
    ];

  words = text: filter (word: isString word && word != "") (split "[[:space:]]+" text);

  assignment =
    line:
    let
      found = match "([^=]*[^= ]) *= *(.*)" line;
    in
    if found == null then
      throw "stackwarden: a template has the line ${line}, which is no assignment"
    else if match ".*\\\\" line != null then
      throw "stackwarden: a template continues the line ${line}, which is not read here"
    else
      {
        name = elemAt found 0;
        value = elemAt found 1;
      };
in
rec {
  # What is in units/: the shipped units, and those of each stack, with "@stack@" in their names. What has no
  # seal is not of a user's manager.
  templates =
    directory:
    let
      types = "service|path|timer|socket|target|slice|mount|automount";
      entries = readDir directory;
      named = filter (name: entries.${name} == "regular" && match ".+\\.(${types})" name != null) (
        attrNames entries
      );
      texts = listToAttrs (
        map (name: {
          inherit name;
          value = readFile (directory + "/${name}");
        }) named
      );
      kept = of: removeAttrs texts (filter (name: !of name) named);
      perStack = name: match ".*@stack@.*" name != null;
      sealed = name: length (split "@seal@" texts.${name}) > 1;
    in
    {
      shipped = kept (name: sealed name && !perStack name);
      stack = kept perStack;
    };

  # "web.service" as { stem = "web"; type = "service"; }.
  nameParts =
    name:
    let
      found = match "(.*)\\.([a-z]+)" name;
    in
    {
      stem = elemAt found 0;
      type = elemAt found 1;
    };

  # "@name@" is replaced by values.name, once; a line that then sets nothing is left out.
  fill =
    values: template:
    let
      names = attrNames values;
      replaced = replaceStrings (map (name: "@${name}@") names) (map (name: values.${name}) names);
      setsNothing = line: filled: filled != line && match "[^=]*=" filled != null;
      filled = concatMap (
        line:
        let
          text = replaced line;
        in
        if setsNothing line text then [ ] else [ text ]
      ) (lines template);
    in
    concatStringsSep "" (map (line: line + "\n") filled);

  # The placeholders in a template that `values` has nothing for; "@token@" is filled in later.
  unfilled =
    values: template:
    let
      found = map head (filter isList (split "@([a-z_]+)@" template));
    in
    filter (name: name != "token" && !hasAttr name values) found;

  # A unit text as { Section.Key = value; }. What systemd accumulates is a list with an element for each assignment,
  # everything else a string.
  read =
    text:
    let
      relevant = filter (line: match "[[:space:]]*([#;].*)?" line == null) (lines text);
      step =
        state: line:
        let
          header = match "\\[([^]]+)]" line;
        in
        if header != null then
          {
            section = head header;
            inherit (state) assignments;
          }
        else
          {
            inherit (state) section;
            assignments = state.assignments ++ [ (assignment line // { inherit (state) section; }) ];
          };
      found =
        (foldl' step {
          section = throw "stackwarden: a template has an assignment outside of a section";
          assignments = [ ];
        } relevant).assignments;
      value =
        section: key: assignments:
        let
          values = map (one: one.value) assignments;
        in
        if section == "Install" then
          concatMap words values
        else if accumulates key || length values > 1 then
          values
        else
          head values;
    in
    mapAttrs (section: assignments: mapAttrs (value section) (groupBy (one: one.name) assignments)) (
      groupBy (one: one.section) found
    );

  # What Home Manager writes for { Section.Key = value; }: sections and keys in alphabetical order, null and empty
  # lists left out (its modules/systemd.nix, and lib.generators.toINI).
  toINI =
    unit:
    let
      shown = value: if isBool value then (if value then "true" else "false") else toString value;
      assignments =
        section:
        concatLists (
          map (
            key:
            let
              value = section.${key};
            in
            if value == null then
              [ ]
            else
              map (one: "${key}=${shown one}\n") (if isList value then value else [ value ])
          ) (attrNames section)
        );
      sections = filter (section: section.text != [ ]) (
        map (name: {
          inherit name;
          text = assignments unit.${name};
        }) (attrNames unit)
      );
    in
    concatStringsSep "\n" (
      map (section: "[${section.name}]\n" + concatStringsSep "" section.text) sections
    );
}
