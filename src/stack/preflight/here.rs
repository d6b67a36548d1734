//! What podman has already. It is asked while compose still reads the files, and so what needs the stack's project goes by
//! what the last apply remembers of it; what that misses is asked for when it is known to be needed.

use std::collections::BTreeMap;

use crate::inventory::ProviderKind;
use crate::names::StackName;
use crate::podman::{Container, Image, Inspected, Podman, PodmanError};
use crate::process::joined;
use crate::stack::{Context, StackState};

/// The containers. podman-compose reads files for twice as long as podman lists containers: then also what else needs to
/// be known of the stack's own.
#[derive(Debug)]
pub(super) struct Here {
    /// Every container of every project.
    pub containers: Vec<Container>,
    /// The images that those were made from, by the reference.
    pub images: BTreeMap<String, Option<Image>>,
    /// They in full: their anonymous volumes must be known.
    pub inspected: Vec<Inspected>,
}

impl Here {
    /// # Errors
    /// podman does not list its containers.
    pub fn ask(context: &Context, podman: &Podman, stack: &StackName) -> Result<Self, PodmanError> {
        let containers = podman.compose_containers()?;
        let mut here = Self { containers, images: BTreeMap::new(), inspected: Vec::new() };
        let state = StackState::load_if_any(&context.dirs, stack).ok().flatten();
        if let (ProviderKind::PodmanCompose, Some(state)) = (context.host.provider.kind, state) {
            let of_project = |one: &&Container| one.project() == Some(state.project.as_str());
            let own: Vec<&Container> =
                here.containers.iter().filter(of_project).filter(|one| one.is_of_a_service()).collect();
            let references: Vec<&str> = own.iter().map(|one| one.image.as_str()).collect();
            let ids: Vec<&str> = own.iter().map(|one| one.id.as_str()).collect();
            let (images, inspected) = std::thread::scope(|scope| {
                let inspected = scope.spawn(|| podman.inspect(&ids).unwrap_or_default());
                (podman.images(&references).unwrap_or_default(), joined(inspected))
            });
            here.inspected = inspected;
            here.images = images.into_iter().map(|(name, image)| (name.to_owned(), image)).collect();
        }
        Ok(here)
    }
}
