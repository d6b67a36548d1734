//! The verdict over the containers of a stack, as they are at one moment.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::podman::{Inspected, parse_time};
use crate::progress::Standing;

/// How much of a health check's output a message shows. Characters.
const OUTPUT_SHOWN: usize = 300;

/// What podman needs to start the first health check of a container, beyond the check's own interval: a transient
/// timer, made by `systemd-run`. Generous, for a machine that is starting 50 stacks.
const FIRST_CHECK: Duration = Duration::from_secs(30);

/// What a service must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// How many containers.
    pub replicas: usize,
    /// The image's reference and its id, if the image is here; none for a service without one.
    pub image: Option<(String, String)>,
    /// Whether others wait for it to be healthy, so that it is not meant to end.
    pub awaited: bool,
}

/// One container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its service.
    pub service: String,
    /// What podman says of it.
    pub container: Inspected,
    /// Since when it runs: as podman says, or since it was first seen so if that lies in the future, because the clock
    /// was set back.
    pub since: Option<SystemTime>,
}

/// Why something is not up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The container, or the service that lacks one.
    pub what: String,
    /// Expected, and seen.
    pub why: String,
    /// The command that shows more.
    pub next: String,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as expected.
    Up,
    /// Not yet, and it may still come: at the latest look again at this moment.
    Wait {
        /// When something is due by itself: the end of `stable_for`.
        due: Option<SystemTime>,
        /// What is not up yet.
        problems: Vec<Problem>,
        /// The containers whose health is `starting`.
        starting: Vec<String>,
    },
    /// Something that does not mend itself.
    Down(Vec<Problem>),
}

enum One {
    Good,
    /// Good at this moment, if nothing happens.
    Due(SystemTime, String),
    /// A health check has not said its word.
    Starting(String),
    NotYet(String),
    Never(String),
}

/// Judges containers against what is expected of their services.
#[must_use]
pub fn judge(
    expected: &BTreeMap<String, Expected>,
    observed: &[Observed],
    stable_for: Duration,
    now: SystemTime,
) -> Verdict {
    let (mut never, mut problems, mut starting) = (Vec::new(), Vec::new(), Vec::new());
    let mut due: Option<SystemTime> = None;
    for (service, wanted) in expected {
        let own: Vec<&Observed> = observed.iter().filter(|one| one.service == *service).collect();
        if own.len() < wanted.replicas {
            problems.push(Problem {
                what: format!("service {service}"),
                why: format!(
                    "expected {} {}, found {}",
                    wanted.replicas,
                    if wanted.replicas == 1 { "container" } else { "containers" },
                    own.len()
                ),
                next: "podman ps --all".to_owned(),
            });
        }
        for one in own {
            let container = &one.container;
            let why = match judge_one(one, wanted, stable_for, now) {
                One::Good => continue,
                One::Due(at, why) => {
                    due = Some(due.map_or(at, |other| other.min(at)));
                    why
                }
                One::Starting(why) => {
                    starting.push(container.id.clone());
                    why
                }
                One::NotYet(why) => why,
                One::Never(why) => {
                    never.push(problem(container, why));
                    continue;
                }
            };
            problems.push(problem(container, why));
        }
    }
    if !never.is_empty() {
        never.extend(problems);
        return Verdict::Down(never);
    }
    if problems.is_empty() { Verdict::Up } else { Verdict::Wait { due, problems, starting } }
}

/// What everything that is expected does now: the containers as they are, and the problems that are about none of them.
#[must_use]
pub fn standing(observed: &[Observed], problems: &[Problem]) -> Vec<Standing> {
    let of = |one: &Observed| {
        let problem = problems.iter().find(|problem| problem.is_about(&one.container));
        let state = &one.container.state;
        let good = if state.health.status.is_empty() { &state.status } else { &state.health.status };
        Standing {
            what: one.container.name.clone(),
            state: problem.map_or(good, |problem| &problem.why).clone(),
            up: problem.is_none(),
        }
    };
    let about_none = |problem: &&Problem| !observed.iter().any(|one| problem.is_about(&one.container));
    let lacking = problems.iter().filter(about_none).map(|problem| Standing {
        what: problem.what.clone(),
        state: problem.why.clone(),
        up: false,
    });
    observed.iter().map(of).chain(lacking).collect()
}

