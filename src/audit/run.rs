//! One audit from its trigger to its report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts};
use super::heal::{self, Action};
use super::judge::{Judgement, judge};
use super::report::{Healed, Report, Thresholds, Trigger};
use super::settle::Seen;
use super::world::World;
use super::{fingerprint, quiet, state, watches};
use crate::atomic::WriteError;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::chain;
use crate::inventory::Timespan;
use crate::names::{StackName, UnitName};
use crate::systemd::bus::{BUS_DEADLINE, BusError};
use crate::systemd::manager::{JobMode, Manager, Verb};
use crate::systemd::search_path::{DirectoryKind, kind_of_directory};

/// How often an audit observes again because something moved meanwhile. Beyond it the settle unit takes over, so that
/// an endless writer cannot keep one audit from its verdict.
const ROUNDS: u32 = 8;

/// The unit that runs audits.
const SERVICE: &str = "stack-audit.service";

/// What is asked of one audit.
#[derive(Debug, Clone)]
pub struct Options {
    /// What started it.
    pub trigger: Trigger,
    /// Plan repairs, make none, and keep no report.
    pub dry_run: bool,
    /// Files of ours were just changed: reload, if it is safe, whatever the findings say.
    pub changed: bool,
    /// Report these stacks only; all if empty.
    pub stacks: BTreeSet<StackName>,
}

impl Trigger {
    /// From `$TRIGGER_UNIT`, which systemd 252 and later set for a service that a path or timer unit started
    /// (systemd.exec(5)).
    #[must_use]
    pub fn from_env() -> Self {
        Self::of(std::env::var("TRIGGER_UNIT").ok().and_then(|name| UnitName::parse(&name).ok()).as_ref())
    }

    /// By the unit that triggered the service.
    fn of(unit: Option<&UnitName>) -> Self {
        match unit.map(UnitName::unit_type) {
            Some("path") => Self::Path,
            Some("timer") => Self::Timer,
            _ => Self::Manual,
        }
    }
}

/// What the rounds of one audit end with.
struct Outcome {
    verdicts: Verdicts,
    healed: Vec<Healed>,
    units: BTreeSet<UnitName>,
    reload_blocked_by: Vec<String>,
}

/// Audits: settles, observes, judges, heals, observes again.
#[must_use]
pub fn audit(dirs: &Dirs, options: &Options) -> Report {
    let started = SystemTime::now();
    let mut notes = Vec::new();
    let last = Seen::load_last(dirs);
    let mut declaration = Declaration::load(dirs);
    let mut manager = Manager::connect(dirs, declaration.host.bus_deadline.duration());
    let trigger = match (&options.trigger, &manager) {
        _ if Seen::asked_again(last.as_ref()) => Trigger::Path,
        (Trigger::Manual, _) | (_, Err(_)) => options.trigger,
        (seemingly, Ok(manager)) => triggered(manager, *seemingly),
    };
    // The settle unit has waited already.
    if trigger == Trigger::Path && options.trigger == Trigger::Path {
        quiet::wait(&watched_first(dirs));
        declaration = Declaration::load(dirs);
    }
    if !options.dry_run
        && let Err(note) = state::last_report(dirs)
    {
        notes.push(note);
    }
    let outcome = match &mut manager {
        Ok(manager) => rounds(dirs, manager, options, last.as_ref(), &mut declaration, &mut notes),
        Err(error) => Err(error.clone()),
    };
    let outcome = outcome.unwrap_or_else(|error| unreachable_manager(dirs, &declaration, &error));
    report(options, trigger, started, &declaration, outcome, notes)
}

/// Keeps the report as the last one.
///
/// # Errors
/// The state directory cannot be written.
pub fn store(dirs: &Dirs, report: &Report) -> Result<(), WriteError> {
    state::store(dirs, report)
}

/// What started this run, if a path or timer unit seems to have: the variable of an earlier run is still there when a
/// person starts the service, so the manager is asked whose job this is. (That the path unit is `running` meanwhile is
/// no proof: the end of the run before can put it back to `waiting`.) Without an answer the variable counts.
fn triggered(manager: &Manager, seemingly: Trigger) -> Trigger {
    let Ok(unit) = UnitName::parse(SERVICE) else { return seemingly };
    manager.job_trigger(&unit).map_or(seemingly, |trigger| Trigger::of(trigger.as_ref()))
}

