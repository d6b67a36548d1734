//! Observing, and putting together what belongs to each stack.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::model::{Condition, Containers, Last, Provenance, StackStatus, Status, Unit};
use crate::audit::{Ask, Asked, Check, Declaration, Finding, Phase, StackSeen, Stacks, World, judge};
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::Host;
use crate::names::{StackName, UnitName};
use crate::podman::Container;
use crate::records::{self, Record};
use crate::stack::history;
use crate::stack::verify::ended_badly;
use crate::systemd::manager::Manager;
use crate::systemd::search_path::kind_of_file;
use crate::systemd::words::ActiveState;

/// The checks of which definition a unit runs; the rest is about what runs.
const DEFINITION: &[Check] = &[
    Check::UnitMissing,
    Check::UnitMasked,
    Check::UnitLoadError,
    Check::FragmentOwner,
    Check::FragmentReplaced,
    Check::FragmentContent,
    Check::DefinitionStale,
    Check::ReloadPending,
    Check::DropInUnexpected,
    Check::OverrideControl,
    Check::OverrideTransient,
    Check::InventoryUnsealed,
];

/// The verbs of the last apply, and of the last update.
const APPLIES: &[&str] = &["apply"];
const UPDATES: &[&str] = &["update", "rollback"];

/// Gathers the status of `wanted`, or of all stacks if it is empty. What does not answer is told in the status.
#[must_use]
pub fn gather(dirs: &Dirs, wanted: &BTreeSet<StackName>) -> Status {
    let mut declaration = Declaration::load(dirs);
    if !wanted.is_empty() {
        declaration.inventory.stacks.retain(|stack, _| wanted.contains(stack));
    }
    let stacks = Stacks::observe(dirs, &declaration, Ask::Podman);
    let manager = Manager::connect(dirs, declaration.host.bus_deadline.duration());
    let (podman, refused) = match &stacks.podman {
        Asked::Failed { why, code } => (Some(why.clone()), Some(*code)),
        Asked::No | Asked::Yes { .. } => (None, None),
    };
    let mut broken: Vec<String> = declaration.inventory.broken.values().map(|error| chain(error)).collect();
    // The defaults stand in for it.
    broken.extend(Host::load_or_default(dirs).err().map(|error| chain(&error)));
    broken.sort();
    let mut status = Status {
        version: Status::VERSION,
        at: records::timestamp(SystemTime::now()),
        manager: None,
        podman,
        code: refused.map_or(0, Code::number),
        stacks: BTreeMap::new(),
        next: BTreeMap::new(),
        broken,
    };
    let names: Vec<&StackName> = declaration.inventory.stacks.keys().collect();
    // Also without a manager podman can be asked, and the records be read.
    let mut plain: BTreeMap<StackName, StackStatus> = stacks
        .declared
        .iter()
        .map(|(stack, seen)| (stack.clone(), without_manager(seen, containers(seen, &stacks.podman))))
        .collect();
    let mut last = LastOnes {
        apply: records::newest_of_each(dirs, &names, APPLIES),
        update: records::newest_of_each(dirs, &names, UPDATES),
    };
    match manager.and_then(|manager| World::observe(dirs, &declaration, &manager, stacks)) {
        Ok(world) => {
            let findings = judge(dirs, &declaration, &world).verdicts.findings;
            for (stack, of_it) in &mut plain {
                with_manager(dirs, stack, &world, &findings, of_it);
            }
            for (name, seen) in world.units.iter().filter(|(name, _)| name.unit_type() == "timer") {
                let next = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok()?.next_elapse);
                status.next.insert(name.clone(), next.map(|time| records::timestamp(time.into())));
            }
        }
        Err(error) => {
            status.manager = Some(chain(&error));
            status.code = Code::Unreachable.number();
        }
    }
    for (stack, mut of_it) in plain {
        of_it.last_apply = last.apply.remove(&stack).map(Last::of);
        of_it.last_update = last.update.remove(&stack).map(Last::of);
        status.stacks.insert(stack, of_it);
    }
    status
}

struct LastOnes {
    apply: BTreeMap<StackName, Record>,
    update: BTreeMap<StackName, Record>,
}

impl Last {
    fn of(record: Record) -> Self {
        let (code, message) = if let Some(outcome) = record.outcome {
            (Some(outcome.code), outcome.message)
        } else {
            (None, history::open(&record))
        };
        Self { verb: record.verb, started: record.started, code, message }
    }
}

fn without_manager(seen: &StackSeen, containers: Option<Containers>) -> StackStatus {
    StackStatus {
        condition: Condition::Unknown,
        unit: None,
        provenance: None,
        project: seen.project.clone(),
        containers,
        last_apply: None,
        last_update: None,
        findings: Vec::new(),
    }
}

