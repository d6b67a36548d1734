//! Whose fault a failure is: an image is only held responsible for what its own containers do, or for what has worked
//! before it came.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::error::UpdateError;
use crate::compose::ComposeError;
use crate::error::Error;
use crate::stack::StackError;
use crate::stack::verify::{Expected, Observed, Problem, ended_badly};

/// The services that are not up, whatever may come of it: for a later failure that is nobody's fault.
#[must_use]
pub fn not_up(expected: &BTreeMap<String, Expected>, observed: &[Observed]) -> BTreeSet<String> {
    let is_down = |(service, wanted): &(&String, &Expected)| {
        let own: Vec<&Observed> = observed.iter().filter(|one| one.service == **service).collect();
        own.len() < wanted.replicas || own.into_iter().any(is_down)
    };
    expected.iter().filter(is_down).map(|(service, _)| service.clone()).collect()
}

fn is_down(one: &Observed) -> bool {
    let state = &one.container.state;
    match state.status.as_str() {
        "running" => state.health.status == "unhealthy",
        "exited" | "stopped" => ended_badly(&one.container).is_some(),
        _ => true,
    }
}

/// The references whose new image is to blame for a failed apply or verification; none if nothing speaks against any.
#[must_use]
pub fn blamed(
    error: &Error,
    observed: &[Observed],
    changes: &[Change],
    not_up_before: &BTreeSet<String>,
) -> BTreeSet<String> {
    let failing: BTreeSet<String> =
        failing(error, observed, changes).difference(not_up_before).cloned().collect();
    if failing.is_empty() {
        return BTreeSet::new();
    }
    let references = |wanted: &dyn Fn(&Change) -> bool| -> BTreeSet<String> {
        changes.iter().filter(|change| wanted(change)).map(|change| change.reference.clone()).collect()
    };
    let own = references(&|change| change.services.iter().any(|service| failing.contains(service)));
    // What has not changed and was up fails beside the new images: it may be any of them.
    if own.is_empty() { references(&|_| true) } else { own }
}

/// The services that an error says are not up.
fn failing(error: &Error, observed: &[Observed], changes: &[Change]) -> BTreeSet<String> {
    match error {
        Error::Update(error) => match error.as_ref() {
            UpdateError::WrongImage { service, .. } => BTreeSet::from([service.clone()]),
            _ => BTreeSet::new(),
        },
        Error::Stack(error) => match error.as_ref() {
            StackError::NotUp { problems, .. } | StackError::DependencyNotUp { problems, .. } => {
                problems.iter().filter_map(|problem| service_of(problem, observed)).collect()
            }
            StackError::NotMade { service, .. } => BTreeSet::from([service.clone()]),
            // compose itself has come to an end and said no. One that was killed, or took too long, says nothing.
            StackError::Up { source, .. } if came_to_an_end(source) => new_and_down(observed, changes),
            _ => BTreeSet::new(),
        },
        _ => BTreeSet::new(),
    }
}

fn service_of(problem: &Problem, observed: &[Observed]) -> Option<String> {
    let named = problem.what.strip_prefix("service ").map(str::to_owned);
    let of_container = || observed.iter().find(|one| problem.is_about(&one.container));
    named.or_else(|| of_container().map(|one| one.service.clone()))
}

/// podman says 255 for a provider that a signal has ended; a provider itself says 128 and more.
fn came_to_an_end(error: &ComposeError) -> bool {
    let status = match error {
        ComposeError::Step { source, .. } => source.exit_status(),
        _ => None,
    };
    status.is_some_and(|status| status < 128)
}

