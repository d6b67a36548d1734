//! One update, step by step: what [`next`] says is done here.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, Outcome, Update};
use super::error::UpdateError;
use super::machine::{End, Known, Next, Seen, Step, next};
use super::newest::Newest;
use super::plan::{Candidate, shared};
use crate::error::{Error, chain, part_next};
use crate::exit::Code;
use crate::failpoint;
use crate::names::StackName;
use crate::process::Interrupt;
use crate::progress::Progress;
use crate::records::OpenRecord;
use crate::stack::apply::CameUp;
use crate::stack::preflight::Prepared;
use crate::stack::{Context, StackError, Transaction, tell};
use crate::systemd::manager::{JobMode, Verb};
use crate::systemd::words::SystemState;

/// What is to run afterwards.
#[derive(Debug, Clone)]
pub enum Goal {
    /// What the registries offer.
    Newest,
    /// The images of the good set that is so many sets before what runs.
    Set(usize),
}

/// An update under way.
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) stack: StackName,
    pub(super) goal: Goal,
    pub(super) transaction: Transaction<'a>,
    pub(super) prepared: Option<Prepared>,
    /// What was applied last, until it is verified.
    pub(super) up: Option<CameUp>,
    pub(super) candidates: Vec<Candidate>,
    /// Why the other images cannot change.
    pub(super) left_out: Vec<String>,
    /// What the last look found, while it may be leaned on.
    pub(super) newest: Option<Newest>,
    /// What the registries offer, by reference, as far as they were asked.
    pub(super) offered: BTreeMap<String, String>,
    pub(super) update: Update,
    pub(super) progress: Progress,
    /// Whether the tags are to be pulled under the lock, because nothing asks a registry otherwise.
    pub(super) pulls_tags: bool,
    /// Whether holders were made.
    pub(super) holds: bool,
    /// Whether the stack's unit was failed before.
    pub(super) was_failed: bool,
    /// Whether the operator had stopped the stack, and goes back with it.
    pub(super) was_stopped: bool,
    /// Whether this is the rest of what a killed program had begun.
    pub(super) is_resumed: bool,
    /// The step in which the program before was killed, if one was.
    pub(super) killed_in: Option<Step>,
    /// Whether the stack is not to start before somebody has brought its data back.
    pub(super) is_held: bool,
    /// The services that were not up before anything was changed.
    pub(super) not_up_before: BTreeSet<String>,
    /// What was left alone because it is quarantined.
    pub(super) quarantined: Vec<String>,
    pub(super) interrupt: Interrupt,
    regardless: bool,
    started: bool,
    restored: bool,
    skipped: Option<String>,
    cause: Option<Error>,
    undo_cause: Option<Error>,
}

impl<'a> Run<'a> {
    /// A new one.
    ///
    /// # Errors
    /// The record cannot be written; nothing is changed then.
    pub fn begin(context: &'a Context, stack: &StackName, verb: &str, goal: Goal) -> Result<Self, Error> {
        let transaction = Transaction::begin(context, stack, verb)?;
        Ok(Self::new(context, goal, transaction))
    }

    /// One whose program was killed. The caller has the lock.
    #[must_use]
    pub fn resume(context: &'a Context, record: OpenRecord, prepared: Prepared) -> Self {
        let said = record.record();
        let update = said.update.clone().unwrap_or_default();
        let was_taken = |wanted: Step| said.steps.iter().any(|step| step.name == wanted.name());
        let started = was_taken(Step::Apply);
        // That they have ended is on record with the step that follows.
        let names = || said.steps.iter().map(|step| step.name.as_str());
        let done = (Step::OnRollback.name(), Step::Reapply.name());
        let restored = names().zip(names().skip(1)).any(|two| two == done);
        let transaction = Transaction::resume(context, record);
        Self {
            started,
            restored,
            holds: true,
            is_resumed: true,
            not_up_before: update.not_up_before.clone(),
            prepared: Some(prepared),
            update,
            ..Self::new(context, Goal::Newest, transaction)
        }
    }

    fn new(context: &'a Context, goal: Goal, transaction: Transaction<'a>) -> Self {
        Self {
            context,
            stack: transaction.stack().clone(),
            goal,
            transaction,
            prepared: None,
            up: None,
            candidates: Vec::new(),
            left_out: Vec::new(),
            newest: None,
            offered: BTreeMap::new(),
            update: Update::default(),
            progress: Progress::new(),
            pulls_tags: false,
            holds: false,
            was_failed: false,
            was_stopped: false,
            is_resumed: false,
            killed_in: None,
            is_held: false,
            not_up_before: BTreeSet::new(),
            quarantined: Vec::new(),
            interrupt: context.interrupt.clone(),
            regardless: false,
            started: false,
            restored: false,
            skipped: None,
            cause: None,
            undo_cause: None,
        }
    }

