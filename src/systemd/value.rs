//! D-Bus property values as plain ones, and the selection of the properties that anybody looks at.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zbus::message::Body;
use zbus::{Type, Variant};

use super::loaded;
use super::settings::directives;
use super::wire::read_properties;

/// The value of one property. Arrays and structures are both lists: which of them it is, the property's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// `b`
    Bool(bool),
    /// `n`, `i`, `x`
    Signed(i64),
    /// `y`, `q`, `u`, `t`
    Unsigned(u64),
    /// `s`, `o`, `g`
    Text(String),
    /// `a…`, `(…)`
    List(Vec<Self>),
}

impl SettingValue {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one that is not negative.
    #[must_use]
    pub fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            Self::Signed(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The number, if it is one that fits.
    #[must_use]
    pub fn signed(&self) -> Option<i64> {
        match self {
            Self::Unsigned(value) => i64::try_from(*value).ok(),
            Self::Signed(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, if it is an array or a structure.
    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// The elements of an array of texts.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(|value| value.text().map(str::to_owned)).collect()
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a truth value",
            Self::Signed(_) | Self::Unsigned(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        }
    }
}

/// A moment on the wall clock, in microseconds since 1970, as the manager reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// `None` for systemd's ways to say never: 0 and the largest number.
    #[must_use]
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros != 0 && micros != u64::MAX).then_some(Self(micros))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_micros(timestamp.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds((*self).into()).fmt(f)
    }
}

/// Values by the names of their properties.
pub type SettingValues = BTreeMap<Cow<'static, str>, SettingValue>;

/// The properties of which the values are kept, by their names as they are on the wire.
static KEPT: LazyLock<HashMap<&'static [u8], &'static str>> = LazyLock::new(|| {
    directives::properties()
        .chain(loaded::PROPERTIES.iter().copied())
        .chain(super::manager::PROPERTIES.iter().copied())
        .map(|name| (name.as_bytes(), name))
        .collect()
});

/// The answer of `GetAll`, reduced to the properties that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Properties(pub(super) SettingValues);

impl Properties {
    /// Reads the body of an answer to `GetAll`.
    pub(super) fn from_body(body: &Body) -> Result<Self, String> {
        if body.signature() != <BTreeMap<&str, Variant<'_>> as Type>::SIGNATURE {
            return Err(format!(
                "it is of type {:?}, not a dictionary of properties",
                body.signature().to_string()
            ));
        }
        let data = body.data();
        let mut properties = BTreeMap::new();
        read_properties(
            data.bytes(),
            data.context().endian(),
            |name| KEPT.get(name).copied(),
            |name, value| drop(properties.insert(Cow::Borrowed(name), value)),
        )
        .map_err(|error| error.to_string())?;
        Ok(Self(properties))
    }

    /// Takes `name`, which every object of this kind has.
    pub(super) fn need<T>(
        &self,
        name: &str,
        read: impl FnOnce(&SettingValue) -> Option<T>,
        expected: &str,
    ) -> Result<T, String> {
        let value = self.0.get(name).ok_or_else(|| format!("there is no property {name}"))?;
        read(value).ok_or_else(|| format!("{name} is {}, not {expected}", value.kind()))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.need(name, |value| value.text().map(str::to_owned), "a text")
    }

    /// An array of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        self.need(name, SettingValue::texts, "a list of texts")
    }

    /// A truth value.
    pub(super) fn bool(&self, name: &str) -> Result<bool, String> {
        self.need(name, SettingValue::bool, "a truth value")
    }

    /// A moment; `None` if it never came.
    pub(super) fn timestamp(&self, name: &str) -> Result<Option<Timestamp>, String> {
        self.need(name, SettingValue::unsigned, "a number").map(Timestamp::from_micros)
    }

    /// A number that only some kinds of units have.
    pub(super) fn optional_number(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(SettingValue::unsigned)
    }
}
