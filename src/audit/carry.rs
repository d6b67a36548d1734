//! What podman was not asked in this audit: what the last one found of it goes on, with its age.

use std::collections::BTreeSet;

use super::check::Check;
use super::finding::Verdicts;
use super::report::Report;
use super::running::Asked;
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
        if wanted {
            let mut finding = finding.clone();
            finding.as_of =
                finding.as_of.or_else(|| Some(last.podman_asked.as_ref()?.clone())).or_else(|| {
                    // podman did not answer then.
                    Some(last.finished.clone())
                });
            verdicts.findings.push(finding);
        }
    }
    if let Of::All = of {
        let passed = last.passed.iter().filter(|(check, _)| Check::RUNNING.contains(check));
        verdicts.passed.extend(passed.map(|(check, count)| (*check, *count)));
    }
    verdicts.sort();
    asked
}
