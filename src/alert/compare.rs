//! The comparison of what is broken now with what was told: a pure function.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::doubt::Doubt;
use super::problem::Problem;
use super::state::{Alerts, Told};
use crate::audit::Check;
use crate::names::UnitName;
use crate::records::timestamp;

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It was not there before.
    New,
    /// It is graver than it was.
    Worse,
    /// It is still there.
    Reminder,
    /// It is gone.
    Recovered,
    /// Every invariant holds: told once a day.
    AllIsWell,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Why it is told.
    pub kind: Kind,
    /// When it was noticed; RFC 3339, UTC.
    pub time: String,
    /// When the problem was first told.
    pub since: Option<String>,
    /// In a line.
    pub text: String,
    /// The problem; none when all is well.
    pub problem: Option<Problem>,
}

/// What is to be told, and what was told once that is done. `states` are the units' states in words, for those that
/// are no longer failed.
#[must_use]
pub fn compare(
    problems: &[Problem],
    doubt: &Doubt,
    before: &Alerts,
    states: &BTreeMap<UnitName, String>,
    now: SystemTime,
    reminder: Duration,
) -> (Vec<Event>, Vec<Told>) {
    let time = timestamp(now);
    let mut events = Vec::new();
    let mut open = Vec::new();
    for problem in problems {
        let known = before.find(&problem.subject);
        let kind = match known {
            None => Kind::New,
            Some(told) if problem.run.is_some() && problem.run != told.problem.run => Kind::New,
            Some(told) if problem.is_worse_than(&told.problem) => Kind::Worse,
            Some(told) if told.is_due(now, reminder) => Kind::Reminder,
            Some(told) => {
                open.push(told.clone());
                continue;
            }
        };
        let since = match known {
            Some(told) if kind != Kind::New => told.since.clone(),
            _ => time.clone(),
        };
        open.push(Told { problem: problem.clone(), since: since.clone(), told: time.clone() });
        events.push(Event {
            kind,
            time: time.clone(),
            since: Some(since),
            text: problem.text.clone(),
            problem: Some(problem.clone()),
        });
    }
    for told in &before.open {
        let subject = &told.problem.subject;
        if problems.iter().any(|problem| problem.subject == *subject) {
            continue;
        }
        if doubt.covers(subject) {
            open.push(told.clone());
            continue;
        }
        events.push(Event {
            kind: Kind::Recovered,
            time: time.clone(),
            since: Some(told.since.clone()),
            text: recovered(&told.problem, states),
            problem: Some(told.problem.clone()),
        });
    }
    (events, open)
}

