//! Anonymous volumes and podman-compose. docker-compose takes them over to the container that replaces another;
//! podman-compose (1.3) takes the whole stack down for every change and makes new, empty ones for those that an image
//! declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::StackError;
use crate::compose::{Compose, ComposeError, Model, Overlay, Service};
use crate::dirs::Dirs;
use crate::inventory::ProviderKind;
use crate::podman::{Container, Inspected, Podman, same_image};

/// Data that a recreation by podman-compose would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// An anonymous volume of a service.
    Volume {
        /// The container.
        container: String,
        /// Its service.
        service: String,
        /// The volume.
        volume: String,
        /// Where it is mounted.
        path: String,
    },
    /// What `podman-compose run` has left. It goes with the others, and one that was made from something else is reason
    /// enough for podman-compose to replace them all.
    OneOff {
        /// The container.
        container: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOff { container } => write!(
                f,
                "container {container} was left by `podman-compose run`, and podman-compose would take the whole stack down for it, or it with the stack, and all data in anonymous volumes; next, when nobody needs it any more: podman rm --force {container}"
            ),
            Self::Volume { container, service, volume, path } => write!(
                f,
                "container {container} has data in the anonymous volume {volume} at {path}, and podman-compose would put an empty one in its place; next: give it a name in the compose files, which keeps it: `volumes: [\"kept:{path}\"]` in service {service}, and at the top level `volumes: {{kept: {{external: true, name: {volume}}}}}`"
            ),
        }
    }
}

/// What applying would lose now: of the containers that it replaces, the anonymous volumes for whose place the compose
/// files name no other. `inspected` are those that were looked at just before.
///
/// # Errors
/// podman or podman-compose does not answer.
pub fn losses(
    dirs: &Dirs,
    podman: &Podman,
    compose: &Compose,
    model: &Model,
    containers: &[Container],
    inspected: &[Inspected],
) -> Result<Vec<Loss>, StackError> {
    let losses = at_risk(podman, compose, model, containers, inspected)?;
    if losses.is_empty() {
        return Ok(losses);
    }
    let hash = hash(dirs, compose, model)?;
    if replaces(podman, model, &of_services(model, containers), &hash)? {
        return Ok(losses);
    }
    let others = one_offs(model, containers).filter(|one| one.config_hash() != Some(hash.as_str()));
    Ok(others.map(|one| Loss::OneOff { container: one.name().to_owned() }).collect())
}

/// What replacing the containers of a project would lose. `inspected` are those that were looked at just before.
///
/// # Errors
/// podman does not answer.
pub fn at_risk(
    podman: &Podman,
    compose: &Compose,
    model: &Model,
    containers: &[Container],
    inspected: &[Inspected],
) -> Result<Vec<Loss>, StackError> {
    if compose.kind() != ProviderKind::PodmanCompose {
        return Ok(Vec::new());
    }
    let nothing = BTreeSet::new();
    let temporary: BTreeSet<&str> = one_offs(model, containers).map(|one| one.id.as_str()).collect();
    // What nobody declares any more is not recreated.
    let own: BTreeMap<&str, (&str, &Service)> = of_services(model, containers)
        .into_iter()
        .chain(one_offs(model, containers))
        .filter_map(|one| {
            let name = one.service()?;
            let service = model.services.get(name)?;
            let known = if temporary.contains(one.id.as_str()) { &nothing } else { &service.named_mounts };
            one.mounts_beside(known).then_some((one.id.as_str(), (name, service)))
        })
        .collect();
    let is_seen = |id: &str| inspected.iter().any(|one| one.id == id);
    let ids: Vec<&str> = own.keys().copied().filter(|id| !is_seen(id)).collect();
    let mut losses = Vec::new();
    for container in inspected.iter().chain(&podman.inspect(&ids)?) {
        let Some((name, service)) = own.get(container.id.as_str()) else { continue };
        let mut anonymous = container.mounts.iter().filter(|mount| mount.is_anonymous_volume()).peekable();
        if temporary.contains(container.id.as_str()) {
            let left = anonymous.peek().map(|_| Loss::OneOff { container: container.name.clone() });
            losses.extend(left);
            continue;
        }
        for mount in anonymous {
            if !service.named_mounts.contains(mount.destination.trim_end_matches('/')) {
                losses.push(Loss::Volume {
                    container: container.name.clone(),
                    service: (*name).to_owned(),
                    volume: mount.name.clone(),
                    path: mount.destination.clone(),
                });
            }
        }
    }
    Ok(losses)
}

fn of_services<'a>(model: &Model, containers: &'a [Container]) -> Vec<&'a Container> {
    let project = model.project.as_deref();
    containers.iter().filter(|one| one.project() == project && one.is_of_a_service()).collect()
}

fn one_offs<'a>(model: &Model, containers: &'a [Container]) -> impl Iterator<Item = &'a Container> {
    let project = model.project.clone();
    containers.iter().filter(move |one| one.project() == project.as_deref() && one.is_one_off())
}

/// Whether applying replaces the containers of a project; podman-compose only.
///
/// # Errors
/// podman or podman-compose does not answer.
pub fn are_replaced(
    dirs: &Dirs,
    podman: &Podman,
    compose: &Compose,
    model: &Model,
    containers: &[Container],
) -> Result<bool, StackError> {
    replaces(podman, model, &of_services(model, containers), &hash(dirs, compose, model)?)
}

fn hash(dirs: &Dirs, compose: &Compose, model: &Model) -> Result<String, StackError> {
    let overlay = Overlay::to_ask(dirs, compose.stack(), model).map_err(ComposeError::from)?;
    Ok(compose.hash_of_project(&overlay)?)
}

/// Whether an `up` replaces containers: all of them if one was made from something else, or its image has moved.
fn replaces(podman: &Podman, model: &Model, own: &[&Container], hash: &str) -> Result<bool, StackError> {
    if own.iter().any(|one| one.config_hash() != Some(hash)) {
        return Ok(true);
    }
    let images = podman.images(&model.images())?;
    Ok(own.iter().any(|one| {
        let reference = one.service().and_then(|name| model.services.get(name)?.image.as_deref());
        reference.is_some_and(|reference| match images.get(reference).and_then(Option::as_ref) {
            Some(image) => !same_image(&image.id, &one.image_id),
            // What is pulled instead of it may be another one.
            None => true,
        })
    }))
}