    /// From the first step to the end.
    ///
    /// # Errors
    /// It failed; the error says what runs now.
    pub fn begin_steps(self) -> Result<(), Error> {
        self.drive(Next::Take(Step::Preflight))
    }

    /// From where it was killed.
    ///
    /// # Errors
    /// As [`Run::begin_steps`].
    pub fn go_on_from(mut self, step: Step) -> Result<(), Error> {
        self.killed_in = Some(step);
        let known = self.known();
        self.drive(next(step, Seen::Killed, known))
    }

    fn known(&self) -> Known {
        let rollback = self.prepared.as_ref().is_none_or(|prepared| prepared.entry.update.rollback);
        Known { rollback, started: self.started, restored: self.restored }
    }

    fn drive(mut self, first: Next) -> Result<(), Error> {
        let mut following = first;
        loop {
            let step = match following {
                Next::Take(step) => step,
                Next::End(end) => return self.finish(end),
            };
            let seen = match self.enter(step).and_then(|()| self.take(step)) {
                Ok(seen) => seen,
                Err(error) => {
                    if matches!(step, Step::Apply | Step::Verify) {
                        self.blame(&error);
                    }
                    let seen = judge(self.interrupt.pending(), !self.update.blamed.is_empty());
                    let place = if step.is_undoing() { &mut self.undo_cause } else { &mut self.cause };
                    place.get_or_insert(error);
                    seen
                }
            };
            failpoint::after(step.name());
            if seen == Seen::Asked && step.is_guarded() {
                if self.is_going_down() {
                    // podman does not work any more; the record stays open for the next start.
                    return Err(UpdateError::GoingDown { stack: self.stack }.into());
                }
                self.go_on_regardless();
            }
            following = next(step, seen, self.known());
        }
    }

    /// Writes the step into the record before it is taken. While it is undone what was begun, undoing comes first.
    fn enter(&mut self, step: Step) -> Result<(), Error> {
        self.progress.show(step.name());
        self.transaction.set_update(self.update.clone());
        if step.is_undoing() {
            self.go_on_regardless();
            if let Err(error) = self.transaction.step_regardless(step.name()) {
                self.transaction.warn(&format!("the step {step} is not in the record: {}", chain(&error)));
            }
        } else if self.regardless {
            self.transaction.step_regardless(step.name())?;
        } else {
            self.transaction.step(step.name())?;
        }
        if step == Step::Apply {
            self.started = true;
        }
        Ok(())
    }

    /// What was begun is finished, also when this program was asked to end.
    fn go_on_regardless(&mut self) {
        self.regardless = true;
        self.interrupt = Interrupt::never();
        if let Some(prepared) = &mut self.prepared {
            prepared.go_on_regardless();
        }
    }

    fn is_going_down(&self) -> bool {
        let state = self.context.manager().and_then(|manager| manager.state());
        // A manager that does not answer while we are asked to end is as good as gone.
        state.map_or(true, |state| state.system_state == SystemState::Stopping)
    }

    pub(super) fn skip(&mut self, why: &str) -> Seen {
        self.transaction.note(why);
        self.skipped = Some(why.to_owned());
        Seen::Nothing
    }

    fn finish(mut self, end: End) -> Result<(), Error> {
        if self.holds
            && let Some(prepared) = &self.prepared
            && let Err(error) = super::images::release(&prepared.podman.uninterrupted(), &self.stack)
        {
            self.transaction.warn(&format!("the images' holders were not removed: {}", chain(&error)));
        }
        let result = self.result(end);
        self.update.result = Some(match end {
            End::Updated => Outcome::Updated,
            End::Unchanged if self.skipped.is_some() => Outcome::Skipped,
            End::Unchanged => Outcome::Unchanged,
            End::NothingChanged => Outcome::Failed,
            End::RolledBack => Outcome::RolledBack,
            End::NotRolledBack => Outcome::NotRolledBack,
        });
        let starts = (self.was_failed || self.was_stopped) && end == End::Updated;
        if self.was_stopped && self.started && !starts {
            self.stop_again();
        }
        let Self { context, stack, mut transaction, update, .. } = self;
        transaction.set_update(update);
        let ended = transaction.close(result);
        // A stack that is up again belongs to its unit again; that start finds nothing to do.
        if starts {
            let started = context.manager().and_then(|manager| {
                manager.enqueue(Verb::Start, &stack.service(), JobMode::Replace).map(drop)
            });
            if let Err(error) = started {
                tell(&stack, &format!("its unit was not started: {}", chain(&error)));
            }
        }
        ended
    }

