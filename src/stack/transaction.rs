//! The frame of everything that changes a stack: the lock, the record, the events, and the end, however it comes.

use super::context::Context;
use super::error::StackError;
use crate::error::{Error, chain};
use crate::journal;
use crate::lock::Locked;
use crate::names::StackName;
use crate::records::OpenRecord;

/// A transaction under way.
#[derive(Debug)]
pub struct Transaction<'a> {
    context: &'a Context,
    locked: Locked,
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
        let patience = context.host.lock_wait.duration();
        let waiting = |holder: &str| tell(stack, &format!("waiting for {holder}"));
        let locked = Locked::take(&context.dirs, stack, verb, patience, &context.interrupt, waiting)
            .map_err(StackError::from)?;
        let record = OpenRecord::begin(&context.dirs, stack, verb)?;
        let mut transaction = Self { context, locked, record };
        let result = work(&mut transaction);
        let (code, message) = match &result {
            Ok(done) => (0, done.clone()),
            Err(error) => (error.code().number(), chain(error)),
        };
        let Self { record, locked, .. } = transaction;
        let closed = record.close(&context.dirs, code, &message);
        drop(locked);
        let done = result?;
        closed?;
        tell(stack, &done);
        Ok(())
    }

    /// The stack.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        self.locked.stack()
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
        self.record.step(name)?;
        Ok(())
    }

    /// Notes and tells something of the current step.
    pub fn note(&mut self, note: &str) {
        self.record.note(note);
        tell(self.locked.stack(), note);
    }

    /// Notes a warning of the current step, and tells it as one.
    pub fn warn(&mut self, warning: &str) {
        self.record.note(warning);
        let stack = self.locked.stack();
        tracing::warn!(
            MESSAGE_ID = journal::TRANSACTION,
            STACKWARDEN_STACK = stack.as_str(),
            "stack {stack}: {warning}"
        );
    }
}

/// One event of a stack.
pub(super) fn tell(stack: &StackName, what: &str) {
    tracing::info!(
        MESSAGE_ID = journal::TRANSACTION,
        STACKWARDEN_STACK = stack.as_str(),
        "stack {stack}: {what}"
    );
}
