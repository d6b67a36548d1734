//! What compose makes of a stack's files, and what can be asked as soon as that is known.

use std::collections::BTreeMap;

use crate::compose::{Compose, ComposeError, Hashed, Model};
use crate::inventory::ProviderKind;
use crate::podman::{Container, Image, Podman, PodmanError};
use crate::process::joined;
use crate::stack::Context;
use crate::stack::state::Inputs;

/// The files, read.
#[derive(Debug)]
pub(super) struct Read {
    /// The compose, with its project pinned.
    pub compose: Compose,
    /// What it makes of the files.
    pub model: Model,
    /// The files. What is edited while compose is at work is not what it has read.
    pub inputs: Inputs,
    /// The images that the files name, by the reference, and none for one that is not here. podman-compose takes so long
    /// to read that [`super::here::Here`] has asked for them before.
    pub images: Option<Result<BTreeMap<String, Option<Image>>, PodmanError>>,
    /// The services' config hashes, by service; docker-compose only.
    pub hashes: Option<Result<Hashed, ComposeError>>,
}

impl Read {
    /// # Errors
    /// compose refuses the files.
    pub fn ask(context: &Context, mut compose: Compose) -> Result<Self, ComposeError> {
        let inputs = Inputs::of(&compose);
        let model = compose.model(&context.dirs)?;
        Ok(Self { compose, model, inputs, images: None, hashes: None })
    }

    /// Asks what else compose and podman know of it, where these are the containers, and these hashes were told last.
    pub fn and_further(mut self, podman: &Podman, containers: &[Container], known: Option<Hashed>) -> Self {
        if self.compose.kind() == ProviderKind::DockerCompose {
            let Self { compose, model, .. } = &mut self;
            let (hashes, images) = std::thread::scope(|scope| {
                let hashes = scope.spawn(|| compose.hashes(containers, known));
                (joined(hashes), podman.images(&model.images()))
            });
            (self.hashes, self.images) = (Some(hashes), Some(images));
        }
        self
    }
}
