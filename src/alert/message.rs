//! What the alert command gets on standard input. The published form is `docs/schema/alert.schema.json`.

use serde::{Deserialize, Serialize};

use super::compare::{Event, Kind};
use super::problem::Problem;
use crate::audit::Severity;

/// How grave a message is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something of severity page is new, worse or still there.
    Page,
    /// Something of severity ticket is.
    Ticket,
    /// Problems are gone, and none is new.
    Recovered,
    /// Every invariant holds.
    AllIsWell,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Version of this form.
    pub version: u32,
    /// The host's name.
    pub host: String,
    /// The user whose stacks it is about.
    pub user: String,
    /// When it was made; RFC 3339, UTC.
    pub time: String,
    /// How grave it is.
    pub level: Level,
    /// In a line, for a subject or a heading.
    pub title: String,
    /// One line for each event.
    pub text: String,
    /// What there is to tell, the gravest first.
    pub events: Vec<Event>,
    /// How many problems are open now.
    pub open: usize,
}

/// From whom a message is, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The host's name.
    pub host: String,
    /// The user's.
    pub user: String,
    /// When; RFC 3339, UTC.
    pub time: String,
}

impl Message {
    /// The version of this form.
    pub const VERSION: u32 = 1;

    /// The message that tells `events`, at least one, while `open` problems are open.
    #[must_use]
    pub fn of(sender: &Sender, events: &[Event], open: usize) -> Self {
        let mut events = events.to_vec();
        events.sort_by_key(|event| {
            let severity = event.problem.as_ref().map(|problem| problem.severity);
            (event.kind == Kind::Recovered, std::cmp::Reverse(severity), event.time.clone())
        });
        let lines: Vec<String> = events.iter().map(Event::line).collect();
        let headline = events.first().map_or_else(String::new, Event::headline);
        let more = match events.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Self {
            version: Self::VERSION,
            host: sender.host.clone(),
            user: sender.user.clone(),
            time: sender.time.clone(),
            level: level(&events),
            title: format!("{}: {headline}{more}", sender.host),
            text: lines.join("\n"),
            events,
            open,
        }
    }
}

fn level(events: &[Event]) -> Level {
    let gravest = events
        .iter()
        .filter(|event| event.kind != Kind::Recovered)
        .filter_map(|event| event.problem.as_ref())
        .map(|problem| problem.severity)
        .max();
    match gravest {
        Some(Severity::Page) => Level::Page,
        Some(Severity::Ticket | Severity::Info) => Level::Ticket,
        None if events.iter().any(|event| event.kind == Kind::AllIsWell) => Level::AllIsWell,
        None => Level::Recovered,
    }
}

impl Event {
    /// The event in a few words.
    #[must_use]
    pub fn headline(&self) -> String {
        let what = |problem: &Problem| format!("{}: {}", problem.object, problem.subject.check);
        match (self.kind, &self.problem) {
            (Kind::AllIsWell, _) | (_, None) => "all is well".to_owned(),
            (Kind::Recovered, Some(problem)) => format!("recovered: {}", what(problem)),
            (Kind::New, Some(problem)) => format!("{}: {}", problem.severity, what(problem)),
            (Kind::Worse, Some(problem)) => format!("now {}: {}", problem.severity, what(problem)),
            (Kind::Reminder, Some(problem)) => format!("still {}: {}", problem.severity, what(problem)),
        }
    }

    /// The event in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let since = self.since.as_deref().unwrap_or_default();
        match (self.kind, &self.problem) {
            (Kind::AllIsWell, _) | (_, None) => self.text.clone(),
            (Kind::Recovered, Some(_)) => format!("recovered (since {since}): {}", self.text),
            (Kind::New, Some(problem)) => format!("new {}: {}", problem.severity, self.text),
            (Kind::Worse, Some(problem)) => {
                format!("now {} (since {since}): {}", problem.severity, self.text)
            }
            (Kind::Reminder, Some(problem)) => {
                format!("still {} (since {since}): {}", problem.severity, self.text)
            }
        }
    }
}