fn problem(container: &Inspected, why: String) -> Problem {
    let name = &container.name;
    if container.state.status == "paused" {
        return Problem { what: format!("container {name}"), why, next: format!("podman unpause {name}") };
    }
    let logs = format!("podman logs --tail 50 {name}");
    let is_checked = container.state.status == "running" && !container.state.health.status.is_empty();
    let next = if is_checked { format!("podman healthcheck run {name}; {logs}") } else { logs };
    Problem { what: format!("container {name}"), why, next }
}

fn judge_one(one: &Observed, wanted: &Expected, stable_for: Duration, now: SystemTime) -> One {
    let container = &one.container;
    if let Some((reference, id)) = &wanted.image
        && container.image != *id
    {
        let (expected, seen) = (short(id), short(&container.image));
        return One::Never(format!("runs image {seen}, but {reference} is {expected}"));
    }
    let state = &container.state;
    match state.status.as_str() {
        "running" => running(one, stable_for, now),
        "exited" | "stopped" => exited(container, wanted.awaited),
        "created" | "configured" | "initialized" => {
            let mut why = "was created and not started".to_owned();
            if !state.error.is_empty() {
                // Nobody waits for the impossible: podman has tried.
                why = format!("{why}: {}", state.error);
                return One::Never(why);
            }
            One::NotYet(why)
        }
        other => One::NotYet(format!("is {other}")),
    }
}

fn running(one: &Observed, stable_for: Duration, now: SystemTime) -> One {
    let container = &one.container;
    let health = &container.state.health;
    match health.status.as_str() {
        // One that ends again and again may be healthy in between.
        "healthy" if container.restart_count == 0 => One::Good,
        "starting" => {
            if never_checked(container, now) {
                return One::NotYet(
                    "stays \"starting\": its health check has never run (podman runs it through systemd-run; is that in PATH?)"
                        .to_owned(),
                );
            }
            One::Starting(format!("is \"starting\"{}", last_check(container)))
        }
        "unhealthy" => One::Starting(format!(
            "is unhealthy, {} checks failed in a row{}",
            health.failing_streak,
            last_check(container)
        )),
        _ => match one.since.map(|at| at + stable_for) {
            Some(at) if at <= now => One::Good,
            Some(at) => One::Due(at, unstable(container, stable_for)),
            // A time that cannot be read: the container runs, and more cannot be said.
            None => One::Good,
        },
    }
}

/// Whether its health should have been checked by now, and never was.
#[must_use]
pub fn never_checked(container: &Inspected, now: SystemTime) -> bool {
    let interval = Duration::from_nanos(u64::try_from(container.config.healthcheck.interval).unwrap_or(0));
    let started = parse_time(&container.state.started_at);
    container.state.health.status == "starting"
        && container.state.health.log.is_empty()
        && started.is_some_and(|at| now > at + interval + FIRST_CHECK)
}

/// Why a container that has ended should not have.
#[must_use]
pub fn ended_badly(container: &Inspected) -> Option<String> {
    match exited(container, false) {
        One::Never(why) | One::NotYet(why) => Some(why),
        One::Good | One::Due(..) | One::Starting(_) => None,
    }
}

fn unstable(container: &Inspected, stable_for: Duration) -> String {
    let mut why = format!("has not run for {} yet", humantime::format_duration(stable_for));
    if container.restart_count > 0 {
        why = format!("{why}; it was started again {} times", container.restart_count);
    }
    why
}

