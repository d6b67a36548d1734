//! The containers that run already: nobody else's, made by the pinned provider, in a project of its own.

use super::Findings;
use crate::exit::Code;
use crate::inventory::Inventory;
use crate::names::{StackName, UnitName};
use crate::podman::{Container, Owner};
use crate::stack::{Context, StackState};
use crate::systemd::loaded::Detail;
use crate::systemd::words::LoadState;

pub(super) fn check(
    context: &Context,
    stack: &StackName,
    project: &str,
    containers: &[Container],
    findings: &mut Findings,
) {
    let inventory = Inventory::load(&context.dirs);
    for other in inventory.stacks.keys().filter(|other| *other != stack) {
        if project_of(context, &inventory, other).as_deref() == Some(project) {
            findings.refuse(
                Code::Configuration,
                format!(
                    "project {project} is also that of stack {other}; one of the two would remove the other's containers: give one of them another \"compose.project\""
                ),
            );
        }
    }
    // With another project name compose would make a second copy beside the first, on the same host paths and ports.
    // podman-compose (1.3) replaces our label, so that only what was saved tells.
    let former = StackState::load_if_any(&context.dirs, stack).ok().flatten().map(|state| state.project);
    let elsewhere = |one: &&Container| {
        let labelled = matches!(one.owner(), Owner::Unit(unit) if unit == stack.service().as_str());
        let ours = labelled
            || (former.is_some()
                && one.project() == former.as_deref()
                && !matches!(one.owner(), Owner::Unit(_)));
        ours && one.is_running() && one.project() != Some(project)
    };
    for container in containers.iter().filter(elsewhere) {
        let former = container.project().unwrap_or_default();
        findings.refuse(
            Code::Configuration,
            format!(
                "container {} of this stack runs in project {former}, and the stack's project is {project} now, which would run beside it; next: stackctl stop {stack}, or declare the former project again: stackctl add {stack} --project {former}",
                container.name()
            ),
        );
    }
    let pinned = context.host.provider.kind;
    for container in containers.iter().filter(|one| one.project() == Some(project) && one.is_running()) {
        if let Some(made_by) = container.provider().filter(|made_by| *made_by != pinned) {
            findings.refuse(
                Code::Configuration,
                format!(
                    "container {} was made by {}, and the pinned provider is {}; next: pin {} in config.json, or, if nothing in anonymous volumes of it is needed, which a new container does not get: podman rm --force {}",
                    container.name(),
                    made_by.program(),
                    pinned.program(),
                    made_by.program(),
                    container.name()
                ),
            );
        }
        if container.is_paused() {
            findings.refuse(
                Code::Refused,
                format!(
                    "container {name} is paused, and compose starts no stack with a paused container; next: podman unpause {name}",
                    name = container.name()
                ),
            );
        }
        if let Owner::Unit(unit) = container.owner()
            && unit != stack.service().as_str()
            && is_known(context, &inventory, unit)
        {
            findings.refuse(
                Code::Configuration,
                format!(
                    "container {} belongs to {unit} by its label, and runs in the project of {stack}; next: systemctl --user stop {unit}, or give one of them another project",
                    container.name()
                ),
            );
        }
    }
}

/// The project of another stack, as far as it is known without asking compose.
fn project_of(context: &Context, inventory: &Inventory, stack: &StackName) -> Option<String> {
    let declared = inventory.stacks.get(stack)?.entry.compose.project.clone();
    declared.or_else(|| StackState::load_if_any(&context.dirs, stack).ok()?.map(|state| state.project))
}

/// Whether a unit is declared, or the manager has it. What cannot be asked is taken as known: the container is not
/// ours to replace then.
fn is_known(context: &Context, inventory: &Inventory, unit: &str) -> bool {
    if inventory.stacks.keys().any(|stack| stack.service().as_str() == unit) {
        return true;
    }
    let Ok(unit) = UnitName::parse(unit) else { return false };
    let loaded = context.manager().and_then(|manager| manager.observe_one(&unit, Detail::Unit));
    loaded.map_or(true, |unit| unit.load_state != LoadState::NotFound)
}
