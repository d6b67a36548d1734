//! `stackctl history`: the records, readable.

use crate::dirs::Dirs;
use crate::document::ReadError;
use crate::error::Error;
use crate::names::StackName;
use crate::records::{self, Record};

/// The records, the oldest first, and the files that cannot be read.
///
/// # Errors
/// The directory of the records cannot be listed.
pub fn history(dirs: &Dirs, stack: Option<&StackName>) -> Result<(Vec<Record>, Vec<ReadError>), Error> {
    Ok(records::load(dirs, stack)?)
}

/// One line per record.
#[must_use]
pub fn text(records: &[Record]) -> String {
    if records.is_empty() {
        return "no transaction has been recorded".to_owned();
    }
    let width = records.iter().map(|record| record.stack.as_str().len()).max().unwrap_or_default();
    let lines: Vec<String> = records
        .iter()
        .map(|record| {
            let outcome = match &record.outcome {
                Some(outcome) if outcome.code == 0 => outcome.message.clone(),
                Some(outcome) => format!("exit {}: {}", outcome.code, outcome.message),
                None => {
                    let step = record.steps.last().map_or("its beginning", |step| step.name.as_str());
                    format!("not finished: it was last seen at {step} (pid {})", record.pid)
                }
            };
            let started = record.started.get(..19).unwrap_or(&record.started).replace('T', " ");
            format!("{started}  {:width$}  {:<8}  {outcome}", record.stack.as_str(), record.verb)
        })
        .collect();
    lines.join("\n")
}
