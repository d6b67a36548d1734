//! D-Bus property values as plain ones, and the selection of the properties that anybody looks at.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use zbus::{Signature, Type, Variant};

use super::loaded;
use super::settings::directives;

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

    /// No property that we look at is of another type than those above; what cannot be represented is left out.
    fn from_variant(variant: &Variant<'_>) -> Option<Self> {
        Some(match variant {
            Variant::Bool(value) => Self::Bool(*value),
            Variant::U8(value) => Self::Unsigned(u64::from(*value)),
            Variant::U16(value) => Self::Unsigned(u64::from(*value)),
            Variant::U32(value) => Self::Unsigned(u64::from(*value)),
            Variant::U64(value) => Self::Unsigned(*value),
            Variant::I16(value) => Self::Signed(i64::from(*value)),
            Variant::I32(value) => Self::Signed(i64::from(*value)),
            Variant::I64(value) => Self::Signed(*value),
            Variant::Str(value) => Self::Text(value.as_str().to_owned()),
            Variant::ObjectPath(value) => Self::Text(value.as_str().to_owned()),
            Variant::Signature(value) => Self::Text(value.to_string()),
            Variant::Variant(value) => Self::from_variant(value)?,
            Variant::Array(values) => Self::List(values.iter().filter_map(Self::from_variant).collect()),
            Variant::Structure(values) => {
                Self::List(values.fields().iter().filter_map(Self::from_variant).collect())
            }
            Variant::F64(_) | Variant::Dict(_) | Variant::Fd(_) => return None,
        })
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

/// The properties of which the values are kept. A service has 400, of which a sixth is looked at; the others are
/// skipped on the wire, which saves nine tenths of the reader's time (measured).
static KEPT: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    directives::properties()
        .chain(loaded::PROPERTIES.iter().copied())
        .chain(super::manager::PROPERTIES.iter().copied())
        .collect()
});

/// The answer of `GetAll`, reduced to the properties that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Properties(pub(super) BTreeMap<String, SettingValue>);

impl Type for Properties {
    const SIGNATURE: &'static Signature = <BTreeMap<&str, Variant<'_>> as Type>::SIGNATURE;
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Selecting;

        impl<'de> Visitor<'de> for Selecting {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dictionary of properties")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Properties, A::Error> {
                let mut properties = BTreeMap::new();
                while let Some(name) = map.next_key::<&str>()? {
                    if KEPT.contains(name) {
                        let value = map.next_value::<Variant<'_>>()?;
                        if let Some(value) = SettingValue::from_variant(&value) {
                            properties.insert(name.to_owned(), value);
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Properties(properties))
            }
        }

        deserializer.deserialize_map(Selecting)
    }
}

impl Properties {
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
