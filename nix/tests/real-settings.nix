# What the modules of a checkout of Home Manager are to leave out, because it needs more of nixpkgs than its lib.
homeManager: {
  disabledModules = [ (homeManager + "/modules/services-modular") ];
  config = {
    home = {
      stateVersion = "25.05";
      enableNixpkgsReleaseCheck = false;
    };
    manual.manpages.enable = false;
    news.display = "silent";
    xdg.mime.enable = false;
  };
}
