//! How long what a unit starts can take by its own bounds: the timeouts in the unit texts.

use std::time::Duration;

use crate::inventory::{Entry, Host, VerifyMode};

/// What a start may take beside the steps that have bounds of their own: reading, checking, recording.
const START_MARGIN: Duration = Duration::from_secs(60);

/// What compose may take to stop containers: their `stop_grace_period`s, one after the other if they depend on
/// each other. Compose's default grace is 10 s; databases are often given minutes.
const STOP_BOUND: Duration = Duration::from_secs(10 * 60);

/// What an alert may take beside its command, which is given its time once for another alert that comes first and once
/// for each of two messages: the bus, the files, and three times the end of a command that does not end by itself.
const ALERT_MARGIN: Duration = Duration::from_secs(2 * 60);

/// The longest that an apply can take by its own bounds.
pub(super) fn start(entry: &Entry, host: &Host) -> Duration {
    let gate = match entry.verify.mode {
        VerifyMode::Gate => entry.verify.timeout.duration(),
        VerifyMode::Detached | VerifyMode::Off => Duration::ZERO,
    };
    host.lock_wait.duration()
        + entry.pull_timeout.duration()
        + entry.startup_timeout.duration()
        + gate
        + START_MARGIN
}

/// The longest that an update can take by its own bounds: what another one left open is settled first, then the way
/// there, then the way back.
pub(crate) fn update_bound(entry: &Entry, host: &Host) -> Duration {
    let hooks = |commands: &[Vec<String>]| {
        entry.update.hook_timeout.duration() * u32::try_from(commands.len()).unwrap_or(u32::MAX)
    };
    let pull = entry.pull_timeout.duration();
    let there = pull
        + hooks(&entry.update.before)
        + entry.startup_timeout.duration()
        + entry.verify.timeout.duration();
    host.lock_wait.duration() * 2 + (there + way_back(entry) + START_MARGIN) * 2
}

/// The longest that going back can take: images that were pruned are fetched again, and before the operator's commands
/// some services are stopped, and some started.
pub(super) fn way_back(entry: &Entry) -> Duration {
    let commands = u32::try_from(entry.update.on_rollback.len()).unwrap_or(u32::MAX);
    entry.pull_timeout.duration()
        + entry.startup_timeout.duration() * 2 * commands.min(1)
        + entry.startup_timeout.duration()
        + entry.verify.timeout.duration()
        + entry.update.hook_timeout.duration() * commands
        + START_MARGIN
}

/// The longest that a stop can take: it waits for the lock, then for compose.
pub(super) fn stop(host: &Host) -> Duration {
    STOP_BOUND + host.lock_wait.duration()
}

/// The longest that an alert can take.
pub(super) fn alert(host: &Host) -> Duration {
    host.alert.timeout.duration() * 3 + ALERT_MARGIN
}
