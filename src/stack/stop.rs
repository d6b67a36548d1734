//! `stackctl stop`: what it does depends on why the unit stops.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::context::Context;
use super::error::StackError;
use super::own::Own;
use super::ties::{Ties, refuse};
use super::transaction::{Transaction, tell};
use crate::compose::Compose;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::inventory::{Inventory, ProviderKind};
use crate::journal;
use crate::lock::Locked;
use crate::names::StackName;
use crate::podman::{self, Container, Podman};
use crate::systemd::bus::BusError;
use crate::systemd::loaded::Detail;
use crate::systemd::words::{ActiveState, JobType, SystemState};

/// Containers stop within their own `stop_grace_period`, one after the other if they depend on each other; the unit's
/// `TimeoutStopSec=` leaves this, and the wait for the lock.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(9 * 60);

/// For what the lock of a stack is held while its unit is ended and its containers stay.
pub const REMOVAL: &str = "remove";

/// How long podman's API may take for a first word. One that is started on demand has it in half a second.
const PING: Duration = Duration::from_secs(10);

/// For how long containers that end by themselves and are started again are stopped again and again, after the first time.
/// podman is done with one that it does not start again well before.
const INSISTENCE: Duration = Duration::from_secs(20);

/// Why a stop was asked for, as far as the manager tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whether this is the stop command of the stack's own unit, rather than a person's.
    pub by_unit: bool,
    /// The manager's own state.
    pub manager: SystemState,
    /// The job of the stack's unit.
    pub job: Option<JobType>,
    /// Whether the stack is being removed at this moment, and its containers are to stay.
    pub removed: bool,
}

/// What a stop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The containers are stopped.
    Stop,
    /// They are kept: the unit starts again, and compose then replaces only what changed.
    KeepForRestart,
    /// They are kept: the unit ends because its stack is forgotten, which leaves what runs.
    KeepForRemoval,
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
        Some(JobType::Stop) if asked.removed => Decision::KeepForRemoval,
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
    let by_unit = is_by_unit(stack);
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
            // What it said is of containers that do not run any more, and could not be verified again.
            if let Ok(manager) = context.manager() {
                drop(manager.reset_failed(&stack.verify_service()));
            }
            if !by_unit {
                tell_of_the_unit(context, stack);
            }
            Ok(())
        }
        Decision::KeepForRestart => {
            tell(stack, "the unit starts again: the containers are kept");
            Ok(())
        }
        Decision::KeepForRemoval => {
            tell(stack, "it is removed: the containers are kept");
            Ok(())
        }
        Decision::KeepForShutdown => {
            tell(stack, "the user manager is stopping: nothing is touched");
            Ok(())
        }
        Decision::Unclear => Err(StackError::StopUnclear { stack: stack.clone() }.into()),
    }
}

/// Stops what runs of a stack although its unit has ended and is not to start again: it was told to stop while it started,
/// which sends a signal and runs no stop command, or while a restart had kept the containers.
///
/// # Errors
/// As [`stop`].
pub fn stop_left(context: &Context, stack: &StackName) -> Result<(), Error> {
    let asked = ask(context, stack, true)
        .or_else(|_| ask(context, stack, true))
        .map_err(|source| StackError::StopUnread { stack: stack.clone(), source: Box::new(source) })?;
    // Without a job the unit has ended by itself, as one that could not start: then its containers stay.
    if decide(&asked) == Decision::Stop && !running(context, stack)?.is_empty() {
        return stop_now(context, stack);
    }
    Ok(())
}

/// Whether this program was asked to end because the stack's unit, which runs it, is to stop or to start anew. A time limit
/// and a signal by hand leave the unit's job as it is.
pub(super) fn is_called_off(context: &Context, stack: &StackName) -> bool {
    context.interrupt.pending()
        && is_by_unit(stack)
        && ask(context, stack, true).is_ok_and(|asked| {
            let anew = matches!(asked.job, Some(JobType::Restart | JobType::TryRestart));
            anew || matches!(decide(&asked), Decision::Stop | Decision::KeepForShutdown)
        })
}

fn is_by_unit(stack: &StackName) -> bool {
    journal::own_unit().is_some_and(|unit| unit == stack.service().as_str())
}

/// What a person who has stopped the containers has to do about the unit; nothing if the manager cannot be asked.
fn tell_of_the_unit(context: &Context, stack: &StackName) {
    let unit = stack.service();
    let next = match unit_state(context, stack) {
        Ok(ActiveState::Active) => {
            format!("is still active, so a start of it does nothing; next: systemctl --user stop {unit}")
        }
        Ok(ActiveState::Failed) => format!("is still failed; next: systemctl --user reset-failed {unit}"),
        _ => return,
    };
    tracing::warn!(STACKWARDEN_STACK = stack.as_str(), "stack {stack}: {unit} {next}");
}

fn unit_state(context: &Context, stack: &StackName) -> Result<ActiveState, BusError> {
    Ok(context.manager()?.observe_one(&stack.service(), Detail::Unit)?.active_state)
}

