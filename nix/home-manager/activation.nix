# What a switch does beside linking: see the scripts.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.stackwarden;
  declared = import ./declared.nix { inherit config lib; };
  inherit (lib.hm) dag;

  # Home Manager's activation has little in its environment when NixOS runs it.
  command =
    words:
    lib.escapeShellArgs (
      [
        "env"
        "XDG_CONFIG_HOME=${config.xdg.configHome}"
        "XDG_STATE_HOME=${config.xdg.stateHome}"
      ]
      ++ words
    );
  stackctl = "${lib.getBin cfg.package}/bin/stackctl";
  script = file: ''
    ${
      command [
        "NIX_STORE=${builtins.storeDir}"
        "STACKCTL=${stackctl}"
        "SYSTEMCTL=${config.systemd.user.systemctlPath}"
        pkgs.runtimeShell
        file
      ]
    } "$newGenPath" "''${oldGenPath:-}"
  '';
  gate =
    arguments:
    command (
      [
        stackctl
        "gate"
        "--wait"
        cfg.ownership.wait
      ]
      ++ arguments
    );

  directories = lib.filter (
    directory: lib.hasPrefix "${config.xdg.dataHome}/stackwarden/" directory
  ) (lib.mapAttrsToList (_: stack: stack.directory) declared.stacks);
in
{
  config = lib.mkIf cfg.enable {
    home.activation = {
      # Before the old links go: what the old units say is still on disk and loaded.
      stackwardenRetire = dag.entryBetween [ "linkGeneration" ] [ "writeBoundary" ] (
        script "${../activation/retire.sh}"
      );

      stackwardenSetAside = lib.mkIf cfg.ownership.force (
        dag.entryBetween [ "linkGeneration" ] [ "writeBoundary" "stackwardenRetire" ] (
          script "${../activation/set-aside.sh}"
        )
      );

      # Home Manager skips its reload while the manager is starting, and says nothing. Whether it was worth waiting is
      # for the gate to tell.
      stackwardenWait = lib.mkIf (cfg.ownership.check != "off") (
        dag.entryBetween [ "reloadSystemd" ] [ "linkGeneration" ] ''
          if [[ ! -v DRY_RUN ]]; then
            ${gate [ "--only-wait" ]} || true
          fi
        ''
      );

      # After everything that a failure is not to keep from being done. By then the links are those of the new
      # generation, so that it is the current one whatever the gate says: or the next switch would compare with the one
      # before, and leave what only this one has.
      stackwardenGate = lib.mkIf (cfg.ownership.check != "off") (
        dag.entryAfter
          [
            "reloadSystemd"
            "installPackages"
            "onFilesChange"
          ]
          ''
            if [[ ! -v DRY_RUN ]]; then
              stackwardenVerdict=0
              ${gate [ ]} || stackwardenVerdict=$?
              if [[ $stackwardenVerdict != 0 ]]; then
                ${
                  if cfg.ownership.check == "warn" then
                    ''
                      warnEcho "stackwarden: the switch goes on, because services.stackwarden.ownership.check is \"warn\""
                    ''
                  else
                    ''
                      if [[ -v currentGenGcPath ]]; then
                        nix-store --realise "$newGenPath" --add-root "$currentGenGcPath" > /dev/null
                      fi
                      exit "$stackwardenVerdict"
                    ''
                }
              fi
              unset stackwardenVerdict
            fi
          ''
      );

      stackwardenDirectories = lib.mkIf (directories != [ ]) (
        dag.entryBetween [ "linkGeneration" ] [ "writeBoundary" ] ''
          run mkdir -p ${lib.escapeShellArgs directories}
        ''
      );
    };
  };
}
