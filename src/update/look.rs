//! What an update finds before it changes anything: what holds, what runs, what may change, what has failed before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::blame;
use super::change::{Change, Pin, Quarantined};
use super::error::UpdateError;
use super::listed::Listed;
use super::newest::Newest;
use super::plan::candidates;
use super::registry::Registry;
use super::run::{Goal, Run};
use super::sets;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::names::StackName;
use crate::podman::Container;
use crate::process::joined;
use crate::stack::preflight::{allows, holds_so_far, preflight};
use crate::stack::verify::{expected, images, observe};
use crate::stack::{Context, StackError, StackState};
use crate::systemd::loaded::Detail;
use crate::systemd::words::ActiveState;

/// What must be free where podman keeps its images before anything is fetched: less than that and the machine is in
/// trouble already. MiB.
const SPACE_MIN: u64 = 256;

/// How the stack's unit is.
pub(super) fn unit_state(context: &Context, stack: &StackName) -> Result<ActiveState, Error> {
    let manager = context.manager().map_err(StackError::from)?;
    let unit = manager.observe_one(&stack.service(), Detail::Unit).map_err(StackError::from)?;
    Ok(unit.active_state)
}

/// Whether the operator has stopped a stack whose unit is in this state.
pub(super) fn is_inactive(state: &ActiveState) -> bool {
    matches!(state, ActiveState::Inactive | ActiveState::Deactivating)
}

