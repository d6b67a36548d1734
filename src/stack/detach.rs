//! Containers that share the network of another one. podman (5.4) does not remove a container that others share a
//! namespace with, and docker-compose removes a container to replace it: every change of such a service would fail
//! half way. So before it is replaced, those that share its network are made anew without one, by compose, which takes
//! their anonymous volumes along; `up` then gives them the network of the new container.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::{Compose, ComposeError, Model, Overlay};
use crate::dirs::Dirs;
use crate::inventory::ProviderKind;
use crate::podman::{Container, same_image};

/// The config hashes of a stack in which networks are shared, as compose takes them.
#[derive(Debug)]
pub struct Hashes(BTreeMap<String, String>);

impl Hashes {
    /// Asks compose for them, if [`detach`] needs them.
    ///
    /// # Errors
    /// It refuses the files, or the runtime directory cannot be written.
    pub fn ask_if_needed(
        dirs: &Dirs,
        compose: &Compose,
        model: &Model,
    ) -> Result<Option<Self>, ComposeError> {
        // podman-compose takes the whole stack down for every change.
        if compose.kind() != ProviderKind::DockerCompose || model.sharing().next().is_none() {
            return Ok(None);
        }
        let overlay = Overlay::to_ask(dirs, compose.stack(), model)?;
        Ok(Some(Self(compose.hashes(&overlay)?)))
    }
}

/// Detaches what must be, and says what it did. `images` has the ids of the images that the services name.
///
/// # Errors
/// compose fails.
pub fn detach(
    dirs: &Dirs,
    prepared: &Prepared,
    hashes: &Hashes,
    images: &BTreeMap<String, String>,
) -> Result<Vec<String>, StackError> {
    let sharing: BTreeSet<(&str, &str)> = prepared.model.sharing().collect();
    let changed = changed(prepared, hashes, images, &sharing);
    let exists = |service: &str| containers(prepared, service).next().is_some();
    let affected: BTreeSet<&str> = sharing
        .iter()
        .filter(|(service, with)| changed.contains(with) && exists(service))
        .map(|(service, _)| *service)
        .collect();
    if affected.is_empty() {
        return Ok(Vec::new());
    }
    let stack = prepared.compose.stack();
    let detached =
        Overlay::without_network(dirs, stack, &prepared.model, &affected).map_err(ComposeError::from)?;
    let arguments = ["up", "--no-start", "--no-deps"].iter().chain(&affected);
    let timeout = prepared.entry.startup_timeout.duration();
    prepared.compose.act(Some(&detached), "detach containers of", arguments, timeout, |_| {})?;
    Ok(affected
        .into_iter()
        .map(|service| format!("made {service} anew: it shares the network of a container that is replaced"))
        .collect())
}

/// Starts again what shares the network of a container that was started after it: a container joins that network when it
/// starts, and has none any more. Says what it did.
///
/// # Errors
/// podman fails.
pub fn join_networks(prepared: &Prepared, containers: &[Container]) -> Result<Vec<String>, StackError> {
    let is_of = |one: &Container, service: &str| one.is_of_a_service() && one.service() == Some(service);
    let mut alone: Vec<&Container> = Vec::new();
    for (service, with) in prepared.model.sharing() {
        // Of several, nobody tells which it is: the first, so that nothing is started again for ever.
        let begun = containers.iter().filter(|one| is_of(one, with)).map(|one| one.started_at).min();
        let before = |one: &&Container| begun.is_some_and(|begun| one.started_at < begun);
        alone.extend(containers.iter().filter(|one| is_of(one, service) && one.is_running()).filter(before));
    }
    let ids: Vec<&str> = alone.iter().map(|one| one.id.as_str()).collect();
    prepared.podman.restart(&ids, prepared.entry.startup_timeout.duration())?;
    let said = |one: &&Container| {
        format!(
            "started {} again: it shares the network of a container that was started after it",
            one.name()
        )
    };
    Ok(alone.iter().map(said).collect())
}

/// The services with whose network others run, and whose containers compose will replace, as it decides that itself:
/// by config hash and image.
fn changed<'a>(
    prepared: &Prepared,
    hashes: &Hashes,
    images: &BTreeMap<String, String>,
    sharing: &BTreeSet<(&str, &'a str)>,
) -> BTreeSet<&'a str> {
    let with: BTreeSet<&str> = sharing.iter().map(|(_, with)| *with).collect();
    with.into_iter()
        .filter(|service| {
            let image = prepared.model.services.get(*service).and_then(|service| service.image.as_deref());
            let image = image.and_then(|reference| images.get(reference));
            // One that is not there has another name now, perhaps, and goes under the old one.
            containers(prepared, service).next().is_none()
                || containers(prepared, service).any(|container| {
                    container.config_hash() != hashes.0.get(*service).map(String::as_str)
                        || image.is_some_and(|id| !same_image(id, &container.image_id))
                })
        })
        .collect()
}

fn containers<'a>(prepared: &'a Prepared, service: &'a str) -> impl Iterator<Item = &'a Container> {
    prepared.containers.iter().filter(move |container| {
        container.project() == Some(prepared.project.as_str())
            && container.is_of_a_service()
            && container.service() == Some(service)
    })
}
