//! linger-disabled: does the user manager run before login?

use super::check::{Check, Severity};
use super::finding::{Finding, State, Verdicts};
use super::world::World;
use crate::dirs::Dirs;

pub(super) fn judge(world: &World, dirs: &Dirs, verdicts: &mut Verdicts) {
    let starts_by_itself = world
        .units
        .values()
        .any(|seen| seen.declared.stack.is_some() && !seen.declared.sealed.enabled_by.is_empty());
    let finding = match &world.answers.lingering {
        Ok(true) => None,
        Ok(false) => {
            let mut finding = Finding::broken(Check::LingerDisabled, State::Declared)
                .expected(
                    format!("lingering for {}", dirs.user),
                    "no lingering: nothing runs before login or after logout",
                )
                .next(format!("loginctl enable-linger {}", dirs.user));
            if !starts_by_itself {
                finding.severity = Severity::Ticket;
            }
            Some(finding)
        }
        Err(reason) => Some(
            Finding::unknown(Check::LingerDisabled, State::Declared)
                .expected(format!("lingering for {}", dirs.user), reason)
                .next(format!("loginctl show-user {} --property=Linger", dirs.user)),
        ),
    };
    verdicts.record(Check::LingerDisabled, finding);
}