impl Run<'_> {
    /// Everything is asked: what holds, what may change, what runs.
    pub(super) fn prepare(&mut self) -> Result<(), Error> {
        let prepared = preflight(self.context, &self.stack)?;
        for warning in &prepared.warnings {
            self.transaction.warn(warning);
        }
        self.prepared = Some(prepared);
        self.look()
    }

    /// What the last look found, if this one may lean on it.
    pub(super) fn recall(&mut self) -> Result<Option<Newest>, Error> {
        let Context { dirs, host, .. } = self.context;
        if !matches!(self.goal, Goal::Newest) || Registry::find(self.context).is_none() {
            return Ok(None);
        }
        let declared = Inventory::load_stack(dirs, &self.stack)?;
        let newest = Newest::recall(dirs, host, &self.stack, &declared);
        let newest = newest.filter(|_| holds_so_far(self.context, &self.stack, &declared.entry));
        for why in newest.iter().flat_map(|newest| &newest.left_out) {
            self.transaction.note(why);
        }
        Ok(newest)
    }

    /// Whether what the last look found is still all that there is. podman and the registries are asked at the same time.
    pub(super) fn is_still_newest(&mut self, newest: &Newest) -> Result<bool, Error> {
        let Some(registry) = Registry::find(self.context) else { return Ok(false) };
        self.progress.show("asking the registries");
        let (containers, offered) = std::thread::scope(|scope| {
            let containers = scope.spawn(|| Listed::or_ask(self.context));
            let tags = newest.images.iter().map(|(reference, image)| (reference, &image.tag));
            let offered = registry.digests(self.context, tags);
            (joined(containers), offered)
        });
        self.offered = offered?;
        let containers = containers.map_err(StackError::from)?;
        let of_project: Vec<&Container> =
            containers.iter().filter(|one| one.project() == Some(newest.project.as_str())).collect();
        Ok(allows(self.context, &self.stack, &newest.project, &containers)
            && newest.holds(&of_project, &self.offered))
    }

    /// A stack that the operator has stopped stays stopped; a failed one is attempted.
    pub(super) fn is_stopped(&mut self) -> Result<bool, Error> {
        let state = unit_state(self.context, &self.stack)?;
        self.was_failed = state == ActiveState::Failed;
        Ok(is_inactive(&state))
    }

    /// What may change and what runs now.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        let prepared = self.prepared()?;
        let (candidates, left_out) = candidates(&prepared.podman, &prepared.project, &prepared.model)?;
        self.candidates = candidates;
        for why in &left_out {
            self.transaction.note(why);
        }
        self.left_out = left_out;
        Ok(())
    }

    pub(super) fn load_quarantine(&self) -> Result<BTreeMap<String, Quarantined>, StackError> {
        Ok(StackState::quarantine_of(&self.context.dirs, &self.stack)?)
    }

    /// Whether an image has failed before; then that is told.
    pub(super) fn is_quarantined(
        &mut self,
        quarantine: &BTreeMap<String, Quarantined>,
        change: &Change,
        digest: &str,
    ) -> bool {
        let bad = quarantine.get(&change.reference).filter(|bad| bad.holds(digest));
        if let Some(bad) = bad {
            let why = format!("{} {digest} since {}: {}", change.reference, bad.at, bad.reason);
            self.transaction.note(&format!("quarantined: {why}"));
            self.quarantined.push(why);
        }
        bad.is_some()
    }

    /// Refuses to call it well that nothing is new, while what runs has failed and was not undone.
    pub(super) fn refuse_quarantined(&self, quarantine: &BTreeMap<String, Quarantined>) -> Result<(), Error> {
        let found = self.candidates.iter().find_map(|one| {
            let bad = quarantine.get(&one.change.reference)?;
            bad.digests().any(|digest| one.is_known_by(digest)).then_some((one, bad))
        });
        let Some((one, bad)) = found else { return Ok(()) };
        // Where the way back has failed before there was a good set, the tag names the old image again.
        let way_back = if self.good_sets()?.is_empty() { "restart" } else { "rollback" };
        Err(UpdateError::QuarantinedRuns {
            stack: self.stack.clone(),
            image: format!("{} {}", one.change.reference, bad.digest),
            since: bad.at.clone(),
            reason: bad.reason.clone(),
            way_back,
        }
        .into())
    }

    /// The good sets of images behind what runs, the newest first.
    fn good_sets(&self) -> Result<Vec<Pin>, Error> {
        let state = StackState::load_if_any(&self.context.dirs, &self.stack).map_err(StackError::from)?;
        Ok(sets::behind(state.map(|state| state.pins).unwrap_or_default(), &self.candidates))
    }

    /// What leads to the `number`th good set of images behind what runs.
    pub(super) fn way_back(&self, number: usize) -> Result<Vec<Change>, Error> {
        let stack = self.stack.clone();
        let sets = self.good_sets()?;
        let Some(set) = number.checked_sub(1).and_then(|index| sets.get(index)) else {
            let there = sets.iter().enumerate().map(|(index, set)| format!("{}: {}", index + 1, set.line()));
            let there: Vec<String> = there.collect();
            return Err(UpdateError::NoPin { stack, wanted: number, there }.into());
        };
        let changes = sets::changes_to(set, &self.candidates);
        if changes.is_empty() {
            return Err(UpdateError::NothingToGoBackTo { stack, set: set.line() }.into());
        }
        Ok(changes)
    }

    /// What is down before anything changes says nothing against the new images. What changes itself must come up.
    pub(super) fn look_for_what_is_down(&mut self) -> Result<(), Error> {
        let prepared = self.prepared()?;
        let images = images(&prepared.podman, &prepared.model).map_err(StackError::from)?;
        let observed = observe(&prepared.podman, &prepared.project).map_err(StackError::from)?;
        self.not_up_before = blame::not_up(&expected(&prepared.model, &images), &observed);
        let changes =
            |service: &String| self.update.images.iter().any(|change| change.services.contains(service));
        let aside: Vec<String> =
            self.not_up_before.iter().filter(|service| !changes(service)).cloned().collect();
        if !aside.is_empty() {
            let why = format!("not up before the update, and not verified after it: {}", aside.join(", "));
            self.transaction.warn(&why);
        }
        self.update.not_up_before = aside.into_iter().collect();
        Ok(())
    }

    /// The references whose new image is to blame for `error`.
    pub(super) fn blame(&mut self, error: &Error) {
        let Some(prepared) = &self.prepared else { return };
        let observed = observe(&prepared.podman.uninterrupted(), &prepared.project).unwrap_or_default();
        self.update.blamed = blame::blamed(error, &observed, &self.update.images, &self.not_up_before);
    }
}

/// Refuses to fetch into a file system that is almost full. One that cannot be asked is not held against it.
pub(super) fn enough_space(storage: &Path) -> Result<(), UpdateError> {
    let path: PathBuf =
        storage.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/")).to_owned();
    let Ok(status) = nix::sys::statvfs::statvfs(&path) else { return Ok(()) };
    let free = status.blocks_available() * status.fragment_size() / (1024 * 1024);
    if free < SPACE_MIN {
        return Err(UpdateError::Space { path, free, needed: SPACE_MIN });
    }
    Ok(())
}
