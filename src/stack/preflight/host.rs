//! What the host must have: podman, its helpers, and for docker-compose its socket.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Findings;
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::ProviderKind;
use crate::podman::{HELPERS, OLDEST, Podman, is_older};
use crate::stack::{Context, StackError};

/// podman itself, and what it needs beside itself.
pub(super) fn check(context: &Context, findings: &mut Findings) -> Option<Podman> {
    check_surroundings(context, findings);
    let podman = match context.podman() {
        Ok(podman) => podman,
        Err(error) => {
            let problem = chain(&error);
            findings.refuse(StackError::from(error).code(), problem);
            return None;
        }
    };
    match podman.version() {
        Ok(version) if is_older(&version, OLDEST) => {
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
    Some(podman)
}

/// What podman and the provider need beside themselves: its helpers, and the socket.
pub(super) fn check_surroundings(context: &Context, findings: &mut Findings) {
    let host = &context.host;
    for (program, reason) in HELPERS {
        if host.find_program(Path::new(program)).is_none() {
            findings.refuse(Code::Configuration, format!("{program} is not in {}; {reason}", host.path));
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
}