fn ask(context: &Context, stack: &StackName, by_unit: bool) -> Result<Asked, BusError> {
    let manager = context.manager()?;
    let state = manager.state()?.system_state;
    let job = || manager.unit_job(&stack.service());
    // One that another has just replaced is gone when it is asked for its type.
    let job = job()?.map_or_else(job, |job| Ok(Some(job)))?.map(|job| job.kind);
    Ok(Asked { by_unit, manager: state, job, removed: Locked::is_held_for(&context.dirs, stack, REMOVAL) })
}

fn stop_now(context: &Context, stack: &StackName) -> Result<(), Error> {
    regardless(context, stack, "stop", |podman, warn| {
        let own = Own::find(context, podman, stack)?;
        own.left_alone().iter().for_each(|left| warn(left));
        let live = live(podman, &own.containers)?;
        if live.is_empty() {
            return Ok("no container of it runs".to_owned());
        }
        stop_containers(context, podman, &own, stack, &live)?;
        Ok(format!("stopped, {}", counted(live.len())))
    })
}

/// Refuses to take down what somebody else's containers depend on, before anything is touched: podman would remove the
/// others, and stop at that.
///
/// # Errors
/// They do, or podman cannot be asked.
pub fn refuse_guests(context: &Context, stack: &StackName) -> Result<(), Error> {
    let podman = context.podman().map_err(StackError::from)?;
    let own = match Own::find(context, &podman, stack) {
        Err(StackError::Unknown { .. }) => Own::default(),
        other => other?,
    };
    if own.containers.is_empty() {
        return Ok(());
    }
    let containers = podman.containers().map_err(StackError::from)?;
    let ids: BTreeSet<&str> = own.containers.iter().map(|one| one.id.as_str()).collect();
    let ties = Ties::ask(&podman, &containers).map_err(StackError::from)?;
    Ok(refuse(stack, ties.guests(&ids, &containers, |one| ids.contains(one.id.as_str())))?)
}

/// Takes a stack's containers and networks down. No volume is removed.
///
/// # Errors
/// Somebody else is at work, or compose refuses.
pub fn down(context: &Context, stack: &StackName) -> Result<(), Error> {
    regardless(context, stack, "down", |podman, warn| {
        let own = Own::find(context, podman, stack)?;
        own.left_alone().iter().for_each(|left| warn(left));
        unpause(podman, &own.containers)?;
        for (project, ids) in by_project(&own.containers) {
            if !own.shared.contains(project)
                && let Err(error) = on_project(context, podman, stack, project, "down")
            {
                warn(&format!("podman takes it down, because compose does not: {}", chain(&error)));
            }
            // What compose does not count as its own: another provider has made it, or nothing declares its files.
            remove_left(podman, ids)?;
            if !own.shared.contains(project)
                && let Err(error) = podman.remove_networks(project)
            {
                warn(&format!("its networks are left: {}; next: podman network prune", chain(&error)));
            }
        }
        Ok(format!("taken down, {}; volumes are kept", counted(own.containers.len())))
    })
}

/// The names of a stack's containers that run, also when nobody declares the stack.
///
/// # Errors
/// podman cannot be asked.
pub fn running(context: &Context, stack: &StackName) -> Result<Vec<String>, Error> {
    let podman = context.podman().map_err(StackError::from)?;
    let own = match Own::find(context, &podman, stack) {
        Err(StackError::Unknown { .. }) => Own::default(),
        other => other?,
    };
    Ok(live(&podman, &own.containers)?.into_iter().map(|container| container.name().to_owned()).collect())
}

/// Runs `work` as a transaction, and where neither lock nor record can be written, without: a disk that is full must not
/// keep alive what is to end.
fn regardless(
    context: &Context,
    stack: &StackName,
    verb: &'static str,
    work: impl Fn(&Podman, &mut dyn FnMut(&str)) -> Result<String, StackError>,
) -> Result<(), Error> {
    let podman = context.podman().map_err(StackError::from)?;
    let mut done = None;
    let written = Transaction::run(context, stack, verb, |transaction| {
        transaction.step(verb)?;
        let said = work(&podman, &mut |warning| transaction.warn(warning))?;
        done = Some(said.clone());
        Ok(said)
    });
    match written {
        Err(source @ (Error::Write(_) | Error::Lock(_) | Error::Stack(_)))
            if source.code() == Code::CannotWrite =>
        {
            let done = match done {
                Some(done) => done,
                None => work(&podman, &mut |warning| {
                    tracing::warn!(STACKWARDEN_STACK = stack.as_str(), "stack {stack}: {warning}");
                })?,
            };
            Err(StackError::Unwritten { stack: stack.clone(), done, source: Box::new(source) }.into())
        }
        other => other,
    }
}

fn counted(containers: usize) -> String {
    format!("{containers} {}", if containers == 1 { "container" } else { "containers" })
}

/// Those that run, and those that podman is about to start again because they have ended.
fn live<'a>(podman: &Podman, containers: &'a [Container]) -> Result<Vec<&'a Container>, StackError> {
    let ids: Vec<&str> =
        containers.iter().filter(|one| !one.is_running()).map(|one| one.id.as_str()).collect();
    let again = not_at_rest(podman, &ids)?;
    let lives = |one: &&Container| one.is_running() || one.is_half_started() || again.contains(&one.id);
    Ok(containers.iter().filter(lives).collect())
}

