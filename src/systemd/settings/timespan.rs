//! Time spans as systemd.time(7) writes them.

/// systemd's `USEC_INFINITY`: `infinity`, and what D-Bus reports for it.
pub const INFINITE: u64 = u64::MAX;

const SECOND: u64 = 1_000_000;

/// The units in microseconds. systemd compares prefixes in its own order; here the whole word decides, which is the
/// same because no unit is followed by a letter.
const UNITS: &[(&[&str], u64)] = &[
    (&["seconds", "second", "sec", "s", ""], SECOND),
    (&["minutes", "minute", "min", "m"], 60 * SECOND),
    (&["months", "month", "M"], 2_629_800 * SECOND),
    (&["msec", "ms"], 1000),
    (&["hours", "hour", "hr", "h"], 3600 * SECOND),
    (&["days", "day", "d"], 86400 * SECOND),
    (&["weeks", "week", "w"], 7 * 86400 * SECOND),
    (&["years", "year", "y"], 31_557_600 * SECOND),
    (&["usec", "us", "µs", "μs"], 1),
];

/// Reads a span such as `90`, `5min 20s`, `1.5h` or `infinity`; microseconds. A number without a unit is in seconds.
/// `None` for what systemd would ignore with a warning.
#[must_use]
pub fn micros(text: &str) -> Option<u64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if text == "infinity" {
        return Some(INFINITE);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    loop {
        let (number, after) = split_at_other(rest, |c| c.is_ascii_digit() || c == '.');
        let after = after.trim_start();
        let (unit, after) = split_at_other(after, char::is_alphabetic);
        let (_, factor) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        total = total.checked_add(scaled(number, *factor)?)?;
        rest = after.trim_start();
        if rest.is_empty() {
            return (total != INFINITE).then_some(total);
        }
    }
}

/// `number`, which may have a fraction, times `factor`, rounded down digit by digit as systemd does.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if number.is_empty() || fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(factor)?;
    let mut place = factor / 10;
    for digit in fraction.chars() {
        total = total.checked_add(u64::from(digit.to_digit(10)?) * place)?;
        place /= 10;
    }
    Some(total)
}

fn split_at_other(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What `systemd-analyze timespan` says, in microseconds; `None` if it refuses.
    fn systemd_says(text: &str) -> Option<u64> {
        let output = Command::new("systemd-analyze").args(["timespan", "--", text]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        printed
            .lines()
            .find_map(|line| line.trim().strip_prefix("μs:").map(|micros| micros.trim().parse().unwrap()))
    }

    #[test]
    fn spans_mean_what_systemd_analyze_says() {
        for text in [
            "90",
            "0",
            "5min 20s",
            "5min20s",
            "2min",
            "1.5h",
            "300ms20s 5day",
            "1y 12month",
            "1M",
            "1m",
            " 10 s ",
            "55s500ms",
            "2w",
            "3 hours",
            "50us",
            "50µs",
            "1 second",
            ".5s",
            "1.s",
            "1.23456789s",
            "",
            "abc",
            "5 parsecs",
            "-1s",
            "s",
            "1s x",
            "1..5s",
            "9999999999999999999y",
            "5min,20s",
            "1h1",
        ] {
            assert_eq!(micros(text), systemd_says(text), "{text:?}");
        }
    }

    #[test]
    fn infinity_is_a_word_of_its_own() {
        assert_eq!(micros("infinity"), Some(INFINITE));
        assert_eq!(micros("infinity s"), None);
    }
}
