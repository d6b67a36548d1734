//! The steps that look, fetch and apply; those that remember and undo are in [`super::undo`].

use super::change::{Change, Version};
use super::error::UpdateError;
use super::hooks::{self, Hook};
use super::images;
use super::look::enough_space;
use super::machine::{Seen, Step};
use super::newest::Newest;
use super::plan::{Candidate, digests, refuse_edited, wrong_image};
use super::registry::{self, Registry};
use super::run::{Goal, Run};
use super::settle::open_since;
use crate::error::{Error, chain};
use crate::stack::Detachment;
use crate::stack::apply::{bring_up, gate, remember};
use crate::stack::preflight::{Prepared, preflight};
use crate::stack::volumes::at_risk;
use crate::stack::{StackError, StackState};

/// Why a stack whose unit is inactive is skipped.
const STOPPED: &str = "the operator has stopped it";

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
            Step::Apply => self.apply(),
            Step::Reapply => self.reapply(),
            Step::Verify => self.verify(|change| change.new.as_ref()),
            Step::Keep => self.keep(),
            Step::Quarantine => self.quarantine(),
            Step::Restore => self.restore(),
            Step::OnRollback => self.on_rollback(),
            Step::Reverify => self.reverify(),
        }
    }

    fn preflight(&mut self) -> Result<Seen, Error> {
        self.was_stopped = self.is_stopped()?;
        if self.was_stopped {
            let open = open_since(self.context, &self.stack)?;
            match (&self.goal, open) {
                (Goal::Newest, None) => return Ok(self.skip(STOPPED)),
                (Goal::Newest, Some(since)) => {
                    return Ok(self.skip(&format!(
                        "{STOPPED}; an update begun {since} was killed: the next start finishes or undoes that"
                    )));
                }
                (Goal::Set(_), Some(since)) => {
                    return Err(UpdateError::Open { stack: self.stack.clone(), since }.into());
                }
                (Goal::Set(_), None) => {}
            }
        }
        StackState::refuse_held(&self.context.dirs, &self.stack)?;
        self.newest = self.recall()?;
        if self.newest.is_none() {
            self.prepare()?;
        }
        enough_space(&self.context.dirs.data_home.join("containers/storage"))?;
        if let Goal::Set(_) = self.goal {
            return Ok(Seen::Done);
        }
        let may_change = self.newest.as_ref().map_or(!self.candidates.is_empty(), |it| !it.images.is_empty());
        Ok(if may_change { Seen::Done } else { Seen::Nothing })
    }

    fn resolve(&mut self) -> Result<Seen, Error> {
        if let Goal::Set(number) = self.goal {
            self.update.images = self.way_back(number)?;
            return Ok(Seen::Done);
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
        refuse_edited(&self.stack, &self.candidates)?;
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
        self.refuse_quarantined(&quarantine)?;
        let (dirs, stack) = (&self.context.dirs, &self.stack);
        let prepared = self.prepared()?;
        let newest = Newest::of(dirs, stack, prepared, &self.candidates, &self.left_out, &self.offered);
        if let Some(newest) = newest {
            newest.leave(dirs, stack);
        }
        Ok(Seen::Nothing)
    }

    /// By digest, service by service, so that no tag points at what is not verified.
    fn fetch(&mut self) -> Result<Seen, Error> {
        if self.pulls_tags {
            return Ok(Seen::Done);
        }
        let quarantine = self.load_quarantine()?;
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
            let was_here = present.is_some();
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
            // A new list of images may hold the one that failed.
            if matches!(self.goal, Goal::Newest)
                && digests(&image).any(|digest| self.is_quarantined(&quarantine, &change, digest))
            {
                continue;
            }
            self.hold(&image.id);
            change.new = Some(Version::of(&image, wanted.digest));
            let done = if was_here { "has here" } else { "fetched" };
            self.transaction.note(&format!("{done} {}", change.line()));
            changes.push(change);
        }
        self.update.images = changes;
        Ok(if self.update.images.is_empty() { Seen::Nothing } else { Seen::Done })
    }

    /// Under the lock from here on. What was found before it may have changed meanwhile: an apply, another update.
    fn pin(&mut self) -> Result<Seen, Error> {
        self.transaction.lock()?;
        if self.is_stopped()? && !self.was_stopped {
            return Ok(self.skip(STOPPED));
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
        self.look_for_what_is_down()?;
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
            if digests(&image).any(|digest| self.is_quarantined(&quarantine, &change, digest)) {
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
        let prepared = self.prepared()?;
        let Prepared { podman, compose, model, containers, .. } = prepared;
        let losses = at_risk(podman, compose, model, containers, &[])?;
        if !losses.is_empty() {
            return Err(StackError::VolumesLost { stack: self.stack.clone(), losses }.into());
        }
        let changed = self.update.images.iter().flat_map(|change| &change.services);
        Detachment::of_services(prepared, changed.map(String::as_str).collect())?;
        if Hook::Before.commands(&self.prepared()?.entry).is_empty() {
            return Ok(Seen::Done);
        }
        self.run_hooks(Hook::Before)?;
        // They may have taken long, and what would be refused now could not be put back either.
        self.prepared = Some(preflight(self.context, &self.stack)?);
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
            self.transaction.note(&format!("the operator's commands: {count}"));
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
        self.recreate()??;
        Ok(Seen::Done)
    }

    /// Without its state podman has all that it takes: on a full disk, too, the old images come back.
    fn reapply(&mut self) -> Result<Seen, Error> {
        if let Err(error) = self.recreate()? {
            self.transaction.warn(&format!("that they were applied is not remembered: {}", chain(&error)));
        }
        Ok(Seen::Done)
    }

    /// Whether it is remembered what was applied is told apart.
    fn recreate(&mut self) -> Result<Result<(), Error>, Error> {
        let Some(prepared) = &mut self.prepared else { return Err(self.unprepared()) };
        // Since it was looked the tags have moved; and what is undone has made other containers.
        prepared.containers = prepared.podman.containers().map_err(StackError::from)?;
        prepared.images.clear();
        let (context, transaction) = (self.context, &mut self.transaction);
        let up = bring_up(context, transaction, prepared, &mut self.progress, |_, _| Ok(()))?;
        let remembered = remember(context, transaction, prepared, &up.containers);
        self.up = Some(up);
        Ok(remembered)
    }

    /// The verdict, and that every container runs the image that it should.
    pub(super) fn verify(&mut self, which: impl Fn(&Change) -> Option<&Version>) -> Result<Seen, Error> {
        let (Some(prepared), Some(up)) = (&self.prepared, self.up.take()) else { return Ok(Seen::Failed) };
        let observed = gate(&self.stack, prepared, up, &self.update.not_up_before, &mut self.progress)?;
        match wrong_image(&observed, &self.update.images, which) {
            None => Ok(Seen::Done),
            Some((service, expected, seen)) => {
                Err(UpdateError::WrongImage { stack: self.stack.clone(), service, expected, seen }.into())
            }
        }
    }
}