/// A unit that is no longer failed need not be up: somebody may have reset it.
fn recovered(problem: &Problem, states: &BTreeMap<UnitName, String>) -> String {
    let object = &problem.object;
    match &problem.subject.unit {
        Some(unit) if problem.subject.check == Check::UnitFailed => {
            let state = states.get(unit).map_or("not loaded", String::as_str);
            format!("{object}: no longer failed, now {state}")
        }
        _ => format!("{object}: {} holds again", problem.subject.check),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Finding, Severity, State};
    use crate::names::StackName;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000 + hours * 3600)
    }

    fn problem(check: Check, unit: &str) -> Problem {
        let unit = UnitName::parse(unit).unwrap();
        Problem::of(&Finding::broken(check, State::Loaded).about(&unit, None).expected("this", "that"))
    }

    /// What is told of each of these in turn, one hour after the other.
    fn told(rounds: &[(&[Problem], &Doubt)]) -> Vec<Vec<Kind>> {
        let mut alerts = Alerts::default();
        let mut kinds = Vec::new();
        for (hour, (problems, doubt)) in (0..).zip(rounds) {
            let (events, open) = compare(problems, doubt, &alerts, &BTreeMap::new(), at(hour), DAY);
            alerts.open = open;
            kinds.push(events.iter().map(|event| event.kind).collect());
        }
        kinds
    }

    #[test]
    fn a_problem_is_told_once_and_its_end_once() {
        let sure = Doubt::default();
        let both = [problem(Check::FragmentContent, "a.service"), problem(Check::ShadowedCopy, "b.service")];
        assert_eq!(
            told(&[(&both[..1], &sure), (&both[..1], &sure), (&both, &sure), (&[], &sure), (&[], &sure)]),
            [vec![Kind::New], vec![], vec![Kind::New], vec![Kind::Recovered, Kind::Recovered], vec![]]
        );
    }

    #[test]
    fn what_gets_worse_is_told_and_what_gets_better_is_not() {
        let sure = Doubt::default();
        let page = problem(Check::LingerDisabled, "a.service");
        let ticket = Problem { severity: Severity::Ticket, ..page.clone() };
        let unknown = Problem { status: crate::audit::Status::Unknown, ..ticket.clone() };
        let rounds: Vec<Vec<Problem>> =
            [&unknown, &ticket, &page, &ticket, &page].map(|p| vec![p.clone()]).to_vec();
        let rounds: Vec<(&[Problem], &Doubt)> = rounds.iter().map(|p| (p.as_slice(), &sure)).collect();
        assert_eq!(told(&rounds), [vec![Kind::New], vec![Kind::Worse], vec![Kind::Worse], vec![], vec![]]);
    }

    #[test]
    fn a_reminder_comes_after_a_day_and_after_a_clock_that_jumped_back() {
        let problems = [problem(Check::FragmentContent, "a.service")];
        let sure = Doubt::default();
        let states = BTreeMap::new();
        let first = compare(&problems, &sure, &Alerts::default(), &states, at(100), DAY).1;
        let alerts = Alerts { open: first, ..Alerts::default() };
        let kinds = |hours| -> Vec<Kind> {
            let events = compare(&problems, &sure, &alerts, &states, at(hours), DAY).0;
            events.iter().map(|event| event.kind).collect()
        };
        assert_eq!(kinds(123), []);
        assert_eq!(kinds(124), [Kind::Reminder]);
        assert_eq!(kinds(1), [Kind::Reminder], "told in the future");
    }

    #[test]
    fn what_could_not_be_checked_has_not_recovered() {
        let stack = StackName::parse("web").unwrap();
        let mut one = problem(Check::FragmentContent, "web.service");
        one.subject.stack = Some(stack.clone());
        let one = [one];
        let mut report = crate::audit::Report::empty();
        let sure = Doubt::of(Some(&report));
        report.findings = vec![Finding::unknown(Check::DeclarationInvalid, State::Declared).of_stack(&stack)];
        let doubt = Doubt::of(Some(&report));
        let none = Doubt::of(None);
        assert_eq!(
            told(&[(&one, &sure), (&[], &doubt), (&[], &none), (&[], &sure)]),
            [vec![Kind::New], vec![], vec![], vec![Kind::Recovered]]
        );
    }

    #[test]
    fn what_podman_was_not_asked_and_what_is_starting_has_not_recovered() {
        let sure = Doubt::default();
        let down = [problem(Check::StackDown, "web.service"), problem(Check::UnitFailed, "web.service")];
        let mut report = crate::audit::Report::empty();
        report.findings = vec![Finding::unknown(Check::StackDown, State::Running)];
        let silent = Doubt::of(Some(&report));
        let mut starting = Doubt::default();
        starting.moving.insert(UnitName::parse("web.service").unwrap());
        assert_eq!(
            told(&[(&down, &sure), (&down[1..], &silent), (&down[..1], &starting), (&[], &sure)]),
            [vec![Kind::New, Kind::New], vec![], vec![], vec![Kind::Recovered, Kind::Recovered]]
        );
    }

    #[test]
    fn each_failed_run_is_news_and_a_run_that_goes_on_is_none() {
        let sure = Doubt::default();
        let mut running = Doubt::default();
        running.of_updates = true;
        let run = |id: &str| {
            [Problem { run: Some(id.to_owned()), ..problem(Check::UnitFailed, "stack-update.service") }]
        };
        let (first, second) = (run("1"), run("2"));
        assert_eq!(
            told(&[(&first, &sure), (&first, &sure), (&[], &running), (&second, &sure), (&[], &sure)]),
            [vec![Kind::New], vec![], vec![], vec![Kind::New], vec![Kind::Recovered]]
        );
    }

    #[test]
    fn the_end_of_a_failure_says_what_the_unit_is_now() {
        let failed = [problem(Check::UnitFailed, "web.service")];
        let sure = Doubt::default();
        let open = compare(&failed, &sure, &Alerts::default(), &BTreeMap::new(), at(0), DAY).1;
        let alerts = Alerts { open, ..Alerts::default() };
        let text = |states: &[(&str, &str)]| {
            let states = states
                .iter()
                .map(|(unit, state)| (UnitName::parse(unit).unwrap(), (*state).to_owned()))
                .collect();
            compare(&[], &sure, &alerts, &states, at(1), DAY).0[0].text.clone()
        };
        assert_eq!(text(&[("web.service", "active")]), "web.service: no longer failed, now active");
        assert_eq!(text(&[]), "web.service: no longer failed, now not loaded");
    }
}
