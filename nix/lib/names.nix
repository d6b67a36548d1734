# Names and paths as src/names.rs and systemd have them. Builtins only.
let
  inherit (builtins)
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    isString
    length
    match
    readFile
    split
    stringLength
    ;

  types = "service|socket|device|mount|automount|swap|target|path|timer|slice|scope";

  # Services of others, which stacks, their secrets or the switch that declares them need.
  foreign = filter (line: isString line && match "[a-z].*" line != null) (
    split "\n" (readFile ../../units/reserved-names)
  );
in
{
  # What is wrong with the name of a stack, or null. What only units of ours are called is not known here.
  stackProblem =
    name:
    let
      withType = match "(.*)\\.(${types})" name;
    in
    if match "[A-Za-z0-9:_][A-Za-z0-9:_.-]{0,127}" name == null then
      "a stack's name is at most 128 letters, digits, \":\", \"_\", \".\" and \"-\", and starts with none of the last two"
    else if withType != null then
      "that is the name of a unit; a stack's has no \".${elemAt withType 1}\" at its end"
    else if match ".*-update" name != null then
      "names that end in \"-update\" are those of update units"
    else if elem name foreign || match "systemd-.*" name != null then
      "${name}.service is somebody else's, and stacks or the user's manager need it; choose another name"
    else
      null;

  # "web.service", "a@b.target".
  isUnit =
    text:
    stringLength text <= 255 && match "[A-Za-z0-9:_.\\-][A-Za-z0-9:_.@\\-]*\\.(${types})" text != null;

  # What inventory and host configuration take as a text.
  isPrintable = text: match "[^[:cntrl:]]*" text != null;

  # What can be the value of one line of a unit file: nothing in it ends the line, or joins the next one to it.
  isLine = text: match "[^\n\r]*" text != null && match "(.*[^\\])?" text != null;

  # An absolute path without "//", "." and "..".
  normal =
    path:
    let
      parts = filter (part: isString part && part != "" && part != ".") (split "/" path);
      parent = above: if above == [ ] then [ ] else genList (elemAt above) (length above - 1);
      step = above: part: if part == ".." then parent above else above ++ [ part ];
    in
    "/" + concatStringsSep "/" (foldl' step [ ] parts);
}
