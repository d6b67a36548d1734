//! `stackctl apply`: what is declared of a stack becomes what runs. One process, one lock, from the first check to the
//! last.

use std::collections::{BTreeMap, BTreeSet};

use super::clean::clean;
use super::context::Context;
use super::detach::Detachment;
use super::error::StackError;
use super::join::join;
use super::preflight::{Prepared, preflight};
use super::pull::pull_missing;
use super::state::{Applied, StackState};
use super::stop::is_called_off;
use super::transaction::Transaction;
use super::up::{is_image_changed, up};
use super::verify::{self, Goal, Observed, Outcome, expected, verify};
use crate::compose::Overlay;
use crate::document::Document;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::failpoint;
use crate::inventory::VerifyMode;
use crate::journal;
use crate::names::StackName;
use crate::podman::Container;
use crate::progress::Progress;
use crate::systemd::manager::{JobMode, Verb};
use crate::systemd::words::{ActiveState, JobType};
use crate::update::Settled;

/// Applies a stack. One that ends early because its unit is to stop, or to start anew, has not failed.
///
/// # Errors
/// Preflight refuses, somebody else is at work, compose fails, or in gate mode the stack does not come up.
pub fn apply(context: &Context, stack: &StackName) -> Result<(), Error> {
    match apply_whole(context, stack) {
        Err(error) if error.code() == Code::TryLater && is_called_off(context, stack) => {
            tracing::warn!(
                MESSAGE_ID = journal::TRANSACTION,
                STACKWARDEN_STACK = stack.as_str(),
                "{}; its unit was asked to stop or to restart meanwhile",
                chain(&error)
            );
            Ok(())
        }
        ended => ended,
    }
}

fn apply_whole(context: &Context, stack: &StackName) -> Result<(), Error> {
    Transaction::run(context, stack, "apply", |transaction| {
        transaction.step("preflight")?;
        let prepared = preflight(context, stack)?;
        for warning in &prepared.warnings {
            transaction.warn(warning);
        }
        let (prepared, settled) = match crate::update::settle_open(context, stack, prepared)? {
            Settled::NothingOpen(prepared) => (*prepared, String::new()),
            Settled::Ended { how, .. } => {
                let settled = format!("an update was left open: {how}");
                transaction.warn(&settled);
                (preflight(context, stack)?, format!("; before that, {settled}"))
            }
        };
        StackState::refuse_held(&context.dirs, stack)?;
        Ok(apply_prepared(context, transaction, &prepared)? + &settled)
    })
}

/// What came up.
#[derive(Debug)]
pub(crate) struct CameUp {
    /// The project's containers.
    pub containers: Vec<Container>,
    /// The ids of the images that the services named, by reference.
    pub images: BTreeMap<String, String>,
}

/// Fetches what is missing and recreates what changed: what an apply and an update share. `enter` is told each step.
///
/// # Errors
/// compose or podman fails, or the state cannot be written.
pub(crate) fn bring_up<'a>(
    context: &Context,
    transaction: &mut Transaction<'a>,
    prepared: &Prepared,
    progress: &mut Progress,
    mut enter: impl FnMut(&mut Transaction<'a>, &'static str) -> Result<(), Error>,
) -> Result<CameUp, Error> {
    let stack = transaction.stack().clone();
    let overlay = Overlay::write(&context.dirs, &stack, Some(&prepared.model))?;

    enter(transaction, "pull")?;
    let fetched = pull_missing(prepared, &overlay, progress)?;
    fetched.done.iter().for_each(|done| transaction.note(done));
    let images = fetched.ids;
    let detachment = Detachment::of_changed(&context.dirs, prepared, &images)?;
    remember_project(context, &stack, prepared)?;

    enter(transaction, "clean")?;
    let mut listed = Some(prepared.containers.as_slice());
    let cleaned = clean(context, prepared, &overlay)?;
    for done in cleaned.into_iter().chain(detachment.carry_out(&context.dirs, prepared)?) {
        transaction.note(&done);
        listed = None;
    }

    enter(transaction, "apply")?;
    progress.show("compose up");
    let containers = up(prepared, listed, &overlay, &images, progress)?;
    for done in join(prepared, &containers)? {
        transaction.note(&done);
    }
    failpoint::after("apply");
    Ok(CameUp { containers, images })
}

/// Remembers what was applied, now that it runs in `containers`.
///
/// # Errors
/// The state cannot be written.
pub(crate) fn remember(
    context: &Context,
    transaction: &Transaction<'_>,
    prepared: &Prepared,
    containers: &[Container],
) -> Result<(), Error> {
    let stack = transaction.stack();
    let mut state = state_of(prepared, saved(context, stack)?);
    state.applied = Some(Applied::of(prepared, containers, &transaction.id()));
    state.hashed.clone_from(&prepared.hashes);
    state.held = None;
    state.store(&StackState::path(&context.dirs, stack)).map_err(|source| {
        let containers = containers.iter().map(Container::name).collect::<Vec<_>>().join(", ");
        StackError::UpUnwritten { stack: stack.clone(), containers, source }.into()
    })
}