/// A container that ended. One that is meant to finish has no restart policy and ends with 0.
fn exited(container: &Inspected, awaited: bool) -> One {
    let state = &container.state;
    let policy = container.host_config.restart_policy.name.as_str();
    let mut why = format!("ended with exit code {}", state.exit_code);
    if state.oom_killed {
        why.push_str(" (out of memory)");
    }
    let limit = container.host_config.restart_policy.maximum_retry_count;
    match (policy, state.exit_code) {
        (_, 0) if awaited => One::NotYet(format!("{why}, and others wait for it to be healthy")),
        // What has finished was not asked to.
        ("" | "no" | "on-failure", 0) if state.stopped_by_user => {
            One::NotYet("was stopped by hand, with exit code 0".to_owned())
        }
        ("" | "no" | "on-failure", 0) => One::Good,
        ("" | "no", _) => One::Never(why),
        ("on-failure", _) if (1..=container.restart_count).contains(&limit) => One::Never(format!(
            "{why}; it was started again {limit} times, and is no more (restart: {policy}:{limit})"
        )),
        _ => {
            why =
                format!("{why}; it was started again {} times (restart: {policy})", container.restart_count);
            One::NotYet(why)
        }
    }
}

fn last_check(container: &Inspected) -> String {
    let Some(check) = container.state.health.log.last() else { return String::new() };
    let output = crate::process::one_line(&check.output);
    let shown = crate::process::cut(&output, OUTPUT_SHOWN);
    if shown.is_empty() {
        format!("; the last check ended with {}", check.exit_code)
    } else {
        format!("; the last check ended with {}: {shown}", check.exit_code)
    }
}

fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

impl Problem {
    /// Whether it is about this container.
    #[must_use]
    pub fn is_about(&self, container: &Inspected) -> bool {
        self.what.strip_prefix("container ") == Some(container.name.as_str())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.what, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-02-13T10:00:00Z";

    /// A container that is up; each test breaks one thing.
    fn container(state: &str, more: &str) -> Observed {
        let json = format!(
            r#"{{"Id": "id", "Name": "web-1", "Image": "new", "State": {state}{}{more}}}"#,
            if more.is_empty() { "" } else { ", " }
        );
        let container: Inspected = serde_json::from_str(&json).unwrap();
        let since = parse_time(&container.state.started_at);
        Observed { service: "web".to_owned(), container, since }
    }

    fn verdict(observed: &[Observed]) -> Verdict {
        let image = Some(("app:1".to_owned(), "new".to_owned()));
        let expected =
            BTreeMap::from([("web".to_owned(), Expected { replicas: 1, image, ..Expected::default() })]);
        judge(&expected, observed, Duration::from_secs(5), parse_time(NOW).unwrap())
    }

    fn why(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Up => "up".to_owned(),
            Verdict::Wait { problems, .. } => format!("wait: {}", problems[0].why),
            Verdict::Down(problems) => format!("down: {}", problems[0].why),
        }
    }

    const STABLE: &str = r#"{"Status": "running", "StartedAt": "2026-02-13T09:59:50Z"}"#;
    const YOUNG: &str = r#"{"Status": "running", "StartedAt": "2026-02-13 17:59:58 +0800 AWST"}"#;

