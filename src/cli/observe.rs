//! `stackctl observe`, and `stackctl remove` of what it sealed.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::declare::{Place, look};
use super::explain::unit_name;
use super::output;
use crate::audit::Declaration;
use crate::error::{Error, chain};
use crate::exit::Code;
use crate::names::{NameError, StackName, UnitName};
use crate::observe::{self, ObserveError, Outcome};
use crate::seal::Seal;
use crate::systemd::search_path::SearchPath;

pub(super) fn observe(units: &[UnitName], accept: bool) -> Result<Code, Error> {
    let place = Place::take("observe")?;
    let state = place.manager()?.state()?;
    let search_path = SearchPath::scan(state.unit_path);
    let declaration = Declaration::load(&place.dirs);
    let mut worst = Code::Done;
    let mut sealed = Vec::new();
    for unit in units {
        match observe::observe(&place.dirs, &declaration, &search_path, unit, accept) {
            Ok(outcome) => {
                tell(unit, &outcome)?;
                sealed.push(unit.clone());
            }
            // One that cannot be observed keeps no other from it.
            Err(error) => {
                tracing::error!("{}", chain(&error));
                worst = worst.max(error.code());
            }
        }
    }
    if sealed.is_empty() {
        return Ok(worst);
    }
    let seen = look(&place, &BTreeSet::new(), &sealed, false)?;
    Ok(if worst == Code::Done { seen } else { worst })
}

fn tell(unit: &UnitName, outcome: &Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Sealed => output::print(&format!("{unit}: observed from now on, as it is")),
        Outcome::Unchanged => output::print(&format!("{unit}: observed already, and unchanged")),
        Outcome::Accepted(changes) => {
            changes.iter().try_for_each(|change| output::print(&format!("{unit}: accepted: {change}")))
        }
    }
}

/// What is to be removed: a stack, or an observed unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Removable {
    text: String,
    stack: Option<StackName>,
    unit: UnitName,
}

impl FromStr for Removable {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (stack, unit) = match StackName::parse(text) {
            Ok(stack) => (Some(stack), unit_name(text)?),
            // What is no stack's name must be the whole name of a unit.
            Err(problem) => (None, UnitName::parse(text).map_err(|_| problem)?),
        };
        Ok(Self { text: text.to_owned(), stack, unit })
    }
}

/// What a name turns out to stand for.
pub(super) enum Removed {
    /// A stack, which is not touched here.
    Stack(StackName),
    /// An observed unit, which is forgotten.
    Forgotten,
}

/// Forgets an observed unit; a stack is handed back.
pub(super) fn forget(place: &Place, name: Removable) -> Result<Removed, Error> {
    let refuse = |error: ObserveError| Err(Error::Observe(Box::new(error)));
    let is_stack = name.stack.as_ref().is_some_and(|stack| {
        let files = [place.dirs.inventory_file(stack), Seal::path(&place.dirs, stack.as_str())];
        files.iter().any(|path| path.symlink_metadata().is_ok())
    });
    let seal = observe::find(&place.dirs, &name.unit);
    match (name.stack, seal) {
        // `web.service` is a unit, unless somebody called a stack so.
        (Some(_), Some(seal)) if is_stack && name.unit.as_str() == name.text => {
            refuse(ObserveError::Both { name: name.text, seal })
        }
        (Some(stack), None) => Ok(Removed::Stack(stack)),
        (Some(stack), Some(_)) if is_stack => Ok(Removed::Stack(stack)),
        (_, Some(_)) => {
            let path = observe::forget(&place.dirs, &name.unit)?;
            output::print(&format!("{}: no longer observed; removed {}", name.unit, path.display()))?;
            Ok(Removed::Forgotten)
        }
        (None, None) => refuse(ObserveError::Unknown { name: name.text }),
    }
}
