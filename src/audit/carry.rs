//! What podman was not asked in this audit: what the last one found of it goes on, with its age, unless its stack has
//! been applied since, or its unit is no longer in the state that made it a finding.

use std::collections::BTreeSet;

use super::check::Check;
use super::finding::{Finding, Verdicts};
use super::report::Report;
use super::running::{Asked, Phase};
use super::world::World;
use crate::names::StackName;

/// What is carried on, and of when it is.
#[derive(Debug)]
enum Of<'a> {
    /// Everything: podman was not asked.
    All,
    /// Of these stacks only, which somebody was working on.
    Stacks(BTreeSet<&'a StackName>),
}

/// Carries on what the last report says of running containers. Returns when podman was asked for what is said now.
pub(super) fn carry(verdicts: &mut Verdicts, last: Option<&Report>, world: Option<&World>) -> Option<String> {
    let stacks = world.map(|world| &world.stacks);
    let (of, asked) = match stacks.map(|stacks| &stacks.podman) {
        Some(Asked::Failed { .. }) => return None,
        Some(Asked::Yes { at, .. }) => {
            let busy = stacks.into_iter().flat_map(|stacks| &stacks.declared).filter(|(_, seen)| seen.busy);
            let at = humantime::format_rfc3339_millis(*at).to_string();
            (Of::Stacks(busy.map(|(stack, _)| stack).collect()), Some(at))
        }
        Some(Asked::No) | None => (Of::All, last.and_then(|last| last.podman_asked.clone())),
    };
    let Some(last) = last else { return asked };
    let known = |stack: &StackName| {
        stacks
            .is_none_or(|stacks| stacks.declared.contains_key(stack) || stacks.forgotten.contains_key(stack))
    };
    for finding in last.findings.iter().filter(|finding| Check::RUNNING.contains(&finding.check)) {
        let wanted = match (&of, &finding.stack) {
            (Of::All, stack) => stack.as_ref().is_none_or(known),
            (Of::Stacks(busy), Some(stack)) => busy.contains(stack),
            (Of::Stacks(_), None) => false,
        };
        // podman did not answer if nobody knows when it was asked.
        let as_of = finding.as_of.as_ref().or(last.podman_asked.as_ref()).unwrap_or(&last.finished);
        if wanted && world.is_none_or(|world| may_still_hold(finding, as_of, world)) {
            verdicts.findings.push(Finding { as_of: Some(as_of.clone()), ..finding.clone() });
        }
    }
    if let Of::All = of {
        let passed = last.passed.iter().filter(|(check, _)| Check::RUNNING.contains(check));
        verdicts.passed.extend(passed.map(|(check, count)| (*check, *count)));
    }
    verdicts.sort();
    asked
}

/// Whether a finding of then can be one of now: a stack that has been applied since is another one, and so is one
/// whose unit has been started or stopped.
fn may_still_hold(finding: &Finding, as_of: &str, world: &World) -> bool {
    let Some(stack) = &finding.stack else { return true };
    let applied = world.stacks.declared.get(stack).and_then(|seen| seen.applied.as_ref().ok()?.as_ref());
    let time = |text: &str| humantime::parse_rfc3339(text).ok();
    if applied.is_some_and(|applied| time(&applied.at) > time(as_of)) {
        return false;
    }
    match finding.check {
        Check::StackDown | Check::StackUnhealthy | Check::HealthTimerMissing => {
            world.phase(stack) != Phase::Down
        }
        Check::ContainersUnowned => world.phase(stack) != Phase::Up,
        _ => true,
    }
}
