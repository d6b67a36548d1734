//! The stack's own unit: a stack is not started from a definition that is not the declared one. Judged by the
//! auditor's own judges.

use std::collections::BTreeMap;

use super::Findings;
use crate::audit::{Check, Declaration, Finding, Stacks, Status, World, judge};
use crate::error::chain;
use crate::exit::Code;
use crate::names::StackName;
use crate::stack::{Context, StackError};

/// What makes a definition another one than the declared. That a unit is failed, not enabled or waits for a reload that
/// changes nothing of it is the auditor's to tell.
const DECISIVE: &[Check] = &[
    Check::DeclarationInvalid,
    Check::InventoryUnsealed,
    Check::UnitMissing,
    Check::UnitMasked,
    Check::UnitLoadError,
    Check::FragmentOwner,
    Check::FragmentReplaced,
    Check::FragmentContent,
    Check::DefinitionStale,
    Check::DropInUnexpected,
    Check::OverrideControl,
    Check::OverrideTransient,
];

pub(super) fn check(context: &Context, stack: &StackName, findings: &mut Findings) {
    let unit = stack.service();
    let mut declaration = Declaration::load(&context.dirs);
    declaration.units.retain(|name, _| *name == unit);
    declaration.orphans = BTreeMap::new();
    let world = context
        .manager()
        .and_then(|manager| World::observe(&context.dirs, &declaration, &manager, Stacks::default()));
    match world {
        Ok(world) => {
            let verdicts = judge(&context.dirs, &declaration, &world).verdicts;
            for finding in verdicts.findings.iter().filter(|finding| is_decisive(finding, stack)) {
                let code = match finding.status {
                    Status::Broken => Code::Configuration,
                    Status::Unknown => Code::Refused,
                };
                findings.refuse(code, finding.line());
            }
        }
        Err(error) => {
            let problem = chain(&error);
            findings.refuse(StackError::from(error).code(), problem);
        }
    }
}

fn is_decisive(finding: &Finding, stack: &StackName) -> bool {
    let ours = finding.stack.as_ref() == Some(stack) || finding.unit.as_ref() == Some(&stack.service());
    ours && DECISIVE.contains(&finding.check)
}
