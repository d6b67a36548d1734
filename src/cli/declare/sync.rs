//! `stackctl sync`: makes the units of edited entries again.

use std::collections::BTreeSet;

use super::place::{Place, is_active, look, show};
use crate::artifacts::Hand;
use crate::cli::output;
use crate::error::Error;
use crate::exit::Code;
use crate::inventory::Inventory;
use crate::names::StackName;
use crate::stack;
use crate::systemd::manager::Manager;

pub(super) fn sync(place: &Place, stacks: Vec<StackName>) -> Result<Code, Error> {
    let manager = place.manager()?;
    let (code, changed) = put(place, &manager, stacks)?;
    for stack in changed {
        if is_active(&manager, &stack)? {
            output::say(&format!("next: systemctl --user restart {}", stack.service()));
        }
    }
    Ok(code)
}

/// Makes the units of `stacks`, all if none is named, and says which have changed.
pub(super) fn put(
    place: &Place,
    manager: &Manager,
    stacks: Vec<StackName>,
) -> Result<(Code, BTreeSet<StackName>), Error> {
    manager.state()?;
    let mut worst = Code::Done;
    let mut fail = |error: &Error| {
        tracing::error!("{}", error.line());
        worst = worst.max(error.code());
    };
    let stacks: BTreeSet<StackName> = if stacks.is_empty() {
        let inventory = Inventory::load(&place.dirs);
        let names = inventory.stacks.into_keys().collect();
        inventory.broken.into_values().for_each(|error| fail(&error.into()));
        names
    } else {
        stacks.into_iter().collect()
    };
    let mut changed = BTreeSet::new();
    for stack in &stacks {
        match stack::sync(&Hand::new(&place.dirs), &place.host, &place.programs, stack) {
            Ok(done) => {
                if show(&done) {
                    changed.insert(stack.clone());
                }
            }
            Err(error) => fail(&error),
        }
    }
    let seen = look(place, &stacks, &[], !changed.is_empty())?;
    Ok((if worst == Code::Done { seen } else { worst }, changed))
}