    #[test]
    fn running_long_enough_is_up_and_the_moment_is_told() {
        assert_eq!(verdict(&[container(STABLE, "")]), Verdict::Up);
        let Verdict::Wait { due, .. } = verdict(&[container(YOUNG, r#""RestartCount": 3"#)]) else {
            panic!()
        };
        assert_eq!(due, parse_time("2026-02-13T10:00:03Z"));
        assert_eq!(
            why(&verdict(&[container(YOUNG, r#""RestartCount": 3"#)])),
            "wait: has not run for 5s yet; it was started again 3 times"
        );
    }

    #[test]
    fn a_missing_container_and_a_wrong_image_are_told() {
        assert_eq!(why(&verdict(&[])), "wait: expected 1 container, found 0");
        let mut wrong = container(STABLE, "");
        wrong.container.image = "old".to_owned();
        assert_eq!(why(&verdict(&[wrong])), "down: runs image old, but app:1 is new");
    }

    #[test]
    fn health_decides_where_there_is_a_check() {
        let with = |health: &str| {
            let state = format!(
                r#"{{"Status": "running", "StartedAt": "2026-02-13T09:59:59Z", "Health": {health}}}"#
            );
            why(&verdict(&[container(&state, "")]))
        };
        assert_eq!(with(r#"{"Status": "healthy"}"#), "up");
        assert_eq!(with(r#"{"Status": "starting"}"#), "wait: is \"starting\"");
        assert_eq!(
            with(
                r#"{"Status": "unhealthy", "FailingStreak": 4, "Log": [{"ExitCode": 1, "Output": "no\nanswer\n"}]}"#
            ),
            "wait: is unhealthy, 4 checks failed in a row; the last check ended with 1: no answer"
        );
        let state =
            r#"{"Status": "running", "StartedAt": "2026-02-13T09:00:00Z", "Health": {"Status": "starting"}}"#;
        assert!(
            why(&verdict(&[container(state, "")])).starts_with("wait: stays \"starting\": its health check")
        );
    }

    #[test]
    fn what_is_healthy_between_two_ends_must_also_stay_up() {
        let healthy = |since: &str, times: u32| {
            let state = format!(
                r#"{{"Status": "running", "StartedAt": "{since}", "Health": {{"Status": "healthy"}}}}"#
            );
            why(&verdict(&[container(&state, &format!(r#""RestartCount": {times}"#))]))
        };
        assert_eq!(healthy("2026-02-13T09:59:59Z", 0), "up");
        assert_eq!(
            healthy("2026-02-13T09:59:59Z", 2),
            "wait: has not run for 5s yet; it was started again 2 times"
        );
        assert_eq!(healthy("2026-02-13T09:59:50Z", 2), "up");
    }

    #[test]
    fn what_is_meant_to_finish_may_finish() {
        let ended = |code: u32, policy: &str| {
            let state = format!(r#"{{"Status": "exited", "ExitCode": {code}}}"#);
            let more =
                format!(r#""HostConfig": {{"RestartPolicy": {{"Name": "{policy}"}}}}, "RestartCount": 7"#);
            why(&verdict(&[container(&state, &more)]))
        };
        assert_eq!(ended(0, "no"), "up");
        assert_eq!(ended(0, ""), "up");
        assert_eq!(ended(0, "on-failure"), "up");
        assert_eq!(ended(1, "no"), "down: ended with exit code 1");
        assert_eq!(
            ended(1, "always"),
            "wait: ended with exit code 1; it was started again 7 times (restart: always)"
        );
        assert_eq!(
            ended(0, "always"),
            "wait: ended with exit code 0; it was started again 7 times (restart: always)"
        );
    }

    #[test]
    fn whoever_waits_sees_each_container_and_what_is_lacking() {
        let mut young = container(YOUNG, "");
        young.container.name = "web-2".to_owned();
        let lacking =
            Problem { what: "service db".to_owned(), ..problem(&young.container, "none".to_owned()) };
        let problems = [problem(&young.container, "has not run for 5s yet".to_owned()), lacking];
        let seen: Vec<String> = standing(&[container(STABLE, ""), young], &problems)
            .iter()
            .map(|one| format!("{} {} {}", one.what, one.state, one.up))
            .collect();
        assert_eq!(
            seen,
            ["web-1 running true", "web-2 has not run for 5s yet false", "service db none false"]
        );
    }

    #[test]
    fn what_was_never_started_is_told_with_podmans_reason() {
        assert_eq!(
            why(&verdict(&[container(r#"{"Status": "created"}"#, "")])),
            "wait: was created and not started"
        );
        assert_eq!(
            why(&verdict(&[container(r#"{"Status": "created", "Error": "port in use"}"#, "")])),
            "down: was created and not started: port in use"
        );
    }
}
