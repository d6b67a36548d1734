//! What the last look at a stack found to be the newest there is. While nothing of it has changed, the next look asks
//! podman once, compose not at all, and each registry for one digest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::plan::Candidate;
use super::reference::Tag;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::chain;
use crate::inventory::{Declared, Host};
use crate::names::StackName;
use crate::podman::Container;
use crate::stack::StackState;
use crate::stack::preflight::Prepared;

/// The file `newest/<stack>.json` in the runtime directory. It is gone after a reboot; then everything is asked anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newest {
    /// Version of this file's form.
    pub version: u32,
    /// The record of the apply whose inputs were looked at.
    pub applied: String,
    /// The project.
    pub project: String,
    /// The images that can change, by reference.
    pub images: BTreeMap<String, NewestImage>,
    /// Why the others cannot.
    pub left_out: Vec<String>,
}

/// An image that ran in all containers of its services, and that the registry offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewestImage {
    /// The reference with registry and tag.
    pub tag: Tag,
    /// The services that use it.
    pub services: BTreeSet<String>,
    /// Its id.
    pub id: String,
    /// The digest under which the registry has it. That the two belong together never changes: both are made from what
    /// is in the image.
    pub digest: String,
}

impl Document for Newest {
    const KIND: &'static str = "note of the newest images";
    const VERSION: u32 = 1;
}

impl Newest {
    /// What was found, if the next look may lean on it: the stack runs what it was applied with, every input is on record,
    /// and there was nothing to warn of.
    #[must_use]
    pub fn of(
        dirs: &Dirs,
        stack: &StackName,
        prepared: &Prepared,
        candidates: &[Candidate],
        left_out: &[String],
        offered: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let applied = StackState::load_if_any(dirs, stack).ok().flatten()?.applied?;
        let declared = Declared { entry: prepared.entry.clone(), sha256: prepared.inventory };
        if !applied.changes(&dirs.inventory_file(stack), &declared).is_empty()
            || prepared.compose.reads_other_files()
            || !prepared.warnings.is_empty()
        {
            return None;
        }
        let image = |one: &Candidate| {
            let change = &one.change;
            let digest = offered.get(&change.reference).filter(|digest| one.is_at(digest))?.clone();
            let (tag, services) = (change.tag.clone(), change.services.iter().cloned().collect());
            let id = one.image.as_ref()?.id.clone();
            Some((change.reference.clone(), NewestImage { tag, services, id, digest }))
        };
        Some(Self {
            version: Self::VERSION,
            applied: applied.record,
            project: prepared.project.clone(),
            images: candidates.iter().map(image).collect::<Option<_>>()?,
            left_out: left_out.to_vec(),
        })
    }

    /// What was found last, if it was found with the inputs that are declared now. Anything doubtful is none: it only
    /// saves asking.
    #[must_use]
    pub fn recall(dirs: &Dirs, host: &Host, stack: &StackName, declared: &Declared) -> Option<Self> {
        let newest = Self::load(&Self::path(dirs, stack)).ok()?;
        let state = StackState::load_if_any(dirs, stack).ok().flatten()?;
        let applied = state.applied.filter(|applied| applied.record == newest.applied)?;
        let same = state.provider == host.provider.kind
            && applied.changes(&dirs.inventory_file(stack), declared).is_empty();
        same.then_some(newest)
    }

    /// Leaves it for the next look.
    pub fn leave(&self, dirs: &Dirs, stack: &StackName) {
        if let Err(error) = self.store(&Self::path(dirs, stack)) {
            tracing::warn!(
                STACKWARDEN_STACK = stack.as_str(),
                "stack {stack}: the next update asks for everything anew: {}",
                chain(&error)
            );
        }
    }

    /// Whether these containers of the project run what was found, and the registries still offer it.
    #[must_use]
    pub fn holds(&self, containers: &[&Container], offered: &BTreeMap<String, String>) -> bool {
        self.images.iter().all(|(reference, image)| {
            let mut of_it = containers
                .iter()
                .filter(|one| one.is_of_a_service())
                .filter(|one| one.service().is_some_and(|service| image.services.contains(service)))
                .peekable();
            offered.get(reference) == Some(&image.digest)
                && of_it.peek().is_some()
                && of_it.all(|one| one.image_id == image.id)
        })
    }

    fn path(dirs: &Dirs, stack: &StackName) -> PathBuf {
        dirs.run().join("newest").join(format!("{stack}.json"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::update::reference::{Source, source};

    fn newest() -> Newest {
        let Source::Tag(tag) = source("app:1", false, &[]) else { panic!() };
        let services = BTreeSet::from(["web".to_owned(), "work".to_owned()]);
        let image = NewestImage { tag, services, id: "old".to_owned(), digest: "sha256:1".to_owned() };
        let images = BTreeMap::from([("app:1".to_owned(), image)]);
        Newest {
            version: 1,
            applied: "record".to_owned(),
            project: "p".to_owned(),
            images,
            left_out: Vec::new(),
        }
    }

    fn container(service: &str, image: &str) -> Container {
        let labels = json!({"com.docker.compose.project": "p", "com.docker.compose.service": service});
        serde_json::from_value(json!({"Id": service, "ImageID": image, "Labels": labels})).unwrap()
    }

    #[test]
    fn it_holds_only_while_all_is_as_it_was() {
        let offered = |digest: &str| BTreeMap::from([("app:1".to_owned(), digest.to_owned())]);
        let (web, work, other) = (container("web", "old"), container("work", "old"), container("db", "x"));
        let moved = container("work", "new");
        assert!(newest().holds(&[&web, &work, &other], &offered("sha256:1")));
        assert!(!newest().holds(&[&web, &work], &offered("sha256:2")), "the tag has moved");
        assert!(!newest().holds(&[&web, &moved], &offered("sha256:1")), "one runs another image");
        assert!(!newest().holds(&[&other], &offered("sha256:1")), "nothing runs it");
        assert!(!newest().holds(&[&web, &work], &BTreeMap::new()), "nobody was asked");
    }
}
