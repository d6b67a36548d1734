//! Containers that share the network of another one. podman (5.4) does not remove a container that others share a
//! namespace with, and docker-compose removes a container to replace it: every change of such a service would fail
//! half way. So before it is replaced, those that share its network are made anew without one, by compose, which takes
//! their anonymous volumes along; `up` then gives them the network of the new container.

use std::collections::BTreeSet;

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::{ComposeError, Model, Overlay};
use crate::dirs::Dirs;
use crate::inventory::ProviderKind;
use crate::podman::Container;

/// Detaches what must be, and says what it did.
///
/// # Errors
/// podman or compose fails.
pub fn detach(dirs: &Dirs, prepared: &Prepared, overlay: &Overlay) -> Result<Vec<String>, StackError> {
    // podman-compose takes the whole stack down for every change.
    let sharing = sharing(&prepared.model);
    if sharing.is_empty() || prepared.compose.kind() == ProviderKind::PodmanCompose {
        return Ok(Vec::new());
    }
    let changed = changed(prepared, overlay, &sharing)?;
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

/// Which service shares the network of which other.
fn sharing(model: &Model) -> BTreeSet<(&str, &str)> {
    model
        .services
        .iter()
        .filter_map(|(name, service)| Some((name.as_str(), service.network_of.as_deref()?)))
        .collect()
}

/// The services with whose network others run, and whose containers compose will replace, as it decides that itself:
/// by config hash and image.
fn changed<'a>(
    prepared: &Prepared,
    overlay: &Overlay,
    sharing: &BTreeSet<(&str, &'a str)>,
) -> Result<BTreeSet<&'a str>, StackError> {
    let hashes = prepared.compose.hashes(overlay)?;
    let with: BTreeSet<&str> = sharing.iter().map(|(_, with)| *with).collect();
    let references: Vec<&str> =
        prepared.model.services.values().filter_map(|service| service.image.as_deref()).collect();
    let images = prepared.podman.images(&references)?;
    Ok(with
        .into_iter()
        .filter(|service| {
            let image = prepared.model.services.get(*service).and_then(|service| service.image.as_deref());
            let image = image.and_then(|reference| images.get(reference)?.as_ref());
            containers(prepared, service).any(|container| {
                container.config_hash() != hashes.get(*service).map(String::as_str)
                    || image.is_some_and(|image| !image.is(&container.image_id))
            })
        })
        .collect())
}

fn containers<'a>(prepared: &'a Prepared, service: &'a str) -> impl Iterator<Item = &'a Container> {
    prepared.containers.iter().filter(move |container| {
        container.project() == Some(prepared.project.as_str())
            && container.is_of_a_service()
            && container.service() == Some(service)
    })
}
