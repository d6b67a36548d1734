//! What a registry that cannot be reached now looks like, and one that refuses.

/// What podman and skopeo print when it is not the image's fault, in lower case.
const LATER: &[&str] = &[
    "toomanyrequests",
    "too many requests",
    "429",
    "connection refused",
    "connection reset",
    "unexpected eof",
    "no such host",
    "no route to host",
    "network is unreachable",
    "i/o timeout",
    "tls handshake timeout",
    "timeout exceeded",
    "deadline exceeded",
    "temporary failure",
    "server misbehaving",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
];

/// Whether what podman, skopeo or compose printed tells of a registry that may answer another time. They have one exit
/// status for everything.
#[must_use]
pub fn says_later(printed: &str) -> bool {
    let printed = printed.to_ascii_lowercase();
    LATER.iter().any(|part| printed.contains(part))
}

/// What they print when it wants to know who asks, in lower case.
const WHO: &[&str] =
    &["unauthorized", "authentication required", "403 forbidden", "access to the resource is denied"];

/// What to type next when an image was not had, by what podman, skopeo or compose printed.
#[must_use]
pub fn after_refusal(reference: &str, printed: &str) -> String {
    let printed = printed.to_ascii_lowercase();
    if WHO.iter().any(|part| printed.contains(part)) {
        return format!("podman login {}", registry(reference));
    }
    if printed.contains("manifest unknown") {
        return format!(
            "podman search --list-tags {}, which lists the tags that there are",
            repository(reference)
        );
    }
    format!("podman pull {reference}")
}

/// A reference without a registry is taken for one of Docker's.
fn registry(reference: &str) -> &str {
    let host = reference.split_once('/').map(|(host, _)| host);
    host.filter(|host| host.contains(['.', ':']) || *host == "localhost").unwrap_or("docker.io")
}

fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_is_away_is_told_from_one_that_refuses() {
        assert!(says_later(
            "pinging container registry r: dial tcp 127.0.0.1:5000: connect: Connection refused"
        ));
        assert!(says_later("lookup r.example: no such host"));
        assert!(!says_later("reading manifest 2 in r/app: manifest unknown"));
    }

    #[test]
    fn a_registry_that_refuses_is_followed_by_what_helps() {
        let denied = "reading manifest 1 in r:5000/app: unauthorized: authentication required";
        assert_eq!(after_refusal("r:5000/app:1", denied), "podman login r:5000");
        assert_eq!(after_refusal("library/app:1", denied), "podman login docker.io");
        let unknown = "reading manifest 2 in r:5000/app: manifest unknown";
        let listed = |reference| after_refusal(reference, unknown);
        for reference in ["r:5000/app:2", "r:5000/app@sha256:00", "r:5000/app"] {
            assert!(listed(reference).starts_with("podman search --list-tags r:5000/app,"), "{reference}");
        }
        assert_eq!(after_refusal("app:1", "manifest invalid"), "podman pull app:1");
    }
}
