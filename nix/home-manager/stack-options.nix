# The options of one stack. `config` is that of Home Manager.
{ config }:
{ name, lib, ... }:
let
  inherit (lib) literalExpression mkOption types;
  own = import ./types.nix { inherit lib; };

  section =
    title: example:
    mkOption {
      type = own.section;
      default = { };
      inherit example;
      description = ''
        Settings for the [${title}] section of the lifecycle unit. Lists are added to what is there, other values
        replace it; `lib.mkForce` on a setting replaces a list.
      '';
    };
in
{
  options = {
    enable = own.flag true "Whether the stack is declared. A switch to a declaration without it stops its containers.";
    description = mkOption {
      type = own.text;
      default = "";
      example = "Immich photo stack";
      description = "What the unit is described as; empty for the stack's name.";
    };
    composeFiles = mkOption {
      type = types.listOf types.path;
      example = literalExpression "[ ./immich/compose.yml ]";
      description = ''
        The compose files, in order: Nix paths, or paths of the store. Changed content restarts the unit, which
        recreates the containers that the change is about.
      '';
    };
    directory = mkOption {
      type = own.text;
      default = "${config.xdg.dataHome}/stackwarden/${name}";
      defaultText = literalExpression ''"''${config.xdg.dataHome}/stackwarden/‹name›"'';
      example = "/home/me/immich";
      description = ''
        The project directory, which relative paths in the compose files, and `.env`, are relative to. The default is
        made by the switch; another one must be there.
      '';
    };
    projectName = mkOption {
      type = types.str;
      default = name;
      defaultText = literalExpression "‹name›";
      example = "immich-app";
      description = ''
        The compose project. For a stack that runs already it must be the name under which it runs, or it would get
        new volumes.
      '';
    };
    profiles = mkOption {
      type = types.listOf own.text;
      default = [ ];
      example = [ "gpu" ];
      description = "The compose profiles to enable.";
    };
    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        DATA_ROOT = "/mnt/photos";
      };
      description = "Variables for the compose files. Not for secrets: they are readable in the Nix store.";
    };
    environmentFiles = mkOption {
      type = types.listOf own.environmentFile;
      default = [ ];
      example = literalExpression ''
        [
          config.sops.secrets."immich.env".path
          { path = "/run/secrets/mail.env"; fallback = "/home/me/secrets/mail.env"; }
        ]
      '';
      description = ''
        Files with variables, usually secrets: a path, or a path and its fallback. They must be readable by their owner
        only. Those of Home Manager's sops module order the unit behind `sops-nix.service`, and restart it when the
        encrypted file changes.
      '';
    };
    requiresMounts = mkOption {
      type = types.listOf own.text;
      default = [ ];
      example = [ "/mnt/photos" ];
      description = "Paths whose file systems must be mounted before the stack starts.";
    };
    after = mkOption {
      type = types.listOf own.unitName;
      default = [ ];
      example = [ "sops-nix.service" ];
      description = "User units that the stack starts after.";
    };
    wants = mkOption {
      type = types.listOf own.unitName;
      default = [ ];
      example = [ "sops-nix.service" ];
      description = "User units that are started with the stack.";
    };
    autoStart = mkOption {
      type = types.either types.bool own.unitName;
      default = true;
      example = "graphical-session.target";
      description = ''
        Whether the stack starts by itself, or the target that it starts with; true stands for `default.target`.
        Starting at boot needs lingering (`loginctl enable-linger`, or `users.users.<name>.linger` on NixOS).
      '';
    };
    startupTimeout =
      own.bound "120s" "10min"
        "Bound for starting the containers, images pulled already.";
    pullTimeout = own.bound "30min" "2h" "Bound for pulling images that are missing.";
    staleHealthAfter =
      own.optional own.timespan "15min"
        "Recreate, at the next start, containers that stay unhealthy for longer; null never does.";
    verify = {
      mode = mkOption {
        type = types.enum [
          "detached"
          "gate"
          "off"
        ];
        default = "detached";
        example = "gate";
        description = ''
          When the stack is verified: afterwards by a unit of its own, so that a switch never waits for slow
          applications; inside the start of its unit, which then fails unless the stack is up; or never.
        '';
      };
      timeout = own.bound "60s" "5min" "Bound for the verdict.";
      stableFor = own.bound "5s" "30s" "How long a container without a health check must have run.";
    };
    update = {
      enable = own.flag true "Whether the stack is part of the nightly update.";
      rollback = own.flag true "Whether an update that fails its verification is undone.";
      before = mkOption {
        type = types.listOf own.command;
        default = [ ];
        example = literalExpression ''[ [ "''${pkgs.restic}/bin/restic" "backup" "/mnt/photos" ] ]'';
        description = "Commands that must succeed before an update changes anything.";
      };
      onRollback = mkOption {
        type = types.listOf own.command;
        default = [ ];
        example = literalExpression ''[ [ "/home/me/bin/restore-dump" ] ]'';
        description = "Commands that run after an update was undone.";
      };
      hookTimeout = own.bound "10min" "1h" "Bound for each of these commands.";
      keep = own.flag true "Whether images stay that no pinned set needs any more.";
    };
    restartTriggers = mkOption {
      type = types.listOf own.trigger;
      default = [ ];
      example = literalExpression ''[ (builtins.hashFile "sha256" ./immich/nginx.conf) ]'';
      description = ''
        Anything whose change is to restart the unit. The declaration of the stack and the contents of its compose
        files need not be named.
      '';
    };
    switchMethod = mkOption {
      type = types.enum [
        "restart"
        "reload"
        "keep-old"
        "stop-start"
      ];
      default = "restart";
      example = "keep-old";
      description = ''
        What a switch does with a changed unit that is active. `restart` and `reload` let compose replace what changed
        and nothing else; `stop-start` takes the stack down first; `keep-old` leaves it as it is.
      '';
    };
    extraConfig = {
      Unit = section "Unit" { ConditionACPower = true; };
      Service = section "Service" {
        Environment = [ "TMPDIR=/mnt/scratch" ];
        Nice = 5;
      };
      Install = section "Install" { RequiredBy = [ "media.target" ]; };
    };
    allowedDropIns = mkOption {
      type = types.listOf own.dropIn;
      default = [ ];
      example = [ "90-local.conf" ];
      description = "Drop-ins that may change the stack's units: file names, or absolute paths.";
    };
  };
}
