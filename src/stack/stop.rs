//! `stackctl stop`: what it does depends on why the unit stops.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::context::Context;
use super::error::StackError;
use super::state::StackState;
use super::transaction::{Transaction, tell};
use crate::compose::{Compose, ComposeError};
use crate::error::{Error, chain};
use crate::inventory::{Inventory, ProviderKind};
use crate::journal;
use crate::names::StackName;
use crate::podman::{Container, Owner, Podman};
use crate::process::Interrupt;
use crate::systemd::bus::BusError;
use crate::systemd::loaded::Detail;
use crate::systemd::words::{ActiveState, JobType, SystemState};

/// Containers stop within their own `stop_grace_period`, one after the other if they depend on each other; the unit's
/// `TimeoutStopSec=` leaves this, and the wait for the lock.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(9 * 60);

/// Why a stop was asked for, as far as the manager tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whether this is the stop command of the stack's own unit, rather than a person's.
    pub by_unit: bool,
    /// The manager's own state.
    pub manager: SystemState,
    /// The job of the stack's unit.
    pub job: Option<JobType>,
}

/// What a stop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The containers are stopped.
    Stop,
    /// They are kept: the unit starts again, and compose then replaces only what changed.
    KeepForRestart,
    /// Nothing is touched: the session or the machine goes down, and podman with it.
    KeepForShutdown,
    /// They are left alone, and the stop fails: the unit stops, and no job says why.
    Unclear,
}

/// The decision table.
#[must_use]
pub fn decide(asked: &Asked) -> Decision {
    if asked.manager == SystemState::Stopping {
        return Decision::KeepForShutdown;
    }
    match &asked.job {
        _ if !asked.by_unit => Decision::Stop,
        Some(JobType::Stop) => Decision::Stop,
        // While a restart runs the stop command its job is still `restart`. A `start` has replaced the job of a stop
        // that was under way.
        Some(
            JobType::Restart
            | JobType::TryRestart
            | JobType::Start
            | JobType::ReloadOrStart
            | JobType::VerifyActive,
        ) => Decision::KeepForRestart,
        Some(JobType::Reload | JobType::TryReload | JobType::Nop | JobType::Other(_)) | None => {
            Decision::Unclear
        }
    }
}

/// Stops a stack, or leaves it, by [`decide`].
///
/// # Errors
/// The manager does not tell why, somebody else is at work, or podman fails.
pub fn stop(context: &Context, stack: &StackName) -> Result<(), Error> {
    let by_unit = journal::own_unit().is_some_and(|unit| unit == stack.service().as_str());
    let decision = match ask(context, stack, by_unit).or_else(|_| ask(context, stack, by_unit)) {
        Ok(asked) => decide(&asked),
        // By hand there is no unit whose reason could be misread.
        Err(_) if !by_unit => Decision::Stop,
        Err(source) => {
            return Err(StackError::StopUnread { stack: stack.clone(), source: Box::new(source) }.into());
        }
    };
    match decision {
        Decision::Stop => {
            stop_now(context, stack)?;
            if !by_unit && is_active(context, stack) {
                let unit = stack.service();
                tracing::warn!(
                    STACKWARDEN_STACK = stack.as_str(),
                    "stack {stack}: {unit} is still active, so a start of it does nothing; next: systemctl --user stop {unit}"
                );
            }
            Ok(())
        }
        Decision::KeepForRestart => {
            tell(stack, "the unit starts again: the containers are kept");
            Ok(())
        }
        Decision::KeepForShutdown => {
            tell(stack, "the user manager is stopping: nothing is touched");
            Ok(())
        }
        Decision::Unclear => Err(StackError::StopUnclear { stack: stack.clone() }.into()),
    }
}

/// Whether the stack's unit is up; not if the manager cannot be asked.
fn is_active(context: &Context, stack: &StackName) -> bool {
    context
        .manager()
        .and_then(|manager| manager.observe_one(&stack.service(), Detail::Unit))
        .is_ok_and(|unit| unit.active_state == ActiveState::Active)
}

fn ask(context: &Context, stack: &StackName, by_unit: bool) -> Result<Asked, BusError> {
    let manager = context.manager()?;
    let state = manager.state()?.system_state;
    let job = manager.unit_job(&stack.service())?.map(|job| job.kind);
    Ok(Asked { by_unit, manager: state, job })
}

/// After an apply of the stack's own unit was interrupted: stops the stack if that is why. systemd ends a unit that is
/// still starting with a signal, and does not run its stop command.
///
/// # Errors
/// As [`stop`].
pub(super) fn stop_if_wanted(context: &Context, stack: &StackName) -> Result<(), Error> {
    let by_unit = journal::own_unit().is_some_and(|unit| unit == stack.service().as_str());
    if !by_unit || !ask(context, stack, by_unit).is_ok_and(|asked| decide(&asked) == Decision::Stop) {
        return Ok(());
    }
    // This program was asked to end; what it does now has bounds of its own.
    let (dirs, host) = (context.dirs.clone(), context.host.clone());
    stop_now(&Context { dirs, host, interrupt: Interrupt::never() }, stack)
}

