# What is wrong with the owned units as they are in the end: one that somebody else defines too, and one that somebody
# has changed so that it cannot be audited.
{
  config,
  lib,
  options,
}:
let
  inherit (lib)
    any
    concatLists
    concatStringsSep
    filter
    length
    mapAttrsToList
    optional
    optionals
    toList
    ;
  declared = import ./declared.nix { inherit config lib; };
  ownFile = toString ./units.nix;

  refuse = problem: {
    assertion = false;
    message = problem;
  };

  # What is in a definition, with the priority that it has.
  contents =
    priority: value:
    {
      merge = lib.concatMap (contents priority) value.contents;
      "if" = optionals value.condition (contents priority value.content);
      order = contents priority value.content;
      override = contents value.priority value.content;
    }
    .${if lib.isAttrs value then value._type or "" else ""} or [ { inherit priority value; } ];

  # The same of what is in it by that path. Without a priority it has 100; `lib.mkForce` is 50, `lib.mkDefault` 1000.
  within =
    path: value:
    lib.foldl' (
      found: name:
      lib.concatMap (
        one:
        if lib.isAttrs one.value && one.value ? ${name} then
          contents one.priority one.value.${name}
        else
          [ ]
      ) found
    ) (contents 100 value) path;

  # Who else gives a service a command, when nobody forces one. A string and a list would not even be put together.
  alsoIn =
    at:
    let
      found = concatLists (
        map (
          definition:
          map (one: one // { inherit (definition) file; }) (
            within [ at.stem "Service" "ExecStart" ] definition.value
          )
        ) options.systemd.user.${at.set}.definitionsWithLocations
      );
      plain = filter (one: one.priority == 100 && one.file != ownFile) found;
    in
    optionals (!any (one: one.priority < 100) found) (lib.unique (map (one: toString one.file) plain));

  ofUnit =
    seal: unit:
    let
      at = declared.placeOf unit;
      subject =
        if seal == declared.pure.shippedSeal then
          "services.stackwarden"
        else
          "services.stackwarden.stacks.${seal}";
      option = "systemd.user.${at.set}.${at.stem}";
      problem = text: refuse "${subject}: ${option} ${text}";
      others = alsoIn at;
      there = config.systemd.user.${at.set} ? ${at.stem};
      final = declared.final unit;

      # As systemd reads a list: an empty value takes back what came before it.
      effective =
        values:
        lib.foldl' (before: value: if value == "" then [ ] else before ++ [ value ]) [ ] (toList values);

      commands = effective (final.Service.ExecStart or [ ]);
      ofService =
        optional (length commands > 1) (
          problem "has more than one ExecStart (${builtins.toJSON commands}); force the one that is meant"
        )
        ++ optional (commands == [ ]) (
          problem "has no ExecStart any more; next: remove what forces it to nothing"
        );

      # What a path or a timer is for, and what it starts.
      section = if at.set == "paths" then "Path" else "Timer";
      settings = final.${section} or { };
      starts = settings.Unit or "${at.stem}.service";
      meant = declared.startedBy.${unit};
      events = filter (
        key: builtins.match "On.*|Path.*|DirectoryNotEmpty" key != null && effective settings.${key} != [ ]
      ) (lib.attrNames settings);
      ofWatcher =
        optional (starts != meant) (
          problem "starts ${starts}, and not ${meant}: it is also defined by another module; rename that one"
        )
        ++ optional (events == [ ]) (
          problem "waits for nothing any more; next: remove what forces it to nothing${
            lib.optionalString (at.set == "timers") ", or set the time by its option"
          }"
        );

      # What enables it: each link is made, and audited, by the name of a unit.
      enablers = concatLists (
        map
          (
            key:
            map (target: { inherit key target; }) (
              filter (target: !lib.isString target || !declared.pure.names.isUnit target) (
                toList (final.Install.${key} or [ ])
              )
            )
          )
          [
            "WantedBy"
            "RequiredBy"
          ]
      );
      ofInstall =
        map (
          one:
          problem "has ${builtins.toJSON one.target} in Install.${one.key}; expected a unit's name, such as \"default.target\""
        ) enablers
        ++
          map
            (
              key:
              problem "has Install.${key}, of which Home Manager makes no link; use WantedBy or RequiredBy, or say it in the other unit"
            )
            (
              filter (key: toList (final.Install.${key} or [ ]) != [ ]) [
                "Alias"
                "Also"
                "DefaultInstance"
                "UpheldBy"
              ]
            );

      # As src/render writes it: of what a stack's name can have, only the colon is escaped, and the percent sign again.
      fileOf = lib.replaceStrings [ ":" ] [ "%+3A" ] (lib.escapeRegex seal);
      isSeal =
        link:
        lib.isString link
        && builtins.match "file://.*/stackwarden/sealed/${fileOf}[.]json#[0-9a-f]+ .*" link != null;
      ofSeal = optional (!any isSeal (effective (final.Unit.Documentation or [ ]))) (
        problem "has lost the link to its seal; add to Unit.Documentation without lib.mkForce"
      );

      assignments = concatLists (
        mapAttrsToList (
          name: settings:
          mapAttrsToList (key: value: {
            name = "${name}.${key}";
            values = filter lib.isString (toList value);
          }) settings
        ) final
      );
      ofLines =
        map (one: problem "has more than one line in ${one.name}, or a \"\\\" at the end of one") (
          filter (one: !lib.all declared.pure.names.isLine one.values) assignments
        )
        ++
          map (one: problem "has the setting ${builtins.toJSON one.name}; expected letters, digits and \"-\"")
            (
              filter (
                one: builtins.match "[A-Za-z][A-Za-z0-9-]*\\.[A-Za-z][A-Za-z0-9-]*" one.name == null
              ) assignments
            );
    in
    if others != [ ] then
      [
        (problem "is also defined in ${concatStringsSep " and " others}, with a command of its own: a unit has one owner; rename one of the two, or force the command that is meant")
      ]
    else if !there then
      [ (problem "is not there any more; next: remove what forces systemd.user.${at.set}") ]
    else
      (if at.set == "services" then ofService else ofWatcher) ++ ofInstall ++ ofSeal ++ ofLines;
in
concatLists (mapAttrsToList (seal: units: lib.concatMap (ofUnit seal) units) declared.bySeal)
