//! The good sets of images: to which of them one can go back, and which are kept.

use std::collections::BTreeMap;

use super::change::{Change, Pin, Pinned};
use super::plan::Candidate;

/// How many good sets of images are kept: the one that runs, and the one before.
const SETS: usize = 2;

impl Pin {
    /// It in a line: when it was pinned, and its images.
    #[must_use]
    pub fn line(&self) -> String {
        let one = |(reference, pinned): (&String, &Pinned)| format!("{reference} {}", pinned.image.short());
        let images: Vec<String> = self.images.iter().map(one).collect();
        format!("{} of {}", images.join(", "), self.at)
    }
}

/// The sets that one can go back to, the nearest first: the newest is one of them only if something else runs, as after
/// a failed update that was not undone.
#[must_use]
pub fn behind(mut pins: Vec<Pin>, candidates: &[Candidate]) -> Vec<Pin> {
    let runs = |(reference, pinned): (&String, &Pinned)| {
        candidates
            .iter()
            .filter(|one| one.change.reference == *reference)
            .all(|one| one.uniform && one.change.old.as_ref().is_some_and(|old| old.id == pinned.image.id))
    };
    if pins.first().is_some_and(|newest| newest.images.iter().all(runs)) {
        pins.remove(0);
    }
    pins
}

/// The changes from what runs to a set.
#[must_use]
pub fn changes_to(set: &Pin, candidates: &[Candidate]) -> Vec<Change> {
    candidates
        .iter()
        .filter_map(|candidate| {
            let wanted = set.images.get(&candidate.change.reference)?;
            let runs = candidate.uniform.then(|| candidate.change.old.as_ref().map(|old| &old.id)).flatten();
            let new = Some(wanted.image.clone());
            (runs != Some(&wanted.image.id)).then(|| Change { new, ..candidate.change.clone() })
        })
        .collect()
}

/// The sets to keep once `good` runs, the newest first. `before` is what ran before it.
#[must_use]
pub fn after_update(pins: &[Pin], good: Pin, before: BTreeMap<String, Pinned>) -> Vec<Pin> {
    let mut sets = vec![good];
    match (pins.first(), sets.first()) {
        // The same set must not push out the one before: it was killed after it was stored, or a container was gone and
        // the image was the newest already.
        (Some(first), Some(good)) if first.record == good.record || are_same(first, good) => {
            sets.extend(pins.iter().skip(1).cloned());
        }
        (Some(first), _) => sets.push(Pin { images: before, ..first.clone() }),
        (None, Some(good)) => sets.push(Pin { images: before, ..good.clone() }),
        (None, None) => {}
    }
    sets.retain(|set| !set.images.is_empty());
    sets.truncate(SETS);
    sets
}

fn are_same(one: &Pin, other: &Pin) -> bool {
    one.images.len() == other.images.len() && is_within(one, other)
}

/// Whether the other set has every image of the one.
fn is_within(one: &Pin, other: &Pin) -> bool {
    let id = |set: &Pin, reference: &String| set.images.get(reference).map(|one| one.image.id.clone());
    one.images.keys().all(|reference| id(one, reference) == id(other, reference))
}

/// The sets to keep once somebody has gone back to `good`: what was left is none of them, or the next step back would
/// lead forward to it.
#[must_use]
pub fn after_rollback(pins: &[Pin], good: Pin) -> Vec<Pin> {
    let older = pins.iter().position(|set| is_within(set, &good)).map_or(pins.len(), |place| place + 1);
    let mut sets: Vec<Pin> = pins.iter().skip(older).cloned().collect();
    sets.insert(0, good);
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::change::Version;
    use crate::update::reference::{Source, Tag, source};

    fn tag(reference: &str) -> Tag {
        let Source::Tag(tag) = source(reference, false, &[]) else { panic!() };
        tag
    }

    fn version(id: &str) -> Version {
        Version { id: id.to_owned(), digest: None, version: None, revision: None }
    }

    fn set(record: &str, id: &str) -> Pin {
        let one = Pinned { tag: tag("app:1"), image: version(id), name: id.to_owned() };
        let images = BTreeMap::from([("app:1".to_owned(), one)]);
        Pin { at: String::new(), record: record.to_owned(), images }
    }

    fn runs(reference: &str, id: &str) -> Candidate {
        let change = Change {
            reference: reference.to_owned(),
            tag: tag(reference),
            services: vec!["web".to_owned()],
            old: Some(version(id)),
            new: None,
        };
        Candidate { change, image: None, uniform: true, made_from: None }
    }

    fn records(sets: &[Pin]) -> Vec<&str> {
        sets.iter().map(|set| set.record.as_str()).collect()
    }

    #[test]
    fn after_a_failed_update_that_was_not_undone_the_newest_good_set_is_the_one_before() {
        let pins = vec![set("b", "v2"), set("a", "v1")];
        assert_eq!(records(&behind(pins.clone(), &[runs("app:1", "v2")])), ["a"]);
        let sets = behind(pins.clone(), &[runs("app:1", "v3")]);
        assert_eq!(records(&sets), ["b", "a"]);
        let changes = changes_to(&sets[0], &[runs("app:1", "v3")]);
        assert_eq!(changes[0].new, Some(version("v2")));
        assert!(changes_to(&pins[1], &[runs("app:2", "v3")]).is_empty(), "the reference was edited");
        let mixed = Candidate { uniform: false, ..runs("app:1", "v2") };
        assert_eq!(behind(pins, &[mixed]).len(), 2);
    }

    #[test]
    fn two_sets_are_kept_and_a_second_write_changes_nothing() {
        let before = set("", "v2").images;
        let kept = after_update(&[set("b", "v2"), set("a", "v1")], set("c", "v3"), before.clone());
        assert_eq!(records(&kept), ["c", "b"]);
        assert_eq!(records(&after_update(&kept, set("c", "v3"), set("", "v3").images)), ["c", "b"]);
        assert_eq!(records(&after_update(&[], set("c", "v3"), before)), ["c", "c"]);
    }

    #[test]
    fn nobody_goes_back_to_what_was_left() {
        let pins = [set("b", "v2"), set("a", "v1")];
        let kept = after_rollback(&pins, set("c", "v1"));
        assert_eq!(records(&kept), ["c"]);
        assert!(behind(kept.clone(), &[runs("app:1", "v1")]).is_empty());
        assert_eq!(records(&after_rollback(&kept, set("c", "v1"))), ["c"], "killed after it was stored");
        assert_eq!(records(&after_rollback(&pins, set("c", "v2"))), ["c", "a"], "back from a failed update");
    }
}
