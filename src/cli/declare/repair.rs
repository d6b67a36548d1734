//! `stackctl repair`: puts a stack's unit files and links back.

use std::collections::BTreeSet;

use super::place::{Place, look, show};
use crate::artifacts::{Change, Hand};
use crate::audit::{self, Options};
use crate::cli::output;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Inventory;
use crate::names::StackName;
use crate::stack;

pub(super) fn repair(place: &Place, stack: StackName) -> Result<Code, Error> {
    place.manager()?.state()?;
    let repaired = decided(place, &Hand::new(&place.dirs), &stack)?;
    audit::repaired(&place.dirs, &repaired)?;
    let changed = show(&repaired);
    look(place, &BTreeSet::from([stack]), &[], changed)
}

/// What [`repair`] would do: the same, by a hand that only looks. Where that is nothing, what is wrong on the disk all the
/// same, which is for somebody else to mend.
pub(super) fn preview(place: &Place, stack: StackName) -> Result<Code, Error> {
    Inventory::load_stack(&place.dirs, &stack)?;
    let would = decided(place, &Hand::looking(&place.dirs), &stack)?;
    for change in &would {
        output::print(&change.would())?;
    }
    if would.is_empty() {
        output::print(&format!("stack {stack}: its unit files and links are the declared ones"))?;
        let options = Options { dry_run: true, stacks: BTreeSet::from([stack]), ..Options::default() };
        let report = audit::audit(&place.dirs, &options)?.report;
        for finding in report.findings.iter().filter(|finding| finding.state == audit::State::OnDisk) {
            output::print(&format!("left alone: {}", finding.line()))?;
        }
    }
    Ok(Code::Done)
}

fn decided(place: &Place, hand: &Hand<'_>, stack: &StackName) -> Result<Vec<Change>, Error> {
    stack::repair(hand, &place.host, &place.programs, stack)
}
