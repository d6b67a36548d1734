//! What is expected of a stack's services, and what podman says of their containers.

use std::collections::BTreeMap;

use super::judge::{Expected, Observed};
use crate::compose::Model;
use crate::podman::{Container, Podman, PodmanError};

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
        let listed = podman.project_containers(project)?;
        let of_services: Vec<&Container> = listed.iter().filter(|one| one.is_of_a_service()).collect();
        let ids: Vec<&str> = of_services.iter().map(|container| container.id.as_str()).collect();
        match podman.inspect(&ids) {
            Ok(inspected) => {
                let services: BTreeMap<&str, &str> = of_services
                    .iter()
                    .filter_map(|container| Some((container.id.as_str(), container.service()?)))
                    .collect();
                return Ok(inspected
                    .into_iter()
                    .filter_map(|container| {
                        let service = (*services.get(container.id.as_str())?).to_owned();
                        Some(Observed { service, container })
                    })
                    .collect());
            }
            // It was replaced meanwhile.
            Err(error) if error.is_no_such_object() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
