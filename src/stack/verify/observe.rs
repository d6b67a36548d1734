//! What is expected of a stack's services, and what podman says of their containers.

use std::collections::BTreeMap;

use super::judge::{Expected, Observed};
use crate::compose::Model;
use crate::podman::{Container, Inspected, Podman, PodmanError};
use crate::process::joined;

/// How often the containers are listed anew when one goes while we ask for it.
const ATTEMPTS: usize = 5;

/// What every service must have: its number of containers, and the image that its reference names now.
///
/// # Errors
/// podman does not answer.
pub fn expected(podman: &Podman, model: &Model) -> Result<BTreeMap<String, Expected>, PodmanError> {
    let references: Vec<&str> =
        model.services.values().filter_map(|service| service.image.as_deref()).collect();
    let images = podman.images(&references)?;
    let of = |reference: &String| {
        let image = images.get(reference.as_str()).cloned().flatten()?;
        Some((reference.clone(), image.id))
    };
    Ok(model
        .services
        .iter()
        .map(|(name, service)| {
            let replicas = usize::try_from(service.replicas).unwrap_or(usize::MAX);
            (name.clone(), Expected { replicas, image: service.image.as_ref().and_then(of) })
        })
        .collect())
}

/// The containers of a project's services, as they are now.
///
/// # Errors
/// podman does not answer.
pub fn observe(podman: &Podman, project: &str) -> Result<Vec<Observed>, PodmanError> {
    let mut attempt = 1;
    loop {
        let listed = of_services(podman.project_containers(project)?);
        match podman.inspect(&ids(&listed)) {
            Ok(inspected) => return Ok(put_together(&listed, inspected)),
            // It was replaced meanwhile.
            Err(error) if error.is_no_such_object() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// As [`observe`], and sooner if they are still the same containers as `before`: then podman is asked for the list and
/// for the containers at the same time.
///
/// # Errors
/// podman does not answer.
pub fn observe_again(
    podman: &Podman,
    project: &str,
    before: &[Observed],
) -> Result<Vec<Observed>, PodmanError> {
    if before.is_empty() {
        return observe(podman, project);
    }
    let mut known: Vec<&str> = before.iter().map(|one| one.container.id.as_str()).collect();
    let (listed, inspected) = std::thread::scope(|scope| {
        let inspected = scope.spawn(|| podman.inspect(&known));
        (podman.project_containers(project), joined(inspected))
    });
    let listed = of_services(listed?);
    let mut now = ids(&listed);
    now.sort_unstable();
    known.sort_unstable();
    match inspected {
        Ok(inspected) if now == known => Ok(put_together(&listed, inspected)),
        Err(error) if !error.is_no_such_object() => Err(error),
        Ok(_) | Err(_) => observe(podman, project),
    }
}

fn of_services(mut listed: Vec<Container>) -> Vec<Container> {
    listed.retain(Container::is_of_a_service);
    listed
}

fn ids(listed: &[Container]) -> Vec<&str> {
    listed.iter().map(|container| container.id.as_str()).collect()
}

fn put_together(listed: &[Container], inspected: Vec<Inspected>) -> Vec<Observed> {
    let services: BTreeMap<&str, &str> =
        listed.iter().filter_map(|container| Some((container.id.as_str(), container.service()?))).collect();
    inspected
        .into_iter()
        .filter_map(|container| {
            let service = (*services.get(container.id.as_str())?).to_owned();
            Some(Observed { service, container })
        })
        .collect()
}
