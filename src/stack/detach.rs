//! Containers that share the network, the processes or the memory of another one. podman (5.4) does not remove a
//! container that others share a namespace with, and docker-compose removes a container to replace it: every change of
//! such a service would fail half way. So before it is replaced, those that share something of it are made anew by
//! themselves, by compose, which takes their anonymous volumes along; `up` then ties them to the new container. Those that
//! are not the stack's own stand in the way, and nothing is touched.

use std::collections::{BTreeMap, BTreeSet};

use super::error::StackError;
use super::preflight::Prepared;
use super::ties::{Guest, Ties, refuse};
use super::up::is_image_changed;
use super::volumes::are_replaced;
use crate::compose::{ComposeError, Hashed, Overlay};
use crate::dirs::Dirs;
use crate::inventory::ProviderKind;
use crate::podman::Container;

/// What is to be made anew, or to go, before `up`.
#[derive(Debug, Default)]
pub struct Detachment {
    /// One after the other, those first that nothing of the later ones depends on.
    rounds: Vec<Round>,
    /// Services that have no container, and are to have one.
    missing: BTreeSet<String>,
}

/// What can go at the same time.
#[derive(Debug, Default)]
struct Round {
    /// Services whose containers are made anew.
    services: BTreeSet<String>,
    /// Containers that nobody declares any more: their ids and names.
    left: Vec<(String, String)>,
}

impl Detachment {
    /// What it takes to replace what changed. `images` has the ids of the images that the services name.
    ///
    /// # Errors
    /// What is not the stack's own stands in the way, or podman or compose does not answer.
    pub fn of_changed(
        dirs: &Dirs,
        prepared: &Prepared,
        images: &BTreeMap<String, String>,
    ) -> Result<Self, StackError> {
        if prepared.compose.kind() == ProviderKind::DockerCompose {
            return Self::of(prepared, changed(prepared, images));
        }
        let guests = guests_of_all(prepared)?;
        let Prepared { podman, compose, model, containers, .. } = prepared;
        if guests.is_empty() || !are_replaced(dirs, podman, compose, model, containers)? {
            return Ok(Self::default());
        }
        refuse(prepared.compose.stack(), guests)?;
        Ok(Self::default())
    }

