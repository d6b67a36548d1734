# Time spans as the inventory has them ("90s", "1h 30min"), read as the programs read them: crate humantime, and
# src/inventory/timespan.rs. Builtins only.
let
  inherit (builtins)
    all
    concatLists
    elemAt
    filter
    foldl'
    fromJSON
    isList
    listToAttrs
    match
    split
    ;

  nanoseconds = rec {
    nanosecond = 1;
    microsecond = 1000 * nanosecond;
    millisecond = 1000 * microsecond;
    second = 1000 * millisecond;
    minute = 60 * second;
    hour = 60 * minute;
    day = 24 * hour;
    week = 7 * day;
    month = 2630016 * second;
    year = 31557600 * second;
  };

  named =
    span: names:
    map (name: {
      inherit name;
      value = span;
    }) names;
  units = listToAttrs (concatLists [
    (named nanoseconds.nanosecond [
      "nanos"
      "nsec"
      "ns"
    ])
    (named nanoseconds.microsecond [
      "usec"
      "us"
    ])
    (named nanoseconds.millisecond [
      "millis"
      "msec"
      "ms"
    ])
    (named nanoseconds.second [
      "seconds"
      "second"
      "secs"
      "sec"
      "s"
    ])
    (named nanoseconds.minute [
      "minutes"
      "minute"
      "min"
      "mins"
      "m"
    ])
    (named nanoseconds.hour [
      "hours"
      "hour"
      "hrs"
      "hr"
      "h"
    ])
    (named nanoseconds.day [
      "days"
      "day"
      "d"
    ])
    (named nanoseconds.week [
      "weeks"
      "week"
      "wks"
      "wk"
      "w"
    ])
    (named nanoseconds.month [
      "months"
      "month"
      "M"
    ])
    (named nanoseconds.year [
      "years"
      "year"
      "yrs"
      "yr"
      "y"
    ])
  ]);

  longest = 366 * nanoseconds.day;

  # [ [ "1" "h" ] [ "30" "min" ] ], or null for what is no time span.
  parts =
    text:
    let
      found = split "([0-9]{1,18}) *([A-Za-z]+)" text;
      between = filter (part: !isList part) found;
      spans = filter isList found;
    in
    if spans != [ ] && all (part: match " *" part != null) between then spans else null;

  # In nanoseconds, or null.
  amount =
    text:
    let
      spans = parts text;
      add = sum: span: sum + fromDecimal (elemAt span 0) * units.${elemAt span 1};
    in
    if spans != null && all (span: units ? ${elemAt span 1}) spans then foldl' add 0 spans else null;

  # The same, of what is more than nothing and not too long.
  total =
    text:
    let
      spans = parts text;
      fits =
        span: units ? ${elemAt span 1} && fromDecimal (elemAt span 0) <= longest / units.${elemAt span 1};
      sum = amount text;
    in
    if spans != null && all fits spans && sum > 0 && sum <= longest then sum else null;

  # JSON knows no leading zeros.
  fromDecimal = digits: fromJSON (elemAt (match "0*([0-9]+)" digits) 0);
in
{
  # Whether the programs take `text` as a time span: more than nothing, and at most a year.
  valid = text: total text != null;

  # The whole seconds in the sum of time spans, which may be longer than one may.
  seconds = spans: foldl' (sum: span: sum + amount span) 0 spans / nanoseconds.second;
}
