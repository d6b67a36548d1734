//! `stackctl install` and `uninstall`: the shipped units.

use std::collections::BTreeSet;

use super::place::{Place, look, show};
use crate::artifacts::Hand;
use crate::audit::settle::{AUDIT, SETTLE};
use crate::cli::{doctor, output};
use crate::error::Error;
use crate::exit::Code;
use crate::install;
use crate::names::UnitName;
use crate::render;
use crate::systemd::bus::BUS_DEADLINE;
use crate::systemd::manager::{JobMode, Verb};

pub(super) fn install(place: &Place) -> Result<Code, Error> {
    let mut manager = place.manager()?;
    manager.state()?;
    let changed = show(&install::install(&Hand::new(&place.dirs), &place.host, &place.programs)?);
    let units = render::shipped_names();
    // The audit reloads the manager, so that it knows what is started next.
    look(place, &BTreeSet::new(), &[], changed)?;
    for unit in render::watchers() {
        let result = manager.run_job(Verb::Start, &unit, JobMode::Replace, BUS_DEADLINE)?;
        if !result.is_success() {
            return Err(Error::NotStarted { unit, result: result.to_string() });
        }
    }
    let code = look(place, &BTreeSet::new(), &units, false)?;
    doctor::tell(&place.dirs, &place.host);
    if code == Code::Done {
        output::say("next: stackctl add NAME --compose FILE");
    }
    Ok(code)
}

pub(super) fn uninstall(place: &Place) -> Result<Code, Error> {
    let mut manager = place.manager()?;
    let ours = |name: &UnitName| {
        let template = name.template();
        render::shipped_names().iter().any(|shipped| shipped == name || Some(shipped) == template.as_ref())
    };
    // Watchers first: the removal of their files is no drift. Then an audit that they have started, and the look that
    // its end brings, which would come to a verdict about units that are going away.
    let loaded: Vec<UnitName> = manager.loaded_units()?.units.into_keys().filter(ours).collect();
    let watchers = loaded.iter().filter(|name| name.unit_type() != "service");
    let audits =
        [AUDIT, SETTLE].iter().flat_map(|wanted| loaded.iter().filter(|name| name.as_str() == *wanted));
    // Such an audit may have found a watcher stopped, and have started it again.
    for unit in watchers.clone().chain(audits).chain(watchers) {
        manager.run_job(Verb::Stop, unit, JobMode::Replace, BUS_DEADLINE)?;
    }
    for unit in &loaded {
        // A failed one would stay in memory without its file; one that is not failed cannot be reset.
        drop(manager.reset_failed(unit));
    }
    show(&install::uninstall(&Hand::new(&place.dirs))?);
    manager.reload(place.host.reload_deadline.duration())?;
    Ok(Code::Done)
}

/// What [`install`], or with `away` [`uninstall`], would do.
pub(super) fn preview(place: &Place, away: bool) -> Result<Code, Error> {
    let hand = Hand::looking(&place.dirs);
    let would = if away {
        install::uninstall(&hand)?
    } else {
        install::install(&hand, &place.host, &place.programs)?
    };
    would.iter().try_for_each(|change| output::print(&change.would()))?;
    Ok(Code::Done)
}