/// A stop must find what an interrupted start leaves behind.
fn remember_project(context: &Context, stack: &StackName, prepared: &Prepared) -> Result<(), Error> {
    let before = saved(context, stack)?;
    let state = state_of(prepared, before.clone());
    // What is remembered already need not be written again: an update is undone on a full disk, too.
    if before.as_ref() != Some(&state) {
        state.store(&StackState::path(&context.dirs, stack))?;
    }
    Ok(())
}

fn saved(context: &Context, stack: &StackName) -> Result<Option<StackState>, StackError> {
    Ok(StackState::load_if_any(&context.dirs, stack)?)
}

/// The state of a stack before it is applied, made from what is saved of it.
fn state_of(prepared: &Prepared, saved: Option<StackState>) -> StackState {
    let mut state = saved.unwrap_or_else(|| StackState::new(&prepared.project, prepared.compose.kind()));
    if (&state.project, state.provider) != (&prepared.project, prepared.compose.kind()) {
        state.project.clone_from(&prepared.project);
        state.provider = prepared.compose.kind();
        state.applied = None;
    }
    state
}

fn apply_prepared(
    context: &Context,
    transaction: &mut Transaction<'_>,
    prepared: &Prepared,
) -> Result<String, Error> {
    let stack = transaction.stack().clone();
    let mut progress = Progress::new();
    let up = bring_up(context, transaction, prepared, &mut progress, Transaction::step)?;
    remember(context, transaction, prepared, &up.containers)?;
    let changed = changes(prepared, &up.containers);

    let services = prepared.model.services.len();
    let summary =
        format!("applied, {services} {}, {changed}", if services == 1 { "service" } else { "services" });
    match prepared.entry.verify.mode {
        VerifyMode::Off => {}
        VerifyMode::Detached => start_verification(context, &stack),
        VerifyMode::Gate => {
            transaction.step("verify")?;
            gate(&stack, prepared, up, &BTreeSet::new(), &mut progress)?;
            return Ok(format!("{summary}; up"));
        }
    }
    Ok(summary)
}

/// Verification inside the transaction, of all services but some, of what just came up: the containers of all.
///
/// # Errors
/// The stack is not up, or podman does not answer.
pub(crate) fn gate(
    stack: &StackName,
    prepared: &Prepared,
    up: CameUp,
    aside: &BTreeSet<String>,
    progress: &mut Progress,
) -> Result<Vec<Observed>, StackError> {
    let mut images = up.images;
    if is_image_changed(prepared, &up.containers, &images) {
        // A tag has moved while compose was at work.
        images = verify::images(&prepared.podman, &prepared.model)?;
    }
    let mut expected = expected(&prepared.model, &images);
    expected.retain(|service, _| !aside.contains(service));
    let goal = Goal {
        project: &prepared.project,
        expected: &expected,
        stable_for: prepared.entry.verify.stable_for.duration(),
        timeout: prepared.entry.verify.timeout.duration(),
        redactor: prepared.compose.redactor(),
    };
    let listed = Some(up.containers);
    match verify(&prepared.podman, &goal, listed, |standing| progress.show_each("waiting", standing))? {
        Outcome::Up(observed) => Ok(observed),
        Outcome::Down { problems, waited } => {
            Err(StackError::NotUp { stack: stack.clone(), problems, waited })
        }
    }
}

/// A start of the unit pulls the verification in by itself; a reload does not, and neither does a person's apply.
fn start_verification(context: &Context, stack: &StackName) {
    let unit = stack.verify_service();
    let started = context.manager().and_then(|manager| {
        use crate::systemd::loaded::Detail;
        let lifecycle = manager.observe_one(&stack.service(), Detail::Unit)?;
        let starts = manager.unit_job(&stack.service())?.is_some_and(|job| {
            !matches!(job.kind, JobType::Reload | JobType::TryReload | JobType::ReloadOrStart)
        });
        // Starting it while the unit is not active would start the unit.
        let active = matches!(lifecycle.active_state, ActiveState::Active | ActiveState::Reloading);
        if active && !starts {
            manager.enqueue(Verb::Restart, &unit, JobMode::Replace)?;
        }
        Ok(())
    });
    if let Err(error) = started {
        let reason = chain(&error);
        tracing::warn!(
            STACKWARDEN_STACK = stack.as_str(),
            "stack {stack}: the verification was not started ({reason}); next: stackctl verify {stack}"
        );
    }
}

/// What compose did, in words.
fn changes(prepared: &Prepared, after: &[Container]) -> String {
    let before: BTreeSet<&str> = prepared.containers.iter().map(|container| container.id.as_str()).collect();
    let new: Vec<&str> = after
        .iter()
        .filter(|container| !before.contains(container.id.as_str()))
        .map(Container::name)
        .collect();
    if new.is_empty() { "no container was replaced".to_owned() } else { format!("new: {}", new.join(", ")) }
}
