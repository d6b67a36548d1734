//! What was found: the published form is `docs/schema/doctor.schema.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::exit::Code;

/// How much a lack matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// No stack can be started, or none stays up, without it.
    Required,
    /// It will hurt later.
    Advised,
    /// It could not be found out.
    Unknown,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// What was looked at; a heading in `docs/host.md`.
    pub about: &'static str,
    /// How much it matters.
    pub need: Need,
    /// What there should be.
    pub expected: String,
    /// What there is.
    pub seen: String,
    /// The command that mends it.
    pub next: String,
}

impl Lack {
    /// The lack in a line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: expected {}, saw {}; next: {}", self.about, self.expected, self.seen, self.next)
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Version of this form.
    pub version: u32,
    /// The versions of what is there, by program.
    pub versions: BTreeMap<&'static str, String>,
    /// What is as it should be.
    pub fine: Vec<&'static str>,
    /// What is not.
    pub lacks: Vec<Lack>,
}

impl Default for Diagnosis {
    fn default() -> Self {
        Self { version: 1, versions: BTreeMap::new(), fine: Vec::new(), lacks: Vec::new() }
    }
}

/// A lack that is not yet told what it is about: needed or advised, expected, seen, next.
pub(super) type Found = (Need, String, String, String);

impl Diagnosis {
    /// Takes down what one look has found.
    pub(super) fn record(&mut self, about: &'static str, found: Option<Found>) {
        match found {
            None => self.fine.push(about),
            Some((need, expected, seen, next)) => self.lacks.push(Lack { about, need, expected, seen, next }),
        }
    }

    /// As for the auditor: what is required is a page, and what could not be found out is no success.
    #[must_use]
    pub fn code(&self) -> Code {
        let has = |need| self.lacks.iter().any(|lack| lack.need == need);
        if self.lacks.iter().any(|lack| lack.about == MANAGER) {
            Code::Unreachable
        } else if has(Need::Required) {
            Code::Page
        } else if has(Need::Unknown) {
            Code::Refused
        } else {
            Code::Done
        }
    }

    /// For a person: what is lacking, then what is there.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self.lacks.iter().map(Lack::line).collect();
        let versions: Vec<String> =
            self.versions.iter().map(|(program, version)| format!("{program} {version}")).collect();
        let count = self.fine.len() + self.lacks.len();
        lines.push(if self.lacks.is_empty() {
            format!("{count} of {count} fine; versions: {}", versions.join(", "))
        } else {
            let required = self.lacks.iter().filter(|lack| lack.need == Need::Required).count();
            format!(
                "{} of {count} fine, {} lacking, {required} of those required; versions: {}",
                self.fine.len(),
                self.lacks.len(),
                versions.join(", ")
            )
        });
        lines.join("\n")
    }
}

/// The lack that leaves the others unknown.
pub(super) const MANAGER: &str = "user-manager";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_lack_decides_the_exit_code() {
        let lack = |about, need| Lack {
            about,
            need,
            expected: "a".to_owned(),
            seen: "b".to_owned(),
            next: "c".to_owned(),
        };
        let with = |lacks: &[Lack]| Diagnosis { lacks: lacks.to_vec(), ..Diagnosis::default() };
        let (advised, unknown) = (lack("lingering", Need::Advised), lack("podman", Need::Unknown));
        let (required, manager) = (lack("podman", Need::Required), lack(MANAGER, Need::Required));
        assert_eq!(with(&[]).code(), Code::Done);
        assert_eq!(with(std::slice::from_ref(&advised)).code(), Code::Done);
        assert_eq!(with(&[advised.clone(), unknown.clone()]).code(), Code::Refused);
        assert_eq!(with(&[unknown, required.clone()]).code(), Code::Page);
        assert_eq!(with(&[required, manager]).code(), Code::Unreachable);
        assert_eq!(
            with(&[advised]).text(),
            "lingering: expected a, saw b; next: c\n0 of 1 fine, 1 lacking, 0 of those required; versions: "
        );
    }
}
