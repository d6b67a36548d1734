# What users set beside our options.
{ lib, ... }:
{
  services.stackwarden = {
    enable = true;
    audit.watch = false;
    update.enable = false;
    stacks = {
      web = {
        composeFiles = [ ./compose/web.yml ];
        autoStart = false;
      };
      db.composeFiles = [ ./compose/web.yml ];
      cache = {
        composeFiles = [ ./compose/web.yml ];
        autoStart = "media.target";
        switchMethod = "stop-start";
        # Priorities and orders are about what the unit has.
        extraConfig = {
          Unit = {
            After = lib.mkForce [ "mine.service" ];
            X-SwitchMethod = "keep-old";
            OnFailure = lib.mkIf false "mine.service";
          };
          Service = {
            Environment = lib.mkBefore [ "FIRST=1" ];
            ExecReload = lib.mkForce "/bin/true";
            KillMode = lib.mkOverride 2000 "mixed";
          };
          Install.WantedBy = [ "other.target" ];
        };
      };
    };
  };
  systemd.user = {
    services.web = {
      Unit = {
        Description = "Mine";
        After = [ "mine.service" ];
      };
      Service.TimeoutStopSec = "1h";
    };
    services.db.Service.ExecReload = lib.mkForce [ "/bin/true" ];
    timers.stack-audit.Timer.OnCalendar = lib.mkForce [ "hourly" ];
  };
}
