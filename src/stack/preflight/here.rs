//! What podman has already. It is asked while compose still reads the files, and so what needs the stack's project goes by
//! what the last apply remembers of it; what that misses is asked for when it is known to be needed.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::ProviderKind;
use crate::podman::{Container, Image, Inspected, Podman, PodmanError};
use crate::process::joined;
use crate::stack::StackState;

/// The containers. podman-compose reads files for twice as long as podman lists containers: then also what else needs to
/// be known of the stack's own.
#[derive(Debug)]
pub(super) struct Here {
    /// Every container, whoever made it.
    pub containers: Vec<Container>,
    /// The images that those were made from, by the reference.
    pub images: BTreeMap<String, Option<Image>>,
    /// Those that mount something, in full: their anonymous volumes must be known.
    pub inspected: Vec<Inspected>,
}

impl Here {
    /// # Errors
    /// podman does not list its containers.
    pub fn ask(podman: &Podman, kind: ProviderKind, state: Option<&StackState>) -> Result<Self, PodmanError> {
        let containers = podman.containers()?;
        let mut here = Self { containers, images: BTreeMap::new(), inspected: Vec::new() };
        if let (ProviderKind::PodmanCompose, Some(state)) = (kind, state) {
            let own: Vec<&Container> =
                here.containers.iter().filter(|one| one.is_of_a_service_of(&state.project)).collect();
            let references: Vec<&str> = own.iter().map(|one| one.image.as_str()).collect();
            let mounting = own.iter().filter(|one| one.mounts_beside(&BTreeSet::new()));
            let ids: Vec<&str> = mounting.map(|one| one.id.as_str()).collect();
            let (images, inspected) = std::thread::scope(|scope| {
                let inspected = scope.spawn(|| podman.inspect(&ids).unwrap_or_default());
                (podman.images(&references).unwrap_or_default(), joined(inspected))
            });
            here.inspected = inspected;
            here.images = images;
        }
        Ok(here)
    }
}
