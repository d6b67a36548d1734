//! From the last observation to the report.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::carry::carry;
use super::check::Check;
use super::declaration::Declaration;
use super::finding::{Finding, State, Verdicts};
use super::heal::{self, Action};
use super::judge::{Judgement, judge};
use super::repairs::Repairs;
use super::report::{Healed, Report, Thresholds, Trigger};
use super::run::Options;
use super::world::World;
use super::{quiet, watches};
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::chain;
use crate::inventory::Timespan;
use crate::names::{StackName, UnitName};
use crate::systemd::bus::BusError;

/// What the rounds of one audit end with.
pub(super) struct Outcome {
    verdicts: Verdicts,
    healed: Vec<Healed>,
    units: BTreeSet<UnitName>,
    reload_blocked_by: Vec<String>,
    podman_asked: Option<String>,
}

/// The report on one observation, with the repairs that an audit would make: what `--dry-run` prints.
#[must_use]
pub fn preview(dirs: &Dirs, declaration: &Declaration, world: &World) -> Report {
    let options = Options { dry_run: true, podman: true, ..Options::default() };
    let judgement = judge(dirs, declaration, world);
    let plan = heal::plan(dirs, &judgement, declaration, world, false);
    let mut outcome = conclude(judgement, world, declaration, plan.actions, plan.blocked_by, None, true);
    drop(look_back(dirs, false, declaration, &mut outcome, &mut Vec::new()));
    report(&options, Trigger::Manual, world.answers.now, declaration, outcome, Vec::new())
}

/// The verdicts of the last observation, and which earlier findings the repairs have ended.
pub(super) fn conclude(
    judgement: Judgement,
    world: &World,
    declaration: &Declaration,
    done: Vec<(Action, Vec<Finding>)>,
    blocked_by: Vec<String>,
    last: Option<&Report>,
    dry_run: bool,
) -> Outcome {
    let mut verdicts = judgement.settled(world, declaration.host.reload_grace.duration());
    let podman_asked = carry(&mut verdicts, last, Some(world));
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
    let units = world.units.keys().chain(world.observed.keys()).cloned().collect();
    Outcome { verdicts, healed, units, reload_blocked_by: blocked_by, podman_asked }
}

/// Without a manager only the declaration itself can be judged.
pub(super) fn unreachable_manager(
    dirs: &Dirs,
    declaration: &Declaration,
    error: &BusError,
    last: Option<&Report>,
) -> Outcome {
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
    let podman_asked = carry(&mut verdicts, last, None);
    verdicts.sort();
    Outcome {
        verdicts,
        healed: Vec::new(),
        units: BTreeSet::new(),
        reload_blocked_by: Vec::new(),
        podman_asked,
    }
}

/// Adds what was healed to the history of repairs, if it counts, judges that history, and hands it back.
pub(super) fn look_back(
    dirs: &Dirs,
    counts: bool,
    declaration: &Declaration,
    outcome: &mut Outcome,
    notes: &mut Vec<String>,
) -> Repairs {
    let now = SystemTime::now();
    let (mut repairs, note) = if counts { Repairs::load_last(dirs) } else { (Repairs::peek(dirs), None) };
    notes.extend(note);
    if counts
        && repairs.add(&outcome.healed, declaration, now)
        && let Err(error) = repairs.store_last(dirs)
    {
        notes.push(chain(&error));
    }
    repairs.judge(declaration, now, &mut outcome.verdicts);
    outcome.verdicts.sort();
    repairs
}

/// The report on an outcome.
pub(super) fn report(
    options: &Options,
    trigger: Trigger,
    started: SystemTime,
    declaration: &Declaration,
    outcome: Outcome,
    notes: Vec<String>,
) -> Report {
    let Outcome {
        verdicts: Verdicts { mut findings, passed },
        healed,
        units,
        reload_blocked_by,
        podman_asked,
    } = outcome;
    let wanted = |stack: &Option<StackName>| {
        options.stacks.is_empty() || stack.as_ref().is_none_or(|stack| options.stacks.contains(stack))
    };
    // What somebody else makes is of no stack, and nobody has asked for it.
    let observed =
        |finding: &Finding| finding.unit.as_ref().is_some_and(|unit| declaration.observed.contains_key(unit));
    findings.retain(|finding| wanted(&finding.stack) && (options.stacks.is_empty() || !observed(finding)));
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
        podman_asked,
        passed,
        findings,
        healed,
        reload_blocked_by,
        notes,
    }
}
