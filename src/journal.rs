//! Where events go: natively to the journal with their fields when a unit runs the program, to standard error as
//! plain text otherwise.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// `MESSAGE_ID` of a program that ended early with an error.
pub const FAILED: &str = "0d06690c31fa4087823613cc7dea6a40";
/// `MESSAGE_ID` of a finding.
pub const FINDING: &str = "050cf8bf648c43458a0d65efd896a19d";
/// `MESSAGE_ID` of a repair that the auditor made.
pub const HEALED: &str = "313e59f3610040609b82def07b9dfc84";
/// `MESSAGE_ID` of the summary of an audit.
pub const AUDITED: &str = "b819215a8f0b43efb047bade901460f3";
/// `MESSAGE_ID` of a stack that was started, changed or stopped.
pub const TRANSACTION: &str = "fe7ff4cd0b6b46a6bb6c4f4cf98a04ca";
/// `MESSAGE_ID` of a state file that was damaged and has been set aside.
pub const SET_ASIDE: &str = "1d5800344efe4387ac16e8b38905e63c";

/// `MESSAGE_ID` of what an audit could not do, and what did not keep it from its verdict.
pub const NOTE: &str = "3301715eee3b4afa8a05c5e529b495e9";
/// `MESSAGE_ID` of a problem that is new, worse, or still there.
pub const ALERT: &str = "926b3d7bccd242cb9cf6aaacad1d79d7";
/// `MESSAGE_ID` of a problem that is gone.
pub const RECOVERED: &str = "c3a706daacfa46979cef5ea42fe9c274";
/// `MESSAGE_ID` of the first audit of a day in which every invariant holds.
pub const ALL_IS_WELL: &str = "531956ee5fc7405abc760a988f469784";
/// `MESSAGE_ID` of an alert command that failed.
pub const ALERT_FAILED: &str = "1e8013d4507647b585352e6ef7a34ab4";
/// `MESSAGE_ID` of a user manager that is not up, not lingering or not audited, seen from the system scope.
pub const MANAGER: &str = "cab2f85c35264251a56a3d3f709a7cab";
/// `MESSAGE_ID` of a user manager that is up, lingering and audited.
pub const MANAGER_UP: &str = "43982bba60e54f8693da6e7d1ea78d61";
/// `MESSAGE_ID` of the summary of a run over all stacks.
pub const UPDATED: &str = "98ca749185af3779e7284097e148b92d";
/// `MESSAGE_ID` of a stack whose update failed in such a run.
pub const UPDATE_FAILED: &str = "db28c70a33537142d1020d94b9cc34c3";

/// Installs the destination of events for this process. Called once, from `cli`.
pub fn start() {
    // Our own events only: what zbus traces is of no use to an operator.
    let registry = tracing_subscriber::registry();
    let native = goes_to_journal(std::io::stderr()).then(tracing_journald::layer).and_then(Result::ok);
    let started = match native {
        Some(layer) => {
            let layer =
                layer.with_field_prefix(None).with_custom_fields(own_unit().map(|unit| (unit_field(), unit)));
            registry.with(layer.with_filter(tracing_subscriber::filter::filter_fn(ours))).try_init()
        }
        None => registry.with(Plain).try_init(),
    };
    debug_assert!(started.is_ok(), "the subscriber is installed once");
}

/// Whether events carry what the program has to say, so that text on standard output would say it twice.
#[must_use]
pub fn is_native() -> bool {
    goes_to_journal(std::io::stderr()) && goes_to_journal(std::io::stdout())
}

/// Whether a stream of this process is connected to the journal, by systemd.exec(5): `$JOURNAL_STREAM` holds
/// device and inode of that connection.
#[must_use]
pub fn goes_to_journal(stream: impl AsFd) -> bool {
    let Some(expected) = std::env::var_os("JOURNAL_STREAM") else { return false };
    nix::sys::stat::fstat(stream.as_fd())
        .is_ok_and(|stat| *expected == *format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The user unit that this process runs in, from its control group. The journal's own attribution can miss a
/// process that lives for milliseconds, so it is sent along.
#[must_use]
pub fn own_unit() -> Option<String> {
    let groups = crate::document::read_text(std::path::Path::new("/proc/self/cgroup")).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// The field by which `journalctl -u` finds what is said of a unit: of a user's unit, or of one of the system, for
/// which the word of root alone counts.
fn unit_field() -> &'static str {
    let own = crate::document::read_text(std::path::Path::new("/proc/self/cgroup")).unwrap_or_default();
    let of_user = own.contains("/user@") || !nix::unistd::Uid::current().is_root();
    if of_user { "USER_UNIT" } else { "OBJECT_SYSTEMD_UNIT" }
}

fn ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("stackwarden") && *metadata.level() <= Level::INFO
}

/// The plain text of our events on standard error, one line each.
struct Plain;

impl<S: Subscriber> Layer<S> for Plain {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !ours(event.metadata()) {
            return;
        }
        let mut message = Message::default();
        event.record(&mut message);
        let colour = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let (word, escape) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "\x1b[1;31m"),
            Level::WARN => ("warning: ", "\x1b[1;33m"),
            _ => ("", ""),
        };
        let line = if colour && !word.is_empty() {
            format!("{escape}{word}\x1b[0m{}\n", message.0)
        } else {
            format!("{word}{}\n", message.0)
        };
        crate::progress::write_above(&line);
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    const CATALOG: &str = include_str!("../units/stackwarden.catalog");

    /// The constants of this file, by id.
    fn ids() -> BTreeMap<&'static str, &'static str> {
        include_str!("journal.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str = \""))
            .filter_map(|(name, value)| Some((value.strip_suffix("\";")?, name)))
            .collect()
    }

    #[test]
    fn every_kind_of_event_is_in_the_catalog_and_nothing_else_is() {
        let consts = include_str!("journal.rs").lines().filter(|line| line.starts_with("pub const ")).count();
        let ids = ids();
        assert_eq!(ids.len(), consts, "two have the same id");
        let told: Vec<&str> = CATALOG.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        for (id, name) in &ids {
            assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{name}: {id}");
            assert_eq!(told.iter().filter(|told| *told == id).count(), 1, "{name} in the catalog");
        }
        assert_eq!(told.len(), ids.len());
    }

    #[test]
    fn every_entry_of_the_catalog_says_what_to_do() {
        for entry in CATALOG.split("\n-- ").skip(1) {
            let (head, text) = entry.split_once("\n\n").unwrap();
            for key in ["Subject: ", "Defined-By: ", "Documentation: "] {
                assert!(head.contains(&format!("\n{key}")), "{entry}");
            }
            assert!(text.len() > 50, "{entry}");
        }
    }
}
