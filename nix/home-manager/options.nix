# The options of services.stackwarden.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.stackwarden;
  own = import ./types.nix { inherit lib; };
in
{
  options.services.stackwarden = {
    enable = lib.mkEnableOption "Stackwarden, which keeps rootless Compose stacks honest";

    package = mkOption {
      type = types.package;
      default = pkgs.stackwarden or (pkgs.callPackage ../package.nix { });
      defaultText = literalExpression "pkgs.stackwarden";
      example = literalExpression "inputs.stackwarden.packages.\${pkgs.stdenv.hostPlatform.system}.default";
      description = "The package whose programs the units start. Another one restarts no container.";
    };

    podmanPackage = mkOption {
      type = types.package;
      default = pkgs.podman;
      defaultText = literalExpression "pkgs.podman";
      example = literalExpression "pkgs.podman.override { }";
      description = "The podman that runs the containers.";
    };

    composeProvider = {
      kind = mkOption {
        type = types.enum [
          "docker-compose"
          "podman-compose"
        ];
        default = "docker-compose";
        example = "podman-compose";
        description = "Which compose provider `podman compose` is pinned to.";
      };
      package = mkOption {
        type = types.package;
        default = pkgs.${cfg.composeProvider.kind};
        defaultText = literalExpression "pkgs.\${config.services.stackwarden.composeProvider.kind}";
        example = literalExpression "pkgs.docker-compose";
        description = "The package with the provider's program, called as its kind.";
      };
    };

    path = mkOption {
      type = types.listOf (types.either types.package own.searchDirectory);
      default = [
        "/run/wrappers/bin"
        cfg.podmanPackage
        cfg.composeProvider.package
        pkgs.skopeo
        "/run/current-system/sw/bin"
        "/usr/local/sbin"
        "/usr/local/bin"
        "/usr/sbin"
        "/usr/bin"
        "/sbin"
        "/bin"
      ];
      defaultText = literalExpression ''
        [
          "/run/wrappers/bin"
          config.services.stackwarden.podmanPackage
          config.services.stackwarden.composeProvider.package
          pkgs.skopeo
          "/run/current-system/sw/bin"
          "/usr/local/sbin"
          "/usr/local/bin"
          "/usr/sbin"
          "/usr/bin"
          "/sbin"
          "/bin"
        ]
      '';
      example = literalExpression ''[ "/run/wrappers/bin" pkgs.podman pkgs.docker-compose pkgs.systemd ]'';
      description = ''
        The `PATH` of every unit that calls podman: packages, or directories. newuidmap and newgidmap must be found
        with their privileges (`/run/wrappers/bin` on NixOS), and systemd-run, which runs health checks. Updates ask
        registries through skopeo.
      '';
    };

    settings = mkOption {
      type = types.attrsOf own.json;
      default = { };
      example = {
        lock_wait = "10min";
      };
      description = ''
        Further keys of `config.json`, as they are called there. What an option of this module sets cannot be set here
        as well. The file is checked when the generation is built.
      '';
    };

    stacks = mkOption {
      type = types.attrsOf (types.submodule (import ./stack-options.nix { inherit config; }));
      default = { };
      example = literalExpression ''
        {
          immich = {
            composeFiles = [ ./immich/compose.yml ];
            environmentFiles = [ config.sops.secrets."immich.env".path ];
            requiresMounts = [ "/mnt/photos" ];
          };
        }
      '';
      description = "The stacks, by name. The lifecycle unit of a stack is `<name>.service`.";
    };

    update = {
      enable = own.flag true "Whether stacks are updated at the time below. `stack-update` by hand always works.";
      onCalendar =
        own.optional own.calendar "Sun 05:00"
          "When, as in `OnCalendar=`; null for the shipped time, 04:00 every night.";
      randomizedDelaySec =
        own.optional own.delay "10min"
          "By how much this host's time is shifted; null for the shipped span.";
      persistent = own.flag true "Whether a run that was missed is made up for as soon as the manager is up again.";
      concurrency =
        own.optional types.ints.positive 4
          "How many stacks are updated at the same time; null for the program's own number, 2.";
    };

    audit = {
      enable = own.flag true "Whether the auditor runs by itself. Without it nothing notices drift.";
      onBootSec =
        own.optional own.delay "1min"
          "When the first audit runs, after the start of the manager; null for the shipped span, 3 min.";
      interval =
        own.optional own.calendar "*:0/5"
          "When it runs again, as in `OnCalendar=`; null for the shipped time, every quarter of an hour.";
      watch = own.flag true "Whether changes of unit files, inventory and seals start an audit at once.";
      heal = {
        reload = own.flag true "Whether the auditor may reload the manager when everything on disk is declared.";
        watchers = own.flag true "Whether it may start a watcher that is dead.";
        restoreLinks = own.flag false "Whether it may put a replaced link of ours back, keeping what was there.";
      };
    };

    alert.command =
      own.optional own.command
        (literalExpression ''[ "''${pkgs.curl}/bin/curl" "--data-binary" "@-" "https://ntfy.example.org/stacks" ]'')
        ''
          A program and its arguments that is told what is new, as JSON on its standard input. null: the journal alone.
        '';

    ownership = {
      force = own.flag true ''
        Whether a switch puts an owned unit file and an owned `.wants` link back whatever lies there. What lay there
        is kept in `$XDG_STATE_HOME/stackwarden/set-aside`. Without it such a file stops the switch.
      '';
      check = mkOption {
        type = types.enum [
          "error"
          "warn"
          "off"
        ];
        default = "error";
        example = "warn";
        description = ''
          What a switch does when the units that are linked, loaded and enabled in the end are not the declared ones, or
          when the user manager cannot be asked: fail, say so, or not look.
        '';
      };
      wait =
        own.bound "60s" "5min"
          "How long a switch waits for a user manager that is starting. Home Manager would skip its reload.";
    };
  };
}
