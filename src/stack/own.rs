//! Which containers are a stack's, and which of its project are somebody else's.

use std::collections::BTreeSet;

use super::context::Context;
use super::error::StackError;
use super::state::StackState;
use crate::inventory::{Inventory, json_files, stack_of_file};
use crate::names::{StackName, UnitName};
use crate::podman::{Container, Owner, Podman};
use crate::systemd::loaded::Detail;
use crate::systemd::words::LoadState;

/// The containers of a stack.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Its own.
    pub(super) containers: Vec<Container>,
    /// Those of its project that are another stack's, each in a few words.
    pub(super) others: Vec<String>,
    /// The projects that others have a part in: compose, asked to act on one, would act on theirs too.
    pub(super) shared: BTreeSet<String>,
}

impl Own {
    /// Looks by project, as it was last applied or is declared, and by the label that names the stack's unit. It works
    /// without the inventory, because a removed stack's entry is gone before its unit is stopped.
    ///
    /// # Errors
    /// podman cannot be asked, the state cannot be read, or nothing at all tells of the stack.
    pub(super) fn find(context: &Context, podman: &Podman, stack: &StackName) -> Result<Self, StackError> {
        let saved = StackState::load_if_any(&context.dirs, stack)?;
        let declared = Inventory::load_stack(&context.dirs, stack).ok().map(|it| it.entry.compose.project);
        let is_declared = declared.is_some();
        let declared = declared.flatten();
        let project = saved.map(|state| state.project).or_else(|| declared.clone());
        let rival =
            project.as_ref().filter(|_| declared != project).and_then(|it| claims(context, stack, it));
        let unit = stack.service();
        let mut own = Self::default();
        for container in podman.compose_containers()? {
            if container.owner() == Owner::Unit(unit.as_str()) {
                own.containers.push(container);
            } else if project.is_some() && container.project() == project.as_deref() {
                let other = match container.owner() {
                    Owner::Unit(other) if stands(context, other) => Some(other.to_owned()),
                    Owner::Unit(_) => None,
                    // Its label does not tell; the declarations do.
                    Owner::Nobody | Owner::PodmanCompose => rival.as_ref().map(ToString::to_string),
                };
                match other {
                    Some(other) => {
                        own.others.push(format!("{} (of {other})", container.name()));
                        own.shared.extend(project.clone());
                    }
                    None => own.containers.push(container),
                }
            }
        }
        if own.containers.is_empty() && project.is_none() && !is_declared {
            return Err(StackError::Unknown { stack: stack.clone() });
        }
        Ok(own)
    }

    /// What is left alone, in a sentence.
    pub(super) fn left_alone(&self) -> Option<String> {
        (!self.others.is_empty()).then(|| format!("left alone, another stack's: {}", self.others.join(", ")))
    }
}

/// Whether a unit that a label names is declared, or the manager has it.
fn stands(context: &Context, unit: &str) -> bool {
    let Ok(name) = UnitName::parse(unit) else { return false };
    let stack = unit.strip_suffix(".service").and_then(|stack| StackName::parse(stack).ok());
    stack.is_some_and(|stack| Inventory::load_stack(&context.dirs, &stack).is_ok())
        || context
            .manager()
            .and_then(|manager| manager.observe_one(&name, Detail::Unit))
            .is_ok_and(|unit| unit.load_state == LoadState::Loaded)
}

/// The unit of another stack that declares this project.
fn claims(context: &Context, stack: &StackName, project: &str) -> Option<UnitName> {
    json_files(&context.dirs.inventory())
        .unwrap_or_default()
        .iter()
        .filter_map(|path| stack_of_file(path).ok())
        .filter(|other| other != stack)
        .find(|other| {
            Inventory::load_stack(&context.dirs, other)
                .is_ok_and(|declared| declared.entry.compose.project.as_deref() == Some(project))
        })
        .map(|other| other.service())
}