    /// What it takes to replace the containers of these services.
    ///
    /// # Errors
    /// As for [`Detachment::of_changed`].
    pub fn of_services<'a>(prepared: &'a Prepared, services: BTreeSet<&'a str>) -> Result<Self, StackError> {
        if prepared.compose.kind() == ProviderKind::PodmanCompose {
            refuse(prepared.compose.stack(), guests_of_all(prepared)?)?;
            return Ok(Self::default());
        }
        Self::of(prepared, services)
    }

    fn of<'a>(prepared: &'a Prepared, services: BTreeSet<&'a str>) -> Result<Self, StackError> {
        let services = with_followers(prepared, services);
        let of_them = prepared.own().filter(|one| one.service().is_some_and(|name| services.contains(name)));
        let replaced: BTreeSet<&str> = of_them.map(|one| one.id.as_str()).collect();
        if replaced.is_empty() {
            return Ok(Self::default());
        }
        let ties = Ties::ask(&prepared.podman, &prepared.containers)?;
        let mut profiles = None;
        let mut in_the_way = Vec::new();
        let mut last_round: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rounds: BTreeMap<usize, Round> = BTreeMap::new();
        for (number, round) in ties.rounds(&replaced).into_iter().enumerate() {
            for id in round {
                let Some(container) = prepared.containers.iter().find(|one| one.id == id) else { continue };
                let service = container.service().filter(|_| container.is_of_a_service_of(&prepared.project));
                let declared = service.filter(|name| prepared.model.services.contains_key(*name));
                if let Some(service) = declared {
                    // All of a service at once, when none of them is needed any more.
                    last_round.insert(service, number);
                    continue;
                }
                let is_own = container.project() == Some(prepared.project.as_str());
                let is_dropped = match service {
                    // compose removes what no profile has.
                    Some(service) => {
                        if profiles.is_none() {
                            profiles = Some(prepared.compose.services_of_all_profiles()?);
                        }
                        !profiles.iter().flatten().any(|one| one == service)
                    }
                    // And what a `compose run` has left.
                    None => is_own && container.is_one_off() && !container.is_running(),
                };
                if is_dropped {
                    let left = &mut rounds.entry(number).or_default().left;
                    left.push((container.id.clone(), container.name().to_owned()));
                } else {
                    in_the_way.push(ties.guest(container, &prepared.containers));
                }
            }
        }
        for (service, number) in last_round {
            rounds.entry(number).or_default().services.insert(service.to_owned());
        }
        // What is made anew may need what there is not yet: the volumes of another service.
        let has_none = |name: &&String| prepared.own().all(|one| one.service() != Some(name.as_str()));
        let missing = prepared.model.services.keys().filter(has_none).cloned().collect();
        refuse(prepared.compose.stack(), in_the_way)?;
        Ok(Self { rounds: rounds.into_values().collect(), missing })
    }

    /// Detaches them, and says what it did.
    ///
    /// # Errors
    /// podman or compose fails.
    pub fn carry_out(&self, dirs: &Dirs, prepared: &Prepared) -> Result<Vec<String>, StackError> {
        let timeout = prepared.entry.startup_timeout.duration();
        let stack = prepared.compose.stack();
        let mut done = Vec::new();
        if self.rounds.is_empty() {
            return Ok(done);
        }
        let services = self.rounds.iter().flat_map(|round| &round.services);
        let all: BTreeSet<&str> = services.chain(&self.missing).map(String::as_str).collect();
        let detached = Overlay::detached(dirs, stack, &prepared.model, &all).map_err(ComposeError::from)?;
        for Round { services, left } in &self.rounds {
            for (id, name) in left {
                prepared.podman.stop(&[id], timeout)?;
                prepared.podman.remove(&[id], timeout)?;
                done.push(format!(
                    "removed {name}, which nobody declares: it depends on a container that is replaced"
                ));
            }
            if services.is_empty() {
                continue;
            }
            let named = services.iter().chain(&self.missing).map(String::as_str);
            let arguments = ["up", "--no-start", "--no-deps"].into_iter().chain(named);
            prepared.compose.act(Some(&detached), "detach containers of", arguments, timeout, |_| {})?;
            let made = |service| format!("made {service} anew: it depends on a container that is replaced");
            done.extend(services.iter().map(made));
        }
        Ok(done)
    }
}

/// The services with containers that compose will replace or remove, as it decides that itself: by config hash and image,
/// by number, and by what is declared.
fn changed<'a>(prepared: &'a Prepared, images: &BTreeMap<String, String>) -> BTreeSet<&'a str> {
    let mut count: BTreeMap<&str, u32> = BTreeMap::new();
    for service in prepared.own().filter_map(Container::service) {
        *count.entry(service).or_default() += 1;
    }
    let changed = |container: &'a Container| {
        let name = container.service()?;
        let Some(service) = prepared.model.services.get(name) else { return Some(name) };
        let is_another =
            |hashed: &Hashed| container.config_hash() != hashed.services().get(name).map(String::as_str);
        let is_changed = prepared.hashes.as_ref().is_some_and(is_another)
            || count.get(name).is_some_and(|count| *count > service.replicas)
            || is_image_changed(prepared, std::slice::from_ref(container), images);
        is_changed.then_some(name)
    };
    prepared.own().filter_map(changed).collect()
}

/// Adds what is made anew with these services, because a container's id is part of what it is made from.
fn with_followers<'a>(prepared: &'a Prepared, mut services: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    loop {
        let all = prepared.model.services.iter();
        let more: Vec<&str> = all
            .filter(|(name, service)| !services.contains(name.as_str()) && service.follows(&services))
            .map(|(name, _)| name.as_str())
            .collect();
        if more.is_empty() {
            return services;
        }
        services.extend(more);
    }
}

/// Who else needs any container of the project, which podman-compose takes down as a whole for every change. podman (5.4)
/// lets nobody outside share a namespace with what is in a pod, and there podman-compose puts them unless told otherwise.
fn guests_of_all(prepared: &Prepared) -> Result<Vec<Guest>, StackError> {
    let alone: BTreeSet<&str> =
        prepared.own().filter(|one| one.pod.is_empty()).map(|one| one.id.as_str()).collect();
    if alone.is_empty() {
        return Ok(Vec::new());
    }
    let ties = Ties::ask(&prepared.podman, &prepared.containers)?;
    let is_own = |one: &Container| one.project() == Some(prepared.project.as_str());
    Ok(ties.guests(&alone, &prepared.containers, is_own))
}
