//! What must not be called recovered, because it could not be checked this time.

use std::collections::BTreeSet;

use super::problem::Subject;
use crate::audit::{Check, Report, Status};
use crate::names::{StackName, UnitName};

/// What the last audit could not judge, and what the manager was not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubt {
    /// There was no audit, no manager, or a part of the declaration that concerns everything is not known.
    pub of_findings: bool,
    /// The manager did not say which units are failed.
    pub of_failed_units: bool,
    /// An update run is going on: whether an update unit is failed is for its end to say.
    pub of_updates: bool,
    /// Units that are starting, stopping or reloading: whether they are failed is for the end of that to say.
    pub moving: BTreeSet<UnitName>,
    checks: BTreeSet<Check>,
    stacks: BTreeSet<StackName>,
    units: BTreeSet<UnitName>,
}

impl Doubt {
    /// What the report leaves open; everything if there is none.
    #[must_use]
    pub fn of(report: Option<&Report>) -> Self {
        let mut doubt = Self::default();
        let Some(report) = report else { return Self { of_findings: true, ..doubt } };
        for finding in &report.findings {
            match (finding.check, finding.status, &finding.unit, &finding.stack) {
                (Check::ManagerUnreachable, ..) | (Check::DeclarationInvalid, _, None, None) => {
                    doubt.of_findings = true;
                }
                (_, Status::Unknown, Some(unit), _) => {
                    doubt.units.insert(unit.clone());
                }
                (_, Status::Unknown, None, Some(stack)) => {
                    doubt.stacks.insert(stack.clone());
                }
                // Of no unit or stack, as without an answer of podman.
                (check, Status::Unknown, None, None) => {
                    doubt.checks.insert(check);
                }
                _ => {}
            }
        }
        doubt
    }

    /// Whether a problem that is no longer seen may still be there.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        if subject.check == Check::UnitFailed {
            let update = subject.unit.as_ref().is_some_and(super::units::is_update);
            let moving = subject.unit.as_ref().is_some_and(|unit| self.moving.contains(unit));
            return self.of_failed_units || moving || (update && self.of_updates);
        }
        self.of_findings
            || self.checks.contains(&subject.check)
            || subject.unit.as_ref().is_some_and(|unit| self.units.contains(unit))
            || subject.stack.as_ref().is_some_and(|stack| self.stacks.contains(stack))
    }
}
