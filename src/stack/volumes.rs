//! Anonymous volumes and podman-compose. docker-compose takes them over to the container that replaces another;
//! podman-compose (1.3) takes the whole stack down for every change and makes new, empty ones for those that an image
//! declares.

use std::collections::BTreeMap;
use std::fmt;

use super::error::StackError;
use crate::compose::{Compose, ComposeError, Model, Overlay};
use crate::dirs::Dirs;
use crate::inventory::ProviderKind;
use crate::podman::{Container, Inspected, Podman, same_image};

/// Data that a recreation by podman-compose would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    container: String,
    service: String,
    volume: String,
    path: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, service, volume, path } = self;
        write!(
            f,
            "container {container} has data in the anonymous volume {volume} at {path}, and podman-compose would put an empty one in its place; next: give it a name in the compose files, which keeps it: `volumes: [\"kept:{path}\"]` in service {service}, and at the top level `volumes: {{kept: {{external: true, name: {volume}}}}}`"
        )
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
    let own = of_services(model, containers);
    let losses = at_risk(podman, compose, model, containers, inspected)?;
    if losses.is_empty() {
        return Ok(losses);
    }
    let overlay = Overlay::to_ask(dirs, compose.stack(), model).map_err(ComposeError::from)?;
    Ok(if replaces(podman, compose, model, &own, &overlay)? { losses } else { Vec::new() })
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
    let own = of_services(model, containers);
    let services: BTreeMap<&str, &str> =
        own.iter().filter_map(|one| Some((one.id.as_str(), one.service()?))).collect();
    let is_seen = |id: &str| inspected.iter().any(|one| one.id == id);
    let ids: Vec<&str> = services.keys().copied().filter(|id| !is_seen(id)).collect();
    let mut losses = Vec::new();
    for container in inspected.iter().chain(&podman.inspect(&ids)?) {
        let Some((name, service)) =
            services.get(container.id.as_str()).and_then(|name| Some((*name, model.services.get(*name)?)))
        else {
            // Nobody declares it any more: it is not recreated.
            continue;
        };
        for mount in container.mounts.iter().filter(|mount| mount.is_anonymous_volume()) {
            if !service.named_mounts.contains(mount.destination.trim_end_matches('/')) {
                losses.push(Loss {
                    container: container.name.clone(),
                    service: name.to_owned(),
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

/// Whether an `up` replaces containers: all of them if one was made from something else, or its image has moved.
fn replaces(
    podman: &Podman,
    compose: &Compose,
    model: &Model,
    own: &[&Container],
    overlay: &Overlay,
) -> Result<bool, StackError> {
    let hash = compose.hash_of_project(overlay)?;
    if own.iter().any(|one| one.config_hash() != Some(hash.as_str())) {
        return Ok(true);
    }
    let references: Vec<&str> = model.services.values().filter_map(|one| one.image.as_deref()).collect();
    let images = podman.images(&references)?;
    Ok(own.iter().any(|one| {
        let reference = one.service().and_then(|name| model.services.get(name)?.image.as_deref());
        reference.is_some_and(|reference| match images.get(reference).and_then(Option::as_ref) {
            Some(image) => !same_image(&image.id, &one.image_id),
            // What is pulled instead of it may be another one.
            None => true,
        })
    }))
}
