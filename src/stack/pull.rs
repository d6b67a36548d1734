//! Fetching the images that are not here, before anything is started, so that `startup_timeout` is about starting.

use std::time::Instant;

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::{Compose, ComposeError, Overlay};
use crate::inventory::{Entry, ProviderKind};
use crate::progress::Progress;

/// Pulls, service by service (compose stops at the first image that fails), and builds what is built here. Says what
/// it fetched.
///
/// # Errors
/// An image cannot be had, or not in time.
pub fn pull_missing(
    prepared: &Prepared,
    overlay: &Overlay,
    progress: &mut Progress,
) -> Result<Vec<String>, StackError> {
    let missing = missing(prepared)?;
    let deadline = Instant::now() + prepared.entry.pull_timeout.duration();
    let mut fetched = Vec::new();
    for (service, verb, image) in missing {
        let done = if verb == "pull" { "pulled" } else { "built" };
        progress.show(&format!("{verb} {image}"));
        let mut said = String::new();
        step(&prepared.compose, &prepared.entry, overlay, (verb, &service), deadline, |line| {
            progress.show(&format!("{verb} {image}: {line}"));
            if line.contains("rror") {
                line.clone_into(&mut said);
            }
        })
        .map_err(|error| {
            let (image, service, source) = (image.clone(), service.clone(), Box::new(error));
            StackError::Fetch { verb, image, service, source }
        })?;
        // podman-compose (1.3) says 0 also when it could not pull, and `up` would then take the stack down first.
        if prepared.podman.images(&[image.as_str()])?.values().all(Option::is_none) {
            let stack = prepared.compose.stack().clone();
            return Err(StackError::NotFetched { stack, verb, image, said });
        }
        fetched.push(format!("{done} {image} for {service}"));
    }
    Ok(fetched)
}

/// What is not here: a service, how its image is had, and the image.
fn missing(prepared: &Prepared) -> Result<Vec<(String, &'static str, String)>, StackError> {
    let made_up = |service: &str| match prepared.compose.kind() {
        ProviderKind::DockerCompose => format!("{}-{service}", prepared.project),
        ProviderKind::PodmanCompose => format!("{}_{service}", prepared.project),
    };
    let wanted: Vec<(&String, &'static str, String)> = prepared
        .model
        .services
        .iter()
        .filter(|(_, service)| service.replicas > 0)
        .filter_map(|(name, service)| {
            let verb = if service.built { "build" } else { "pull" };
            let image = service.image.clone().or_else(|| service.built.then(|| made_up(name)))?;
            Some((name, verb, image))
        })
        .collect();
    let references: Vec<&str> = wanted.iter().map(|(_, _, image)| image.as_str()).collect();
    let here = prepared.podman.images(&references)?;
    let mut seen = std::collections::BTreeSet::new();
    Ok(wanted
        .iter()
        .filter(|(_, _, image)| here.get(image.as_str()).is_some_and(Option::is_none))
        .filter(|(_, _, image)| seen.insert(image.clone()))
        .map(|(name, verb, image)| ((*name).clone(), *verb, image.clone()))
        .collect())
}

fn step(
    compose: &Compose,
    entry: &Entry,
    overlay: &Overlay,
    (verb, service): (&'static str, &str),
    deadline: Instant,
    watch: impl FnMut(&str),
) -> Result<(), ComposeError> {
    let left = deadline.saturating_duration_since(Instant::now()).min(entry.pull_timeout.duration());
    compose.act(Some(overlay), verb, [verb, service], left, watch)
}
