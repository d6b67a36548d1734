//! What of a provider's words is the reason, when it could not do something.

/// Without what is no reason: the whole command line of the provider, with which podman ends what that said, and what
/// docker-compose (2.26) tells of each step that it came to an end with. The steps that it did not end name the object.
pub(super) fn reason(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("Error: executing ")).collect();
    let told = |at: usize, (what, state): (&str, &str)| {
        let later = lines.iter().skip(at + 1).filter_map(|line| step(line));
        state.ends_with("ed")
            || matches!(state, "Running" | "Healthy")
            || later.into_iter().any(|(other, _)| other == what)
    };
    let kept = lines.iter().enumerate().filter(|(at, line)| !step(line).is_some_and(|step| told(*at, step)));
    kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
}

/// A line such as ` Container shop-db-1  Starting`.
fn step(line: &str) -> Option<(&str, &str)> {
    let (what, state) = line.trim().split_once("  ")?;
    let known = ["Container ", "Network ", "Volume "].iter().any(|kind| what.starts_with(kind));
    (known && state.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some((what, state))
}

/// The error that podman-compose (1.3) went on after: not that a container is missing, which comes of another one.
#[must_use]
pub fn is_a_cause(line: &str) -> bool {
    line.contains("rror") && !line.trim_start().starts_with("Error: no container with ")
}

/// The port of this host that somebody else has, if that is what is told.
pub(super) fn taken_port(said: &str) -> Option<u16> {
    let (before, _) = said.split_once(": bind: address already in use")?;
    before.rsplit_once(':')?.1.parse().ok()
}

/// The ids of the containers for which podman (5.4) does not remove another one: they share a namespace of it.
pub(super) fn dependents(said: &str) -> impl Iterator<Item = &str> {
    let after = said.split_once(" has dependent containers which must be removed before it: ");
    let listed = after.and_then(|(_, after)| after.split([':', '\n']).next()).unwrap_or_default();
    listed.split(", ").filter(|id| !id.is_empty())
}

/// The network that docker-compose (2.26) does not take for its own: podman-compose made it, or somebody by hand.
pub(super) fn foreign_network(said: &str) -> Option<&str> {
    let (before, _) = said.split_once(" was found but has incorrect label ")?;
    Some(before.rsplit_once("network ")?.1).filter(|name| !name.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_compose_did_not_make_is_told() {
        let said = " Network one_default  Creating\n\
                    network one_back was found but has incorrect label com.docker.compose.network set to \"\"";
        assert_eq!(foreign_network(said), Some("one_back"));
        assert_eq!(foreign_network("network one_back not found"), None);
    }

    #[test]
    fn what_compose_stumbled_over_is_told_and_what_it_did_is_not() {
        let said = " Network one_default  Creating\n Network one_default  Created\n Container one-it-1  Creating\n \
                    Container one-db-1  Running\n Container one-it-1  Created\n Container one-it-1  Starting\n\
                    Error response from daemon: rootlessport listen tcp 0.0.0.0:8099: bind: address already in use\n\
                    Error: executing /usr/bin/docker-compose --project-name one up: exit status 1";
        assert_eq!(
            reason(said),
            " Container one-it-1  Starting\nError response from daemon: rootlessport listen tcp 0.0.0.0:8099: bind: address already in use"
        );
        assert_eq!(taken_port(said), Some(8099));
        assert_eq!(taken_port("dependency failed to start"), None);
        let kept =
            " Container shop-db-1  Error\ndependency failed to start: container shop-db-1 is unhealthy";
        assert_eq!(reason(kept), kept);
    }

    #[test]
    fn what_stands_in_the_way_of_a_removal_is_told() {
        let said = "Error response from daemon: container 6e2a has dependent containers which must be removed before it: \
                    3050, 77ab: container already exists\nError: x";
        assert_eq!(dependents(said).collect::<Vec<_>>(), ["3050", "77ab"]);
        assert_eq!(dependents("Error response from daemon: no such device").next(), None);
    }

    #[test]
    fn what_podman_compose_goes_on_after_is_told_from_what_comes_of_it() {
        assert!(is_a_cause("Error: statfs /nosuch/dir: no such file or directory"));
        assert!(is_a_cause(
            "Error: looking up container to share net namespace with: no container with name or ID"
        ));
        assert!(!is_a_cause("Error: no container with name or ID \"one_it_1\" found: no such container"));
        assert!(!is_a_cause("one_other_1"));
    }
}
