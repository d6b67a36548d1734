//! `--dry-run`: what an update would change, asked of the registry without pulling.

use serde::{Deserialize, Serialize};

use super::error::UpdateError;
use super::look::{is_inactive, unit_state};
use super::plan::{Candidate, candidates, refuse_edited};
use super::registry::Registry;
use crate::error::Error;
use crate::names::StackName;
use crate::stack::preflight::preflight;
use crate::stack::{Context, StackError, StackState};

/// One image of a stack that an update would look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The stack.
    pub stack: StackName,
    /// The reference.
    pub reference: String,
    /// The services that use it.
    pub services: Vec<String>,
    /// The digest that runs; none if nothing runs.
    pub from: Option<String>,
    /// The digest that the registry offers.
    pub to: String,
    /// What an update would do.
    pub verdict: Verdict,
}

/// What an update would do with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing: it is the one that runs.
    Unchanged,
    /// Take it.
    Update,
    /// Nothing: it has failed before.
    Quarantined,
    /// Nothing: the operator has stopped the stack.
    Skipped,
}

/// What would change.
///
/// # Errors
/// The stack is refused, skopeo is not installed, or a registry cannot be asked.
pub fn preview(context: &Context, stack: &StackName) -> Result<Vec<Offer>, Error> {
    let registry = Registry::find(context)
        .ok_or_else(|| UpdateError::NoSkopeo { program: context.host.skopeo.clone() })?;
    let prepared = preflight(context, stack)?;
    let stopped = is_inactive(&unit_state(context, stack)?);
    let quarantine = StackState::quarantine_of(&context.dirs, stack).map_err(StackError::from)?;
    let (candidates, _) = candidates(&prepared.podman, &prepared.project, &prepared.model)?;
    refuse_edited(stack, &candidates)?;
    let offered = registry.digests(context, candidates.iter().map(Candidate::asked_for))?;
    let mut offers = Vec::new();
    for candidate in candidates {
        let change = &candidate.change;
        let Some(to) = offered.get(&change.reference).cloned() else { continue };
        let bad = quarantine.get(&change.reference).is_some_and(|bad| bad.holds(&to));
        offers.push(Offer {
            stack: stack.clone(),
            reference: change.reference.clone(),
            services: change.services.clone(),
            from: change.old.as_ref().and_then(|old| old.digest.clone()),
            verdict: match (candidate.is_at(&to), bad) {
                _ if stopped => Verdict::Skipped,
                (true, _) => Verdict::Unchanged,
                (false, true) => Verdict::Quarantined,
                (false, false) => Verdict::Update,
            },
            to,
        });
    }
    Ok(offers)
}

impl Offer {
    /// It in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let from = self.from.as_deref().unwrap_or("none");
        let services = self.services.join(", ");
        match self.verdict {
            Verdict::Unchanged => format!("{}: {} ({services}) is the newest", self.stack, self.reference),
            Verdict::Update => {
                format!("{}: {} ({services}) would go from {from} to {}", self.stack, self.reference, self.to)
            }
            Verdict::Skipped => {
                format!(
                    "{}: {} ({services}) stays: the operator has stopped the stack",
                    self.stack, self.reference
                )
            }
            Verdict::Quarantined => {
                format!("{}: {} ({services}) stays: {} is quarantined", self.stack, self.reference, self.to)
            }
        }
    }
}
