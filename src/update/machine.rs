//! What follows in an update: a pure function over the step that was taken and how it came out. Every pair is decided.

use std::fmt;

/// A step of an update, in the order of an update that succeeds, then those that undo it. Each is in the record before
/// it is taken, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Everything that must hold before anything is touched.
    Preflight,
    /// Each tag's digest at the registry.
    Resolve,
    /// New images by digest, beside the running ones; without the stack's lock.
    Fetch,
    /// With the lock: what runs is recorded, tagged and held.
    Pin,
    /// Without a program that asks the registry: tags are pulled, and put back at once.
    Pull,
    /// The operator's commands; nothing has changed yet.
    Before,
    /// The tags point at the new images.
    Move,
    /// compose recreates what changed.
    Apply,
    /// Is the stack up on the new images?
    Verify,
    /// The new images are the good ones: remembered and kept.
    Keep,
    /// The bad digests are remembered, so that they are not tried again.
    Quarantine,
    /// The tags point at the old images again.
    Restore,
    /// The operator's commands: the old version may not work with what the new one has made of its data. What had got a
    /// new image is stopped before.
    OnRollback,
    /// compose recreates what is not the old.
    Reapply,
    /// Is the stack up on the old images, and are they the very same?
    Reverify,
}

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// It did what it is for.
    Done,
    /// It found that there is nothing to do.
    Nothing,
    /// It failed, in a way that says nothing against the new images.
    Failed,
    /// It failed, and the new images are to blame.
    Bad,
    /// This program was asked to end.
    Asked,
    /// This program was killed in it, and another one found its record.
    Killed,
}

/// What is known beside the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Known {
    /// Whether a failed update may be undone (`update.rollback`).
    pub rollback: bool,
    /// Whether containers may have been started from the new images.
    pub started: bool,
    /// Whether the operator's commands after a rollback have ended well already.
    pub restored: bool,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// This step.
    Take(Step),
    /// The end.
    End(End),
}

/// How an update ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The new images run and are verified.
    Updated,
    /// Nothing is new; nothing was touched.
    Unchanged,
    /// It failed before anything changed, or everything was put back before a container was started.
    NothingChanged,
    /// It failed, and the old images run again and are verified.
    RolledBack,
    /// It failed, and what runs is not verified.
    NotRolledBack,
}

impl Step {
    /// Every step, in order.
    pub const ALL: &[Self] = &[
        Self::Preflight,
        Self::Resolve,
        Self::Fetch,
        Self::Pin,
        Self::Pull,
        Self::Before,
        Self::Move,
        Self::Apply,
        Self::Verify,
        Self::Keep,
        Self::Quarantine,
        Self::Restore,
        Self::OnRollback,
        Self::Reapply,
        Self::Reverify,
    ];

