# From a declaration to unit texts, without nixpkgs: what src/render does, of the same templates. Builtins only.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    genList
    length
    listToAttrs
    map
    match
    replaceStrings
    ;

  calendar = import ./calendar.nix;
  escape = import ./escape.nix;
  names = import ./names.nix;
  schema = import ./schema.nix;
  timespan = import ./timespan.nix;
  units = import ./units.nix;

  templates = units.templates ../../units;

  # What a start may take beside the steps that have bounds of their own, and what compose may take to stop containers:
  # as in src/render/bounds.rs.
  startMargin = "60s";
  stopBound = "10min";
  alertMargin = "2min";

  # What unit texts need of config.json and may be left out there: the defaults of src/inventory/host.rs.
  complete =
    host:
    {
      lock_wait = "5min";
    }
    // host
    // {
      alert = {
        timeout = "30s";
      }
      // host.alert or { };
    };

  # As in src/inventory/entry.rs.
  hookTimeout = "10min";

  seconds = spans: "${toString (timespan.seconds spans)}s";

  # The longest that a start can take by its own bounds.
  startBound =
    host: entry:
    seconds (
      [
        (complete host).lock_wait
        entry.pull_timeout
        entry.startup_timeout
        startMargin
      ]
      ++ (if entry.verify.mode == "gate" then [ entry.verify.timeout ] else [ ])
    );

  # The longest that going back can take: images that were pruned are fetched again, and before the operator's commands
  # some services are stopped, and some started.
  wayBack =
    entry:
    [
      entry.pull_timeout
      entry.startup_timeout
      entry.verify.timeout
      startMargin
    ]
    ++ (
      if (entry.update.on_rollback or [ ]) == [ ] then
        [ ]
      else
        [
          entry.startup_timeout
          entry.startup_timeout
        ]
    )
    ++ hooks entry (entry.update.on_rollback or [ ]);
  hooks = entry: commands: genList (_: entry.update.hook_timeout or hookTimeout) (length commands);

  # The longest that an update can take by its own bounds: what another one left open is settled first, then the way
  # there, then the way back.
  updateBound =
    host: entry:
    let
      there =
        hooks entry (entry.update.before or [ ]) ++ wayBack (entry // { update = { }; }) ++ wayBack entry;
    in
    seconds (
      [
        (complete host).lock_wait
        (complete host).lock_wait
      ]
      ++ there
      ++ there
    );

  # A template with its values. The token is asked for last: under Home Manager it depends on all the rest.
  unit = values: template: {
    text =
      token:
      let
        unknown = units.unfilled values template;
      in
      if unknown != [ ] then
        throw "stackwarden: a unit template has the placeholder @${builtins.head unknown}@, which is not known"
      else
        units.fill (values // { inherit token; }) template;
    settings =
      token:
      let
        read = units.read (units.fill values template);
      in
      read
      // {
        Unit = read.Unit // {
          Documentation = map (replaceStrings [ "@token@" ] [ token ]) read.Unit.Documentation;
        };
      };
  };

  common =
    {
      seals,
      seal,
      host,
      programs,
    }:
    {
      seal = escape.specifiers (escape.urlPath "${seals}/${seal}.json");
      path = escape.quoted host.path;
      stackctl = escape.word "${programs}/stackctl";
      stack_audit = escape.word "${programs}/stack-audit";
      stack_update = escape.word "${programs}/stack-update";
      alert_timeout = seconds [
        (complete host).alert.timeout
        (complete host).alert.timeout
        (complete host).alert.timeout
        alertMargin
      ];
    };
in
{
  inherit
    calendar
    escape
    names
    schema
    startBound
    timespan
    units
    ;

  # The name of the seal of the shipped units.
  shippedSeal = "stackwarden";

  # The names of the shipped units, and what follows a stack's name in those of its own.
  shippedNames = attrNames templates.shipped;
  suffixes = map (replaceStrings [ "@stack@" ] [ "" ]) (attrNames templates.stack);

  # { "stack-audit.service" = { text = token: …; settings = token: …; }; … }. `seals` is the directory of the seals,
  # `host` the content of config.json, `programs` the directory of the programs.
  shipped =
    {
      seals,
      host,
      programs,
    }:
    builtins.mapAttrs (
      _:
      unit (common {
        inherit seals host programs;
        seal = "stackwarden";
      })
    ) templates.shipped;

  # The units of the stack `name`, of whose inventory file `entry` is the content.
  stack =
    {
      seals,
      host,
      programs,
      name,
      entry,
    }:
    let
      isBlank = text: match "[[:space:]]*" text != null;
      values =
        common {
          inherit seals host programs;
          seal = name;
        }
        // {
          stack = escape.specifiers name;
          description = escape.line (
            if isBlank entry.description then "Compose stack ${name}" else entry.description
          );
          requires_mounts = concatStringsSep " " (map escape.word entry.requires_mounts);
          verify = if entry.verify.mode == "detached" then "stack-verify@${name}.service" else "";
          start_timeout = startBound host entry;
          update_timeout = updateBound host entry;
          update_stop_timeout = seconds (wayBack entry);
          stop_timeout = seconds [
            stopBound
            (complete host).lock_wait
          ];
        };
    in
    listToAttrs (
      map (template: {
        name = replaceStrings [ "@stack@" ] [ name ] template;
        value = unit values templates.stack.${template};
      }) (attrNames templates.stack)
    );
}
