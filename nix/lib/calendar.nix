# The form of a time in `OnCalendar=`, as in systemd.time(7). Whether there is such a time is systemd's to say. Builtins only.
let
  inherit (builtins) match;

  keyword = "minutely|hourly|daily|monthly|weekly|yearly|annually|quarterly|semiannually|semi-annually|biannually|bi-annually";
  day = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun|mon|tue|wed|thu|fri|sat|sun)[a-z]*";
  days = "${day}((\\.\\.|-|,)${day})*,?";
  part = "[0-9*][0-9*.,/]*";
  date = "(${part}-)?${part}[-~]${part}";
  time = "${part}:${part}(:${part})?";
  zone = "[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*";
in
{
  isForm =
    text:
    match "(${keyword}|@[0-9]+|${days}|(${days} *)?(${date}([ T]+${time})?|${time}))( +${zone})?" text
    != null;
}
