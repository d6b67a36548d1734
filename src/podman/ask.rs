//! The questions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::inspected::Inspected;
use super::types::{Container, Image, PROJECT_LABEL, Volume};
use crate::dirs::Dirs;
use crate::inventory::Host;
use crate::process::{Command, Environment, Interrupt, Lines, ProcessError};

/// A question takes podman 0.1 s; while another podman pulls or a disk is busy it waits for locks. Far below every
/// unit's timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often containers are listed, when one goes before it is looked at: nobody holds those of others.
const LISTINGS: usize = 5;

/// Why podman did not answer.
#[derive(Debug, Error)]
pub enum PodmanError {
    /// podman is not installed.
    #[error("{} is not in {path}; install podman 4.7 or later, or name it in config.json (\"podman\")", program.display())]
    Missing {
        /// The program that was looked for.
        program: PathBuf,
        /// Where.
        path: String,
    },
    /// podman failed, hung, or said what is not understood.
    #[error("{}", failure(.0))]
    Process(#[from] ProcessError),
    /// Its API, which docker-compose talks to, says nothing.
    #[error(
        "podman's API at {} did not answer within {}; next: systemctl --user restart podman.service",
        socket.display(), humantime::format_duration(*waited)
    )]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        waited: Duration,
        /// What the system said.
        source: std::io::Error,
    },
}

fn failure(error: &ProcessError) -> &'static str {
    if error.is_interrupted() {
        "podman had not answered yet"
    } else if error.exit_status().is_some() {
        "podman refused"
    } else {
        "podman did not answer"
    }
}

/// Asks podman's API for a sign of life: a client of it would wait for as long as it may.
///
/// # Errors
/// There is none in time.
pub fn ping(dirs: &Dirs, patience: Duration) -> Result<(), PodmanError> {
    let socket = dirs.runtime.join("podman/podman.sock");
    let answer = || {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        stream.read_exact(&mut [0])
    };
    answer().map_err(|source| PodmanError::Silent { socket: socket.clone(), waited: patience, source })
}

impl PodmanError {
    /// Whether podman was asked for a container or an image that is not there (any more).
    #[must_use]
    pub fn is_no_such_object(&self) -> bool {
        // 125 is podman's status for every failure of its own; only the text tells them apart.
        matches!(self, Self::Process(error) if error.exit_status() == Some(125)
            && ["image not known", "no such", "failed to find image"].iter().any(|text| error.stderr().contains(text)))
    }
}

/// podman, and how it is run.
#[derive(Debug, Clone)]
pub struct Podman {
    program: PathBuf,
    environment: Environment,
    interrupt: Interrupt,
}

impl Podman {
    /// Finds podman.
    ///
    /// # Errors
    /// It is not installed.
    pub fn find(dirs: &Dirs, host: &Host, interrupt: &Interrupt) -> Result<Self, PodmanError> {
        let program = host.find_program(&host.podman).filter(|path| path.is_file());
        let missing = || PodmanError::Missing { program: host.podman.clone(), path: host.path.clone() };
        let program = program.ok_or_else(missing)?;
        Ok(Self { program, environment: Environment::new(dirs, host), interrupt: interrupt.clone() })
    }

    /// The same podman, also when this program was asked to end: for telling what is left.
    #[must_use]
    pub fn uninterrupted(&self) -> Self {
        Self { interrupt: Interrupt::never(), ..self.clone() }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A podman command.
    #[must_use]
    pub fn command(&self, timeout: Duration) -> Command {
        Command::new(&self.program, &self.environment, timeout, &self.interrupt)
    }

    fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<Option<T>, PodmanError> {
        Ok(self.command(ANSWER_TIMEOUT).args(arguments).capture_json()?)
    }

    /// The version, as podman prints it.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn version(&self) -> Result<String, PodmanError> {
        let text = self.command(ANSWER_TIMEOUT).arg("--version").capture_text()?;
        Ok(text.trim().trim_start_matches("podman version").trim().to_owned())
    }

