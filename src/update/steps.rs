//! The steps that look, fetch and apply; those that remember and undo are in [`super::undo`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::change::{Change, Quarantined, Version};
use super::error::UpdateError;
use super::hooks::{self, Hook};
use super::images;
use super::machine::{Seen, Step};
use super::newest::Newest;
use super::plan::{Candidate, candidates, wrong_image};
use super::registry::{self, Registry};
use super::run::{Goal, Run};
use crate::error::{Error, chain};
use crate::inventory::Inventory;
use crate::podman::Container;
use crate::stack::apply::{bring_up, gate};
use crate::stack::preflight::{allows, holds_so_far, preflight};
use crate::stack::verify::observe;
use crate::stack::{Context, StackError, StackState};
use crate::systemd::loaded::Detail;
use crate::systemd::words::ActiveState;

/// What must be free where podman keeps its images before anything is fetched: less than that and the machine is in
/// trouble already. MiB.
const SPACE_MIN: u64 = 256;

impl Run<'_> {
    pub(super) fn take(&mut self, step: Step) -> Result<Seen, Error> {
        match step {
            Step::Preflight => self.preflight(),
            Step::Resolve => self.resolve(),
            Step::Fetch => self.fetch(),
            Step::Pin => self.pin(),
            Step::Pull => self.pull(),
            Step::Before => self.before(),
            Step::Move => self.point_at(|change| change.new.as_ref()),
            Step::Apply | Step::Reapply => self.apply(),
            Step::Verify => self.verify(|change| change.new.as_ref()),
            Step::Keep => self.keep(),
            Step::Quarantine => self.quarantine(),
            Step::Restore => self.restore(),
            Step::OnRollback => self.on_rollback(),
            Step::Reverify => self.reverify(),
        }
    }

    fn preflight(&mut self) -> Result<Seen, Error> {
        if let Some(why) = self.is_stopped()? {
            if matches!(self.goal, Goal::Pinned(_)) {
                return Err(UpdateError::Stopped { stack: self.stack.clone() }.into());
            }
            return Ok(self.skip(why));
        }
        self.newest = self.recall()?;
        if self.newest.is_none() {
            self.prepare()?;
        }
        enough_space(&self.context.dirs.data_home.join("containers/storage"))?;
        let may_change = self.newest.as_ref().map_or(!self.candidates.is_empty(), |it| !it.images.is_empty());
        Ok(if may_change { Seen::Done } else { Seen::Nothing })
    }

    /// Everything is asked: what holds, what may change, what runs.
    fn prepare(&mut self) -> Result<(), Error> {
        let prepared = preflight(self.context, &self.stack)?;
        for warning in &prepared.warnings {
            self.transaction.warn(warning);
        }
        self.prepared = Some(prepared);
        self.look()
    }

    /// What the last look found, if this one may lean on it.
    fn recall(&mut self) -> Result<Option<Newest>, Error> {
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
    fn is_still_newest(&mut self, newest: &Newest) -> Result<bool, Error> {
        let Some(registry) = Registry::find(self.context) else { return Ok(false) };
        self.progress.show("asking the registries");
        let podman = self.context.podman().map_err(StackError::from)?;
        let (containers, offered) = std::thread::scope(|scope| {
            let containers = scope.spawn(|| podman.compose_containers());
            let tags = newest.images.iter().map(|(reference, image)| (reference, &image.tag));
            let offered = registry.digests(self.context, tags);
            (registry::joined(containers), offered)
        });
        self.offered = offered?;
        let containers = containers.map_err(StackError::from)?;
        let of_project: Vec<&Container> =
            containers.iter().filter(|one| one.project() == Some(newest.project.as_str())).collect();
        Ok(allows(self.context, &self.stack, &newest.project, &containers)
            && newest.holds(&of_project, &self.offered))
    }

    /// A stack that the operator has stopped stays stopped; a failed one is attempted.
    fn is_stopped(&mut self) -> Result<Option<&'static str>, Error> {
        let manager = self.context.manager().map_err(StackError::from)?;
        let unit = manager.observe_one(&self.stack.service(), Detail::Unit).map_err(StackError::from)?;
        self.was_failed = unit.active_state == ActiveState::Failed;
        Ok(match unit.active_state {
            ActiveState::Inactive | ActiveState::Deactivating => {
                Some("its unit is inactive: the operator has stopped it")
            }
            _ => None,
        })
    }

    /// What may change and what runs now.
    fn look(&mut self) -> Result<(), Error> {
        let prepared = self.prepared()?;
        let (candidates, left_out) = candidates(&prepared.podman, &prepared.project, &prepared.model)?;
        self.candidates = candidates;
        for why in &left_out {
            self.transaction.note(why);
        }
        self.left_out = left_out;
        Ok(())
    }

    fn resolve(&mut self) -> Result<Seen, Error> {
        if let Goal::Pinned(wanted) = &self.goal {
            self.update.images = pinned_changes(&self.candidates, wanted);
            return Ok(if self.update.images.is_empty() { Seen::Nothing } else { Seen::Done });
        }
        if let Some(newest) = self.newest.take() {
            if self.is_still_newest(&newest)? {
                return Ok(Seen::Nothing);
            }
            self.prepare()?;
            if self.candidates.is_empty() {
                return Ok(Seen::Nothing);
            }
        }
        let Some(registry) = Registry::find(self.context) else {
            self.pulls_tags = true;
            self.update.images = self.candidates.iter().map(|one| one.change.clone()).collect();
            return Ok(Seen::Done);
        };
        self.progress.show("asking the registries");
        // What was asked for already is not asked for again: registries count.
        let unknown = |asked: &(&String, &super::reference::Tag)| !self.offered.contains_key(asked.0);
        let tags = self.candidates.iter().map(Candidate::asked_for).filter(unknown);
        let offered = registry.digests(self.context, tags)?;
        self.offered.extend(offered);
        let quarantine = self.load_quarantine()?;
        for candidate in self.candidates.clone() {
            let mut change = candidate.change.clone();
            let Some(digest) = self.offered.get(&change.reference).cloned() else { continue };
            if candidate.is_at(&digest) || self.is_quarantined(&quarantine, &change, &digest) {
                continue;
            }
            change.new =
                Some(Version { id: String::new(), digest: Some(digest), version: None, revision: None });
            self.update.images.push(change);
        }
        if !self.update.images.is_empty() {
            return Ok(Seen::Done);
        }
        let (dirs, stack) = (&self.context.dirs, &self.stack);
        let prepared = self.prepared()?;
        let newest = Newest::of(dirs, stack, prepared, &self.candidates, &self.left_out, &self.offered);
        if let Some(newest) = newest {
            newest.leave(dirs, stack);
        }
        Ok(Seen::Nothing)
    }

    fn load_quarantine(&self) -> Result<BTreeMap<String, Quarantined>, StackError> {
        Ok(StackState::quarantine_of(&self.context.dirs, &self.stack)?)
    }

    /// Whether an image has failed before; then that is told.
    fn is_quarantined(
        &mut self,
        quarantine: &BTreeMap<String, Quarantined>,
        change: &Change,
        digest: &str,
    ) -> bool {
        let bad = quarantine.get(&change.reference).filter(|bad| bad.digest == digest);
        if let Some(bad) = bad {
            let why = format!("{} {digest} since {}: {}", change.reference, bad.at, bad.reason);
            self.transaction.note(&format!("quarantined: {why}"));
            self.quarantined.push(why);
        }
        bad.is_some()
    }

    /// By digest, service by service, so that no tag points at what is not verified.
    fn fetch(&mut self) -> Result<Seen, Error> {
        if self.pulls_tags {
            return Ok(Seen::Done);
        }
        let mut changes = Vec::new();
        for mut change in std::mem::take(&mut self.update.images) {
            let Some(wanted) = change.new.take() else { continue };
            let prepared = self.prepared()?;
            let (podman, timeout) = (prepared.podman.clone(), prepared.entry.pull_timeout.duration());
            let candidate = self.candidates.iter().find(|one| one.change.reference == change.reference);
            let like = candidate.and_then(|one| one.image.clone());
            let uniform = candidate.is_some_and(|one| one.uniform);
            let present = if wanted.id.is_empty() { None } else { registry::here(&podman, &wanted.id)? };
            self.progress.show(&format!("fetching {}", change.reference));
            let image = match (present, &wanted.digest) {
                (Some(image), _) => image,
                (None, Some(digest)) => {
                    registry::fetch(&podman, &change.tag, digest, timeout, like.as_ref())?
                }
                (None, None) => {
                    let (reference, id) = (change.reference, wanted.id);
                    return Err(StackError::ImageGone { reference, id }.into());
                }
            };
            if uniform && change.old.as_ref().is_some_and(|old| old.id == image.id) {
                self.transaction.note(&format!("{}: another digest of the same image", change.reference));
                continue;
            }
            self.hold(&image.id);
            change.new = Some(Version::of(&image, wanted.digest));
            self.transaction.note(&format!("fetched {}", change.line()));
            changes.push(change);
        }
        self.update.images = changes;
        Ok(if self.update.images.is_empty() { Seen::Nothing } else { Seen::Done })
    }

    /// Under the lock from here on. What was found before it may have changed meanwhile: an apply, another update.
    fn pin(&mut self) -> Result<Seen, Error> {
        self.transaction.lock()?;
        if let Some(why) = self.is_stopped()? {
            return Ok(self.skip(why));
        }
        self.prepared = Some(preflight(self.context, &self.stack)?);
        self.look()?;
        let news = std::mem::take(&mut self.update.images);
        for candidate in &self.candidates {
            let mut change = candidate.change.clone();
            let Some(new) = news.iter().find(|new| new.reference == change.reference) else { continue };
            change.new.clone_from(&new.new);
            let same = candidate.uniform
                && change.new.as_ref().map(|new| &new.id) == change.old.as_ref().map(|old| &old.id);
            if !same {
                self.update.images.push(change);
            }
        }
        if self.update.images.is_empty() {
            return Ok(Seen::Nothing);
        }
        let podman = self.prepared()?.podman.clone();
        for change in self.update.images.clone() {
            if let Some(old) = &change.old
                && registry::here(&podman, &old.id)?.is_some()
            {
                images::pin(&podman, &self.stack, &change, old)?;
                if !self.pulls_tags {
                    self.hold(&old.id);
                }
            }
        }
        Ok(Seen::Done)
    }

    /// Where nothing else asks the registry: each tag is pulled, and put back at once.
    fn pull(&mut self) -> Result<Seen, Error> {
        if !self.pulls_tags {
            return Ok(Seen::Done);
        }
        let prepared = self.prepared()?;
        let (podman, timeout) = (prepared.podman.clone(), prepared.entry.pull_timeout.duration());
        let quarantine = self.load_quarantine()?;
        let mut changes = Vec::new();
        for mut change in self.update.images.clone() {
            let name = change.tag.reference();
            self.progress.show(&format!("pulling {}", change.reference));
            let before = registry::here(&podman, &name)?;
            registry::pull(&podman, &change.tag, &name, timeout)?;
            let pulled = registry::here(&podman, &name)?;
            match &change.old {
                Some(old) => images::tag(&podman, &old.id, &name)?,
                None => images::untag(&podman, &name)?,
            }
            let Some(image) = pulled else { continue };
            registry::check_platform(&name, &image, before.as_ref())?;
            let candidate = self.candidates.iter().find(|one| one.change.reference == change.reference);
            let uniform = candidate.is_some_and(|one| one.uniform);
            if uniform && change.old.as_ref().is_some_and(|old| old.id == image.id) {
                continue;
            }
            if self.is_quarantined(&quarantine, &change, &image.digest) {
                continue;
            }
            self.hold(&image.id);
            if let Some(old) = &change.old {
                self.hold(&old.id);
            }
            change.new = Some(Version::of(&image, None));
            changes.push(change);
        }
        self.update.images = changes;
        Ok(if self.update.images.is_empty() { Seen::Nothing } else { Seen::Done })
    }

    /// Keeps an image until the end, whatever is pruned meanwhile; the tag and the digest stand in if that fails.
    fn hold(&mut self, id: &str) {
        self.holds = true;
        let held = self.prepared().and_then(|prepared| Ok(images::hold(&prepared.podman, &self.stack, id)?));
        if let Err(error) = held {
            self.transaction.warn(&format!("image {id} is not held against a prune: {}", chain(&error)));
        }
    }

    fn before(&mut self) -> Result<Seen, Error> {
        self.run_hooks(Hook::Before)?;
        Ok(Seen::Done)
    }

    pub(super) fn run_hooks(&mut self, hook: Hook) -> Result<(), Error> {
        let Some(prepared) = &self.prepared else { return Ok(()) };
        let progress = &mut self.progress;
        let how = (hook, &self.interrupt);
        let count = hooks::run(self.context, &self.stack, prepared, &self.update.images, how, |line| {
            progress.show(line);
        })?;
        if count > 0 {
            self.transaction.note(&format!("{count} commands of the operator"));
        }
        Ok(())
    }

    /// Points the tags at one of the two images of each change.
    pub(super) fn point_at(&mut self, which: impl Fn(&Change) -> Option<&Version>) -> Result<Seen, Error> {
        let prepared = self.prepared()?;
        let (podman, timeout) = (prepared.podman.clone(), prepared.entry.pull_timeout.duration());
        for change in self.update.images.clone() {
            let Some(image) = which(&change) else { continue };
            if images::point(&podman, &change, image, timeout)? {
                self.transaction.note(&format!("fetched {} again: it was gone", image.short()));
            }
        }
        Ok(Seen::Done)
    }

    fn apply(&mut self) -> Result<Seen, Error> {
        let Some(prepared) = &self.prepared else { return Ok(Seen::Failed) };
        bring_up(self.context, &mut self.transaction, prepared, &mut self.progress, |_, _| Ok(()))?;
        Ok(Seen::Done)
    }

    /// The verdict, and that every container runs the image that it should.
    pub(super) fn verify(&mut self, which: impl Fn(&Change) -> Option<&Version>) -> Result<Seen, Error> {
        let Some(prepared) = &self.prepared else { return Ok(Seen::Failed) };
        gate(&self.stack, prepared, &mut self.progress)?;
        let observed = observe(&prepared.podman, &prepared.project).map_err(StackError::from)?;
        match wrong_image(&observed, &self.update.images, which) {
            None => Ok(Seen::Done),
            Some((service, expected, seen)) => {
                Err(UpdateError::WrongImage { stack: self.stack.clone(), service, expected, seen }.into())
            }
        }
    }
}

/// The changes from what runs to what is pinned.
fn pinned_changes(candidates: &[Candidate], wanted: &[Change]) -> Vec<Change> {
    candidates
        .iter()
        .filter_map(|candidate| {
            let wanted = wanted.iter().find(|one| one.reference == candidate.change.reference)?;
            let runs = candidate.uniform.then(|| candidate.change.old.as_ref().map(|old| &old.id)).flatten();
            let differs = runs != wanted.new.as_ref().map(|new| &new.id);
            differs.then(|| Change { new: wanted.new.clone(), ..candidate.change.clone() })
        })
        .collect()
}

/// Refuses to fetch into a file system that is almost full. One that cannot be asked is not held against it.
fn enough_space(storage: &Path) -> Result<(), UpdateError> {
    let path: PathBuf =
        storage.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/")).to_owned();
    let Ok(status) = nix::sys::statvfs::statvfs(&path) else { return Ok(()) };
    let free = status.blocks_available() * status.fragment_size() / (1024 * 1024);
    if free < SPACE_MIN {
        return Err(UpdateError::Space { path, free, needed: SPACE_MIN });
    }
    Ok(())
}