/// The ids of those that run, or that podman starts again.
fn not_at_rest(podman: &Podman, ids: &[&str]) -> Result<BTreeSet<String>, StackError> {
    let seen = match podman.inspect(ids) {
        // Those of `compose run --rm` are gone when they have stopped.
        Err(error) if error.is_no_such_object() => {
            let there = podman.all_ids()?;
            podman.inspect(&ids.iter().copied().filter(|id| there.contains(*id)).collect::<Vec<_>>())?
        }
        seen => seen?,
    };
    let now = SystemTime::now();
    Ok(seen.into_iter().filter(|one| one.is_alive(now)).map(|one| one.id).collect())
}

/// What is paused cannot be stopped.
fn unpause<'a>(
    podman: &Podman,
    containers: impl IntoIterator<Item = &'a Container>,
) -> Result<(), StackError> {
    let paused: Vec<&str> =
        containers.into_iter().filter(|one| one.is_paused()).map(|one| one.id.as_str()).collect();
    Ok(podman.unpause(&paused, STOP_TIMEOUT)?)
}

fn by_project<'a>(containers: impl IntoIterator<Item = &'a Container>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut projects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for container in containers {
        projects.entry(container.project().unwrap_or_default()).or_default().push(&container.id);
    }
    projects
}

/// compose knows the order; it needs no file for that, only what the containers carry. Where it fails, podman stops
/// them without it.
fn stop_containers(
    context: &Context,
    podman: &Podman,
    own: &Own,
    stack: &StackName,
    live: &[&Container],
) -> Result<(), StackError> {
    unpause(podman, live.iter().copied())?;
    for (project, ids) in by_project(live.iter().copied()) {
        if !own.shared.contains(project)
            && let Err(error) = on_project(context, podman, stack, project, "stop")
        {
            let reason = chain(&error);
            tracing::warn!(
                STACKWARDEN_STACK = stack.as_str(),
                "stack {stack}: podman stops its containers, because compose does not: {reason}"
            );
        }
        // Also what compose does not count as a service's: the containers of `compose run`.
        stop_for_good(podman, stack, &ids)?;
    }
    Ok(())
}

/// One that is being started again at that moment does not hear of it.
fn stop_for_good(podman: &Podman, stack: &StackName, ids: &[&str]) -> Result<(), StackError> {
    podman.stop(ids, STOP_TIMEOUT)?;
    let deadline = Instant::now() + INSISTENCE;
    let mut left = not_at_rest(podman, ids)?;
    while !left.is_empty() && Instant::now() < deadline {
        podman.stop(&left.iter().map(String::as_str).collect::<Vec<_>>(), STOP_TIMEOUT)?;
        left = not_at_rest(podman, ids)?;
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(StackError::StartedAgain { stack: stack.clone(), containers: left.into_iter().collect() })
}

/// Removes those of the containers that are still there. One goes only after those that share something of it.
fn remove_left(podman: &Podman, mut ids: Vec<&str>) -> Result<(), StackError> {
    let mut failed = None;
    loop {
        let (count, there) = (ids.len(), podman.all_ids()?);
        ids.retain(|id| there.contains(*id));
        if let Some(error) = failed.filter(|_| !ids.is_empty() && ids.len() == count) {
            return Err(StackError::Podman(error));
        }
        podman.stop(&ids, STOP_TIMEOUT)?;
        let Err(error) = podman.remove(&ids, STOP_TIMEOUT) else { return Ok(()) };
        failed = Some(error);
    }
}

fn on_project(
    context: &Context,
    podman: &Podman,
    stack: &StackName,
    project: &str,
    verb: &'static str,
) -> Result<(), StackError> {
    let (dirs, host) = (&context.dirs, &context.host);
    let compose = match host.provider.kind {
        ProviderKind::DockerCompose => {
            podman::ping(dirs, PING)?;
            Compose::of_project(dirs, host, podman.program(), stack, project, &context.interrupt)?
        }
        // It reads the files for the order.
        ProviderKind::PodmanCompose => match Inventory::load_stack(dirs, stack) {
            Ok(declared) if declared.entry.compose.project.as_deref().is_none_or(|it| it == project) => {
                context.compose(podman, stack, &declared.entry)?
            }
            _ => return Ok(()),
        },
    };
    Ok(compose.act(None, verb, [verb], STOP_TIMEOUT, |_| {})?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(by_unit: bool, manager: SystemState, job: Option<JobType>) -> Decision {
        decide(&Asked { by_unit, manager, job, removed: false })
    }

    #[test]
    fn what_is_removed_keeps_its_containers_unless_a_person_stops_them() {
        let removed = |by_unit, job| {
            decide(&Asked { by_unit, manager: SystemState::Running, job: Some(job), removed: true })
        };
        assert_eq!(removed(true, JobType::Stop), Decision::KeepForRemoval);
        assert_eq!(removed(true, JobType::Restart), Decision::KeepForRestart);
        assert_eq!(removed(false, JobType::Stop), Decision::Stop);
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
