//! `stackctl restart`: the unit is restarted, and the verdict waited for, in every verify mode.

use std::time::{Duration, SystemTime};

use super::context::Context;
use super::error::StackError;
use super::state::StackState;
use super::{preflight, transaction, verify};
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::{Inventory, VerifyMode};
use crate::names::StackName;
use crate::progress::Progress;
use crate::records;
use crate::systemd::loaded::Detail;
use crate::systemd::manager::{JobMode, Verb};
use crate::systemd::words::ActiveState;

/// What a restart may take beyond the bounds of its steps. The unit has a timeout of its own, which ends it earlier.
const MARGIN: Duration = Duration::from_secs(15 * 60);

/// Whoever restarts a stack that is held has brought its data back.
fn release(context: &Context, stack: &StackName) -> Result<(), Error> {
    if StackState::refuse_held(&context.dirs, stack).is_ok() {
        return Ok(());
    }
    let _locked = transaction::lock(context, stack, "restart")?;
    StackState::release(&context.dirs, stack)
}

/// Restarts a stack's unit and waits until the stack is up, or is not.
///
/// # Errors
/// The unit does not come up, or the stack does not.
pub fn restart(context: &Context, stack: &StackName) -> Result<Code, Error> {
    let entry = Inventory::load_stack(&context.dirs, stack)?.entry;
    let unit = stack.service();
    let begin = records::timestamp(SystemTime::now());
    let deadline = context.host.lock_wait.duration()
        + entry.pull_timeout.duration()
        + entry.startup_timeout.duration()
        + entry.verify.timeout.duration()
        + MARGIN;
    let mut manager = context.manager().map_err(StackError::from)?;
    release(context, stack)?;
    // What is refused anyway must not leave a failed unit over containers that run well.
    let seen = manager.observe_one(&unit, Detail::Unit).map_err(StackError::from)?;
    if seen.active_state == ActiveState::Active {
        preflight::preflight(context, stack)?;
    }
    let mut progress = Progress::new();
    let result = manager
        .run_job_telling(Verb::Restart, &unit, JobMode::Replace, deadline, |doing| progress.show(doing))
        .map_err(StackError::from)?;
    drop(progress);
    // What the unit's own apply said is more than the job's result.
    let record = records::newest(&context.dirs, stack, &["apply"]).filter(|record| record.started >= begin);
    let said = record.and_then(|record| record.outcome);
    if !result.is_success() {
        if let Some(outcome) = said.filter(|outcome| outcome.code != 0) {
            tracing::error!(STACKWARDEN_STACK = stack.as_str(), "{}", outcome.message);
            return Ok(Code::of(outcome.code).unwrap_or(Code::Unexpected));
        }
        let result = result.to_string();
        // Without a record there is its exit code: on a full disk, say.
        let status = manager.observe_one(&unit, Detail::Settings).ok().and_then(|unit| unit.exec_main_status);
        let code = status.and_then(Code::of).filter(|code| *code != Code::Done);
        return Err(StackError::Job { unit, wanted: "restarted", result, code }.into());
    }
    match entry.verify.mode {
        VerifyMode::Gate => {
            let said = said.map_or_else(|| "up".to_owned(), |outcome| outcome.message);
            transaction::tell(stack, &said);
        }
        VerifyMode::Detached | VerifyMode::Off => verify::run(context, stack, None)?,
    }
    Ok(Code::Done)
}
