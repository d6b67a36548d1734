//! The steps that remember what was good and what was bad, and those that undo.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::change::{Pin, Pinned, Quarantined};
use super::hooks::Hook;
use super::images;
use super::machine::{Seen, Step};
use super::run::{Goal, Run};
use crate::document::Document;
use crate::error::{Error, chain};
use crate::records::timestamp;
use crate::stack::{StackError, StackState};

/// How many good sets of images are kept: the one that runs, and the one before.
const SETS: usize = 2;

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
        before.extend(self.pinned(|change| change.old.as_ref())?);
        set.extend(current);
        let record = self.transaction.id();
        let at = timestamp(SystemTime::now());
        let good = Pin { at: at.clone(), record: record.clone(), images: set };
        // Killed after it was stored, the same set must not push out the one before.
        let mut sets = vec![good.clone()];
        match state.pins.first() {
            Some(first) if first.record == record => sets.extend(state.pins.iter().skip(1).cloned()),
            Some(first) => sets.push(Pin { images: before, ..first.clone() }),
            None => sets.push(Pin { at, record, images: before }),
        }
        sets.retain(|set| !set.images.is_empty());
        sets.truncate(SETS);
        let ids = |sets: &[Pin]| -> BTreeSet<String> {
            sets.iter().flat_map(|set| set.images.values().map(|one| one.image.id.clone())).collect()
        };
        let kept = ids(&sets);
        let released: Vec<Pinned> = state
            .pins
            .iter()
            .flat_map(|set| set.images.values().cloned())
            .filter(|one| !kept.contains(&one.image.id))
            .collect();
        state.pins = sets;
        for reference in good.images.keys() {
            state.quarantine.remove(reference);
        }
        // Who goes back by hand does not want the next night to go forward again.
        if let Goal::Pinned(_) = self.goal {
            self.quarantine_versions(&mut state, "rolled back by hand", |change| change.old.as_ref());
        }
        state.store(&StackState::path(&self.context.dirs, &self.stack))?;
        for one in released {
            images::untag(&podman, &one.name)?;
            if !keep {
                images::remove_unused(&podman, &one.image.id);
            }
        }
        Ok(Seen::Done)
    }

    fn pinned(
        &self,
        which: impl Fn(&super::change::Change) -> Option<&super::change::Version>,
    ) -> Result<BTreeMap<String, Pinned>, Error> {
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
        let why = self.cause_text();
        self.quarantine_versions(&mut state, &why, |change| change.new.as_ref());
        state.store(&StackState::path(&self.context.dirs, &self.stack))?;
        Ok(Seen::Done)
    }

    fn quarantine_versions(
        &mut self,
        state: &mut StackState,
        why: &str,
        which: impl Fn(&super::change::Change) -> Option<&super::change::Version>,
    ) {
        for change in self.update.images.clone() {
            let Some(digest) = which(&change).and_then(|version| version.digest.clone()) else { continue };
            self.transaction.note(&format!("quarantined {} {digest}", change.reference));
            let bad = Quarantined {
                digest,
                at: timestamp(SystemTime::now()),
                reason: why.chars().take(REASON).collect(),
            };
            state.quarantine.insert(change.reference, bad);
        }
    }

    fn state(&self) -> Result<StackState, Error> {
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

    pub(super) fn on_rollback(&mut self) -> Result<Seen, Error> {
        self.run_hooks(Hook::OnRollback)?;
        Ok(Seen::Done)
    }

    /// Why it is undone, in a line.
    fn cause_text(&self) -> String {
        match self.cause() {
            Some(error) => chain(error),
            None => format!("it was found killed in the step {}", Step::Verify),
        }
    }
}
