//! `compose up`, and what is said when it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::StackError;
use super::preflight::Prepared;
use super::verify::{Problem, Verdict, expected, judge, observe};
use crate::compose::{ComposeError, Overlay, is_a_cause};
use crate::inventory::ProviderKind;
use crate::podman::{Container, Inspected, same_image};
use crate::progress::{Progress, Standing};

/// Starts what is declared. compose replaces what changed and leaves the rest alone. `before` are the containers where they
/// are still as they were listed; `images` has the ids of the images that the services name.
///
/// # Errors
/// It fails, or does not end in time: with a verdict if a dependency is not healthy, else with the state of the
/// containers.
pub fn up(
    prepared: &Prepared,
    before: Option<&[Container]>,
    overlay: &Overlay,
    images: &BTreeMap<String, String>,
    progress: &mut Progress,
) -> Result<Vec<Container>, StackError> {
    let timeout = prepared.entry.startup_timeout.duration();
    let mut last = String::new();
    let mut standing = Vec::new();
    let mut changes = false;
    let started = prepared.compose.act(
        Some(overlay),
        "start",
        ["up", "--detach", "--remove-orphans"].iter().chain(options(prepared, before, images)?),
        timeout,
        |line| {
            match heard(&mut standing, line) {
                Some(state) => {
                    changes |= !matches!(state, "Running" | "Waiting" | "Healthy");
                    progress.show_each("compose up", &standing);
                }
                None => progress.show(line),
            }
            // Of several the last, unless that only comes of the one before.
            if is_a_cause(line) || (last.is_empty() && line.contains("rror")) {
                line.clone_into(&mut last);
            }
        },
    );
    if let Err(error) = started {
        return Err(diagnose(prepared, images, error));
    }
    let containers = match before {
        // docker-compose has told of each container that it runs as it is.
        Some(containers) if !changes && told_of_all(&standing, prepared.own_among(containers)) => {
            let of_project = |one: &&Container| one.project() == Some(prepared.project.as_str());
            containers.iter().filter(of_project).cloned().collect()
        }
        _ => prepared.podman.project_containers(&prepared.project)?,
    };
    // podman-compose (1.3) also says 0 when a container could not be made, or not be started.
    let lacking = prepared.model.services.iter().find_map(|(name, service)| {
        let of_it = || containers.iter().filter(|one| one.is_of_a_service() && one.service() == Some(name));
        if of_it().count() < usize::try_from(service.replicas).unwrap_or(usize::MAX) {
            return Some((name, "none"));
        }
        let is_left =
            prepared.compose.kind() == ProviderKind::PodmanCompose && of_it().any(Container::is_only_made);
        is_left.then_some((name, "one that was only made"))
    });
    match lacking {
        None => Ok(containers),
        Some((service, seen)) => Err(StackError::NotMade {
            stack: prepared.compose.stack().clone(),
            service: service.clone(),
            seen,
            said: if last.is_empty() { "compose reported no error".to_owned() } else { last },
        }),
    }
}

/// Takes over what docker-compose says of a container, as in ` Container shop-db-1  Waiting`: its state, if it said
/// anything.
fn heard<'a>(standing: &mut Vec<Standing>, line: &'a str) -> Option<&'a str> {
    let (what, state) = line.trim().strip_prefix("Container ")?.split_once(char::is_whitespace)?;
    let state = state.trim();
    let up = matches!(state, "Running" | "Started" | "Healthy" | "Exited" | "Recreated" | "Created");
    match standing.iter_mut().find(|one| one.what == what) {
        Some(one) => (one.state, one.up) = (state.to_owned(), up),
        None => standing.push(Standing { what: what.to_owned(), state: state.to_owned(), up }),
    }
    Some(state)
}

/// Whether compose has said something of every one of these containers, and of no other.
fn told_of_all<'a>(standing: &[Standing], containers: impl Iterator<Item = &'a Container>) -> bool {
    let told: BTreeSet<&str> = standing.iter().map(|one| one.what.as_str()).collect();
    !told.is_empty() && told == containers.map(Container::name).collect()
}

/// What is missing was fetched before, so nothing is pulled here: with `pull_policy: always` a plain restart would
/// take what the registry has just then, unverified.
fn options(
    prepared: &Prepared,
    before: Option<&[Container]>,
    images: &BTreeMap<String, String>,
) -> Result<&'static [&'static str], StackError> {
    match prepared.compose.kind() {
        // Otherwise the overlay sets the policy of each service.
        ProviderKind::DockerCompose if prepared.model.pulls_by_policy => Ok(&[]),
        ProviderKind::DockerCompose => Ok(&["--pull", "never"]),
        // It does not notice that a tag has moved (1.3).
        ProviderKind::PodmanCompose => {
            let containers = match before {
                Some(containers) => containers,
                None => &prepared.podman.project_containers(&prepared.project)?,
            };
            let moved = is_image_changed(prepared, containers, images);
            Ok(if moved { &["--force-recreate"] } else { &[] })
        }
    }
}

