//! What is expected of a stack's services, and what podman says of their containers.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::judge::{Expected, Observed};
use crate::compose::{Model, Service};
use crate::podman::{Container, Inspected, Podman, PodmanError, parse_time};
use crate::process::joined;

/// The ids of the images that the services' references name now, by reference, as far as they are here.
///
/// # Errors
/// podman does not answer.
pub fn images(podman: &Podman, model: &Model) -> Result<BTreeMap<String, String>, PodmanError> {
    let images = podman.images(&model.images())?;
    Ok(images.into_iter().filter_map(|(name, image)| Some((name, image?.id))).collect())
}

/// What every service must have: its number of containers, and its image, one of [`images`].
#[must_use]
pub fn expected(model: &Model, images: &BTreeMap<String, String>) -> BTreeMap<String, Expected> {
    let of = |(name, service): (&String, &Service)| {
        let replicas = usize::try_from(service.replicas).unwrap_or(usize::MAX);
        let reference = service.image.as_ref();
        let image = reference.and_then(|reference| Some((reference.clone(), images.get(reference)?.clone())));
        let awaited = model.awaited_healthy().any(|awaited| awaited == name);
        (name.clone(), Expected { replicas, image, awaited })
    };
    model.services.iter().map(of).collect()
}

/// The containers of a project's services, as they are now.
///
/// # Errors
/// podman does not answer.
pub fn observe(podman: &Podman, project: &str) -> Result<Vec<Observed>, PodmanError> {
    observe_listed(podman, project, podman.project_containers(project)?, &[])
}

/// As [`observe`], with the list of a moment ago, and what was observed before.
///
/// # Errors
/// podman does not answer.
pub fn observe_listed(
    podman: &Podman,
    project: &str,
    listed: Vec<Container>,
    before: &[Observed],
) -> Result<Vec<Observed>, PodmanError> {
    let anew = |podman: &Podman| podman.project_containers(project);
    let (listed, inspected) = podman.inspect_listed(listed, anew, Container::is_of_a_service)?;
    Ok(put_together(&listed, inspected, before, SystemTime::now()))
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
    let listed = listed?;
    let of_services = listed.iter().filter(|one| one.is_of_a_service());
    let mut now: Vec<&str> = of_services.map(|one| one.id.as_str()).collect();
    now.sort_unstable();
    known.sort_unstable();
    match inspected {
        Ok(inspected) if now == known => Ok(put_together(&listed, inspected, before, SystemTime::now())),
        Err(error) if !error.is_no_such_object() => Err(error),
        Ok(_) | Err(_) => observe_listed(podman, project, listed, before),
    }
}

fn put_together(
    listed: &[Container],
    inspected: Vec<Inspected>,
    before: &[Observed],
    now: SystemTime,
) -> Vec<Observed> {
    let services: BTreeMap<&str, &str> =
        listed.iter().filter_map(|container| Some((container.id.as_str(), container.service()?))).collect();
    inspected
        .into_iter()
        .filter_map(|container| {
            let service = (*services.get(container.id.as_str())?).to_owned();
            let since = since(&container, before, now);
            Some(Observed { service, container, since })
        })
        .collect()
}

/// Since when a container runs. A start that lies in the future, because the clock was set back, counts from when it was
/// first seen.
fn since(container: &Inspected, before: &[Observed], now: SystemTime) -> Option<SystemTime> {
    let started = parse_time(&container.state.started_at)?;
    if started <= now {
        return Some(started);
    }
    let same = |one: &&Observed| {
        one.container.id == container.id && one.container.state.started_at == container.state.started_at
    };
    Some(before.iter().find(same).and_then(|one| one.since).map_or(now, |seen| seen.min(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_in_the_future_counts_from_when_it_was_first_seen() {
        let at = |text: &str| parse_time(text).unwrap();
        let container = |started: &str| -> Inspected {
            let text = format!(r#"{{"Id": "c", "Name": "x", "State": {{"StartedAt": "{started}"}}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        let observed = |started: &str, before: &[Observed], now: &str| {
            let container = container(started);
            let since = since(&container, before, at(now));
            Observed { service: "web".to_owned(), container, since }
        };
        let (past, future) = ("2026-02-13T09:00:00Z", "2026-02-13T11:00:00Z");
        assert_eq!(observed(past, &[], "2026-02-13T10:00:00Z").since, Some(at(past)));
        let first = observed(future, &[], "2026-02-13T10:00:00Z");
        assert_eq!(first.since, Some(at("2026-02-13T10:00:00Z")));
        let again = observed(future, std::slice::from_ref(&first), "2026-02-13T10:00:05Z");
        assert_eq!(again.since, first.since);
        let restarted = observed("2026-02-13T11:00:03Z", &[again], "2026-02-13T10:00:06Z");
        assert_eq!(restarted.since, Some(at("2026-02-13T10:00:06Z")));
    }
}