fn stop_now(context: &Context, stack: &StackName) -> Result<(), Error> {
    Transaction::run(context, stack, "stop", |transaction| {
        transaction.step("stop")?;
        let podman = context.podman().map_err(StackError::from)?;
        let found = containers(context, &podman, stack)?;
        let running: Vec<&Container> = found.iter().filter(|container| container.is_running()).collect();
        if running.is_empty() {
            return Ok("no container of it runs".to_owned());
        }
        stop_containers(context, &podman, stack, &running)?;
        Ok(format!("stopped, {} containers", running.len()))
    })
}

/// Takes a stack's containers and networks down. No volume is removed.
///
/// # Errors
/// Somebody else is at work, or compose refuses.
pub fn down(context: &Context, stack: &StackName) -> Result<(), Error> {
    Transaction::run(context, stack, "down", |transaction| {
        transaction.step("down")?;
        let podman = context.podman().map_err(StackError::from)?;
        let found = containers(context, &podman, stack)?;
        let projects: BTreeSet<&str> = found.iter().filter_map(Container::project).collect();
        for project in projects {
            on_project(context, &podman, stack, project, "down").map_err(StackError::from)?;
        }
        Ok(format!("taken down, {} containers; volumes are kept", found.len()))
    })
}

/// The names of a stack's containers that run, also when nobody declares the stack.
///
/// # Errors
/// podman cannot be asked.
pub fn running(context: &Context, stack: &StackName) -> Result<Vec<String>, Error> {
    let podman = context.podman().map_err(StackError::from)?;
    let found = match containers(context, &podman, stack) {
        Err(Error::Stack(error)) if matches!(*error, StackError::Unknown { .. }) => Vec::new(),
        other => other?,
    };
    Ok(found.into_iter().filter(Container::is_running).map(|container| container.name().to_owned()).collect())
}

/// The containers of the stack: by project, as it was last applied or is declared, and by the label that names its
/// unit. It works without the inventory, because a removed stack's entry is gone before its unit is stopped.
fn containers(context: &Context, podman: &Podman, stack: &StackName) -> Result<Vec<Container>, Error> {
    let saved = StackState::load_if_any(&context.dirs, stack).map_err(StackError::from)?;
    let declared = Inventory::load_stack(&context.dirs, stack);
    let unit = stack.service();
    let all = podman.compose_containers().map_err(StackError::from)?;
    let project = saved
        .map(|state| state.project)
        .or_else(|| declared.as_ref().ok().and_then(|declared| declared.entry.compose.project.clone()));
    let ours = |container: &Container| {
        container.owner() == Owner::Unit(unit.as_str())
            || (project.is_some() && container.project() == project.as_deref())
    };
    let found: Vec<Container> = all.into_iter().filter(ours).collect();
    if found.is_empty() && project.is_none() && declared.is_err() {
        return Err(StackError::Unknown { stack: stack.clone() }.into());
    }
    Ok(found)
}

/// compose knows the order; it needs no file for that, only what the containers carry. Where it fails, podman stops
/// them without it.
fn stop_containers(
    context: &Context,
    podman: &Podman,
    stack: &StackName,
    running: &[&Container],
) -> Result<(), StackError> {
    let mut projects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for container in running {
        projects.entry(container.project().unwrap_or_default()).or_default().push(&container.id);
    }
    for (project, ids) in projects {
        if let Err(error) = on_project(context, podman, stack, project, "stop") {
            let reason = chain(&error);
            tracing::warn!(
                STACKWARDEN_STACK = stack.as_str(),
                "stack {stack}: podman stops its containers, because compose does not: {reason}"
            );
        }
        // Also what compose does not count as a service's: the containers of `compose run`.
        podman.stop(&ids, STOP_TIMEOUT)?;
    }
    Ok(())
}

fn on_project(
    context: &Context,
    podman: &Podman,
    stack: &StackName,
    project: &str,
    verb: &'static str,
) -> Result<(), ComposeError> {
    let (dirs, host) = (&context.dirs, &context.host);
    let compose = match host.provider.kind {
        ProviderKind::DockerCompose => {
            Compose::of_project(dirs, host, podman.program(), stack, project, &context.interrupt)?
        }
        // It reads the files for the order.
        ProviderKind::PodmanCompose => match Inventory::load_stack(dirs, stack) {
            Ok(declared) => context.compose(podman, stack, &declared.entry)?,
            Err(_) => return Ok(()),
        },
    };
    compose.act(None, verb, [verb], STOP_TIMEOUT, |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(by_unit: bool, manager: SystemState, job: Option<JobType>) -> Decision {
        decide(&Asked { by_unit, manager, job })
    }

    #[test]
    fn the_units_job_decides() {
        use Decision::{KeepForRestart, KeepForShutdown, Stop, Unclear};
        let running = |job| decided(true, SystemState::Running, job);
        assert_eq!(running(Some(JobType::Stop)), Stop);
        for job in [JobType::Restart, JobType::TryRestart, JobType::Start] {
            assert_eq!(running(Some(job)), KeepForRestart);
        }
        assert_eq!(running(None), Unclear);
        assert_eq!(running(Some(JobType::Other("new".to_owned()))), Unclear);
        assert_eq!(decided(true, SystemState::Stopping, Some(JobType::Stop)), KeepForShutdown);
    }

    #[test]
    fn what_a_person_types_is_meant() {
        for job in [None, Some(JobType::Restart), Some(JobType::Stop)] {
            assert_eq!(decided(false, SystemState::Degraded, job), Decision::Stop);
        }
        assert_eq!(decided(false, SystemState::Stopping, None), Decision::KeepForShutdown);
    }
}