/// Observes and heals until nothing moves.
fn rounds(
    dirs: &Dirs,
    manager: &mut Manager,
    options: &Options,
    last: Option<&Seen>,
    declaration: &mut Declaration,
    notes: &mut Vec<String>,
) -> Result<Outcome, BusError> {
    let mut done: Vec<(Action, Vec<Finding>)> = Vec::new();
    let mut directories = directories(dirs, &manager.state()?.unit_path);
    let mut reload_failed = false;
    let mut round = 0;
    loop {
        round += 1;
        let before = fingerprint::take(&directories);
        leave(dirs, options, last, before, &directories, false, notes);
        let world = World::observe(dirs, declaration, manager)?;
        let judgement = judge(dirs, declaration, &world);
        let changed = options.changed && done.is_empty();
        let mut plan = heal::plan(dirs, &judgement, declaration, &world, changed);
        if !options.dry_run {
            watch(manager, &judgement.watches, notes);
            // Each action once, unless what it is about has changed since.
            plan.actions.retain(|(action, _)| {
                let repeated = done.iter().any(|(earlier, _)| earlier == action);
                !repeated
                    || (*action == Action::Reload
                        && !reload_failed
                        && fingerprint::take(&directories) != before)
            });
            for (action, findings) in &plan.actions {
                match heal::act(dirs, manager, action, declaration.host.reload_deadline.duration()) {
                    Ok(()) => done.push((action.clone(), findings.clone())),
                    Err(problem) => {
                        reload_failed |= *action == Action::Reload;
                        notes.push(format!("cannot {action}: {problem}"));
                        done.push((action.clone(), Vec::new()));
                    }
                }
            }
        }
        let moved = fingerprint::take(&directories) != before;
        let acted = !plan.actions.is_empty() && !options.dry_run;
        if round < ROUNDS && (acted || moved) {
            *declaration = Declaration::load(dirs);
            directories = self::directories(dirs, &world.answers.manager.unit_path);
            continue;
        }
        leave(dirs, options, last, before, &directories, true, notes);
        if options.dry_run {
            done = plan.actions;
        }
        return Ok(conclude(judgement, &world, declaration, done, plan.blocked_by, options.dry_run));
    }
}

/// The verdicts of the last observation, and which earlier findings the repairs have ended.
fn conclude(
    judgement: Judgement,
    world: &World,
    declaration: &Declaration,
    done: Vec<(Action, Vec<Finding>)>,
    blocked_by: Vec<String>,
    dry_run: bool,
) -> Outcome {
    let mut verdicts = judgement.settled(world, declaration.host.reload_grace.duration());
    heal::explain_block(&mut verdicts.findings, &blocked_by);
    let still: BTreeSet<_> = verdicts.findings.iter().map(Finding::identity).collect();
    let healed = done
        .into_iter()
        .map(|(action, mut findings)| {
            findings.retain(|finding| dry_run || !still.contains(&finding.identity()));
            Healed { action: action.to_string(), findings }
        })
        .filter(|healed| !healed.findings.is_empty())
        .collect();
    Outcome {
        verdicts,
        healed,
        units: world.units.keys().chain(world.observed.keys()).cloned().collect(),
        reload_blocked_by: blocked_by,
    }
}

