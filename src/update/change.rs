//! What an update changes, as its record and the stack's state hold it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::reference::Tag;
use crate::podman::Image;

/// How many digests of one reference are remembered beside the last one that failed: a registry that goes round between
/// bad ones offers few.
const ALSO: usize = 32;

/// What an update, or a rollback by hand, is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The images that change, in order of their references.
    pub images: Vec<Change>,
    /// The services that were not up before, and whose images do not change: they are not verified.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_up_before: BTreeSet<String>,
    /// The references whose new image is to blame for the failure.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blamed: BTreeSet<String>,
    /// How it ended; none while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
}

/// How the update of a stack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// New images run, and are verified.
    Updated,
    /// Nothing is new, or only what is quarantined.
    Unchanged,
    /// The operator has stopped the stack.
    Skipped,
    /// It failed before anything changed, or all was put back before a container was started.
    Failed,
    /// The new images failed; the old ones run again, and are verified.
    RolledBack,
    /// What runs is not verified.
    NotRolledBack,
}

/// An image that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The reference as the compose files have it.
    pub reference: String,
    /// The same with registry and tag.
    pub tag: Tag,
    /// The services that use it.
    pub services: Vec<String>,
    /// What ran before; none if there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Version>,
    /// What is to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Version>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// Its id; empty until it is here.
    pub id: String,
    /// Its digest at the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its label `org.opencontainers.image.version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its label `org.opencontainers.image.revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// A set of images that ran and were verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// When it was pinned.
    pub at: String,
    /// The record of the transaction that did it.
    pub record: String,
    /// By reference.
    pub images: BTreeMap<String, Pinned>,
}

/// An image of a pinned set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The reference with registry and tag.
    pub tag: Tag,
    /// The image.
    pub image: Version,
    /// The local name that keeps it.
    pub name: String,
}

/// A digest that is not to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// The digest at the registry.
    pub digest: String,
    /// Since when.
    pub at: String,
    /// Why.
    pub reason: String,
    /// Other digests that are not to be tried: those of the same image, and of images that failed before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<String>,
}

impl Quarantined {
    /// Every digest that is not to be tried.
    pub fn digests(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.digest).chain(&self.also)
    }

    /// Whether an image of that digest is not to be tried.
    #[must_use]
    pub fn holds(&self, digest: &str) -> bool {
        self.digests().any(|one| one == digest)
    }

    /// With what was quarantined before it, but for the digests of `good`. Of the same image that is since when, and why.
    #[must_use]
    pub fn after(mut self, before: Option<Self>, good: &BTreeSet<String>) -> Self {
        if let Some(before) = before {
            if self.holds(&before.digest) {
                (self.at, self.reason) = (before.at, before.reason);
            }
            self.also.insert(before.digest);
            self.also.extend(before.also);
        }
        self.also.retain(|one| *one != self.digest && !good.contains(one));
        while self.also.len() > ALSO {
            self.also.pop_last();
        }
        self
    }
}

impl Version {
    /// An image that is here.
    #[must_use]
    pub fn of(image: &Image, digest: Option<String>) -> Self {
        let label = |name: &str| image.labels.get(name).filter(|value| !value.is_empty()).cloned();
        Self {
            id: image.id.clone(),
            digest: digest.or_else(|| Some(image.digest.clone()).filter(|digest| !digest.is_empty())),
            version: label("org.opencontainers.image.version"),
            revision: label("org.opencontainers.image.revision"),
        }
    }

    /// It, in a few characters: digest or id, and what its labels say.
    #[must_use]
    pub fn short(&self) -> String {
        let name = self.digest.as_deref().unwrap_or(&self.id);
        let hex = name.rsplit(':').next().unwrap_or(name);
        let short: String = hex.chars().take(12).collect();
        match (&self.version, &self.revision) {
            (None, _) => short,
            (Some(version), None) => format!("{short} ({version})"),
            (Some(version), Some(revision)) => {
                let revision: String = revision.chars().take(12).collect();
                format!("{short} ({version}, {revision})")
            }
        }
    }
}

impl Change {
    /// It in a line: `app:1 0123456789ab -> ba9876543210`.
    #[must_use]
    pub fn line(&self) -> String {
        let short = |version: &Option<Version>| version.as_ref().map_or("none".to_owned(), Version::short);
        format!("{} {} -> {}", self.reference, short(&self.old), short(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_before_stays_quarantined_and_what_is_good_now_does_not() {
        let set = |digests: &[&str]| digests.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
        let bad = |digest: &str, also: &[&str]| Quarantined {
            digest: digest.to_owned(),
            at: String::new(),
            reason: String::new(),
            also: set(also),
        };
        let two = bad("list3", &["own3"]).after(Some(bad("list2", &["own2"])), &set(&["own2"]));
        assert_eq!(two.also, set(&["list2", "own3"]));
        assert!(two.holds("list3") && two.holds("own3") && !two.holds("own2"));
        let why = |one: Quarantined, reason: &str| Quarantined { reason: reason.to_owned(), ..one };
        let first = || Some(why(bad("list2", &["own2"]), "unhealthy"));
        let again = why(bad("own2", &["list2"]), "by hand").after(first(), &set(&[]));
        assert_eq!((again.reason.as_str(), again.also), ("unhealthy", set(&["list2"])));
        assert_eq!(why(bad("own3", &[]), "by hand").after(first(), &set(&[])).reason, "by hand");
        assert_eq!(bad("x", &[]).after(Some(bad("x", &[])), &set(&[])).also, set(&[]));
    }
}
