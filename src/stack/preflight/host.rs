//! What the host must have: podman, its helpers, and for docker-compose its socket.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Findings;
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::ProviderKind;
use crate::podman::Podman;
use crate::stack::{Context, StackError};

/// The first podman that has `compose`.
const OLDEST: (u32, u32) = (4, 7);

/// Programs that rootless podman runs, and what fails without them.
const HELPERS: &[(&str, &str)] = &[
    ("newuidmap", "rootless containers cannot start without it (package uidmap, or shadow)"),
    ("newgidmap", "rootless containers cannot start without it (package uidmap, or shadow)"),
    ("systemd-run", "health checks never run without it"),
];

pub(super) fn check(context: &Context, findings: &mut Findings) -> Option<Podman> {
    let host = &context.host;
    for (program, reason) in HELPERS {
        if host.find_program(Path::new(program)).is_none() {
            findings.refuse(Code::Configuration, format!("{program} is not in {}; {reason}", host.path));
        }
    }
    let podman = match context.podman() {
        Ok(podman) => podman,
        Err(error) => {
            let problem = chain(&error);
            findings.refuse(StackError::from(error).code(), problem);
            return None;
        }
    };
    match podman.version() {
        Ok(version) if is_too_old(&version) => {
            let (major, minor) = OLDEST;
            findings.refuse(
                Code::Configuration,
                format!("podman {version} has no `podman compose`; {major}.{minor} or later is needed"),
            );
            return None;
        }
        Ok(_) => {}
        Err(error) => {
            let problem = chain(&error);
            findings.refuse(StackError::from(error).code(), problem);
            return None;
        }
    }
    if host.provider.kind == ProviderKind::DockerCompose {
        let socket = context.dirs.runtime.join("podman/podman.sock");
        if let Err(error) = UnixStream::connect(&socket) {
            findings.refuse(
                Code::Unreachable,
                format!(
                    "{}: podman's socket, which docker-compose talks to, is not reachable: {error}; next: systemctl --user start podman.socket",
                    socket.display()
                ),
            );
        }
    }
    Some(podman)
}

/// A version that cannot be read is not held against podman: what it answers is judged.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_12s_podman_is_too_old() {
        for (version, old) in
            [("4.3.1", true), ("4.7.0", false), ("5.4.2", false), ("4.7-dev", false), ("?", false)]
        {
            assert_eq!(is_too_old(version), old, "{version}");
        }
    }
}