fn new_and_down(observed: &[Observed], changes: &[Change]) -> BTreeSet<String> {
    let is_new = |one: &&Observed| {
        changes.iter().any(|change| {
            change.services.contains(&one.service)
                && change.new.as_ref().is_some_and(|new| new.id == one.container.image)
        })
    };
    observed.iter().filter(is_new).filter(|one| is_down(one)).map(|one| one.service.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::StackName;
    use crate::update::change::Version;
    use crate::update::reference::{Source, source};
    use serde_json::json;

    fn change(service: &str) -> Change {
        let reference = format!("{service}:1");
        let Source::Tag(tag) = source(&reference, false, &[]) else { panic!() };
        let new = Version { id: "new".to_owned(), digest: None, version: None, revision: None };
        Change { reference, tag, services: vec![service.to_owned()], old: None, new: Some(new) }
    }

    fn seen(service: &str, state: &serde_json::Value) -> Observed {
        let container =
            json!({"Id": service, "Name": format!("p-{service}-1"), "Image": "new", "State": state});
        Observed {
            service: service.to_owned(),
            container: serde_json::from_value(container).unwrap(),
            since: None,
        }
    }

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    fn not_up_error(whats: &[&str]) -> Error {
        let problem =
            |what: &&str| Problem { what: (*what).to_owned(), why: String::new(), next: String::new() };
        let (stack, problems) = (StackName::parse("p").unwrap(), whats.iter().map(problem).collect());
        StackError::NotUp { stack, problems, waited: None }.into()
    }

    #[test]
    fn an_image_answers_for_its_own_containers_and_for_what_worked_before() {
        let up = json!({"Status": "running"});
        let observed = [seen("web", &up), seen("db", &up), seen("side", &up)];
        let changes = [change("web"), change("db")];
        let blame = |whats: &[&str], before: &[&str]| {
            let before = before.iter().map(|name| (*name).to_owned()).collect();
            let blamed = blamed(&not_up_error(whats), &observed, &changes, &before);
            blamed.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(blame(&["container p-web-1"], &[]), "web:1", "the other one is good");
        assert_eq!(blame(&["service db"], &[]), "db:1", "a container that was not made");
        assert_eq!(blame(&["container p-side-1"], &[]), "db:1 web:1", "what worked before does not any more");
        assert_eq!(blame(&["container p-side-1"], &["side"]), "", "it did not work before");
        assert_eq!(blame(&["container p-web-1"], &["web"]), "", "neither did its old image");
        assert_eq!(blame(&["container p-side-1", "container p-web-1"], &["side"]), "web:1");
    }

    #[test]
    fn what_compose_says_by_itself_is_held_against_a_new_container_that_is_down() {
        use crate::process::ProcessError;
        use std::os::unix::process::ExitStatusExt;
        let error = |status: i32| -> Error {
            let status = std::process::ExitStatus::from_raw(status);
            let source = ProcessError::Failed { command: String::new(), status, stderr: String::new() };
            let stack = StackName::parse("p").unwrap();
            let source = Box::new(ComposeError::Step { stack, step: "start", source });
            StackError::Up { containers: String::new(), source }.into()
        };
        let (up, down) = (json!({"Status": "running"}), json!({"Status": "exited", "ExitCode": 1}));
        let blame = |status, state| {
            !blamed(&error(status), &[seen("web", state)], &[change("web")], &BTreeSet::new()).is_empty()
        };
        assert!(blame(1 << 8, &down));
        assert!(!blame(1 << 8, &up));
        assert!(!blame(9, &down), "podman was killed");
        assert!(!blame(255 << 8, &down), "compose was killed");
        let timeout = ProcessError::TimedOut {
            command: String::new(),
            after: std::time::Duration::ZERO,
            stderr: String::new(),
        };
        let stack = StackName::parse("p").unwrap();
        let source = Box::new(ComposeError::Step { stack, step: "start", source: timeout });
        let error = StackError::Up { containers: String::new(), source }.into();
        assert!(blamed(&error, &[seen("web", &down)], &[change("web")], &BTreeSet::new()).is_empty());
    }

    #[test]
    fn what_is_down_beforehand_is_noticed() {
        let expected = ["web", "job", "sick", "gone", "made", "young"]
            .map(|name| (name.to_owned(), Expected { replicas: 1, ..Expected::default() }));
        let observed = [
            seen("web", &json!({"Status": "running"})),
            seen("job", &json!({"Status": "exited", "ExitCode": 0})),
            seen("sick", &json!({"Status": "running", "Health": {"Status": "unhealthy"}})),
            seen("made", &json!({"Status": "created"})),
            seen("young", &json!({"Status": "running", "Health": {"Status": "starting"}})),
        ];
        assert_eq!(names(&not_up(&expected.into(), &observed)), ["gone", "made", "sick"]);
    }
}
