//! Waiting for the verdict: on podman's events, on the health that it is asked to wait for, and for the moments that
//! are known beforehand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::judge::{Expected, Observed, Problem, Verdict, judge, standing};
use super::observe::{observe_again, observe_listed};
use crate::podman::{Container, Podman, PodmanError};
use crate::process::{Lines, Next, ProcessError, Redactor};
use crate::progress::Standing;

/// podman's events come late (0.2 to 0.5 s through the journal, 5.4.2), and the first ones after the stream is asked
/// for can be missed: look at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Events come in bursts; those that follow each other closer than this are one.
const BURST: Duration = Duration::from_millis(20);

/// What is waited for.
#[derive(Debug)]
pub struct Goal<'a> {
    /// The project.
    pub project: &'a str,
    /// What its services must have.
    pub expected: &'a BTreeMap<String, Expected>,
    /// How long a container without a health check must have run.
    pub stable_for: Duration,
    /// When the verdict is given at the latest.
    pub timeout: Duration,
    /// What hides the values of env files in the output of health checks.
    pub redactor: &'a Redactor,
}

/// The final verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The stack is up, with these containers.
    Up(Vec<Observed>),
    /// It is not, and why.
    Down {
        /// What is wrong.
        problems: Vec<Problem>,
        /// The time limit, if it was waited for to the end.
        waited: Option<Duration>,
    },
}

/// Waits until the stack is up, cannot come up, or the time is over. `listed` are its containers where they were listed a
/// moment ago; `progress` is told how everything stands.
///
/// # Errors
/// podman does not answer, or this program was asked to end.
pub fn verify(
    podman: &Podman,
    goal: &Goal<'_>,
    mut listed: Option<Vec<Container>>,
    mut progress: impl FnMut(&[Standing]),
) -> Result<Outcome, PodmanError> {
    let deadline = Instant::now() + goal.timeout;
    // Before the first look, or what happens between the two would be seen late.
    let mut events = podman.events(goal.project).ok();
    let mut healthy: Option<(Vec<String>, Lines)> = None;
    let mut observed = Vec::new();
    loop {
        observed = match listed.take() {
            Some(listed) => observe_listed(podman, goal.project, listed, &observed)?,
            None => observe_again(podman, goal.project, &observed)?,
        };
        let verdict = judge(goal.expected, &observed, goal.stable_for, SystemTime::now());
        let (due, problems, starting) = match verdict {
            Verdict::Up => return Ok(Outcome::Up(observed)),
            Verdict::Down(problems) => return Ok(down(problems, None, goal.redactor)),
            Verdict::Wait { due, problems, starting } => (due, problems, starting),
        };
        if Instant::now() >= deadline {
            return Ok(down(problems, Some(goal.timeout), goal.redactor));
        }
        progress(&redacted(standing(&observed, &problems), goal.redactor));
        if healthy.as_ref().is_none_or(|(waited_for, _)| *waited_for != starting) {
            healthy = podman.wait_for_health(&starting).ok().flatten().map(|lines| (starting, lines));
        }
        let mut streams: Vec<&mut Lines> = events.iter_mut().collect();
        streams.extend(healthy.as_mut().map(|(_, lines)| lines));
        if streams.is_empty() {
            podman.pause(wake(due, deadline))?;
        } else if let Err(error) = sleep(&mut streams, wake(due, deadline)) {
            if error.is_interrupted() {
                return Err(error.into());
            }
            // One of the two has ended: the health has come, or podman's event log is not to be had.
            if healthy.take().is_none() {
                events = None;
            }
        }
    }
}

/// What a health check prints may hold a value of an env file.
fn redacted(mut standing: Vec<Standing>, redactor: &Redactor) -> Vec<Standing> {
    for one in &mut standing {
        one.state = redactor.redact(&one.state);
    }
    standing
}

/// Until something happens or `until`; what follows at once is taken along.
fn sleep(streams: &mut [&mut Lines], until: Instant) -> Result<(), ProcessError> {
    let mut next = Lines::next_of(streams, until)?;
    while next != Next::Deadline {
        next = Lines::next_of(streams, (Instant::now() + BURST).min(until))?;
    }
    Ok(())
}

/// The next moment to look, whatever happens.
fn wake(due: Option<SystemTime>, deadline: Instant) -> Instant {
    let now = Instant::now();
    // Waking a moment too early would be a round for nothing.
    let due = due.map(|at| now + at.duration_since(SystemTime::now()).unwrap_or_default() + BURST);
    due.unwrap_or(deadline).min(now + LOOK_AGAIN).min(deadline)
}

fn down(mut problems: Vec<Problem>, waited: Option<Duration>, redactor: &Redactor) -> Outcome {
    for problem in &mut problems {
        problem.why = redactor.redact(&problem.why);
    }
    Outcome::Down { problems, waited }
}
