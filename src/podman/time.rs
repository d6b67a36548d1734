//! Points in time as podman prints them: RFC 3339, or Go's own form, whose zone names strict parsers refuse.

use std::time::{Duration, SystemTime};

/// Reads `2026-02-13T10:00:00.123456789+08:00` and `2026-02-13 10:00:00.1 +0800 AWST`. Go's zero time, which podman
/// prints for "never", is `None`.
#[must_use]
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let clock_end =
        rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(clock_end)?;
    // humantime reads the date; the zone is ours to take off.
    let local = humantime::parse_rfc3339_weak(&format!("{date} {clock}")).ok()?;
    // The name that Go adds says nothing beyond the offset.
    let offset = zone.split_whitespace().next().unwrap_or("Z");
    let seconds = offset_seconds(offset)?;
    let shift = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { local.checked_add(shift)? } else { local.checked_sub(shift)? };
    (time > SystemTime::UNIX_EPOCH).then_some(time)
}

/// `Z`, `+0800`, `-03:30`, `UTC`.
fn offset_seconds(offset: &str) -> Option<i64> {
    if matches!(offset, "Z" | "UTC" | "GMT") {
        return Some(0);
    }
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| digits.len() == 4)?;
    let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
    Some(sign * (hours * 60 + minutes) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_podman_prints_is_read() {
        let utc = parse_time("2026-02-13T02:00:00.1Z").unwrap();
        for same in [
            "2026-02-13 10:00:00.1 +0800 AWST",
            "2026-02-13T10:00:00.1+08:00",
            "2026-02-12 22:30:00.100000000 -0330 NST",
            "2026-02-13 02:00:00.1 +0000 UTC",
            "2026-02-13 02:00:00.1 +0000 UTC m=+0.1",
        ] {
            assert_eq!(parse_time(same), Some(utc), "{same}");
        }
        assert_eq!(parse_time("0001-01-01T00:00:00Z"), None);
        for garbage in ["", "yesterday", "2026-02-13", "2026-02-13 10:00:00 AWST", "2026-02-13T10:00:00+8"] {
            assert_eq!(parse_time(garbage), None, "{garbage}");
        }
    }
}