/// Whether one of these containers has another image than its service names: one of `images`, ids by reference.
pub fn is_image_changed(
    prepared: &Prepared,
    containers: &[Container],
    images: &BTreeMap<String, String>,
) -> bool {
    prepared.own_among(containers).any(|one| {
        let service = one.service().and_then(|service| prepared.model.services.get(service));
        let image = service.and_then(|service| images.get(service.image.as_ref()?));
        image.is_some_and(|id| !same_image(id, &one.image_id))
    })
}

/// compose waits for `depends_on: service_healthy` itself. If that is what failed, the verdict says more than compose
/// does; otherwise what is told is what compose said, and what the containers are doing.
fn diagnose(prepared: &Prepared, images: &BTreeMap<String, String>, error: ComposeError) -> StackError {
    // Also when we were asked to end: two short questions.
    let podman = prepared.podman.uninterrupted();
    let Ok(observed) = observe(&podman, &prepared.project) else { return error.into() };
    let stack = prepared.compose.stack().clone();
    let awaited: Vec<&str> = prepared
        .model
        .services
        .values()
        .flat_map(|service| service.depends_on.keys())
        .map(String::as_str)
        .collect();
    let mut wanted = expected(&prepared.model, images);
    wanted.retain(|name, _| awaited.contains(&name.as_str()));
    let verdict = judge(&wanted, &observed, Duration::ZERO, std::time::SystemTime::now());
    let redactor = prepared.compose.redactor();
    let problems: Vec<Problem> = match verdict {
        Verdict::Up => Vec::new(),
        Verdict::Down(problems) | Verdict::Wait { problems, .. } => problems,
    }
    .into_iter()
    .filter(|problem| {
        observed.iter().any(|one| problem.is_about(&one.container) && failed_by_itself(&one.container))
    })
    .map(|problem| Problem { why: redactor.redact(&problem.why), ..problem })
    .collect();
    if !problems.is_empty() && !error.is_cut_short() {
        return StackError::DependencyNotUp { stack, problems, source: Box::new(error) };
    }
    let containers: Vec<String> = observed
        .iter()
        .map(|one| {
            let (state, health) = (&one.container.state.status, &one.container.state.health.status);
            if health.is_empty() {
                format!("{} {state}", one.container.name)
            } else {
                format!("{} {state} ({health})", one.container.name)
            }
        })
        .collect();
    StackError::Up {
        containers: if containers.is_empty() { "none".to_owned() } else { containers.join(", ") },
        source: Box::new(error),
    }
}

/// Whether a container is the reason: what was only created waits for another one, or for a compose that had ended.
fn failed_by_itself(container: &Inspected) -> bool {
    match container.state.status.as_str() {
        "running" => !container.state.health.status.is_empty(),
        "exited" | "stopped" => container.state.exit_code != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_compose_says_of_each_container_is_kept() {
        let mut standing = Vec::new();
        for line in [
            " Container shop-db-1  Starting",
            " Container shop-web-1  Created",
            " Container shop-db-1  Healthy",
        ] {
            assert_eq!(heard(&mut standing, line), line.split_whitespace().last(), "{line}");
        }
        for line in
            ["", " Network shop_default  Created", "Container", "Error response from daemon: Container x"]
        {
            assert_eq!(heard(&mut standing, line), None, "{line}");
        }
        let seen: Vec<String> =
            standing.iter().map(|one| format!("{} {} {}", one.what, one.state, one.up)).collect();
        assert_eq!(seen, ["shop-db-1 Healthy true", "shop-web-1 Created true"]);

        let containers = |names: &[&str]| -> Vec<Container> {
            let of = |name: &&str| serde_json::json!({"Id": name, "Names": [name]});
            names.iter().map(|name| serde_json::from_value(of(name)).unwrap()).collect()
        };
        let all = |names: &[&str]| told_of_all(&standing, containers(names).iter());
        assert!(all(&["shop-web-1", "shop-db-1"]));
        assert!(!all(&["shop-db-1"]), "there is one more now");
        assert!(!all(&["shop-web-1", "shop-db-1", "shop-old-1"]), "of one nothing was said");
        assert!(!told_of_all(&[], [].iter()), "podman-compose says nothing");
    }
}
