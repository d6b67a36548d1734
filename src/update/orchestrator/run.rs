//! One run over all stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use super::classify::{Verdict, classify};
use super::report::{Report, StackReport};
use super::table::Table;
use super::written::Written;
use crate::document::Document;
use crate::error::{Error, chain, part_next};
use crate::inventory::{Entry, Inventory};
use crate::lock::Alone;
use crate::names::{StackName, UnitName};
use crate::progress::Progress;
use crate::records::{open_ones, timestamp};
use crate::render::update_bound;
use crate::stack::{Context, StackError};
use crate::systemd::jobs::{JobEvent, JobOutcome, JobRequest, Jobs};
use crate::systemd::manager::{JobMode, Verb};
use crate::update::listed::{LOCK, Listed};

/// A unit has a timeout of its own, which ends it and gives it time to go back; this much later the manager itself must
/// be stuck.
const MARGIN: Duration = Duration::from_secs(30 * 60);

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many at a time; the host's setting if none is given.
    pub concurrency: Option<NonZeroUsize>,
    /// These stacks only, whether their updates are switched on or not; all if it is empty.
    pub stacks: BTreeSet<StackName>,
}

/// Runs the update units and says how each came out.
///
/// # Errors
/// Another run goes on, or the manager cannot be reached: nothing was begun then.
pub fn run(context: &Context, options: &Options) -> Result<Report, Error> {
    let _alone = Alone::take(&context.dirs, LOCK, "update", Duration::ZERO, &context.interrupt)
        .map_err(StackError::from)?;
    let begin = timestamp(SystemTime::now());
    let inventory = Inventory::load(&context.dirs);
    for stack in &options.stacks {
        Inventory::load_stack(&context.dirs, stack)?;
    }
    let concurrency = options.concurrency.unwrap_or(context.host.update_concurrency);
    let mut work = Work::new(options, &inventory);
    let before = Written::look(&context.dirs);
    let followed = std::thread::scope(|scope| {
        if work.waiting.len() > 1 {
            Listed::leave(context, scope);
        }
        work.follow(context, concurrency, &before)
    });
    Listed::forget(&context.dirs);
    followed?;
    let interrupted = work.is_cut_short();
    Ok(Report {
        version: Report::VERSION,
        started: begin,
        finished: timestamp(SystemTime::now()),
        concurrency,
        interrupted,
        broken: if options.stacks.is_empty() {
            inventory.broken.iter().map(|(path, error)| (path.clone(), chain(error))).collect()
        } else {
            BTreeMap::new()
        },
        stacks: work.done,
    })
}

/// What is to be done, and what is.
struct Work {
    waiting: BTreeMap<UnitName, StackName>,
    running: BTreeMap<StackName, Instant>,
    done: BTreeMap<StackName, StackReport>,
    longest: Duration,
    table: Table,
    progress: Progress,
}

impl Work {
    fn new(options: &Options, inventory: &Inventory) -> Self {
        let mut work = Self {
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            done: BTreeMap::new(),
            longest: MARGIN,
            table: Table::new(),
            progress: Progress::new(),
        };
        for (stack, declared) in &inventory.stacks {
            let named = options.stacks.contains(stack);
            if !options.stacks.is_empty() && !named {
                continue;
            }
            if !named && !declared.entry.update.enabled {
                work.done.insert(stack.clone(), skipped("its updates are switched off"));
                continue;
            }
            work.waiting.insert(stack.update_service(), stack.clone());
            work.longest = work.longest.max(longest(&declared.entry));
        }
        work
    }

    fn follow(
        &mut self,
        context: &Context,
        concurrency: NonZeroUsize,
        before: &Written,
    ) -> Result<(), Error> {
        let mut manager = context.manager().map_err(StackError::from)?;
        let requests: Vec<JobRequest> = self
            .waiting
            .keys()
            // A job that is under way, by hand, is joined and not cancelled.
            .map(|unit| JobRequest { verb: Verb::Start, unit: unit.clone(), mode: JobMode::Fail })
            .collect();
        let deadline = self.longest + context.host.lock_wait.duration() * 2;
        let mut jobs = Jobs::new(&mut manager, requests, deadline).at_once(concurrency);
        if let Some(descriptor) = context.interrupt.descriptor() {
            jobs = jobs.stopped_by(descriptor.as_fd().try_clone_to_owned()?)?;
        }
        self.show();
        while let Some(event) = jobs.next_event().map_err(StackError::from)? {
            match event {
                JobEvent::Queued { unit } => {
                    if let Some(stack) = self.waiting.get(&unit) {
                        self.running.insert(stack.clone(), Instant::now());
                    }
                }
                JobEvent::Status { .. } => {}
                JobEvent::Over { unit, outcome } => self.over(context, &unit, &outcome, before),
            }
            self.show();
        }
        Ok(())
    }

