//! running-stale, project-collision: was what runs made from what is declared, and from nothing of another stack's?

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::finding::{Finding, State, Verdicts};
use super::running::{Asked, Phase, StackSeen};
use super::world::World;
use crate::names::StackName;
use crate::podman::Container;
use crate::stack::What;

pub(super) fn judge(world: &World, verdicts: &mut Verdicts) {
    collisions(world, verdicts);
    let Asked::Yes { containers, .. } = &world.stacks.podman else { return };
    for (stack, seen) in &world.stacks.declared {
        match world.phase(stack) {
            Phase::Up => verdicts.record(Check::RunningStale, stale(stack, seen, containers)),
            // What does not run is not stale.
            Phase::Down => verdicts.record(Check::RunningStale, None),
            Phase::Moving | Phase::Unknown => {}
        }
    }
}

fn stale(stack: &StackName, seen: &StackSeen, containers: &[Container]) -> Option<Finding> {
    let about = |finding: Finding| finding.about(&stack.service(), Some(stack));
    let unknown = |why: &String| {
        about(Finding::unknown(Check::RunningStale, State::Running))
            .expected("to know what the containers were made from", why)
            .next(format!("stackctl preflight {stack}"))
    };
    let applied = match &seen.applied {
        Ok(Some(applied)) => applied,
        // Without an apply of ours nothing says what it was made from.
        Ok(None) => {
            let why = "no apply of it is on record".to_owned();
            return Some(unknown(&why).next(format!("stackctl restart {stack}")));
        }
        Err(why) => return Some(unknown(why)),
    };
    let mut reasons: Vec<String> = seen.changes.iter().map(ToString::to_string).collect();
    match &seen.hashes {
        Some(Err(why)) => return Some(unknown(why)),
        Some(Ok(hashes)) => reasons.extend(others(seen, containers, |service| {
            let told = hashes.get(service)?;
            if applied.tied.contains(service) { applied.services.get(service) } else { Some(told) }
        })),
        None if reasons.is_empty() => {
            reasons.extend(others(seen, containers, |service| applied.services.get(service)));
        }
        None => {}
    }
    (!reasons.is_empty()).then(|| {
        about(Finding::broken(Check::RunningStale, State::Running))
            .expected(format!("what was applied at {}", applied.at), reasons.join("; "))
            .next(next(stack, seen))
    })
}

/// A restart is refused as long as a file is missing.
fn next(stack: &StackName, seen: &StackSeen) -> String {
    let missing: Vec<String> = seen
        .changes
        .iter()
        .filter(|change| change.what == What::Missing)
        .map(|change| change.path.display().to_string())
        .collect();
    let restart = format!("stackctl restart {stack}");
    if missing.is_empty() {
        return restart;
    }
    format!("bring {} back, or take it out of the declaration, then: {restart}", missing.join(" and "))
}

/// The containers that were made from something else than `hash` says.
fn others<'a>(
    seen: &StackSeen,
    containers: &[Container],
    hash: impl Fn(&str) -> Option<&'a String>,
) -> Vec<String> {
    containers
        .iter()
        .filter(|one| one.project() == seen.project.as_deref() && one.is_of_a_service() && one.is_running())
        .filter_map(|one| {
            let service = one.service()?;
            match (hash(service), one.config_hash()) {
                (None, _) => Some(format!("container {} is of no service that is declared", one.name())),
                (Some(hash), Some(of_container)) if hash != of_container => {
                    Some(format!("container {} was made from another configuration", one.name()))
                }
                _ => None,
            }
        })
        .collect()
}

fn collisions(world: &World, verdicts: &mut Verdicts) {
    let mut projects: BTreeMap<&str, BTreeSet<&StackName>> = BTreeMap::new();
    for (stack, seen) in &world.stacks.declared {
        if let Some(project) = &seen.project {
            projects.entry(project).or_default().insert(stack);
        }
    }
    for (stack, seen) in &world.stacks.declared {
        let sharers = seen.project.as_deref().and_then(|project| projects.get(project));
        let others: Vec<&str> = sharers
            .into_iter()
            .flatten()
            .filter(|other| **other != stack)
            .map(|other| other.as_str())
            .collect();
        let finding = (!others.is_empty()).then(|| {
            Finding::broken(Check::ProjectCollision, State::Declared)
                .of_stack(stack)
                .expected(
                    "a compose project of its own",
                    format!(
                        "project {} is also that of {}",
                        seen.project.as_deref().unwrap_or_default(),
                        others.join(", ")
                    ),
                )
                .next(format!("give one of them another \"compose.project\", then: stackctl sync {stack}"))
        });
        verdicts.record(Check::ProjectCollision, finding);
    }
}
