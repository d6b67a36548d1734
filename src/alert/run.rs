//! One alert: what is broken now, held against what was told; the difference goes to the journal and to the
//! operator's command.

use std::time::{Duration, SystemTime};

use super::command::deliver;
use super::compare::{Event, Kind, compare};
use super::doubt::Doubt;
use super::error::AlertError;
use super::message::{Message, Sender};
use super::problem::Problem;
use super::state::Alerts;
use super::units::Observed;
use crate::artifacts;
use crate::audit::{self, Check, Declaration, Finding, Report, Severity};
use crate::document::{Document, ReadError, read_text};
use crate::error::{Error, chain};
use crate::journal;
use crate::lock::Alone;
use crate::names::{StackName, UnitName};
use crate::records::timestamp;
use crate::stack::Context;
use crate::systemd::bus::BusError;
use crate::update::orchestrator;

/// What another alert may take beside its command: the bus, the files, and the end of a command that does not end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often one alert looks again because an audit has ended meanwhile. Its own trigger found this unit busy, and was
/// dropped.
const ROUNDS: u32 = 3;

/// How many events wait for a command that fails. The oldest go: what is broken still is told by reminders. One takes
/// about a KiB in `alerts.json`.
const WAITING_MAX: usize = 500;

/// Tells what is new since the last time. `unit` is what asked for it: one of ours that failed or an audit that
/// ended, or somebody else's unit.
///
/// # Errors
/// The alert command did not take it, or what was told cannot be kept. Either way nothing is lost.
pub fn alert(context: &Context, unit: &UnitName) -> Result<(), Error> {
    let patience = context.host.alert.timeout.duration() + PATIENCE;
    let _alone = Alone::take(&context.dirs, "alerts", "alert", patience, &context.interrupt)
        .map_err(AlertError::from)?;
    for _ in 0..ROUNDS {
        let report = last_report(context);
        round(context, unit, report.as_ref())?;
        if last_report(context).map(|last| last.run) == report.map(|report| report.run) {
            break;
        }
    }
    Ok(())
}

fn last_report(context: &Context) -> Option<Report> {
    match audit::last(&context.dirs) {
        Ok(report) => Some(report),
        // The next audit sets it aside.
        Err(error) => {
            if !error.is_missing() {
                tracing::warn!("{}", chain(&error));
            }
            None
        }
    }
}

/// What the last update run said of itself; the next one sets aside what is damaged.
fn last_run(context: &Context) -> Option<orchestrator::Report> {
    orchestrator::Report::load(&orchestrator::path(&context.dirs)).ok()
}

fn round(context: &Context, unit: &UnitName, report: Option<&Report>) -> Result<(), AlertError> {
    let now = SystemTime::now();
    let mut alerts = load(context);
    let others: Vec<UnitName> = alerts
        .open
        .iter()
        .filter(|told| told.problem.subject.check == Check::UnitFailed)
        .filter_map(|told| told.problem.subject.unit.clone())
        .chain([unit.clone()])
        .collect();
    let observed = observe(context, &others);
    let run = last_run(context);
    let (problems, doubt) = gather(report, observed.as_ref().ok(), run.as_ref());
    let states = observed.as_ref().map(|observed| observed.states.clone()).unwrap_or_default();
    let reminder = context.host.alert.reminder.duration();
    let (mut events, open) = compare(&problems, &doubt, &alerts, &states, now, reminder);
    alerts.open = open;
    if alerts.open.is_empty()
        && let Some((day, event)) = all_is_well(report, &alerts, now)
    {
        alerts.all_well = Some(day);
        events.push(event);
    }
    for event in &events {
        tell(event);
    }
    let silent = |event: &Event| event.kind == Kind::AllIsWell && !context.host.alert.daily;
    alerts.undelivered.extend(events.iter().filter(|event| !silent(event)).cloned());
    let kept = |alerts: &Alerts| alerts.store(&Alerts::path(&context.dirs)).map_err(AlertError::State);
    if !events.is_empty() {
        // Before the command runs: if this program is killed meanwhile, the alert is still there.
        forget_surplus(&mut alerts);
        kept(&alerts)?;
    }
    let waited = alerts.undelivered.len();
    let sent = send(context, &mut alerts, now);
    if alerts.undelivered.len() != waited {
        kept(&alerts)?;
    }
    sent?;
    if let Ok(observed) = observed {
        reset(context, &observed);
    }
    Ok(())
}

fn load(context: &Context) -> Alerts {
    let path = Alerts::path(&context.dirs);
    match Alerts::load(&path) {
        Ok(alerts) => alerts,
        Err(ReadError::Missing { .. }) => Alerts::default(),
        Err(error) => {
            let kept = match artifacts::set_aside(&context.dirs, &path) {
                Ok(change) => change.to_string(),
                Err(error) => chain(&error),
            };
            tracing::warn!(
                MESSAGE_ID = journal::SET_ASIDE,
                "{}: what is open is told anew; {kept}",
                chain(&error)
            );
            Alerts::default()
        }
    }
}

fn observe(context: &Context, others: &[UnitName]) -> Result<Observed, BusError> {
    let mut observed = context
        .manager()
        .and_then(|manager| Observed::ask(&manager, &Declaration::load(&context.dirs), others));
    match &mut observed {
        Ok(observed) => observed.recall(&context.dirs),
        Err(error) => tracing::warn!("which units are failed is not known: {}", chain(error)),
    }
    observed
}

