//! secret-missing, secret-exposed, secret-fallback: are the env files there, ours, and nobody else's?

use super::check::Check;
use super::finding::{Finding, State, Verdicts};
use super::world::World;
use crate::compose::FlawKind;

/// The check that a flaw breaks, and what it expects.
fn check_of(kind: FlawKind) -> (Check, &'static str) {
    match kind {
        FlawKind::Missing | FlawKind::NotAFile | FlawKind::Unreadable | FlawKind::Malformed => {
            (Check::SecretMissing, "an env file that can be read")
        }
        FlawKind::Exposed => (Check::SecretExposed, "an env file that is the user's and nobody else's"),
        FlawKind::Fallback => (Check::SecretFallback, "the declared env file, not its fallback"),
    }
}

pub(super) fn judge(world: &World, verdicts: &mut Verdicts) {
    for (stack, seen) in &world.stacks.declared {
        for check in [Check::SecretMissing, Check::SecretExposed, Check::SecretFallback] {
            let broken = seen.flaws.iter().filter(|flaw| check_of(flaw.kind).0 == check).map(|flaw| {
                let next = if flaw.next.is_empty() {
                    format!("provide {}, then: stackctl restart {stack}", flaw.path.display())
                } else {
                    flaw.next.clone()
                };
                Finding::broken(check, State::OnDisk)
                    .of_stack(stack)
                    .at(&flaw.path)
                    .expected(check_of(flaw.kind).1, format!("it {}", flaw.seen))
                    .next(next)
            });
            verdicts.record_all(check, broken);
        }
    }
}