fn leave(
    dirs: &Dirs,
    options: &Options,
    last: Option<&Seen>,
    fingerprint: Sha256,
    directories: &BTreeSet<PathBuf>,
    complete: bool,
    notes: &mut Vec<String>,
) {
    if options.dry_run {
        return;
    }
    if let Err(error) = Seen::leave(dirs, last, fingerprint, directories, complete) {
        let note = chain(&error);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// Starts and stops watches of drop-in directories. Each is armed when its start job has ended, and so before the
/// directories are compared with what was observed.
fn watch(manager: &mut Manager, plan: &watches::Plan, notes: &mut Vec<String>) {
    let jobs = plan
        .start
        .iter()
        .map(|unit| (Verb::Start, unit))
        .chain(plan.stop.iter().map(|unit| (Verb::Stop, unit)));
    for (verb, unit) in jobs {
        match manager.run_job(verb, unit, JobMode::Replace, BUS_DEADLINE) {
            Ok(result) if result.is_success() => {}
            Ok(result) => notes.push(format!(
                "{unit}: the {} job ended as {result}; next: systemctl --user status {unit}",
                verb.as_str()
            )),
            Err(error) => notes.push(chain(&error)),
        }
    }
}

/// The directories that the fingerprint covers: the search path without what each reload makes anew, inventory, seals
/// and the directory of the host configuration.
fn directories(dirs: &Dirs, unit_path: &[PathBuf]) -> BTreeSet<PathBuf> {
    let generated = |directory: &PathBuf| {
        matches!(
            kind_of_directory(directory, dirs),
            DirectoryKind::Generator | DirectoryKind::GeneratorEarly | DirectoryKind::GeneratorLate
        )
    };
    let mut all: BTreeSet<PathBuf> =
        unit_path.iter().filter(|directory| !generated(directory)).cloned().collect();
    all.extend([dirs.inventory(), dirs.seals(), dirs.observed()]);
    all.extend(dirs.host_config_file().parent().map(ToOwned::to_owned));
    all
}

/// What the path unit watches, before the manager has been asked for its search path.
fn watched_first(dirs: &Dirs) -> Vec<PathBuf> {
    vec![
        dirs.owner(),
        dirs.owner().join("service.d"),
        dirs.config_home.join("systemd/user.control"),
        dirs.runtime.join("systemd/user"),
        dirs.runtime.join("systemd/user.control"),
        dirs.runtime.join("systemd/transient"),
        dirs.inventory(),
        dirs.seals(),
    ]
}

/// Without a manager only the declaration itself can be judged.
fn unreachable_manager(dirs: &Dirs, declaration: &Declaration, error: &BusError) -> Outcome {
    let mut verdicts = Verdicts::default();
    declaration.judge(dirs, &mut verdicts);
    verdicts.record(
        Check::ManagerUnreachable,
        Some(
            Finding::broken(Check::ManagerUnreachable, State::Loaded)
                .at(dirs.bus_socket())
                .expected("an answer of the user manager", chain(error))
                .next("systemctl status \"user@$(id -u).service\"; loginctl enable-linger \"$USER\""),
        ),
    );
    verdicts.sort();
    Outcome { verdicts, healed: Vec::new(), units: BTreeSet::new(), reload_blocked_by: Vec::new() }
}

fn report(
    options: &Options,
    trigger: Trigger,
    started: SystemTime,
    declaration: &Declaration,
    outcome: Outcome,
    notes: Vec<String>,
) -> Report {
    let Outcome { verdicts: Verdicts { mut findings, passed }, healed, units, reload_blocked_by } = outcome;
    let wanted = |stack: &Option<StackName>| {
        options.stacks.is_empty() || stack.as_ref().is_none_or(|stack| options.stacks.contains(stack))
    };
    findings.retain(|finding| wanted(&finding.stack));
    let counts = Report::count(&passed, &findings);
    let stacks: BTreeSet<StackName> = declaration
        .inventory
        .stacks
        .keys()
        .filter(|stack| wanted(&Some((*stack).clone())))
        .cloned()
        .collect();
    let time = |time: SystemTime| humantime::format_rfc3339_millis(time).to_string();
    let host = &declaration.host;
    let run = Sha256::of(format!("{}-{}", time(started), std::process::id()).as_bytes()).short();
    Report {
        version: Report::VERSION,
        run,
        trigger,
        started: time(started),
        finished: time(SystemTime::now()),
        dry_run: options.dry_run,
        thresholds: Thresholds {
            bus_deadline: host.bus_deadline,
            reload_deadline: host.reload_deadline,
            reload_grace: host.reload_grace,
            quiet: Timespan::of(quiet::QUIET),
            quiet_at_most: Timespan::of(quiet::AT_MOST),
            watches: u32::try_from(watches::BUDGET).unwrap_or(u32::MAX),
        },
        stacks,
        units,
        counts,
        passed,
        findings,
        healed,
        reload_blocked_by,
        notes,
    }
}
