//! What the compose files say: services, and what they need that compose does not make. A provider that finds out
//! itself has taken containers down by then, or puts an empty directory in the place of a file.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Findings;
use crate::compose::{Model, Namespace};
use crate::exit::Code;
use crate::inventory::ProviderKind;
use crate::podman::Podman;

pub(super) fn check(
    kind: ProviderKind,
    model: &Model,
    directory: &Path,
    podman: &Podman,
    findings: &mut Findings,
) {
    if model.services.is_empty() {
        findings.refuse(Code::Configuration, "the compose files have no service in the enabled profiles");
    }
    for (name, _) in model.services.iter().filter(|(_, service)| service.splits_health_check) {
        findings.warn(format!(
            "service {name}: podman splits the arguments of its health check at their blanks; write it as CMD-SHELL"
        ));
    }
    for (path, what) in &model.needs.files {
        // `./pw.txt` is named as one would type it.
        let path: PathBuf = directory.join(path).components().collect();
        if let Err(error) = fs::metadata(&path) {
            findings.refuse(
                Code::Configuration,
                format!(
                    "{what}: expected a file at {}, and it cannot be had: {}",
                    path.display(),
                    error.kind()
                ),
            );
        }
    }
    if kind == ProviderKind::PodmanCompose {
        for (service, what, with) in model.sharing() {
            let says = format!("service {service} shares the {} of service {with}", what.name());
            match what {
                Namespace::Network => {}
                Namespace::Pid => findings.refuse(
                    Code::Configuration,
                    format!("{says}, and podman-compose (1.3) cannot make such a container; next: take `pid` out of service {service}, or set \"provider\" in config.json to docker-compose"),
                ),
                Namespace::Ipc => findings.warn(format!("{says}, and podman-compose (1.3) gives each its own")),
            }
        }
    }
    for (service, what, other) in model.strangers() {
        findings.refuse(
            Code::Configuration,
            format!("service {service} shares the {} of service {other}, which there is not in the enabled profiles", what.name()),
        );
    }
    for (kind, names) in [("network", &model.needs.networks), ("volume", &model.needs.volumes)] {
        for name in names {
            if let Some(false) = findings.take(podman.has(kind, name)) {
                findings.refuse(
                    Code::Configuration,
                    format!("{kind} {name} is declared as external, and there is none; next: podman {kind} create {name}"),
                );
            }
        }
    }
}