    /// Its name in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Pin => "pin",
            Self::Pull => "pull",
            Self::Before => "before",
            Self::Move => "move",
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Keep => "keep",
            Self::Quarantine => "quarantine",
            Self::Restore => "restore",
            Self::Reapply => "reapply",
            Self::OnRollback => "on-rollback",
            Self::Reverify => "reverify",
        }
    }

    /// The step of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.name() == name)
    }

    /// Whether tags or containers may differ from what they were before: the lock is held, and a record that is left
    /// open here is finished or undone before anything else happens to the stack.
    #[must_use]
    pub const fn is_guarded(self) -> bool {
        match self {
            Self::Preflight | Self::Resolve | Self::Fetch | Self::Pin | Self::Before => false,
            Self::Pull
            | Self::Move
            | Self::Apply
            | Self::Verify
            | Self::Keep
            | Self::Quarantine
            | Self::Restore
            | Self::OnRollback
            | Self::Reapply
            | Self::Reverify => true,
        }
    }

    /// Whether the step is part of undoing.
    #[must_use]
    pub const fn is_undoing(self) -> bool {
        matches!(self, Self::Quarantine | Self::Restore | Self::OnRollback | Self::Reapply | Self::Reverify)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What follows a step.
#[must_use]
#[expect(clippy::match_same_arms, reason = "pairs that lead to the same step do so for reasons of their own")]
pub const fn next(step: Step, seen: Seen, known: Known) -> Next {
    use Next::{End as Ends, Take};
    match (step, seen) {
        (Step::Preflight, Seen::Done) => Take(Step::Resolve),
        (Step::Resolve, Seen::Done) => Take(Step::Fetch),
        (Step::Fetch, Seen::Done) => Take(Step::Pin),
        // Whether the tags must be pulled here is the driver's to know: with nothing to pull the step is nothing.
        (Step::Pin, Seen::Done) => Take(Step::Pull),
        (Step::Pull, Seen::Done) => Take(Step::Before),
        (Step::Before, Seen::Done) => Take(Step::Move),
        (Step::Move, Seen::Done) => Take(Step::Apply),
        (Step::Apply, Seen::Done) => Take(Step::Verify),
        (Step::Verify, Seen::Done) => Take(Step::Keep),
        (Step::Keep, Seen::Done | Seen::Nothing) => Ends(End::Updated),

        (
            Step::Preflight | Step::Resolve | Step::Fetch | Step::Pin | Step::Pull | Step::Before,
            Seen::Nothing,
        ) => Ends(End::Unchanged),
        (Step::Move | Step::Apply | Step::Verify, Seen::Nothing) => Take(Step::Verify),

        // Nothing has changed yet.
        (
            Step::Preflight | Step::Resolve | Step::Fetch | Step::Pin | Step::Before,
            Seen::Failed | Seen::Bad | Seen::Asked | Seen::Killed,
        ) => Ends(End::NothingChanged),
        // The tags may have.
        (Step::Pull | Step::Move, Seen::Failed | Seen::Bad | Seen::Asked | Seen::Killed) => {
            Take(Step::Restore)
        }
        // A container may run on a new image: whether it works is not known yet.
        (Step::Apply | Step::Verify, Seen::Killed) => Take(Step::Apply),
        (Step::Apply | Step::Verify, Seen::Bad) => Take(Step::Quarantine),
        (Step::Apply | Step::Verify, Seen::Failed | Seen::Asked) => undo(known),
        // It is up and verified; only what is remembered of it may be lacking.
        (Step::Keep, Seen::Killed) => Take(Step::Keep),
        (Step::Keep, Seen::Failed | Seen::Bad | Seen::Asked) => Ends(End::Updated),

        (Step::Quarantine, Seen::Killed) => Take(Step::Quarantine),
        (Step::Quarantine, _) => undo(known),

        // Where no container was started, nothing of the operator's has to be undone either.
        (Step::Restore, Seen::Done | Seen::Nothing) if known.started && !known.restored => {
            Take(Step::OnRollback)
        }
        (Step::Restore | Step::OnRollback, Seen::Done | Seen::Nothing) => Take(Step::Reapply),
        (Step::Reapply, Seen::Done | Seen::Nothing) => Take(Step::Reverify),
        (Step::Reverify, Seen::Done | Seen::Nothing) if known.started => Ends(End::RolledBack),
        (Step::Reverify, Seen::Done | Seen::Nothing) => Ends(End::NothingChanged),
        // A power loss may have undone what a step before did.
        (Step::Restore | Step::OnRollback | Step::Reapply | Step::Reverify, Seen::Killed) => {
            Take(Step::Restore)
        }
        (
            Step::Restore | Step::OnRollback | Step::Reapply | Step::Reverify,
            Seen::Failed | Seen::Bad | Seen::Asked,
        ) => Ends(End::NotRolledBack),
    }
}

const fn undo(known: Known) -> Next {
    if known.rollback { Next::Take(Step::Restore) } else { Next::End(End::NotRolledBack) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &[Seen] = &[Seen::Done, Seen::Nothing, Seen::Failed, Seen::Bad, Seen::Asked, Seen::Killed];

    fn all_known() -> impl Iterator<Item = Known> {
        (0..8).map(|bits| Known { rollback: bits & 1 != 0, started: bits & 2 != 0, restored: bits & 4 != 0 })
    }

    /// Follows `script` from the beginning, then with everything well; the steps and the end.
    fn follow(script: &[(Step, Seen)], rollback: bool) -> (Vec<Step>, End) {
        let (mut step, mut taken) = (Step::Preflight, Vec::new());
        let mut script = script.to_vec();
        loop {
            taken.push(step);
            assert!(taken.len() < 40, "it goes round: {taken:?}");
            let seen = match script.iter().position(|(at, _)| *at == step) {
                Some(index) => script.remove(index).1,
                None => Seen::Done,
            };
            let restored = taken.windows(2).any(|two| two == [Step::OnRollback, Step::Reapply]);
            let known = Known { rollback, started: taken.contains(&Step::Apply), restored };
            match next(step, seen, known) {
                Next::Take(following) => step = following,
                Next::End(end) => return (taken, end),
            }
        }
    }

    #[test]
    fn an_update_that_succeeds_takes_the_steps_in_order() {
        let (taken, end) = follow(&[], true);
        assert_eq!(end, End::Updated);
        assert_eq!(taken.last(), Some(&Step::Keep));
        assert!(taken.is_sorted());
    }

    #[test]
    fn names_read_back() {
        for step in Step::ALL {
            assert_eq!(Step::named(step.name()), Some(*step));
        }
        assert_eq!(Step::named("clean"), None);
    }

    #[test]
    fn whatever_happens_the_end_is_true() {
        for &step in Step::ALL {
            for &seen in SEEN {
                for known in all_known() {
                    let Next::End(end) = next(step, seen, known) else { continue };
                    let verified = matches!(step, Step::Keep);
                    assert_eq!(end == End::Updated, verified, "{step:?} {seen:?}");
                    let untouched = !step.is_guarded() || step == Step::Pull || !known.started;
                    assert!(
                        untouched || !matches!(end, End::NothingChanged | End::Unchanged),
                        "{step:?} {seen:?} {known:?} {end:?}"
                    );
                    assert_eq!(
                        end == End::RolledBack,
                        step == Step::Reverify && known.started && matches!(seen, Seen::Done | Seen::Nothing)
                    );
                }
            }
        }
    }

    #[test]
    fn a_kill_anywhere_ends_consistently() {
        for &step in Step::ALL {
            let script: &[(Step, Seen)] = if step.is_undoing() {
                &[(Step::Verify, Seen::Bad), (step, Seen::Killed)]
            } else {
                &[(step, Seen::Killed)]
            };
            let (taken, end) = follow(script, true);
            let expected = match step {
                Step::Preflight | Step::Resolve | Step::Fetch | Step::Pin | Step::Before => {
                    End::NothingChanged
                }
                Step::Pull | Step::Move => End::NothingChanged,
                Step::Apply | Step::Verify | Step::Keep => End::Updated,
                _ => End::RolledBack,
            };
            assert_eq!(end, expected, "{step:?}: {taken:?}");
        }
    }

    #[test]
    fn what_the_operator_brings_back_comes_before_the_old_version_starts_and_once() {
        let (taken, end) = follow(&[(Step::Verify, Seen::Bad)], true);
        assert_eq!(end, End::RolledBack);
        assert!(taken.ends_with(&[Step::OnRollback, Step::Reapply, Step::Reverify]), "{taken:?}");
        let count = |taken: &[Step]| taken.iter().filter(|step| **step == Step::OnRollback).count();
        let (taken, _) = follow(&[(Step::Verify, Seen::Bad), (Step::Reverify, Seen::Killed)], true);
        assert_eq!(count(&taken), 1, "{taken:?}");
        let (taken, _) = follow(&[(Step::Verify, Seen::Bad), (Step::OnRollback, Seen::Killed)], true);
        assert_eq!(count(&taken), 2, "{taken:?}");
        assert_eq!(count(&follow(&[(Step::Move, Seen::Failed)], true).0), 0);
    }

    #[test]
    fn a_bad_image_is_quarantined_before_anything_is_undone() {
        for step in [Step::Apply, Step::Verify] {
            let (taken, end) = follow(&[(step, Seen::Bad)], true);
            assert_eq!(end, End::RolledBack);
            let place = |step| taken.iter().position(|taken| *taken == step);
            assert!(place(Step::Quarantine) < place(Step::Restore));
            let (taken, end) = follow(&[(step, Seen::Bad)], false);
            assert_eq!((end, taken.contains(&Step::Restore)), (End::NotRolledBack, false));
            assert!(taken.contains(&Step::Quarantine));
        }
    }

    #[test]
    fn what_is_not_the_images_fault_is_undone_and_not_quarantined() {
        let (taken, end) = follow(&[(Step::Apply, Seen::Failed)], true);
        assert_eq!((end, taken.contains(&Step::Quarantine)), (End::RolledBack, false));
    }

    #[test]
    fn a_failing_rollback_is_never_called_one() {
        for step in [Step::Restore, Step::OnRollback, Step::Reapply, Step::Reverify] {
            let (_, end) = follow(&[(Step::Verify, Seen::Bad), (step, Seen::Failed)], true);
            assert_eq!(end, End::NotRolledBack, "{step:?}");
        }
    }
}
