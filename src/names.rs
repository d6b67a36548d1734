//! The names that reach paths and command lines: checked once, here, and carried as types.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest stack name in bytes: with `-update.service` or as an instance of `stack-verify@.service`
/// it stays well below systemd's `UNIT_NAME_MAX` of 256 bytes.
pub const STACK_NAME_MAX: usize = 128;

/// Longest unit name in bytes (systemd's `UNIT_NAME_MAX` counts the terminating NUL; see systemd.unit(5)).
pub const UNIT_NAME_MAX: usize = 255;

/// Stack names whose units, or whose seal, would be one of the shipped ones.
const RESERVED: &[&str] = &["stack-audit", "stack-audit-settle", "stackwarden"];

/// Services of others that stacks need, one a line; beside them there are systemd's own.
const FOREIGN: &str = include_str!("../units/reserved-names");

/// Unit types of systemd.unit(5).
const UNIT_TYPES: &[&str] = &[
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// Why a text is not the name of a stack or of a unit.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// No text at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than systemd can take.
    #[error("name {name:?} has {len} bytes; at most {max} are allowed", len = .name.len())]
    TooLong {
        /// The text as given.
        name: String,
        /// Limit in bytes.
        max: usize,
    },
    /// A character that would need escaping in a unit name, a path or a command line.
    #[error("name {name:?} contains {character:?}; allowed are letters, digits and {allowed}")]
    Character {
        /// The text as given.
        name: String,
        /// First offending character.
        character: char,
        /// The punctuation that is allowed.
        allowed: &'static str,
    },
    /// A leading dot hides the file, a leading dash reads as an option.
    #[error("name {name:?} starts with {first:?}")]
    Leading {
        /// The text as given.
        name: String,
        /// The first character.
        first: char,
    },
    /// A unit's name where a stack's is meant.
    #[error("name {name:?} is that of a unit; a stack's has no \".{unit_type}\" at its end: {stem}")]
    UnitSuffix {
        /// The text as given.
        name: String,
        /// What stands before the type.
        stem: String,
        /// The type.
        unit_type: String,
    },
    /// `<stack>-update.service` belongs to the stack without the suffix.
    #[error("name {name:?} ends in \"-update\", which is reserved for update units")]
    UpdateSuffix {
        /// The text as given.
        name: String,
    },
    /// One of the shipped units has this name.
    #[error("name {name:?} is reserved: a unit or seal that Stackwarden ships is called so")]
    Reserved {
        /// The text as given.
        name: String,
    },
    /// A stack of this name would take the place of something that stacks need.
    #[error(
        "{name}.service is somebody else's, and stacks or the user's manager need it; choose another name"
    )]
    Foreign {
        /// The text as given.
        name: String,
    },
    /// No `.service`, `.timer`, … at the end.
    #[error("{name:?} is not a unit name: it does not end in a unit type (.service, .path, .timer, …)")]
    UnitType {
        /// The text as given.
        name: String,
    },
    /// Nothing before the suffix, or a malformed `@`.
    #[error("{name:?} is not a unit name: nothing stands before its type or its '@'")]
    UnitPrefix {
        /// The text as given.
        name: String,
    },
}

/// The name of a stack: a unit name prefix of at most 128 bytes of `[A-Za-z0-9:_.-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StackName(String);

