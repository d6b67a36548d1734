//! What compose makes of a stack's files, and what can be asked as soon as that is known.

use std::collections::BTreeMap;

use crate::compose::{Compose, ComposeError, Model};
use crate::inventory::ProviderKind;
use crate::podman::{Image, Podman, PodmanError};
use crate::process::joined;
use crate::stack::Context;
use crate::stack::detach::Hashes;

/// The files, read.
#[derive(Debug)]
pub(super) struct Read {
    /// The compose, with its project pinned.
    pub compose: Compose,
    /// What it makes of the files.
    pub model: Model,
    /// The images that the files name, by the reference, and none for one that is not here. podman-compose takes so long
    /// to read that [`super::here::Here`] has asked for them before.
    pub images: Option<Result<BTreeMap<String, Option<Image>>, PodmanError>>,
    /// The services' config hashes, where they are needed.
    pub hashes: Option<Hashes>,
}

impl Read {
    /// # Errors
    /// compose refuses the files.
    pub fn ask(context: &Context, podman: &Podman, mut compose: Compose) -> Result<Self, ComposeError> {
        let model = compose.model(&context.dirs)?;
        let (hashes, images) = std::thread::scope(|scope| {
            let hashes = scope.spawn(|| Hashes::ask_if_needed(&context.dirs, &compose, &model));
            let images = match compose.kind() {
                ProviderKind::DockerCompose => Some(images(podman, &model)),
                ProviderKind::PodmanCompose => None,
            };
            (joined(hashes), images)
        });
        Ok(Self { hashes: hashes?, compose, model, images })
    }
}

fn images(podman: &Podman, model: &Model) -> Result<BTreeMap<String, Option<Image>>, PodmanError> {
    let references: Vec<&str> = model.services.values().filter_map(|one| one.image.as_deref()).collect();
    Ok(podman.images(&references)?.into_iter().map(|(name, image)| (name.to_owned(), image)).collect())
}
