# The units, as definitions that a user may add to and override.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.services.stackwarden;
  declared = import ./declared.nix { inherit config lib; };
  inherit (declared) pure;

  # A value that a user sets wins over a template's; lists are put together.
  overridable = lib.mapAttrs (
    _: lib.mapAttrs (_: value: if lib.isList value then value else lib.mkDefault value)
  );

  define =
    units:
    lib.mkMerge (
      lib.mapAttrsToList (
        name: unit:
        let
          parts = pure.units.nameParts name;
        in
        {
          ${declared.sets.${parts.type}}.${parts.stem} = lib.mkMerge unit;
        }
      ) units
    );

  # The longest that one of the stacks can take to start, in seconds.
  startBound = lib.foldl' lib.max 120 (
    lib.mapAttrsToList (
      _: entry: pure.timespan.seconds [ (pure.startBound declared.place.host entry) ]
    ) declared.entries
  );

  replaceList = value: lib.mkIf (value != null) (lib.mkForce [ value ]);
  replace = value: lib.mkIf (value != null) value;

  adjusted = {
    "stack-audit.timer".Timer = {
      OnStartupSec = replaceList cfg.audit.onBootSec;
      OnCalendar = replaceList cfg.audit.interval;
    };
    "stack-update.timer".Timer = {
      OnCalendar = replaceList cfg.update.onCalendar;
      RandomizedDelaySec = replace cfg.update.randomizedDelaySec;
      Persistent = cfg.update.persistent;
    };
  };

  # What Home Manager's sops module knows of the files that a stack reads.
  sopsSecrets = lib.optionals (options ? sops) (lib.attrValues config.sops.secrets);
  secretsOf =
    stack:
    lib.filter (
      secret: lib.any (file: toString file.path == secret.path) stack.environmentFiles
    ) sopsSecrets;

  lifecycle =
    name: stack:
    let
      secrets = secretsOf stack;
      sops = lib.optional (secrets != [ ]) "sops-nix.service";
    in
    [
      {
        Unit = {
          After = lib.mkIf (stack.after ++ sops != [ ]) (stack.after ++ sops);
          Wants = lib.mkIf (stack.wants ++ sops != [ ]) (stack.wants ++ sops);
          X-SwitchMethod = stack.switchMethod;
          X-Restart-Triggers = [
            (builtins.hashString "sha256" (builtins.toJSON declared.entries.${name}))
          ]
          ++ map (secret: builtins.hashFile "sha256" secret.sopsFile) secrets
          ++ map toString stack.restartTriggers;
        };
        Install.WantedBy = lib.mkIf (stack.autoStart != true) (
          lib.mkForce (lib.optional (lib.isString stack.autoStart) stack.autoStart)
        );
      }
      stack.extraConfig
    ];
in
{
  config = lib.mkIf cfg.enable {
    systemd.user = lib.mkMerge [
      {
        startServices = lib.mkDefault "sd-switch";
        # With 0 sd-switch gives up after two minutes; a stack may have to pull its images first.
        servicesStartTimeoutMs = lib.mkDefault (startBound * 1000);
      }
      (define (
        lib.mapAttrs (name: unit: [
          (overridable (unit.settings (declared.token name)))
          (adjusted.${name} or { })
        ]) declared.shipped
      ))
      (lib.mkMerge (
        lib.mapAttrsToList (
          stack: units:
          define (
            lib.mapAttrs (
              name: unit:
              [ (overridable (unit.settings (declared.token name))) ]
              ++ lib.optionals (name == "${stack}.service") (lifecycle stack declared.stacks.${stack})
            ) units
          )
        ) declared.ofStacks
      ))
    ];
  };
}
