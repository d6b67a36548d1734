//! The steps that remember what was good and what was bad, and those that undo.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::change::{Change, Pin, Pinned, Quarantined, Version};
use super::images;
use super::machine::{Seen, Step};
use super::plan::digests;
use super::registry;
use super::run::Run;
use super::sets;
use crate::document::Document;
use crate::error::Error;
use crate::podman::Podman;
use crate::process::cut;
use crate::records::timestamp;
use crate::stack::{StackError, StackState};

/// Longest reason that is kept; the whole one is in the record. Characters.
const REASON: usize = 400;

impl Run<'_> {
    /// The new set is good: it is pinned, the set before the last one is let go of.
    pub(super) fn keep(&mut self) -> Result<Seen, Error> {
        let prepared = self.prepared()?;
        let (podman, keep) = (prepared.podman.clone(), prepared.entry.update.keep);
        let mut state = self.state()?;
        let current: BTreeMap<String, Pinned> = self.pinned(|change| change.new.as_ref())?;
        // Images that did not change are part of both sets.
        let mut set = state.pins.first().map(|pin| pin.images.clone()).unwrap_or_default();
        let mut before = set.clone();
        let left = self.pinned(|change| change.old.as_ref())?;
        // What has failed and was not undone is no good set.
        before.extend(left.clone().into_iter().filter(|(reference, one)| {
            let bad = state.quarantine.get(reference);
            !bad.zip(one.image.digest.as_ref()).is_some_and(|(bad, digest)| bad.holds(digest))
        }));
        set.extend(current);
        let good = Pin { at: timestamp(SystemTime::now()), record: self.transaction.id(), images: set };
        let sets = if self.is_by_hand() {
            sets::after_rollback(&state.pins, good)
        } else {
            sets::after_update(&state.pins, good, before)
        };
        let ids = |sets: &[Pin]| -> BTreeSet<String> {
            sets.iter().flat_map(|set| set.images.values().map(|one| one.image.id.clone())).collect()
        };
        let kept = ids(&sets);
        let released: Vec<Pinned> = state
            .pins
            .iter()
            .flat_map(|set| set.images.values().cloned())
            .chain(left.into_values())
            .filter(|one| !kept.contains(&one.image.id))
            .collect();
        state.pins = sets;
        let mut notes = Vec::new();
        if self.is_by_hand() {
            // Who goes back by hand does not want the next night to go forward again.
            let left = |change: &Change| Some((change.old.clone()?, change.new.clone()));
            notes =
                quarantine_versions(&podman, &mut state, "rolled back by hand", &self.update.images, left);
        } else {
            // What has failed of an image that did not change now is still not to be tried.
            state
                .quarantine
                .retain(|one, _| !self.update.images.iter().any(|change| change.reference == *one));
        }
        state.store(&StackState::path(&self.context.dirs, &self.stack))?;
        for note in notes {
            self.transaction.note(&note);
        }
        for one in released {
            images::untag(&podman, &one.name)?;
            if !keep {
                images::remove_unused(&podman, &one.image.id);
            }
        }
        Ok(Seen::Done)
    }

    fn pinned(&self, which: impl Fn(&Change) -> Option<&Version>) -> Result<BTreeMap<String, Pinned>, Error> {
        let podman = &self.prepared()?.podman;
        let mut pinned = BTreeMap::new();
        for change in &self.update.images {
            if let Some(image) = which(change) {
                // One that is gone already cannot be pinned, only be fetched again.
                if let Ok(one) = images::pin(podman, &self.stack, change, image) {
                    pinned.insert(change.reference.clone(), one);
                }
            }
        }
        Ok(pinned)
    }

    pub(super) fn quarantine(&mut self) -> Result<Seen, Error> {
        let mut state = self.state()?;
        let (why, podman) = (self.cause_text(), self.prepared()?.podman.clone());
        let is_blamed = |change: &Change| self.update.blamed.contains(&change.reference);
        let bad = |change: &Change| {
            is_blamed(change).then(|| Some((change.new.clone()?, change.old.clone()))).flatten()
        };
        let notes = quarantine_versions(&podman, &mut state, &why, &self.update.images, bad);
        state.store(&StackState::path(&self.context.dirs, &self.stack))?;
        for note in notes {
            self.transaction.note(&note);
        }
        Ok(Seen::Done)
    }

    pub(super) fn state(&self) -> Result<StackState, Error> {
        let prepared = self.prepared()?;
        let state = StackState::load_if_any(&self.context.dirs, &self.stack).map_err(StackError::from)?;
        Ok(state.unwrap_or_else(|| StackState::new(&prepared.project, prepared.compose.kind())))
    }

    /// Each tag points at what it pointed at before; one that was not there goes.
    pub(super) fn restore(&mut self) -> Result<Seen, Error> {
        let podman = self.prepared()?.podman.clone();
        for change in self.update.images.clone() {
            if change.old.is_none() {
                images::untag(&podman, &change.tag.reference())?;
            }
        }
        self.point_at(|change| change.old.as_ref())
    }

    /// What runs are the very images that ran before.
    pub(super) fn reverify(&mut self) -> Result<Seen, Error> {
        self.verify(|change| change.old.as_ref())
    }

    /// Why it is undone, in a line.
    fn cause_text(&self) -> String {
        self.cause().map_or_else(|| self.recorded_cause(), Error::reason)
    }

    /// The same where the program that knew was killed: what it had left in the quarantine, or when that was.
    pub(super) fn recorded_cause(&self) -> String {
        let state = StackState::load_if_any(&self.context.dirs, &self.stack).ok().flatten();
        let began = &self.transaction.record().started;
        let known = state.into_iter().flat_map(|state| state.quarantine).find_map(|(reference, bad)| {
            (self.update.blamed.contains(&reference) && bad.at >= *began).then_some(bad.reason)
        });
        let step = self.killed_in.map_or("its beginning", Step::name);
        known.unwrap_or_else(|| format!("the program that did it was killed in the step {step}"))
    }
}

/// Quarantines the first of the two versions that `which` picks of a change, with all its digests but those that the
/// second one has, too; says what.
fn quarantine_versions(
    podman: &Podman,
    state: &mut StackState,
    why: &str,
    changes: &[Change],
    which: impl Fn(&Change) -> Option<(Version, Option<Version>)>,
) -> Vec<String> {
    let all = |version: &Version| -> BTreeSet<String> {
        // An image that is gone is known by the digest that is on record.
        let image = registry::here(podman, &version.id).ok().flatten();
        let of_image = image.iter().flat_map(digests).map(str::to_owned);
        of_image.chain(version.digest.clone()).collect()
    };
    let mut notes = Vec::new();
    for change in changes {
        let Some((bad, good)) = which(change) else { continue };
        let good = good.as_ref().map(all).unwrap_or_default();
        let also: BTreeSet<String> = all(&bad).difference(&good).cloned().collect();
        let Some(digest) = bad.digest.clone().or_else(|| also.first().cloned()) else { continue };
        notes.push(format!("quarantined {} {digest}", change.reference));
        let bad = Quarantined { digest, at: timestamp(SystemTime::now()), reason: cut(why, REASON), also };
        let before = state.quarantine.remove(&change.reference);
        state.quarantine.insert(change.reference.clone(), bad.after(before, &good));
    }
    notes
}
