//! All that a unit file sets, in no more memory than its text takes.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compare::Declared;
use crate::systemd::unit_file::UnitFile;

/// The assignments of a unit file, in its order. An audit of many stacks holds those of every unit at the same time: as
/// one text, because three strings for each of them would take several times the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignments(Box<str>);

/// What stands behind each section, key and value: systemd reads none of them past the end of a line.
const END: char = '\n';

/// One assignment as it stands in a JSON file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow)]
    section: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

impl Assignments {
    /// Those of a unit's text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        // systemd stops reading at a line that it does not understand; what stands before it is in force.
        let file = match UnitFile::parse(text) {
            Ok(file) => file,
            Err(error) => error.before().clone(),
        };
        file.assignments.iter().map(Declared::from).collect()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Declared<'_>> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || {
            Some(Declared { section: parts.next()?, key: parts.next()?, value: parts.next()? })
        })
    }
}

impl<'a> FromIterator<Declared<'a>> for Assignments {
    fn from_iter<I: IntoIterator<Item = Declared<'a>>>(all: I) -> Self {
        let mut text = String::new();
        for part in all.into_iter().flat_map(|one| [one.section, one.key, one.value]) {
            text.push_str(part);
            text.push(END);
        }
        Self(text.into())
    }
}

impl Serialize for Assignments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Assignments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Vec::<Written<'de>>::deserialize(deserializer)?;
        let parts = || written.iter().flat_map(|one| [&one.section, &one.key, &one.value]);
        if let Some(part) = parts().find(|part| part.contains(END)) {
            return Err(D::Error::custom(format_args!(
                "a line break in {part:?}, which no unit file can have"
            )));
        }
        let declared = written.iter().map(|Written { section, key, value }| Declared { section, key, value });
        Ok(declared.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_from_a_text_and_from_json_alike() {
        let text =
            "[Unit]\nAfter=\n[Service]\nExecStart=sh -c \"a=\\t\"\nEnvironment=A=1 \\\n B=2\n[X-Ours]\nKey=";
        let all = Assignments::of_text(text);
        let expected = [
            ("Unit", "After", ""),
            ("Service", "ExecStart", "sh -c \"a=\\t\""),
            ("Service", "Environment", "A=1   B=2"),
            ("X-Ours", "Key", ""),
        ];
        let expected = expected.map(|(section, key, value)| Declared { section, key, value });
        assert_eq!(all.iter().collect::<Vec<_>>(), expected);
        let json = serde_json::to_string(&all).unwrap();
        assert!(json.starts_with(r#"[{"section":"Unit","key":"After","value":""},{"#), "{json}");
        assert_eq!(serde_json::from_str::<Assignments>(&json).unwrap(), all);
        assert_eq!(Assignments::of_text("").iter().next(), None);
    }

    #[test]
    fn what_no_unit_file_can_say_is_refused() {
        let refused = |json: &str| serde_json::from_str::<Assignments>(json).unwrap_err().to_string();
        let told = refused(r#"[{"section":"Service","key":"ExecStart","value":"a\nb"}]"#);
        assert!(told.starts_with(r#"a line break in "a\nb", which no unit file can have"#), "{told}");
        assert!(refused(r#"[{"section":"Unit","key":"After","value":"a","more":1}]"#).contains("more"));
    }
}
