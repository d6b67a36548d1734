//! Containers that have lost what they share of another one.

use std::collections::BTreeMap;

use super::error::StackError;
use super::preflight::Prepared;
use crate::compose::Namespace;
use crate::inventory::ProviderKind;
use crate::podman::Container;

/// Starts again what shares something of a container that was started after it: a container joins another one's namespaces
/// when it starts, and that one has others when it starts again. Says what it did.
///
/// # Errors
/// podman fails.
pub fn join(prepared: &Prepared, containers: &[Container]) -> Result<Vec<String>, StackError> {
    let is_of = |one: &Container, service: &str| one.is_of_a_service() && one.service() == Some(service);
    // The others podman-compose (1.3) ties to nothing.
    let all = prepared.compose.kind() == ProviderKind::DockerCompose;
    let heeded = |what: Namespace| all || what == Namespace::Network;
    let tied: Vec<(&str, Namespace, Vec<&Container>)> = prepared
        .model
        .services
        .iter()
        .flat_map(|(name, service)| {
            let of_service = |with: &String| containers.iter().filter(|one| is_of(one, with)).collect();
            let named = |with: &String| {
                let is_it =
                    |one: &&Container| one.is_running() && (one.name() == with || one.id.starts_with(with));
                prepared.containers.iter().filter(is_it).collect()
            };
            let with_services = service.shares.iter().map(move |(what, with)| (*what, of_service(with)));
            let with_others = service.joins.iter().map(move |(what, with)| (*what, named(with)));
            with_services.chain(with_others).map(|(what, with)| (name.as_str(), what, with))
        })
        .filter(|(_, what, _)| heeded(*what))
        .collect();
    let ran_before =
        |now: &Container| prepared.containers.iter().any(|one| one.id == now.id && one.is_running());
    let mut done: BTreeMap<&str, String> = BTreeMap::new();
    loop {
        let mut alone: BTreeMap<&str, (&Container, Namespace)> = BTreeMap::new();
        for (service, what, with) in &tied {
            let others = || with.iter().copied();
            // Of several, nobody tells which it is: the first, so that nothing is started again for ever.
            let begun = others().map(|one| one.started_at).min();
            let again = others().any(|one| done.contains_key(one.id.as_str()));
            // podman lists whole seconds: of two that began in the same one, what ran already was first.
            let starts_now = others().all(|one| !ran_before(one));
            let behind = |one: &&Container| {
                again
                    || begun.is_some_and(|begun| {
                        one.started_at < begun || (one.started_at == begun && starts_now && ran_before(one))
                    })
            };
            let own = containers.iter().filter(|one| is_of(one, service) && one.is_running());
            let left = own.filter(behind).filter(|one| !done.contains_key(one.id.as_str()));
            alone.extend(left.map(|one| (one.id.as_str(), (one, *what))));
        }
        if alone.is_empty() {
            return Ok(done.into_values().collect());
        }
        let ids: Vec<&str> = alone.keys().copied().collect();
        prepared.podman.restart(&ids, prepared.entry.startup_timeout.duration())?;
        done.extend(alone.into_iter().map(|(id, (one, what))| {
            let (name, what) = (one.name(), what.name());
            (
                id,
                format!(
                    "started {name} again: it shares the {what} of a container that was started after it"
                ),
            )
        }));
    }
}
