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
