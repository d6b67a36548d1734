//! `stackctl repair`: puts a stack's unit files and links back.

use std::collections::BTreeSet;

use super::place::{Place, look, show};
use crate::audit::{self, Options};
use crate::cli::output;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Inventory;
use crate::names::StackName;
use crate::stack;

pub(super) fn repair(place: &Place, stack: StackName) -> Result<Code, Error> {
    place.manager()?.state()?;
    let repaired = stack::repair(&place.dirs, &place.host, &place.programs, &stack)?;
    audit::repaired(&place.dirs, &repaired)?;
    let changed = show(&repaired);
    look(place, &BTreeSet::from([stack]), &[], changed)
}

/// What [`repair`] would do.
pub(super) fn preview(place: &Place, stack: StackName) -> Result<Code, Error> {
    Inventory::load_stack(&place.dirs, &stack)?;
    let options = Options { dry_run: true, stacks: BTreeSet::from([stack]), ..Options::default() };
    let report = audit::audit(&place.dirs, &options)?.report;
    for finding in report.findings.iter().filter(|finding| finding.state == audit::State::OnDisk) {
        output::print(&format!("would mend {}", finding.line()))?;
    }
    Ok(Code::Done)
}
