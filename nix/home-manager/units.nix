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

  # A value that a user sets wins over ours; lists are put together.
  overridable = lib.mapAttrs (
    _: lib.mapAttrs (_: value: if lib.isList value then value else lib.mkDefault value)
  );

  define =
    units:
    lib.mkMerge (
      lib.mapAttrsToList (
        name: unit:
        let
          at = declared.placeOf name;
        in
        {
          ${at.set}.${at.stem} = lib.mkMerge unit;
        }
      ) units
    );

  # The longest that one of the stacks can take to start, in seconds.
  startBound = lib.foldl' lib.max 120 (
    lib.mapAttrsToList (
      _: entry: pure.timespan.seconds [ (pure.startBound declared.place.host entry) ]
    ) declared.entries
  );

  # What options say in the place of a template.
  adjusted = lib.mapAttrs (_: lib.filterAttrs (_: value: value != null && value != [ null ])) {
    "stack-audit.timer" = {
      OnStartupSec = [ cfg.audit.onBootSec ];
      OnCalendar = [ cfg.audit.interval ];
    };
    "stack-update.timer" = {
      OnCalendar = [ cfg.update.onCalendar ];
      RandomizedDelaySec = cfg.update.randomizedDelaySec;
      Persistent = cfg.update.persistent;
    };
  };
  adjust =
    name: settings:
    if adjusted ? ${name} then
      settings // { Timer = settings.Timer // adjusted.${name}; }
    else
      settings;

  # What Home Manager's sops module knows of the files that a stack reads.
  sopsSecrets = lib.optionals (options ? sops) (lib.attrValues config.sops.secrets);
  secretsOf =
    stack:
    lib.filter (
      secret: lib.any (file: toString file.path == secret.path) stack.environmentFiles
    ) sopsSecrets;

  lifecycle =
    name: stack: settings:
    let
      secrets = secretsOf stack;
      sops = lib.optional (secrets != [ ]) "sops-nix.service";
      targets = lib.toList (
        if stack.autoStart == true then settings.Install.WantedBy else stack.autoStart
      );
    in
    settings
    // {
      Unit = settings.Unit // {
        After = stack.after ++ sops ++ settings.Unit.After;
        Wants = stack.wants ++ sops ++ settings.Unit.Wants;
        X-SwitchMethod = stack.switchMethod;
        X-Restart-Triggers = [
          (builtins.hashString "sha256" (builtins.toJSON declared.entries.${name}))
        ]
        # One that does not exist is refused by sops-nix.
        ++ map (builtins.hashFile "sha256") (
          lib.filter builtins.pathExists (map (secret: secret.sopsFile) secrets)
        )
        ++ map toString stack.restartTriggers;
      };
      Install = settings.Install // {
        WantedBy = if stack.autoStart == false then [ ] else targets;
      };
    };
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
          (overridable (adjust name (unit.settings (declared.token name))))
        ]) declared.shipped
      ))
      (lib.mkMerge (
        lib.mapAttrsToList (
          stack: units:
          define (
            lib.mapAttrs (
              name: unit:
              let
                settings = unit.settings (declared.token name);
              in
              if name == "${stack}.service" then
                [
                  (overridable (lifecycle stack declared.stacks.${stack} settings))
                  declared.stacks.${stack}.extraConfig
                ]
              else
                [ (overridable settings) ]
            ) units
          )
        ) declared.ofStacks
      ))
    ];
  };
}
