//! The stack's own unit: a stack is not started from a definition that is not the declared one. Judged by the
//! auditor's own judges.

use std::collections::BTreeMap;

use super::Findings;
use crate::audit::{Declaration, Finding, Stacks, Status, World, judge};
use crate::error::chain;
use crate::exit::Code;
use crate::names::StackName;
use crate::stack::{Context, StackError};

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
    ours && finding.check.is_decisive()
}