/// Adds what the manager says, and the judges.
fn with_manager(
    dirs: &Dirs,
    stack: &StackName,
    world: &World,
    findings: &[Finding],
    of_it: &mut StackStatus,
) {
    let unit = stack.service();
    let own: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.stack.as_ref() == Some(stack) || finding.unit.as_ref() == Some(&unit))
        .collect();
    let loaded = world.units.get(&unit).and_then(|seen| seen.loaded.as_ref()?.as_ref().ok());
    of_it.unit = loaded.map(|loaded| Unit {
        active_state: loaded.active_state.to_string(),
        result: loaded.result.clone(),
        since: loaded.state_change.map(|time| records::timestamp(time.into())),
    });
    let broken: BTreeSet<Check> =
        own.iter().map(|finding| finding.check).filter(|check| DEFINITION.contains(check)).collect();
    let path = loaded.and_then(|loaded| loaded.fragment_path.clone());
    of_it.provenance = loaded.map(|_| Provenance {
        owner: path.as_ref().map(|path| kind_of_file(path, dirs).word().to_owned()),
        path,
        declared: broken.is_empty(),
        broken,
    });
    let failed = loaded.is_some_and(|loaded| loaded.active_state == ActiveState::Failed);
    of_it.condition = condition(world.phase(stack), failed, of_it.containers.as_ref(), &own);
    of_it.findings = own.iter().map(|finding| told(finding, &unit)).collect();
}

/// A stack has more than one unit.
fn told(finding: &Finding, lifecycle: &UnitName) -> String {
    match &finding.unit {
        Some(unit) if unit != lifecycle || finding.check == Check::UnitFailed => {
            format!("{}: {unit}: {}", finding.check, finding.seen)
        }
        _ => format!("{}: {}", finding.check, finding.seen),
    }
}

fn condition(phase: Phase, failed: bool, containers: Option<&Containers>, own: &[&Finding]) -> Condition {
    let has = |checks: &[Check]| own.iter().any(|finding| checks.contains(&finding.check));
    match phase {
        Phase::Unknown => Condition::Unknown,
        Phase::Moving => Condition::Working,
        Phase::Down if failed => Condition::Failed,
        _ if containers.is_none() => Condition::Unknown,
        Phase::Down if has(&[Check::ContainersUnowned]) => Condition::Unwell,
        Phase::Down => Condition::Stopped,
        Phase::Up if has(&[Check::StackDown]) => Condition::Down,
        Phase::Up
            if has(&[
                Check::StackUnhealthy,
                Check::HealthTimerMissing,
                Check::LabelMismatch,
                Check::ProviderMismatch,
                Check::ProjectCollision,
            ]) =>
        {
            Condition::Unwell
        }
        Phase::Up if containers.is_some_and(|containers| containers.starting > 0) => Condition::Starting,
        Phase::Up => Condition::Up,
    }
}

fn containers(seen: &StackSeen, asked: &Asked) -> Option<Containers> {
    let Asked::Yes { containers, inspected, .. } = asked else { return None };
    let applied = seen.applied.as_ref().ok().and_then(Option::as_ref);
    let mut counts = Containers {
        expected: applied.map(|applied| applied.replicas.values().sum()),
        ..Containers::default()
    };
    let own = |one: &&Container| {
        seen.project.is_some() && one.project() == seen.project.as_deref() && one.is_of_a_service()
    };
    for container in containers.iter().filter(own) {
        if container.is_running() {
            counts.running += 1;
            counts.healthy += u32::from(container.is_healthy());
            counts.starting += u32::from(container.is_starting());
            counts.unhealthy += u32::from(container.is_unhealthy());
            continue;
        }
        let finished = inspected
            .get(&container.id)
            .map_or(container.exit_code == 0, |inspected| ended_badly(inspected).is_none());
        if finished && matches!(container.state.as_str(), "exited" | "stopped") {
            counts.finished += 1;
        } else {
            counts.down += 1;
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::State;

    #[test]
    fn a_finding_names_the_unit_unless_it_is_the_stacks_own() {
        let (stack, unit) = (StackName::parse("web").unwrap(), |name| UnitName::parse(name).unwrap());
        let line = |check, name| {
            let finding = Finding::broken(check, State::Loaded).about(&unit(name), Some(&stack));
            told(&finding.expected("", "seen"), &stack.service())
        };
        assert_eq!(line(Check::UnitFailed, "web-update.service"), "unit-failed: web-update.service: seen");
        assert_eq!(line(Check::UnitFailed, "web.service"), "unit-failed: web.service: seen");
        assert_eq!(line(Check::FragmentContent, "web.service"), "fragment-content: seen");
    }
}
