//! One update, step by step: what [`next`] says is done here.

use std::collections::BTreeMap;

use super::change::{Change, Outcome, Update};
use super::error::UpdateError;
use super::failpoint;
use super::machine::{End, Known, Next, Seen, Step, next};
use super::newest::Newest;
use super::plan::Candidate;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::names::StackName;
use crate::process::Interrupt;
use crate::progress::Progress;
use crate::records::OpenRecord;
use crate::stack::preflight::Prepared;
use crate::stack::{Context, StackError, Transaction, tell};
use crate::systemd::manager::{JobMode, Verb};
use crate::systemd::words::SystemState;

/// What is to run afterwards.
#[derive(Debug, Clone)]
pub enum Goal {
    /// What the registries offer.
    Newest,
    /// These images, which ran before.
    Pinned(Vec<Change>),
}

/// An update under way.
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) stack: StackName,
    pub(super) goal: Goal,
    pub(super) transaction: Transaction<'a>,
    pub(super) prepared: Option<Prepared>,
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
    /// What was left alone because it is quarantined.
    pub(super) quarantined: Vec<String>,
    pub(super) interrupt: Interrupt,
    regardless: bool,
    started: bool,
    restored: bool,
    skipped: bool,
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
        let restored = was_taken(Step::OnRollback) && was_taken(Step::Reverify);
        let transaction = Transaction::resume(context, record);
        Self {
            update,
            started,
            restored,
            holds: true,
            prepared: Some(prepared),
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
            candidates: Vec::new(),
            left_out: Vec::new(),
            newest: None,
            offered: BTreeMap::new(),
            update: Update::default(),
            progress: Progress::new(),
            pulls_tags: false,
            holds: false,
            was_failed: false,
            quarantined: Vec::new(),
            interrupt: context.interrupt.clone(),
            regardless: false,
            started: false,
            restored: false,
            skipped: false,
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
    pub fn go_on_from(self, step: Step) -> Result<(), Error> {
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
                    let seen = judge(step, &error, self.interrupt.pending());
                    let place = if step.is_undoing() { &mut self.undo_cause } else { &mut self.cause };
                    place.get_or_insert(error);
                    seen
                }
            };
            failpoint::reached(step, failpoint::Moment::After);
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
        failpoint::reached(step, failpoint::Moment::Before);
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
        self.skipped = true;
        self.transaction.note(why);
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
            End::Unchanged if self.skipped => Outcome::Skipped,
            End::Unchanged => Outcome::Unchanged,
            End::NothingChanged => Outcome::Failed,
            End::RolledBack => Outcome::RolledBack,
            End::NotRolledBack => Outcome::NotRolledBack,
        });
        let Self { context, stack, mut transaction, update, was_failed, .. } = self;
        transaction.set_update(update);
        let ended = transaction.close(result);
        // A failed stack that is up again belongs to its unit again; that start finds nothing to do.
        if was_failed && end == End::Updated {
            let started = context.manager().and_then(|manager| {
                manager.enqueue(Verb::Start, &stack.service(), JobMode::Replace).map(drop)
            });
            if let Err(error) = started {
                tell(&stack, &format!("its unit is failed and was not started: {}", chain(&error)));
            }
        }
        ended
    }

    fn result(&mut self, end: End) -> Result<String, Error> {
        let stack = self.stack.clone();
        let cause = self.cause.take();
        let code = cause.as_ref().map_or(Code::TryLater, Error::code);
        let why = cause
            .as_ref()
            .map_or_else(|| "the program that did it was killed".to_owned(), |error| chain(error));
        match end {
            End::Updated => {
                let lines: Vec<String> = self.update.images.iter().map(Change::line).collect();
                Ok(format!("updated and up: {}", lines.join("; ")))
            }
            End::Unchanged if self.skipped => Ok("skipped: the operator has stopped it".to_owned()),
            End::Unchanged if self.quarantined.is_empty() => Ok("nothing new".to_owned()),
            End::Unchanged => Ok(format!("nothing new; quarantined: {}", self.quarantined.join("; "))),
            End::NothingChanged => {
                let guarded =
                    self.transaction.record().steps.iter().any(|step| step.name == Step::Restore.name());
                match cause {
                    Some(error) if !guarded => {
                        Err(UpdateError::NothingChanged { stack, source: Box::new(error) }.into())
                    }
                    _ => Err(UpdateError::PutBack { stack, code, why }.into()),
                }
            }
            End::RolledBack => Err(UpdateError::RolledBack { stack, why }.into()),
            End::NotRolledBack => {
                let left = self.undo_cause.take().map_or_else(
                    || "it was not undone, because \"update.rollback\" is false".to_owned(),
                    |error| format!("the rollback failed: {}", chain(&error)),
                );
                Err(UpdateError::NotRolledBack { stack, why, left }.into())
            }
        }
    }

    /// The prepared stack; steps after the first have it.
    pub(super) fn prepared(&self) -> Result<&Prepared, Error> {
        let missing =
            || StackError::Interrupted { stack: self.stack.clone(), before: Step::Preflight.name() };
        self.prepared.as_ref().ok_or_else(|| missing().into())
    }

    pub(super) fn cause(&self) -> Option<&Error> {
        self.cause.as_ref()
    }
}

/// Whether a failure is held against the new images.
fn judge(step: Step, error: &Error, asked: bool) -> Seen {
    if asked {
        return Seen::Asked;
    }
    match (step, error.code()) {
        (Step::Apply | Step::Verify, Code::NotUp | Code::Refused) => Seen::Bad,
        _ => Seen::Failed,
    }
}
