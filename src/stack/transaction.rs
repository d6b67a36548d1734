//! The frame of everything that changes a stack: the lock, the record, the events, and the end, however it comes.

use super::context::Context;
use super::error::StackError;
use super::left_open::take_over;
use crate::error::Error;
use crate::failpoint;
use crate::journal;
use crate::lock::Locked;
use crate::names::StackName;
use crate::progress::Progress;
use crate::records::{OpenRecord, Record};
use crate::update::Update;

/// A transaction under way.
#[derive(Debug)]
pub struct Transaction<'a> {
    context: &'a Context,
    stack: StackName,
    locked: Option<Locked>,
    record: OpenRecord,
}

impl<'a> Transaction<'a> {
    /// Runs `work` with the stack's lock held and a record open. What it returns says in a line what was done.
    ///
    /// # Errors
    /// Somebody else is at work, the state cannot be written, or `work` fails. The record tells it too.
    pub fn run(
        context: &'a Context,
        stack: &StackName,
        verb: &str,
        work: impl FnOnce(&mut Self) -> Result<String, Error>,
    ) -> Result<(), Error> {
        let locked = Some(lock(context, stack, verb)?);
        let left = take_over(context, stack, verb)?;
        let mut transaction = Self { locked, ..Self::begin(context, stack, verb)? };
        transaction.tell_of(&left)?;
        let result = work(&mut transaction);
        transaction.close(result)
    }

    /// Begins a transaction whose first steps need no lock.
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn begin(context: &'a Context, stack: &StackName, verb: &str) -> Result<Self, Error> {
        let record = OpenRecord::begin(&context.dirs, stack, verb)?;
        Ok(Self { context, stack: stack.clone(), locked: None, record })
    }

    /// Goes on with one that was killed. Whoever does it has the lock.
    #[must_use]
    pub fn resume(context: &'a Context, record: OpenRecord) -> Self {
        Self { context, stack: record.record().stack.clone(), locked: None, record }
    }

    /// Takes the stack's lock, if it is not held yet.
    ///
    /// # Errors
    /// Somebody else is at work.
    pub fn lock(&mut self) -> Result<(), Error> {
        if self.locked.is_none() {
            let verb = self.record.record().verb.clone();
            self.locked = Some(lock(self.context, &self.stack, &verb)?);
            let left = take_over(self.context, &self.stack, &verb)?;
            self.tell_of(&left)?;
        }
        Ok(())
    }

    /// Records what a killed program had left, and that it was taken over.
    fn tell_of(&mut self, left: &[String]) -> Result<(), Error> {
        if !left.is_empty() {
            self.step_regardless("take-over")?;
        }
        for what in left {
            self.warn(what);
        }
        Ok(())
    }

    /// Ends it: the record tells the result, and the lock is let go.
    ///
    /// # Errors
    /// That of `result`, or the state cannot be written.
    pub fn close(self, result: Result<String, Error>) -> Result<(), Error> {
        let Self { context, stack, locked, record } = self;
        let (code, message) = match &result {
            Ok(done) => (0, done.clone()),
            Err(error) => (error.code().number(), error.line()),
        };
        let closed = record.close(&context.dirs, code, &message);
        drop(locked);
        let done = result?;
        closed?;
        tell(&stack, &done);
        Ok(())
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.record.record()
    }

    /// What the update is about; written with the next step or the end.
    pub fn set_update(&mut self, update: Update) {
        self.record.set_update(update);
    }

    /// Records that a step begins, also when this program was asked to end: what was begun is finished.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn step_regardless(&mut self, name: &'static str) -> Result<(), Error> {
        self.record.step(name)?;
        failpoint::before(name);
        Ok(())
    }

    /// The stack.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The record's name.
    #[must_use]
    pub fn id(&self) -> String {
        self.record.id()
    }

    /// Records that a step begins; refused once this program was asked to end.
    ///
    /// # Errors
    /// The record cannot be written, or this program was asked to end.
    pub fn step(&mut self, name: &'static str) -> Result<(), Error> {
        if self.context.interrupt.pending() {
            return Err(StackError::Interrupted { stack: self.stack().clone(), before: name }.into());
        }
        self.step_regardless(name)
    }

    /// Notes and tells something of the current step.
    pub fn note(&mut self, note: &str) {
        self.record.note(note);
        tell(&self.stack, note);
    }

    /// Notes a warning of the current step, and tells it as one.
    pub fn warn(&mut self, warning: &str) {
        self.record.note(warning);
        let stack = &self.stack;
        tracing::warn!(
            MESSAGE_ID = journal::TRANSACTION,
            STACKWARDEN_STACK = stack.as_str(),
            "stack {stack}: {warning}"
        );
    }
}

/// Takes a stack's lock, and tells whom it waits for.
///
/// # Errors
/// Somebody else is at work, and went on being.
pub(super) fn lock(context: &Context, stack: &StackName, verb: &str) -> Result<Locked, StackError> {
    let patience = context.host.lock_wait.duration();
    let mut progress = Progress::of_the_unit();
    let waiting = |holder: &str| {
        let what = format!("waiting for {holder}");
        tell(stack, &what);
        progress.show(&what);
    };
    Ok(Locked::take(&context.dirs, stack, verb, patience, &context.interrupt, waiting)?)
}

/// One event of a stack.
pub(crate) fn tell(stack: &StackName, what: &str) {
    tracing::info!(
        MESSAGE_ID = journal::TRANSACTION,
        STACKWARDEN_STACK = stack.as_str(),
        "stack {stack}: {what}"
    );
}
