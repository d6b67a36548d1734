//! What compose would stumble over: dependencies that are unhealthy already, containers that hang in a health state,
//! timers of health checks whose containers are gone. Nothing is removed by us that was ever started, and no volume.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::context::Context;
use super::error::StackError;
use super::preflight::Prepared;
use super::ties::Ties;
use crate::compose::Overlay;
use crate::error::chain;
use crate::inventory::{ProviderKind, Timespan};
use crate::names::UnitName;
use crate::podman::{Container, Inspected, parse_time};
use crate::systemd::manager::{JobMode, Manager, Verb};

/// The length of a container's id.
const ID_LENGTH: usize = 64;

/// Cleans, and says what it did.
///
/// # Errors
/// podman or compose fails.
pub fn clean(context: &Context, prepared: &Prepared, overlay: &Overlay) -> Result<Vec<String>, StackError> {
    let mut done = orphaned_timers(context, prepared);
    done.extend(finish_replacements(prepared));
    let half: Vec<&Container> = prepared.own().filter(|one| one.is_half_started()).collect();
    let ids: Vec<&str> = half.iter().map(|one| one.id.as_str()).collect();
    prepared.podman.stop(&ids, prepared.entry.startup_timeout.duration())?;
    done.extend(half.iter().map(|one| format!("stopped {}: its start was cut short", one.name())));
    let own: Vec<&Container> = prepared
        .own()
        .filter(|container| container.is_running())
        // The words of `podman ps`: only what is not healthy is worth a closer look.
        .filter(|container| container.is_starting() || container.is_unhealthy())
        .collect();
    if own.is_empty() {
        return Ok(done);
    }
    let ids: Vec<&str> = own.iter().map(|container| container.id.as_str()).collect();
    let inspected = prepared.podman.inspect(&ids)?;
    let awaited: BTreeSet<&str> = prepared.model.awaited_healthy().collect();
    let stale_after = prepared.entry.stale_health_after.map(Timespan::duration);
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for container in &inspected {
        let service = own.iter().find(|one| one.id == container.id).and_then(|one| one.service());
        let Some(service) = service.filter(|service| prepared.model.services.contains_key(*service)) else {
            continue;
        };
        if let Some(why) = reason(container, awaited.contains(service), stale_after, SystemTime::now()) {
            done.push(format!("recreate {}: {why}", container.name));
            services.entry(service).or_default().push(&container.id);
        }
    }
    if services.is_empty() {
        return Ok(done);
    }
    let timeout = prepared.entry.startup_timeout.duration();
    match prepared.compose.kind() {
        ProviderKind::DockerCompose => {
            // podman removes no container that others share something of.
            let ties = Ties::ask(&prepared.podman, &prepared.containers)?;
            let is_shared = |ids: &[&str]| ids.iter().any(|id| ties.is_shared(id));
            let (shared, alone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                services.into_iter().partition(|(_, ids)| is_shared(ids));
            let ids: Vec<&str> = shared.into_values().flatten().collect();
            prepared.podman.restart(&ids, timeout)?;
            if !alone.is_empty() {
                // Anonymous volumes go over to the new container.
                let options = ["up", "--detach", "--no-deps", "--force-recreate"];
                let arguments = options.iter().chain(alone.keys());
                prepared.compose.act(Some(overlay), "recreate containers of", arguments, timeout, |_| {})?;
            }
        }
        ProviderKind::PodmanCompose => {
            // It would take the whole stack down, and give every container new anonymous volumes.
            let ids: Vec<&str> = services.into_values().flatten().collect();
            prepared.podman.restart(&ids, timeout)?;
        }
    }
    Ok(done)
}

/// What compose left when it was cut short, or was run twice at once, while it replaced containers. One whose name is free
/// gets it. One that was never started and whose name still has the container that it was to replace, with all its volumes,
/// goes, because docker-compose (2.26) would remove it and make another one of the same name at the same time.
fn finish_replacements(prepared: &Prepared) -> Vec<String> {
    let mut done = Vec::new();
    for container in prepared.own() {
        let Some(name) = container.name_to_be() else { continue };
        let (id, now) = (container.id.as_str(), container.name());
        // It runs as well under the other name: nothing to fail for.
        done.push(match prepared.containers.iter().find(|one| one.name() == name) {
            None => match prepared.podman.rename(id, name) {
                Ok(()) => format!("named {now} {name}: its replacement of another was cut short"),
                Err(error) => format!("{now} is not named {name}: {}", chain(&error)),
            },
            Some(holder) if container.is_only_made() && container.was_to_replace(holder) => {
                match prepared.podman.remove(&[id], prepared.entry.startup_timeout.duration()) {
                    Ok(()) => {
                        format!("removed {now}, never started: its replacement of {name} was cut short")
                    }
                    Err(error) => {
                        format!("{now}, which was to replace {name}, is not removed: {}", chain(&error))
                    }
                }
            }
            Some(_) => continue,
        });
    }
    done
}

/// Why a container that runs must be replaced, if it must.
fn reason(
    container: &Inspected,
    awaited: bool,
    stale_after: Option<Duration>,
    now: SystemTime,
) -> Option<String> {
    let health = container.state.health.status.as_str();
    if health == "unhealthy" && awaited {
        return Some("it is unhealthy, and others wait for it to be healthy".to_owned());
    }
    let since = now.duration_since(parse_time(&container.state.started_at)?).ok()?;
    let limit = stale_after.filter(|limit| since > *limit)?;
    matches!(health, "starting" | "unhealthy")
        .then(|| format!("it has been {health} for longer than {}", humantime::format_duration(limit)))
}

/// Stops the timers of health checks whose containers are gone: each fails, and logs that, for ever. That it does not
/// work is no reason not to start a stack.
fn orphaned_timers(context: &Context, prepared: &Prepared) -> Vec<String> {
    let Ok(manager) = context.manager() else { return Vec::new() };
    let Ok(units) = manager.loaded_units() else { return Vec::new() };
    // What preflight has just seen is there; podman is asked again only for the others.
    let seen = |id: &str| prepared.containers.iter().any(|container| container.id == id);
    let timers: BTreeMap<&UnitName, &str> = units
        .units
        .keys()
        .filter_map(|unit| Some((unit, container_of_timer(unit)?)))
        .filter(|(_, id)| !seen(id))
        .collect();
    if timers.is_empty() {
        return Vec::new();
    }
    // Listed after the timers: a container that is made meanwhile has none of them.
    let Ok(ids) = prepared.podman.all_ids() else { return Vec::new() };
    timers
        .into_iter()
        .filter(|(_, id)| !ids.contains(*id))
        .filter(|(timer, _)| stop(&manager, timer))
        .map(|(timer, _)| format!("stop {timer}: its container is gone"))
        .collect()
}

fn stop(manager: &Manager, timer: &UnitName) -> bool {
    manager.enqueue(Verb::Stop, timer, JobMode::Replace).is_ok()
}

/// podman (5.4) calls the timer of a health check `<container's id>-<random>.timer`, earlier ones without the suffix.
#[must_use]
pub fn container_of_timer(unit: &UnitName) -> Option<&str> {
    let (id, rest) = unit.as_str().split_at_checked(ID_LENGTH)?;
    let is_id = id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (is_id && unit.unit_type() == "timer" && rest.starts_with(['-', '.'])).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_timers_of_health_checks_are_recognised() {
        let id = "0123456789abcdef".repeat(4);
        for (name, of) in [
            (format!("{id}-1f2e.timer"), Some(id.as_str())),
            (format!("{id}.timer"), Some(id.as_str())),
            (format!("{id}-1f2e.service"), None),
            ("backup.timer".to_owned(), None),
            (format!("{}.timer", "x".repeat(64)), None),
        ] {
            assert_eq!(container_of_timer(&UnitName::parse(&name).unwrap()), of, "{name}");
        }
    }

    #[test]
    fn stale_health_is_left_alone_unless_asked_for() {
        let container = |health: &str| -> Inspected {
            serde_json::from_value(serde_json::json!({
                "Id": "c", "Name": "c",
                "State": {"Status": "running", "StartedAt": "2026-02-13T10:00:00Z", "Health": {"Status": health}}
            }))
            .unwrap()
        };
        let now = parse_time("2026-02-13T10:10:00Z").unwrap();
        let (short, long) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(3600)));
        assert!(reason(&container("unhealthy"), true, None, now).is_some());
        assert_eq!(reason(&container("unhealthy"), false, None, now), None);
        assert_eq!(reason(&container("starting"), true, None, now), None);
        assert_eq!(
            reason(&container("starting"), false, short, now).as_deref(),
            Some("it has been starting for longer than 1m")
        );
        assert_eq!(reason(&container("starting"), false, long, now), None);
        assert_eq!(reason(&container("healthy"), true, short, now), None);
    }
}
