//! The programs: found where the units look for them, and new enough.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::diagnosis::{Diagnosis, Found, Need};
use crate::compose::find_provider;
use crate::dirs::Dirs;
use crate::error::chain;
use crate::inventory::{Host, ProviderKind};
use crate::podman::{HELPERS, OLDEST, Podman, is_older};
use crate::process::{Command, Environment, Interrupt};

/// It prints its version, and may have to be read from a slow disk first.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// The first docker-compose that is one program for podman and docker, and knows `config --hash`.
const OLDEST_COMPOSE: (u32, u32) = (2, 0);

pub(super) fn helpers(host: &Host, diagnosis: &mut Diagnosis) {
    for (program, reason) in HELPERS {
        let lack = host.find_program(Path::new(program)).is_none().then(|| {
            let next = match *program {
                "systemd-run" => elsewhere(host, program, "systemd"),
                _ => {
                    elsewhere(host, program, "uidmap (Fedora: shadow-utils; NixOS: security.wrappers has it)")
                }
            };
            (Need::Required, format!("{program} in {}", host.path), format!("none: {reason}"), next)
        });
        diagnosis.record(program, lack);
    }
}

/// The operator's alert command, if there is one: that it is missing would be noticed with the first alert that is lost.
pub(super) fn alert_command(host: &Host, diagnosis: &mut Diagnosis) {
    let Some(program) = host.alert.command.first() else { return };
    let runs = |path: PathBuf| path.is_file() && access(&path, AccessFlags::X_OK).is_ok();
    let lack = (!host.find_program(Path::new(program)).is_some_and(runs)).then(|| {
        let next =
            "put it there, or name another one in config.json, as \"alert\": {\"command\": […]}".to_owned();
        (Need::Required, format!("the alert command, an executable file {program}"), "none".to_owned(), next)
    });
    diagnosis.record("alert-command", lack);
}

/// How to get a program: it may be installed where the person's PATH finds it and the units' does not.
fn elsewhere(host: &Host, program: &str, package: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let of_caller = Host { path, ..host.clone() };
    match of_caller.find_program(Path::new(program)).as_deref().and_then(Path::parent) {
        Some(directory) => format!(
            "add {} to \"path\" in config.json, then: stackctl install; stackctl sync",
            directory.display()
        ),
        None => format!("sudo apt install {package}"),
    }
}

pub(super) fn podman(dirs: &Dirs, host: &Host, diagnosis: &mut Diagnosis) -> Option<Podman> {
    let (major, minor) = OLDEST;
    let expected = format!("podman {major}.{minor} or later");
    let Ok(podman) = Podman::find(dirs, host, &Interrupt::never()) else {
        let next = elsewhere(host, &host.podman.to_string_lossy(), "podman");
        let seen = format!("no {} in {}", host.podman.display(), host.path);
        diagnosis.record("podman", Some((Need::Required, expected, seen, next)));
        return None;
    };
    let version = match podman.version() {
        Ok(version) => version,
        Err(error) => {
            let next = format!("{} --version", podman.program().display());
            diagnosis.record("podman", Some((Need::Unknown, expected, chain(&error), next)));
            return None;
        }
    };
    let old = is_older(&version, OLDEST).then(|| -> Found {
        let next = "install a newer podman: Debian 13, Fedora, NixOS and Ubuntu 24.04 have one".to_owned();
        (Need::Required, expected, format!("{version}, which has no `podman compose`"), next)
    });
    let is_old = old.is_some();
    diagnosis.versions.insert("podman", version);
    diagnosis.record("podman", old);
    if is_old {
        return None;
    }
    let works = podman.all_ids().err().map(|error| -> Found {
        let expected = "rootless podman that lists containers".to_owned();
        (Need::Required, expected, chain(&error), format!("{} info", podman.program().display()))
    });
    let is_working = works.is_none();
    diagnosis.record("podman-works", works);
    is_working.then_some(podman)
}

pub(super) fn provider(dirs: &Dirs, host: &Host, diagnosis: &mut Diagnosis) {
    let name = host.provider.kind.program();
    let expected = match host.provider.kind {
        ProviderKind::DockerCompose => "docker-compose 2 or later".to_owned(),
        ProviderKind::PodmanCompose => "podman-compose".to_owned(),
    };
    let Ok(program) = find_provider(host) else {
        let other = match host.provider.kind {
            ProviderKind::DockerCompose => ProviderKind::PodmanCompose,
            ProviderKind::PodmanCompose => ProviderKind::DockerCompose,
        };
        let next = match host.find_program(Path::new(other.program())) {
            Some(_) => {
                format!(
                    "use {other}: {{\"provider\": {{\"kind\": \"{other}\"}}}} in config.json",
                    other = other.program()
                )
            }
            None => elsewhere(host, name, name),
        };
        let seen = format!("no {name} in {}", host.path);
        diagnosis.record("provider", Some((Need::Required, expected, seen, next)));
        return;
    };
    let command = Command::new(&program, &Environment::new(dirs, host), VERSION_TIMEOUT, &Interrupt::never());
    let found = match command.arg("--version").capture_text() {
        Err(error) => {
            Some((Need::Unknown, expected, chain(&error), format!("{} --version", program.display())))
        }
        Ok(text) => {
            let version = version_in(&text).to_owned();
            let old = host.provider.kind == ProviderKind::DockerCompose && is_older(&version, OLDEST_COMPOSE);
            let lack = old.then(|| {
                (Need::Required, expected, version.clone(), elsewhere(host, name, "docker-compose"))
            });
            diagnosis.versions.insert(name, version);
            lack
        }
    };
    diagnosis.record("provider", found);
}

/// The version in `Docker Compose version v2.26.1-4`, or in podman-compose's own line: podman, which that (1.3) asks too, may
/// print its own before.
fn version_in(text: &str) -> &str {
    let own = text.lines().find(|line| !line.starts_with("podman version "));
    let words = own.unwrap_or_default().split_whitespace();
    let number = |word: &&str| word.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    words.into_iter().find(number).map_or("?", |word| word.trim_start_matches('v').trim_end_matches(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_providers_print() {
        for (text, version) in [
            ("Docker Compose version v2.26.1-4\n", "2.26.1-4"),
            ("docker-compose version 1.29.2, build unknown\n", "1.29.2"),
            ("podman-compose version 1.3.0\npodman version 5.4.2\n", "1.3.0"),
            ("podman version 5.4.2\npodman-compose version 1.3.0\n", "1.3.0"),
            ("", "?"),
        ] {
            assert_eq!(version_in(text), version);
        }
        assert!(is_older("1.29.2", OLDEST_COMPOSE));
    }
}
