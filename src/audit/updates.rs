//! update-overdue: do the nightly updates still run?

use std::time::{Duration, UNIX_EPOCH};

use super::check::Check;
use super::finding::{Finding, State, Verdicts};
use super::world::World;
use crate::names::UnitName;
use crate::systemd::settings::calendar;
use crate::update::orchestrator::ORCHESTRATOR;

/// A run may be late by the jitter and take its time, and one may be missed: that is not worth a ticket.
const PERIODS: u32 = 2;

/// An expression that is not understood here counts as monthly.
const UNCLEAR: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Judges the age of the last finished run. A timer that is not declared, or not started yet, promises nothing.
pub(super) fn judge(world: &World, verdicts: &mut Verdicts) {
    let Ok(unit) = UnitName::parse(ORCHESTRATOR) else { return };
    let timer = world.units.iter().find(|(name, _)| name.as_str() == "stack-update.timer");
    let Some((_, seen)) = timer else { return };
    let calendar = seen.declared.sealed.settings.iter().filter(|one| one.key == "OnCalendar");
    let period =
        calendar.map(|one| calendar::longest_pause(one.value).unwrap_or(UNCLEAR)).min().unwrap_or(UNCLEAR);
    let bound = period * PERIODS;
    let expected = format!("an update run within the last {}", humantime::format_duration(bound));
    let finding = Finding::broken(Check::UpdateOverdue, State::Running).about(&unit, None);
    let next = format!("systemctl --user list-timers stack-update.timer; systemctl --user start {unit}");
    let (since, what) = match &world.last_update {
        Ok(Some(finished)) => {
            let since = humantime::parse_rfc3339_weak(finished).ok();
            (since, format!("the last one ended {finished}"))
        }
        Ok(None) => {
            let started =
                seen.loaded.as_ref().and_then(|unit| unit.as_ref().ok()).and_then(|it| it.active_enter);
            let since = started.map(|time| UNIX_EPOCH + Duration::from_micros(time.micros()));
            (since, "none has ended since the timer was started".to_owned())
        }
        Err(problem) => {
            let unknown = Finding::unknown(Check::UpdateOverdue, State::Running).about(&unit, None);
            verdicts.record(Check::UpdateOverdue, Some(unknown.expected(expected, problem).next(next)));
            return;
        }
    };
    // A clock that was set back makes a run of the future, which is not an old one.
    let overdue =
        since.and_then(|since| world.answers.now.duration_since(since).ok()).is_some_and(|age| age > bound);
    verdicts.record(Check::UpdateOverdue, overdue.then(|| finding.expected(expected, what).next(next)));
}
