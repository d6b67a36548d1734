# As little as one has to write.
{
  services.stackwarden = {
    enable = true;
    stacks.web.composeFiles = [ ./compose/web.yml ];
  };
}