    /// A stack that was stopped and could not go back stays stopped.
    fn stop_again(&mut self) {
        let Some(prepared) = &self.prepared else { return };
        let podman = prepared.podman.uninterrupted();
        let stopped = podman.project_containers(&prepared.project).and_then(|containers| {
            let ids: Vec<&str> = containers.iter().map(|one| one.id.as_str()).collect();
            podman.stop(&ids, prepared.entry.startup_timeout.duration())
        });
        if let Err(error) = stopped {
            self.transaction.warn(&format!("it was not stopped again: {}", chain(&error)));
        }
    }

    fn result(&mut self, end: End) -> Result<String, Error> {
        let stack = self.stack.clone();
        let cause = self.cause.take();
        let code = cause.as_ref().map_or(Code::TryLater, Error::code);
        let line = cause.as_ref().map_or_else(|| self.recorded_cause(), Error::line);
        // What to type after the failure itself is not what to type after the rollback.
        let mut why = part_next(&line).0.to_owned();
        let verb = if self.is_by_hand() { "rolled back" } else { "updated" };
        match end {
            End::Updated => {
                let lines: Vec<String> = self.update.images.iter().map(Change::line).collect();
                let lines: Vec<String> = lines.into_iter().chain(self.shared()).collect();
                let done = format!("{verb} and up: {}", lines.join("; "));
                match cause {
                    None => Ok(done),
                    Some(error) => {
                        Err(UpdateError::NotRemembered { stack, done, source: Box::new(error) }.into())
                    }
                }
            }
            End::Unchanged => Ok(match &self.skipped {
                Some(why) => format!("skipped: {why}"),
                None if self.quarantined.is_empty() => "nothing new".to_owned(),
                None => format!("nothing new; quarantined: {}", self.quarantined.join("; ")),
            }),
            End::NothingChanged => {
                let guarded =
                    self.transaction.record().steps.iter().any(|step| step.name == Step::Restore.name());
                match cause {
                    Some(error) if !guarded => {
                        let source = Box::new(error);
                        Err(UpdateError::NothingChanged { stack, verb, source }.into())
                    }
                    _ => Err(UpdateError::PutBack { stack, code, why: line }.into()),
                }
            }
            End::RolledBack => {
                // What could not be remembered.
                if let Some(error) = self.undo_cause.take() {
                    why = format!("{why}; and not quarantined: {}", error.reason());
                }
                Err(UpdateError::RolledBack { stack, why }.into())
            }
            End::NotRolledBack => {
                let (left, next) = match self.undo_cause.take() {
                    None => (
                        "it was not undone, because \"update.rollback\" is false".to_owned(),
                        format!("stackctl verify {stack}"),
                    ),
                    Some(error) => {
                        let next = format!("stackctl restart {stack}");
                        let next =
                            if self.is_held { format!("bring the data back, then: {next}") } else { next };
                        (format!("the rollback failed: {}", error.reason()), next)
                    }
                };
                Err(UpdateError::NotRolledBack { stack, why, left, next }.into())
            }
        }
    }

    /// Who else takes what was updated.
    fn shared(&self) -> BTreeSet<String> {
        let Some(prepared) = &self.prepared else { return BTreeSet::new() };
        // It is only told: a podman that does not answer now makes nothing of it fail.
        let containers = prepared.podman.uninterrupted().compose_containers().unwrap_or_default();
        shared(&containers, &prepared.project, &self.update.images)
    }

    /// The prepared stack; steps after the first have it.
    pub(super) fn prepared(&self) -> Result<&Prepared, Error> {
        self.prepared.as_ref().ok_or_else(|| self.unprepared())
    }

    pub(super) fn unprepared(&self) -> Error {
        StackError::Interrupted { stack: self.stack.clone(), before: Step::Preflight.name() }.into()
    }

    /// Whether somebody goes back, and no update goes forward.
    pub(super) fn is_by_hand(&self) -> bool {
        self.transaction.record().verb == "rollback"
    }

    pub(super) fn cause(&self) -> Option<&Error> {
        self.cause.as_ref()
    }
}

/// Whether a failure is held against the new images.
const fn judge(asked: bool, blamed: bool) -> Seen {
    match (asked, blamed) {
        (true, _) => Seen::Asked,
        (false, true) => Seen::Bad,
        (false, false) => Seen::Failed,
    }
}