    /// Every container, whoever made it, stopped ones too, without those of pods.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn containers(&self) -> Result<Vec<Container>, PodmanError> {
        self.list(&[])
    }

    /// Every container of every project, stopped ones too, without those of pods.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn compose_containers(&self) -> Result<Vec<Container>, PodmanError> {
        self.labelled(PROJECT_LABEL)
    }

    /// The containers of one project, stopped ones too.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn project_containers(&self, project: &str) -> Result<Vec<Container>, PodmanError> {
        self.labelled(&format!("{PROJECT_LABEL}={project}"))
    }

    /// The containers with this label, or this label and value (`name=value`), stopped ones too, in order of name.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn labelled(&self, label: &str) -> Result<Vec<Container>, PodmanError> {
        self.list(&["--filter", &format!("label={label}")])
    }

    fn list(&self, options: &[&str]) -> Result<Vec<Container>, PodmanError> {
        let arguments: Vec<&str> =
            ["ps", "--all", "--format", "json"].iter().chain(options).copied().collect();
        let mut containers: Vec<Container> = self.ask(&arguments)?.unwrap_or_default();
        containers.retain(|container| !container.is_infra);
        containers.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(containers)
    }

    /// Containers in full, in order of name. One that is gone meanwhile is an error.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn inspect(&self, ids: &[&str]) -> Result<Vec<Inspected>, PodmanError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let arguments: Vec<&str> = ["container", "inspect"].iter().chain(ids).copied().collect();
        let mut containers: Vec<Inspected> = self.ask(&arguments)?.unwrap_or_default();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    /// Those of these containers in full that `wanted` picks, in order of name, with the list that they are of: listed anew
    /// with `list` when one of them is gone.
    ///
    /// # Errors
    /// podman does not answer, or they go each time.
    pub fn inspect_listed(
        &self,
        mut listed: Vec<Container>,
        list: impl Fn(&Self) -> Result<Vec<Container>, PodmanError>,
        wanted: impl Fn(&Container) -> bool,
    ) -> Result<(Vec<Container>, Vec<Inspected>), PodmanError> {
        let mut listings = 1;
        loop {
            match self.inspect(&ids(&listed, &wanted)) {
                Err(error) if error.is_no_such_object() && listings < LISTINGS => listed = list(self)?,
                inspected => return Ok((listed, inspected?)),
            }
            listings += 1;
        }
    }

    /// The volumes of one project.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn project_volumes(&self, project: &str) -> Result<Vec<Volume>, PodmanError> {
        let filter = format!("label={PROJECT_LABEL}={project}");
        let mut volumes: Vec<Volume> =
            self.ask(&["volume", "ls", "--format", "json", "--filter", &filter])?.unwrap_or_default();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    /// Whether there is one of this `kind`, `network` or `volume`, with this name.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn has(&self, kind: &str, name: &str) -> Result<bool, PodmanError> {
        match self.command(ANSWER_TIMEOUT).args([kind, "exists", "--", name]).capture() {
            Ok(_) => Ok(true),
            // podman-network-exists(1), podman-volume-exists(1): "1 does not exist"; 125 is a failure.
            Err(error) if error.exit_status() == Some(1) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The images of these references, as far as they are here.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn images(&self, references: &[&str]) -> Result<BTreeMap<String, Option<Image>>, PodmanError> {
        let mut unique: Vec<&str> = references.to_vec();
        unique.sort_unstable();
        unique.dedup();
        if unique.is_empty() {
            return Ok(BTreeMap::new());
        }
        let arguments: Vec<&str> = ["image", "inspect"].iter().chain(&unique).copied().collect();
        let names = || unique.iter().map(|reference| (*reference).to_owned());
        match self.ask::<Vec<Image>>(&arguments) {
            Ok(images) => Ok(names().zip(images.unwrap_or_default().into_iter().map(Some)).collect()),
            // One that is missing fails the question for all: ask one by one.
            Err(error) if error.is_no_such_object() && unique.len() == 1 => {
                Ok(names().map(|reference| (reference, None)).collect())
            }
            Err(error) if error.is_no_such_object() => {
                let mut images = BTreeMap::new();
                for reference in unique {
                    images.append(&mut self.images(&[reference])?);
                }
                Ok(images)
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a podman that ends when all these containers are healthy, or have ended; none if there is none.
    ///
    /// # Errors
    /// podman cannot be started.
    pub fn wait_for_health(&self, ids: &[String]) -> Result<Option<Lines>, PodmanError> {
        if ids.is_empty() {
            return Ok(None);
        }
        // Its own events come up to half a second late; here it looks itself.
        let options = ["wait", "--ignore", "--interval=100ms", "--condition=healthy", "--condition=stopped"];
        Ok(Some(self.command(Duration::MAX).args(options).arg("--condition=exited").args(ids).lines()?))
    }

    /// Waits without podman's help until `moment`.
    ///
    /// # Errors
    /// This program was asked to end.
    pub fn pause(&self, moment: Instant) -> Result<(), PodmanError> {
        if self.interrupt.wait_until(moment) {
            let command = "waiting".to_owned();
            return Err(ProcessError::Interrupted { command }.into());
        }
        Ok(())
    }

    /// Stops containers, each within its own grace period. One that is gone is no error.
    ///
    /// # Errors
    /// podman fails, or the containers do not stop in time.
    pub fn stop(&self, ids: &[&str], timeout: Duration) -> Result<(), PodmanError> {
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.command(timeout).args(["stop", "--ignore"]).args(ids).run(|_| {})?)
    }

    /// Lets paused containers go on.
    ///
    /// # Errors
    /// podman fails.
    pub fn unpause(&self, ids: &[&str], timeout: Duration) -> Result<(), PodmanError> {
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.command(timeout).arg("unpause").args(ids).run(|_| {})?)
    }

    /// Removes containers that are stopped. Their volumes stay.
    ///
    /// # Errors
    /// podman fails.
    pub fn remove(&self, ids: &[&str], timeout: Duration) -> Result<(), PodmanError> {
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.command(timeout).arg("rm").args(ids).run(|_| {})?)
    }

    /// Removes the networks of a project that nothing uses.
    ///
    /// # Errors
    /// podman fails, or something uses one of them.
    pub fn remove_networks(&self, project: &str) -> Result<(), PodmanError> {
        let filter = format!("label={PROJECT_LABEL}={project}");
        let listed = self
            .command(ANSWER_TIMEOUT)
            .args(["network", "ls", "--quiet", "--filter", &filter])
            .capture_text()?;
        let networks: Vec<&str> = listed.split_whitespace().collect();
        if networks.is_empty() {
            return Ok(());
        }
        Ok(self.command(ANSWER_TIMEOUT).args(["network", "rm"]).args(&networks).run(|_| {})?)
    }

    /// Starts containers again.
    ///
    /// # Errors
    /// podman fails, or they do not stop and start in time.
    pub fn restart(&self, ids: &[&str], timeout: Duration) -> Result<(), PodmanError> {
        if ids.is_empty() {
            return Ok(());
        }
        Ok(self.command(timeout).arg("restart").args(ids).run(|_| {})?)
    }

    /// Gives a container another name; it goes on running.
    ///
    /// # Errors
    /// podman fails: the name is taken, or the container is gone.
    pub fn rename(&self, id: &str, name: &str) -> Result<(), PodmanError> {
        Ok(self.command(ANSWER_TIMEOUT).args(["rename", "--", id, name]).run(|_| {})?)
    }

    /// The ids of all containers, whoever made them.
    ///
    /// # Errors
    /// podman does not answer.
    pub fn all_ids(&self) -> Result<BTreeSet<String>, PodmanError> {
        let text = self
            .command(ANSWER_TIMEOUT)
            .args(["ps", "--all", "--external", "--quiet", "--no-trunc"])
            .capture_text()?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// What happens to the containers of one project, as it happens.
    ///
    /// # Errors
    /// podman cannot be started.
    pub fn events(&self, project: &str) -> Result<Lines, PodmanError> {
        let filter = format!("label={PROJECT_LABEL}={project}");
        let command = self.command(Duration::MAX);
        Ok(command
            .args(["events", "--format", "json", "--filter", "type=container", "--filter", &filter])
            .lines()?)
    }
}

fn ids(listed: &[Container], wanted: impl Fn(&Container) -> bool) -> Vec<&str> {
    listed.iter().filter(|one| wanted(one)).map(|one| one.id.as_str()).collect()
}