    fn over(&mut self, context: &Context, unit: &UnitName, outcome: &JobOutcome, before: &Written) {
        let Some(stack) = self.waiting.remove(unit) else { return };
        let since = self.running.remove(&stack);
        let record = before.since(&context.dirs, &stack);
        let (verdict, mut message) = classify(outcome, record.as_ref());
        // What kept it from writing one.
        if record.is_none()
            && verdict.is_failure()
            && let Err(damaged) = open_ones(&context.dirs, &stack, crate::update::VERBS)
        {
            message = format!("{message}: {}", chain(&damaged));
        }
        let (message, next) = told(&stack, unit, verdict, &message);
        let images = record.and_then(|record| record.update).map(|update| update.images).unwrap_or_default();
        let milliseconds = since.map(|since| since.elapsed().as_millis()).unwrap_or_default();
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        self.done.insert(stack, StackReport { verdict, message, images, milliseconds, next });
    }

    /// `3/12 done, 1 failed: immich`.
    fn show(&mut self) {
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|(_, report)| report.verdict.is_failure())
            .map(|(stack, _)| stack.as_str())
            .collect();
        let all = self.done.len() + self.waiting.len();
        let done = format!("{}/{all} done", self.done.len());
        let line = if failed.is_empty() {
            done
        } else {
            format!("{done}, {} failed: {}", failed.len(), failed.join(", "))
        };
        if !self.table.is_shown() {
            self.progress.show(&line);
            return;
        }
        let stacks: BTreeSet<&StackName> = self.done.keys().chain(self.waiting.values()).collect();
        let width = stacks.iter().map(|stack| stack.as_str().len()).max().unwrap_or_default();
        let mut rows: Vec<String> = stacks
            .iter()
            .map(|stack| match (self.done.get(*stack), self.running.contains_key(*stack)) {
                (Some(report), _) => report.line(stack, width),
                (None, true) => format!("{:width$}  running", stack.as_str()),
                (None, false) => format!("{:width$}  waiting", stack.as_str()),
            })
            .collect();
        rows.push(line);
        self.table.show(&rows);
    }

    fn is_cut_short(&self) -> bool {
        self.done.values().any(|report| matches!(report.verdict, Verdict::NotReached | Verdict::StillRunning))
    }
}

/// What is wrong, and what to type next: that of whoever failed, if it named something.
fn told(stack: &StackName, unit: &UnitName, verdict: Verdict, message: &str) -> (String, String) {
    // Where it is shown the stack is named already.
    let message = message.strip_prefix(&format!("stack {stack}: ")).unwrap_or(message);
    if !verdict.is_failure() {
        return (message.to_owned(), String::new());
    }
    let (what, next) = part_next(message);
    let next = next.map_or_else(
        || match verdict {
            Verdict::RolledBack | Verdict::NotRolledBack => format!("stackctl history {stack}"),
            _ => format!("journalctl --user -u {unit}"),
        },
        str::to_owned,
    );
    (what.to_owned(), next)
}

fn skipped(why: &str) -> StackReport {
    StackReport {
        verdict: Verdict::Skipped,
        message: why.to_owned(),
        images: Vec::new(),
        milliseconds: 0,
        next: String::new(),
    }
}

fn longest(entry: &Entry) -> Duration {
    update_bound(entry, &crate::inventory::Host::default()) + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_failed_knows_best_what_to_type_next() {
        let (stack, unit) =
            (StackName::parse("web").unwrap(), UnitName::parse("web-update.service").unwrap());
        let told = |verdict, message: &str| told(&stack, &unit, verdict, message);
        let pair = |what: &str, next: &str| (what.to_owned(), next.to_owned());
        assert_eq!(
            told(Verdict::Failed, "stack web: full; next: podman system df"),
            pair("full", "podman system df")
        );
        assert_eq!(told(Verdict::Failed, "full"), pair("full", "journalctl --user -u web-update.service"));
        assert_eq!(told(Verdict::RolledBack, "stack web: bad"), pair("bad", "stackctl history web"));
        assert_eq!(told(Verdict::Unchanged, "nothing new"), pair("nothing new", ""));
    }
}
