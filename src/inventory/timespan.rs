//! Time spans as people write them in JSON: `"90s"`, `"5min 30s"`.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest span that is accepted: far above every timeout that makes sense, far below what systemd's microseconds
/// or a sum of several spans could overflow on.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A positive time span, written as humantime has it (`500ms`, `90s`, `30min`, `1h 30min`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timespan(Duration);

impl Timespan {
    /// A span of whole seconds; for defaults.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span that a constant of the program gives.
    #[must_use]
    pub const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    /// The span.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Timespan {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let duration = humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is not a time span such as \"90s\" or \"5min\": {error}"))?;
        if duration.is_zero() || duration > LONGEST {
            return Err(format!("{text:?} is out of range: expected more than nothing and at most a year"));
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for Timespan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timespan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_as_people_write_them() {
        let span: Timespan = "5min 30s".parse().unwrap();
        assert_eq!(span.duration(), Duration::from_secs(330));
        assert_eq!(span.to_string(), "5m 30s");
        for bad in ["", "0s", "5", "-1s", "9999y", "soon"] {
            assert!(bad.parse::<Timespan>().is_err(), "{bad:?} was accepted");
        }
    }
}
