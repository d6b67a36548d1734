//! Fetching the images that are not here, before anything is started, so that `startup_timeout` is about starting.

use std::collections::BTreeMap;
use std::time::Instant;

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::{Compose, ComposeError, Overlay};
use crate::inventory::{Entry, ProviderKind};
use crate::progress::Progress;

/// The images of a stack, all of them here.
#[derive(Debug)]
pub struct Fetched {
    /// What was fetched or built, in words.
    pub done: Vec<String>,
    /// The id of each image, by the reference that names it.
    pub ids: BTreeMap<String, String>,
}

/// Pulls, service by service (compose stops at the first image that fails), and builds what is built here.
///
/// # Errors
/// An image cannot be had, or not in time.
pub fn pull_missing(
    prepared: &Prepared,
    overlay: &Overlay,
    progress: &mut Progress,
) -> Result<Fetched, StackError> {
    let wanted = wanted(prepared);
    let mut fetched = Fetched { done: Vec::new(), ids: BTreeMap::new() };
    let mut references = Vec::new();
    for (_, _, reference) in &wanted {
        match prepared.images.get(reference) {
            Some(image) => {
                fetched.ids.extend(image.iter().map(|image| (reference.clone(), image.id.clone())));
            }
            None => references.push(reference.as_str()),
        }
    }
    for (reference, image) in prepared.podman.images(&references)? {
        if let Some(image) = image {
            fetched.ids.insert(reference, image.id);
        }
    }
    let deadline = Instant::now() + prepared.entry.pull_timeout.duration();
    for (service, verb, image) in wanted {
        if fetched.ids.contains_key(&image) {
            continue;
        }
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
        let Some(here) = prepared.podman.images(&[image.as_str()])?.into_values().flatten().next() else {
            let stack = prepared.compose.stack().clone();
            return Err(StackError::NotFetched { stack, verb, image, said });
        };
        fetched.done.push(format!("{done} {image} for {service}"));
        fetched.ids.insert(image, here.id);
    }
    if !fetched.done.is_empty() {
        // That may have taken long enough for a tag to move.
        let references: Vec<&str> = fetched.ids.keys().map(String::as_str).collect();
        let now = prepared.podman.images(&references)?;
        let now: Vec<_> = now.into_iter().filter_map(|(name, image)| Some((name, image?.id))).collect();
        fetched.ids.extend(now);
    }
    Ok(fetched)
}

/// What the services need: a service, how its image is had, and the image.
fn wanted(prepared: &Prepared) -> Vec<(String, &'static str, String)> {
    let made_up = |service: &str| match prepared.compose.kind() {
        ProviderKind::DockerCompose => format!("{}-{service}", prepared.project),
        ProviderKind::PodmanCompose => format!("{}_{service}", prepared.project),
    };
    let services = prepared.model.services.iter().filter(|(_, service)| service.replicas > 0);
    services
        .filter_map(|(name, service)| {
            let verb = if service.built { "build" } else { "pull" };
            let image = service.image.clone().or_else(|| service.built.then(|| made_up(name)))?;
            Some((name.clone(), verb, image))
        })
        .collect()
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
