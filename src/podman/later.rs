//! What a registry that cannot be reached now looks like.

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
}