/// What is broken now: what the last audit found, and the units that are failed now. If the manager does not say
/// which, those that were failed then.
fn gather(
    report: Option<&Report>,
    observed: Option<&Observed>,
    run: Option<&orchestrator::Report>,
) -> (Vec<Problem>, Doubt) {
    let mut doubt = Doubt::of(report);
    let findings = report.map(|report| report.findings.as_slice()).unwrap_or_default();
    let told = |finding: &&Finding| finding.check != Check::UnitFailed || observed.is_none();
    let mut problems = Problem::of_all(findings.iter().filter(told));
    match observed {
        Some(observed) => {
            problems.extend(observed.problems(run));
            doubt.of_updates = observed.updating;
            doubt.moving.clone_from(&observed.moving);
        }
        None => doubt.of_failed_units = true,
    }
    (problems, doubt)
}

/// The first audit of its day in which every invariant holds.
fn all_is_well(report: Option<&Report>, alerts: &Alerts, now: SystemTime) -> Option<(String, Event)> {
    let report = report.filter(|report| report.findings.is_empty() && report.notes.is_empty())?;
    // RFC 3339 begins with the date.
    let day = report.finished.get(..10)?.to_owned();
    let today = timestamp(now).get(..10) == Some(day.as_str());
    (today && alerts.all_well.as_ref() != Some(&day)).then(|| {
        let event = Event {
            kind: Kind::AllIsWell,
            time: timestamp(now),
            since: None,
            text: report.summary(),
            problem: None,
        };
        (day, event)
    })
}

/// Gives the alert command what it has not taken yet: what is wrong or recovered in one message, and that all is well
/// in another, because it may go elsewhere.
fn send(context: &Context, alerts: &mut Alerts, now: SystemTime) -> Result<(), AlertError> {
    if context.host.alert.command.is_empty() {
        alerts.undelivered.clear();
    }
    if !alerts.open.is_empty() {
        alerts.undelivered.retain(|event| event.kind != Kind::AllIsWell);
    }
    let sender = Sender {
        host: read_text("/proc/sys/kernel/hostname".as_ref())
            .map_or_else(|_| "this host".to_owned(), |name| name.trim_end().to_owned()),
        user: context.dirs.user.clone(),
        time: timestamp(now),
    };
    for well in [false, true] {
        let (told, rest): (Vec<Event>, Vec<Event>) =
            alerts.undelivered.iter().cloned().partition(|event| (event.kind == Kind::AllIsWell) == well);
        // Of several days on which nobody took it, the last.
        let told = if well { told.last().cloned().into_iter().collect() } else { told };
        if told.is_empty() {
            continue;
        }
        let message = Message::of(&sender, &told, alerts.open.len());
        if let Err(error) = deliver(context, &message, told.len()) {
            tracing::error!(
                MESSAGE_ID = journal::ALERT_FAILED,
                STACKWARDEN_WAITING = told.len(),
                "not delivered: {}",
                message.title
            );
            return Err(error);
        }
        alerts.undelivered = rest;
    }
    Ok(())
}

fn forget_surplus(alerts: &mut Alerts) {
    let surplus = alerts.undelivered.len().saturating_sub(WAITING_MAX);
    if surplus > 0 {
        alerts.undelivered.drain(..surplus);
        tracing::error!(
            MESSAGE_ID = journal::ALERT_FAILED,
            "the alert command has not taken {WAITING_MAX} alerts; the oldest {surplus} are dropped"
        );
    }
}

/// What other alerts could not send has been sent now; a unit that stays failed would keep the manager degraded.
fn reset(context: &Context, observed: &Observed) {
    let own = journal::own_unit();
    let failed: Vec<&UnitName> =
        observed.failed_alerts.iter().filter(|unit| own.as_deref() != Some(unit.as_str())).collect();
    if failed.is_empty() {
        return;
    }
    let Ok(manager) = context.manager() else { return };
    for unit in failed {
        // It may have been started again meanwhile.
        drop(manager.reset_failed(unit));
    }
}

fn tell(event: &Event) {
    let Some(problem) = &event.problem else {
        tracing::info!(MESSAGE_ID = journal::ALL_IS_WELL, "{}", event.line());
        return;
    };
    // The level is part of a tracing call site, so that each of them needs its own.
    macro_rules! event {
        ($level:ident, $id:expr, $kind:expr) => {
            tracing::$level!(
                MESSAGE_ID = $id,
                DOCUMENTATION = problem.documentation,
                STACKWARDEN_STACK = problem.subject.stack.as_ref().map_or("", StackName::as_str),
                STACKWARDEN_UNIT = problem.subject.unit.as_ref().map_or("", UnitName::as_str),
                STACKWARDEN_CHECK = problem.subject.check.id(),
                STACKWARDEN_SEVERITY = %problem.severity,
                STACKWARDEN_ALERT = $kind,
                "{}",
                event.line()
            )
        };
    }
    match (event.kind, problem.severity) {
        (Kind::Recovered | Kind::AllIsWell, _) => event!(info, journal::RECOVERED, "recovered"),
        (Kind::New, Severity::Page) => event!(error, journal::ALERT, "new"),
        (Kind::New, _) => event!(warn, journal::ALERT, "new"),
        (Kind::Worse, Severity::Page) => event!(error, journal::ALERT, "worse"),
        (Kind::Worse, _) => event!(warn, journal::ALERT, "worse"),
        (Kind::Reminder, _) => event!(warn, journal::ALERT, "reminder"),
    }
}
