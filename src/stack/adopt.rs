//! What a stack takes over: the project that compose would take, and what of it exists already.

use std::collections::BTreeMap;

use serde::Serialize;

use super::context::Context;
use super::error::StackError;
use crate::compose::LABEL;
use crate::inventory::Entry;
use crate::names::StackName;
use crate::podman::Podman;

/// What compose makes of a stack's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The project's name.
    pub project: String,
    /// The services of the enabled profiles.
    pub services: Vec<String>,
}

/// What exists of a project already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// Its containers, in order of name.
    pub containers: Vec<AdoptedContainer>,
    /// Its named volumes, by name.
    pub volumes: Vec<String>,
    /// The anonymous volumes that its containers use, by name, with the container and the path in it.
    pub anonymous_volumes: BTreeMap<String, String>,
}

/// A container that exists already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdoptedContainer {
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// The unit that it names as its owner. Any other than the stack's own, none included, means that the first apply
    /// recreates it.
    pub unit: Option<String>,
}

impl Adoption {
    /// The containers that the first apply of `stack` recreates, because they do not carry its label.
    pub fn recreated<'a>(&'a self, stack: &StackName) -> impl Iterator<Item = &'a AdoptedContainer> {
        let unit = stack.service();
        self.containers.iter().filter(move |container| container.unit.as_deref() != Some(unit.as_str()))
    }
}

/// The project's name and services, as compose itself takes them from the files.
///
/// # Errors
/// podman or the provider is not installed, or compose refuses the files.
pub fn identity(context: &Context, stack: &StackName, entry: &Entry) -> Result<Identity, StackError> {
    let podman = context.podman()?;
    let model = context.compose(&podman, stack, entry)?.model(&context.dirs)?;
    Ok(Identity {
        project: model.project.unwrap_or_default(),
        services: model.services.into_keys().collect(),
    })
}

/// What exists of `project`. Nothing is changed.
///
/// # Errors
/// podman is not installed or does not answer.
pub fn survey(context: &Context, project: &str) -> Result<Adoption, StackError> {
    let podman: Podman = context.podman()?;
    let containers = podman.project_containers(project)?;
    let ids: Vec<&str> = containers.iter().map(|container| container.id.as_str()).collect();
    let volumes = podman.project_volumes(project)?;
    let mut adoption = Adoption {
        volumes: volumes.into_iter().filter(|volume| !volume.anonymous).map(|volume| volume.name).collect(),
        ..Adoption::default()
    };
    for inspected in podman.inspect(&ids)? {
        for mount in inspected.mounts.iter().filter(|mount| mount.is_anonymous_volume()) {
            let place = format!("{}:{}", inspected.name, mount.destination);
            adoption.anonymous_volumes.insert(mount.name.clone(), place);
        }
    }
    adoption.containers = containers
        .into_iter()
        .map(|container| AdoptedContainer {
            name: container.name().to_owned(),
            service: container.service().map(str::to_owned),
            running: container.is_running(),
            unit: container.label(LABEL).map(str::to_owned),
        })
        .collect();
    Ok(adoption)
}
