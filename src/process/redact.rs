//! Taking the values of secrets out of what a program printed, before anybody sees or keeps it.

use std::fmt;

/// Shorter values are left as they are: they are no secrets (`80`, `yes`, `eth`), and replacing them would make
/// messages unreadable. Bytes.
const SHORTEST: usize = 4;

/// Values that are as common in messages as in configurations, and secret in neither.
const COMMON: &[&str] =
    &["true", "false", "none", "null", "localhost", "production", "http", "https", "postgres"];

/// Knows values and the names to show in their place.
#[derive(Clone, Default)]
pub struct Redactor(Vec<(String, String)>);

impl Redactor {
    /// One more value, which from now on reads as `[NAME]`. A value of several lines is looked for line by line.
    pub fn hide(&mut self, name: &str, value: &str) {
        for line in value.lines().map(str::trim) {
            if line.len() >= SHORTEST && !COMMON.contains(&line.to_ascii_lowercase().as_str()) {
                self.0.push((line.to_owned(), format!("[{name}]")));
            }
        }
        // The longest first: a value may contain another one.
        self.0.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then(a.cmp(b)));
        self.0.dedup();
    }

    /// The names that are shown.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, shown)| shown.as_str())
    }

    /// The text without the values.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = text.to_owned();
        for (value, shown) in &self.0 {
            if redacted.contains(value.as_str()) {
                redacted = redacted.replace(value.as_str(), shown);
            }
        }
        redacted
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_their_names() {
        let mut redactor = Redactor::default();
        redactor.hide("SHORT", "abc");
        redactor.hide("DEBUG", "true");
        redactor.hide("PASSWORD", "hunter22");
        redactor.hide("URL", "postgres://me:hunter22@db/x");
        redactor.hide("KEY", "-----BEGIN\nAAAABBBB\n");
        assert_eq!(
            redactor.redact("bad postgres://me:hunter22@db/x, hunter22, AAAABBBB, true, abc"),
            "bad [URL], [PASSWORD], [KEY], true, abc"
        );
        assert!(!format!("{redactor:?}").contains("hunter22"));
    }
}
