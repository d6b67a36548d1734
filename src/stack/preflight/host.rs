//! What the host must have: podman, its helpers, and for docker-compose its socket.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Findings;
use crate::exit::Code;
use crate::inventory::ProviderKind;
use crate::podman::{HELPERS, OLDEST, Podman, PodmanError, is_older};
use crate::stack::Context;

/// podman itself, and what it needs beside itself.
pub(super) fn check(context: &Context, findings: &mut Findings) -> Option<Podman> {
    check_surroundings(context, findings);
    findings.take(context.podman())
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

/// Whether this is a podman that has compose.
pub(super) fn check_version(version: Option<Result<String, PodmanError>>, findings: &mut Findings) -> bool {
    let Some(version) = version.and_then(|version| findings.take(version)) else { return false };
    let (major, minor) = OLDEST;
    if is_older(&version, OLDEST) {
        findings.refuse(
            Code::Configuration,
            format!("podman {version} has no `podman compose`; {major}.{minor} or later is needed"),
        );
        return false;
    }
    true
}
