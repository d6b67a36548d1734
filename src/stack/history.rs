//! `stackctl history`: the records, readable.

use crate::dirs::Dirs;
use crate::document::ReadError;
use crate::error::Error;
use crate::exit::Code;
use crate::names::StackName;
use crate::records::{self, Outcome, Record};

use super::Refusal;

/// The records, the oldest first, and the files that cannot be read.
///
/// # Errors
/// The directory of the records cannot be listed, or nobody has ever heard of the stack.
pub fn history(dirs: &Dirs, stack: Option<&StackName>) -> Result<(Vec<Record>, Vec<ReadError>), Error> {
    let (records, broken) = records::load(dirs, stack)?;
    if let Some(stack) = stack.filter(|_| records.is_empty() && broken.is_empty()) {
        let path = dirs.inventory_file(stack);
        if !path.exists() {
            return Err(Refusal::NotDeclared { stack: stack.clone(), path }.into());
        }
    }
    Ok((records, broken))
}

/// One line per record, and below that of an update one per image.
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
                // A verification that is superseded has not failed.
                Some(outcome) if outcome.code == 0 || is_superseded(record, outcome) => {
                    outcome.message.clone()
                }
                Some(outcome) => format!("exit {}: {}", outcome.code, outcome.message),
                None => open(record),
            };
            let started = record.started.get(..19).unwrap_or(&record.started).replace('T', " ");
            let mut line = format!(
                "{started}  {:width$}  {:<8}  {:>8}  {outcome}",
                record.stack.as_str(),
                record.verb,
                duration(record)
            );
            for change in record.update.iter().flat_map(|update| &update.images) {
                line.push_str("\n    ");
                line.push_str(&change.line());
            }
            line
        })
        .collect();
    lines.join("\n")
}

/// What an open record says: its program is at work, or was killed.
#[must_use]
pub fn open(record: &Record) -> String {
    let step = record.steps.last().map_or("its beginning", |step| step.name.as_str());
    let pid = record.pid;
    if runs_this_program(pid) {
        format!("under way, at {step} (pid {pid})")
    } else {
        format!("not finished: it was last seen at {step} (pid {pid}, which is gone)")
    }
}

/// Whether the process runs the program that this one does; the number may belong to another one by now.
fn runs_this_program(pid: u32) -> bool {
    let name = |process: &str| {
        let program = fs_err::read_link(format!("/proc/{process}/exe")).ok()?;
        // What an upgrade has replaced while it runs.
        Some(program.file_name()?.to_string_lossy().trim_end_matches(" (deleted)").to_owned())
    };
    name(&pid.to_string()).is_some_and(|theirs| name("self") == Some(theirs))
}

fn is_superseded(record: &Record, outcome: &Outcome) -> bool {
    record.verb == "verify" && outcome.code == Code::TryLater.number()
}

/// How long it took; nothing while it is open, or if the clock was set back meanwhile.
fn duration(record: &Record) -> String {
    let time = |text: &str| humantime::parse_rfc3339(text).ok();
    let took = record
        .finished
        .as_deref()
        .and_then(time)
        .zip(time(&record.started))
        .and_then(|(end, begin)| end.duration_since(begin).ok());
    took.map(|took| format!("{:.1} s", took.as_secs_f64())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_update_is_told_with_its_duration_digests_labels_and_reason() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let record = json!({
            "version": 1, "stack": "web", "verb": "update", "pid": 1, "steps": [],
            "started": "2026-02-13T04:00:00.000Z", "finished": "2026-02-13T04:01:02.500Z",
            "update": {"result": "rolled-back", "images": [{
                "reference": "app:1", "tag": {"repository": "docker.io/library/app", "tag": "1"}, "services": ["web"],
                "old": {"id": "1", "digest": digest("a"), "version": "1.2", "revision": "0123456789abcdef"},
                "new": {"id": "2", "digest": digest("b")}
            }]},
            "outcome": {"code": 81, "message": "rolled back: not healthy"}
        });
        let open = json!({
            "version": 1, "stack": "db", "verb": "apply", "pid": 4_294_967_295_u32,
            "started": "2026-02-13T04:00:00.000Z", "steps": [{"name": "pull", "started": ""}]
        });
        let running = json!({
            "version": 1, "stack": "db", "verb": "verify", "pid": std::process::id(),
            "started": "2026-02-13T04:00:00.000Z", "steps": [{"name": "verify", "started": ""}]
        });
        let superseded = json!({
            "version": 1, "stack": "db", "verb": "verify", "pid": 7, "started": "2026-02-13T04:00:00.000Z", "steps": [],
            "outcome": {"code": 75, "message": "superseded"}
        });
        let records: Vec<Record> =
            [record, open, superseded, running].map(|record| serde_json::from_value(record).unwrap()).into();
        assert_eq!(
            text(&records),
            format!(
                "2026-02-13 04:00:00  web  update      62.5 s  exit 81: rolled back: not healthy\n    \
             app:1 aaaaaaaaaaaa (1.2, 0123456789ab) -> bbbbbbbbbbbb\n\
             2026-02-13 04:00:00  db   apply               not finished: it was last seen at pull (pid 4294967295, which is gone)\n\
             2026-02-13 04:00:00  db   verify              superseded\n\
             2026-02-13 04:00:00  db   verify              under way, at verify (pid {})",
                std::process::id()
            )
        );
    }
}
