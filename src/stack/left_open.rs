//! What a program that was killed has left: a record that nobody closed, a compose that goes on without it, a joined env
//! file. Whoever has the stack's lock takes over: the next apply finishes what was begun, a stop undoes it.

use std::path::Path;
use std::time::{Duration, Instant};

use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::context::Context;
use super::error::StackError;
use crate::compose::remove_left_env_files;
use crate::document::{read_bounded, read_text};
use crate::error::Error;
use crate::exit::Code;
use crate::names::StackName;
use crate::records::{OpenRecord, open_ones};

/// The verbs that hold the lock from their first step to the last.
const VERBS: &[&str] = &["apply", "stop", "down", "recover"];

/// How long a compose that was left running may take to end; it stops waiting for health checks at once, and lets a
/// container's stop come to its end (10 s by default).
const GRACE: Duration = Duration::from_secs(15);

/// How often it is looked at meanwhile; nobody tells when somebody else's child ends.
const LOOK: Duration = Duration::from_millis(20);

/// Takes over from whoever was killed at work on the stack, for `verb`, and says what was left. The caller has just got
/// the stack's lock.
///
/// # Errors
/// The records cannot be read or written.
pub(super) fn take_over(context: &Context, stack: &StackName, verb: &str) -> Result<Vec<String>, Error> {
    let open = open_ones(&context.dirs, stack, VERBS).map_err(StackError::from)?;
    let updates = open_ones(&context.dirs, stack, crate::update::VERBS).map_err(StackError::from)?;
    let mut left = Vec::new();
    remove_left_env_files(&context.dirs);
    if open.is_empty() && updates.is_empty() {
        return Ok(left);
    }
    for (group, command) in compose_groups(context, stack) {
        end(context, group);
        left.push(format!("ended `{command}`, which a killed program had left running"));
    }
    for (record, path) in open {
        let step = record.steps.last().map_or("its beginning", |step| step.name.as_str());
        let message = format!("killed in the step {step}; the next {verb} took over");
        left.push(format!("the {} of {} was killed in the step {step}", record.verb, record.started));
        OpenRecord::resume(record, path).close(&context.dirs, Code::Unexpected.number(), &message)?;
    }
    Ok(left)
}

/// The process groups of composes for this stack whose parent is gone, and what they were called with. They carry the
/// stack's override file on their command line.
fn compose_groups(context: &Context, stack: &StackName) -> Vec<(Pid, String)> {
    let overrides = context.dirs.run().join("overrides").join(format!("{stack}."));
    let overrides = overrides.display().to_string();
    let mut groups: Vec<(Pid, String)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        // A process that has ended meanwhile, or is another user's, is none of ours.
        let Ok(line) = read_bounded(&entry.path().join("cmdline")) else { continue };
        let arguments: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if !arguments.iter().any(|argument| argument.starts_with(&overrides)) {
            continue;
        }
        let Some((parent, group)) = parent_and_group(&entry.path()) else { continue };
        // We start `podman compose` as the leader of a group, in which it starts the provider. Whose parent was killed has
        // the manager for one now: the leader when we were, the provider when the leader was, too.
        let leads = group == pid || parent_and_group(Path::new(&format!("/proc/{group}"))).is_none();
        let known = groups.iter().any(|(known, _)| known.as_raw() == group);
        if leads && !known && name_of(parent).is_some_and(|name| name == "systemd") {
            groups.push((Pid::from_raw(group), arguments.join(" ").trim().to_owned()));
        }
    }
    groups
}

/// Fields 4 and 5 of `proc_pid_stat(5)`, behind the name, which may hold blanks.
fn parent_and_group(process: &Path) -> Option<(i32, i32)> {
    let stat = read_text(&process.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn name_of(pid: i32) -> Option<String> {
    Some(read_text(Path::new(&format!("/proc/{pid}/comm"))).ok()?.trim().to_owned())
}

fn end(context: &Context, group: Pid) {
    for (signal, patience) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, LOOK)] {
        if killpg(group, signal).is_err() {
            // It has ended meanwhile.
            return;
        }
        let deadline = Instant::now() + patience;
        while killpg(group, None) != Err(Errno::ESRCH) && Instant::now() < deadline {
            if context.interrupt.wait_until(Instant::now() + LOOK) {
                return;
            }
        }
    }
}