impl StackName {
    /// Checks `text`.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = || text.to_owned();
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if text.len() > STACK_NAME_MAX {
            return Err(NameError::TooLong { name: name(), max: STACK_NAME_MAX });
        }
        check_characters(text, |c| matches!(c, ':' | '_' | '.' | '-'), "\":\", \"_\", \".\", \"-\"")?;
        if matches!(first, '.' | '-') {
            return Err(NameError::Leading { name: name(), first });
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved { name: name() });
        }
        if text.starts_with("systemd-") || FOREIGN.lines().any(|foreign| foreign == text) {
            return Err(NameError::Foreign { name: name() });
        }
        if let Some((stem, unit_type)) = text.rsplit_once('.').filter(|(_, last)| UNIT_TYPES.contains(last)) {
            let (name, stem, unit_type) = (name(), stem.to_owned(), unit_type.to_owned());
            return Err(NameError::UnitSuffix { name, stem, unit_type });
        }
        if text.ends_with("-update") {
            return Err(NameError::UpdateSuffix { name: name() });
        }
        Ok(Self(name()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lifecycle unit, `<stack>.service`.
    #[must_use]
    pub fn service(&self) -> UnitName {
        UnitName(format!("{self}.service"))
    }

    /// The unit that updates it.
    #[must_use]
    pub fn update_service(&self) -> UnitName {
        UnitName(format!("{self}-update.service"))
    }

    /// The unit that verifies it after a start: an instance of the shipped template, by the name as it is.
    #[must_use]
    pub fn verify_service(&self) -> UnitName {
        UnitName(format!("stack-verify@{self}.service"))
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StackName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for StackName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl From<StackName> for String {
    fn from(name: StackName) -> Self {
        name.0
    }
}

/// A unit's name as systemd.unit(5) has it, with its type: `foo.service`, `stack-watch@etc.path`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

impl UnitName {
    /// Checks `text`.
    ///
    /// # Errors
    /// Says which rule of systemd.unit(5) the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = || text.to_owned();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > UNIT_NAME_MAX {
            return Err(NameError::TooLong { name: name(), max: UNIT_NAME_MAX });
        }
        check_characters(
            text,
            |c| matches!(c, ':' | '_' | '.' | '-' | '\\' | '@'),
            "\":\", \"_\", \".\", \"-\", \"\\\", \"@\"",
        )?;
        let (stem, unit_type) = text.rsplit_once('.').ok_or_else(|| NameError::UnitType { name: name() })?;
        if !UNIT_TYPES.contains(&unit_type) {
            return Err(NameError::UnitType { name: name() });
        }
        if stem.is_empty() || stem.starts_with('@') {
            return Err(NameError::UnitPrefix { name: name() });
        }
        Ok(Self(name()))
    }

    /// The instance of a template, with `instance` escaped as systemd-escape(1) does.
    ///
    /// # Errors
    /// The result is too long, or `template` is not a template's name.
    pub fn instance_of(template: &str, instance: &str) -> Result<Self, NameError> {
        let (prefix, suffix) =
            template.split_once('@').ok_or_else(|| NameError::UnitPrefix { name: template.to_owned() })?;
        Self::parse(&format!("{prefix}@{}{suffix}", escape(instance)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type without its dot: `service`, `path`, `timer`, …
    #[must_use]
    pub fn unit_type(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, unit_type)| unit_type)
    }

    /// What stands before the type: `foo` of `foo.service`, `foo@bar` of `foo@bar.service`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }

    /// What stands between `@` and the type, still escaped; `Some("")` for a template.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether it is a template, `foo@.service`, which cannot be loaded itself.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template of an instance: `foo@.service` of `foo@bar.service`.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        let (prefix, instance) = self.stem().split_once('@')?;
        (!instance.is_empty()).then(|| Self(format!("{prefix}@.{}", self.unit_type())))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UnitName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for UnitName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

/// Escapes a text for use in a unit name, as systemd-escape(1) does: `/` becomes `-`, other bytes `\xNN`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if index == 0 => escaped.push_str("\\x2e"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b':' | b'_' | b'.' => escaped.push(char::from(byte)),
            other => escaped.extend(["\\x".to_owned(), format!("{other:02x}")]),
        }
    }
    escaped
}

/// Escapes an absolute path as `systemd-escape --path` does: without the outer slashes, `-` for the root.
#[must_use]
pub fn escape_path(path: &str) -> String {
    let inner: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if inner.is_empty() { "-".to_owned() } else { escape(&inner.join("/")) }
}

fn check_characters(
    text: &str,
    punctuation: fn(char) -> bool,
    allowed: &'static str,
) -> Result<(), NameError> {
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || punctuation(*c))) {
        Some(character) => Err(NameError::Character { name: text.to_owned(), character, allowed }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_names_follow_the_documented_rules() {
        for good in ["immich", "a", "A.b_c:d-e", &"x".repeat(128), "foo.bar"] {
            assert_eq!(StackName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".hidden",
            "-dash",
            "a/b",
            "..",
            "a%b",
            "a b",
            "a\nb",
            "ü",
            "nightly-update",
            "stack-audit",
            "stackwarden",
            "stack-update",
            "a@b",
            "foo.service",
            "podman",
            "dbus",
            "sops-nix",
            "home-manager",
            "systemd-tmpfiles-setup",
            &"x".repeat(129),
        ] {
            assert!(StackName::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn unit_names_follow_systemd() {
        for good in ["foo.service", "foo@.service", "foo@bar.timer", "a\\x2d.path", "foo.bar.mount"] {
            assert_eq!(UnitName::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "foo", ".service", "@.service", "@x.service", "a/b.service", "foo.nosuch", "a b.service"]
        {
            assert!(UnitName::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn templates_and_instances() {
        let instance = UnitName::parse("foo@bar.service").unwrap();
        assert_eq!(instance.template().unwrap().as_str(), "foo@.service");
        assert_eq!(instance.instance(), Some("bar"));
        assert_eq!(UnitName::parse("foo@.service").unwrap().template(), None);
        assert_eq!(UnitName::parse("foo.service").unwrap().instance(), None);
    }

    #[test]
    fn escaping_agrees_with_systemd_escape() {
        assert_eq!(
            escape_path("/home/me/.config/systemd/user/foo-.service.d"),
            "home-me-.config-systemd-user-foo\\x2d.service.d"
        );
        assert_eq!(escape_path("/"), "-");
        assert_eq!(escape_path("/.hidden//x y/"), "\\x2ehidden-x\\x20y");
    }
}
