# Every option, none at its default.
{ pkgs, ... }:
{
  services.stackwarden = {
    enable = true;
    package = pkgs.stackwarden;
    podmanPackage = pkgs.podman;
    composeProvider = {
      kind = "podman-compose";
      package = pkgs.podman-compose;
    };
    path = [
      "/run/wrappers/bin"
      pkgs.podman
      "/opt/50% \"more\"/bin"
    ];
    settings = {
      lock_wait = "10min";
      reload_grace = "2min";
      alert.daily = true;
    };
    alert.command = [
      "/usr/bin/logger"
      "--tag=stacks"
    ];
    update = {
      enable = true;
      onCalendar = "Sun 05:00";
      randomizedDelaySec = "10min";
      persistent = false;
      concurrency = 4;
    };
    audit = {
      enable = true;
      onBootSec = "1min";
      interval = "*:0/5";
      watch = true;
      heal = {
        reload = false;
        watchers = false;
        restoreLinks = true;
      };
    };
    ownership = {
      force = true;
      check = "warn";
      wait = "5min";
    };
    stacks = {
      "Media.big_1:2-a" = {
        description = "All of it: 100% \"media\", @stack@";
        composeFiles = [
          ./compose/web.yml
          (pkgs.writeTextFile {
            name = "more.yml";
            text = "services: {}";
          })
        ];
        directory = "/srv/my media";
        projectName = "media";
        profiles = [ "gpu" ];
        environment.DATA_ROOT = "/mnt/a b";
        environmentFiles = [
          "/run/secrets/media.env"
          {
            path = "/run/secrets/mail.env";
            fallback = "/home/me/secrets/mail.env";
          }
        ];
        requiresMounts = [
          "/mnt/docker"
          "/mnt/50% of it"
        ];
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        autoStart = "graphical-session.target";
        startupTimeout = "1h 30min";
        pullTimeout = "90s";
        staleHealthAfter = "15min";
        verify = {
          mode = "gate";
          timeout = "1500ms";
          stableFor = "30s";
        };
        update = {
          enable = false;
          rollback = false;
          before = [
            [
              "/bin/echo"
              "a b"
            ]
          ];
          onRollback = [ [ "/bin/true" ] ];
          hookTimeout = "1min";
          keep = false;
        };
        restartTriggers = [
          "1"
          pkgs.podman
        ];
        switchMethod = "stop-start";
        extraConfig = {
          Unit.ConditionACPower = true;
          Service = {
            Environment = [ "TMPDIR=/mnt/scratch" ];
            Nice = 5;
          };
          Install.RequiredBy = [ "media.target" ];
        };
        allowedDropIns = [ "90-local.conf" ];
      };
      off = {
        enable = false;
        composeFiles = [ ];
      };
    };
  };
}
