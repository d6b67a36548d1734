//! How a transaction on a stack can end early, and with which code.

use std::time::Duration;

use thiserror::Error;

use crate::compose::{ComposeError, after};
use crate::document::ReadError;
use crate::error::MANAGER;
use crate::exit::Code;
use crate::inventory::InventoryError;
use crate::lock::LockError;
use crate::names::{StackName, UnitName};
use crate::podman::{PodmanError, after_refusal, says_later};
use crate::process::ProcessError;
use crate::systemd::bus::BusError;

use super::preflight::Refusals;
use super::state::Held;
use super::ties::{Guest, make_way};
use super::verify::Problem;
use super::volumes::Loss;

/// Why a transaction on a stack did not come to its end.
#[derive(Debug, Error)]
pub enum StackError {
    /// The stack's inventory file.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The stack's saved state, or a record.
    #[error("what was written down of the stack cannot be read")]
    State(#[from] ReadError),
    /// Preflight found something.
    #[error("stack {stack}: refused, the running containers were not touched: {refusals}")]
    Refused {
        /// The stack.
        stack: StackName,
        /// What does not hold.
        refusals: Refusals,
    },
    /// compose could not start the stack because something that others depend on is not up.
    #[error("stack {stack} is not up, and compose gave up waiting for it: {}", joined(problems))]
    DependencyNotUp {
        /// The stack.
        stack: StackName,
        /// What is wrong, by container.
        problems: Vec<Problem>,
        /// What compose said.
        source: Box<ComposeError>,
    },
    /// compose could not start the stack.
    #[error("{source}; its containers now: {containers}")]
    Up {
        /// The containers and their states.
        containers: String,
        /// What compose said.
        source: Box<ComposeError>,
    },
    /// compose could not pull or build an image.
    #[error("cannot {verb} {image} for service {service}, the running containers were not touched")]
    Fetch {
        /// `pull` or `build`.
        verb: &'static str,
        /// The image.
        image: String,
        /// The service.
        service: String,
        /// What compose said.
        source: Box<ComposeError>,
    },
    /// compose said that an image was pulled or built, and it is not here.
    #[error("cannot {verb} {image} for stack {stack}, the running containers were not touched: {said}")]
    NotFetched {
        /// The stack.
        stack: StackName,
        /// `pull` or `build`.
        verb: &'static str,
        /// The image.
        image: String,
        /// The last error that compose printed.
        said: String,
    },
    /// compose said that all is well, and it is not.
    #[error(
        "stack {stack}: service {service}: expected a container that was started, saw {seen} after `compose up`: {said}"
    )]
    NotMade {
        /// The stack.
        stack: StackName,
        /// The service.
        service: String,
        /// What there is instead.
        seen: &'static str,
        /// The last error that compose printed.
        said: String,
    },
    /// The verdict.
    #[error("stack {stack} is not up{}: {}", limit(*waited), joined(problems))]
    NotUp {
        /// The stack.
        stack: StackName,
        /// What is wrong, by container.
        problems: Vec<Problem>,
        /// The time limit, if it was waited for to the end.
        waited: Option<Duration>,
    },
    /// An image is gone, and nothing tells where it can be had again.
    #[error("{reference}: image {id} is gone, and no digest of it is known")]
    ImageGone {
        /// The reference that it had.
        reference: String,
        /// Its id.
        id: String,
    },
    /// This program was asked to end.
    #[error("stack {stack}: this program was asked to end, and did so before the step `{before}`")]
    Interrupted {
        /// The stack.
        stack: StackName,
        /// The step that was not taken.
        before: &'static str,
    },
    /// A verification was asked to end.
    #[error(
        "stack {stack}: superseded, this program was asked to end before there was a verdict, as when the stack stops or is verified anew"
    )]
    Superseded {
        /// The stack.
        stack: StackName,
    },
    /// The unit's job came to a bad end.
    #[error(
        "{unit}: expected it to be {wanted}, but its job ended as \"{result}\"{}; next: journalctl --user -u {unit} -n 50",
        code.map(|code| format!(", and its program with {} ({})", code.number(), code.meaning_of_a_verb())).unwrap_or_default()
    )]
    Job {
        /// The unit.
        unit: UnitName,
        /// What was wanted.
        wanted: &'static str,
        /// systemd's word.
        result: String,
        /// What its program ended with, if that is one of ours.
        code: Option<Code>,
    },
    /// Somebody else is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// podman.
    #[error(transparent)]
    Podman(#[from] PodmanError),
    /// compose.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The user manager.
    #[error(transparent)]
    Bus(Box<BusError>),
    /// A stop from within the unit, and the manager cannot be asked why.
    #[error(
        "stack {stack}: whether its unit stops or restarts cannot be asked, so its containers were left as they are; `stackctl stop {stack}` stops them"
    )]
    StopUnread {
        /// The stack.
        stack: StackName,
        /// What the bus said.
        source: Box<BusError>,
    },
    /// A stop from within the unit, and no job of it says why.
    #[error(
        "stack {stack}: its unit stops, and no job says why, so its containers were left as they are; `stackctl stop {stack}` stops them"
    )]
    StopUnclear {
        /// The stack.
        stack: StackName,
    },
    /// Containers were stopped again and again, and run nevertheless.
    #[error(
        "stack {stack}: expected its containers to be stopped, but podman starts them again; next: podman update --restart=no {ids}, then: stackctl stop {stack}",
        ids = containers.join(" ")
    )]
    StartedAgain {
        /// The stack.
        stack: StackName,
        /// Their ids.
        containers: Vec<String>,
    },
    /// The containers were stopped, and that could not be recorded.
    #[error("stack {stack}: {done}, but not recorded")]
    Unwritten {
        /// The stack.
        stack: StackName,
        /// What was done.
        done: String,
        /// What could not be written.
        source: Box<crate::error::Error>,
    },
    /// The stack runs, and with what could not be stored.
    #[error(
        "stack {stack}: its containers run ({containers}), but what they were made from could not be stored"
    )]
    UpUnwritten {
        /// The stack.
        stack: StackName,
        /// The containers.
        containers: String,
        /// What could not be written.
        source: crate::atomic::WriteError,
    },
    /// What runs would be replaced by podman-compose, which takes no anonymous volume along.
    #[error("stack {stack}: refused, the running containers were not touched: {}", joined(losses))]
    VolumesLost {
        /// The stack.
        stack: StackName,
        /// What would be lost.
        losses: Vec<Loss>,
    },
    /// podman does not remove what others share a namespace with.
    #[error(
        "stack {stack}: refused, the running containers were not touched: expected nobody else to need a container that is to go, but podman removes none that others depend on: {}",
        joined(guests)
    )]
    Shared {
        /// The stack.
        stack: StackName,
        /// Who shares one.
        guests: Vec<Guest>,
    },
    /// Its data must be brought back first.
    #[error(
        "stack {stack}: not started, because since {} its data is not what the version before left ({}); next: bring the data back, then: stackctl restart {stack}",
        held.since, held.reason
    )]
    Held {
        /// The stack.
        stack: StackName,
        /// Why.
        held: Held,
    },
    /// Nothing tells which project the stack is.
    #[error(
        "stack {stack} is not declared, has no saved state and no container names it: there is nothing to stop"
    )]
    Unknown {
        /// The stack.
        stack: StackName,
    },
}

impl StackError {
    /// What to type next, where the text does not say it.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Inventory(error) => Some(error.next()),
            Self::State(error) => Some(remedy(error)),
            Self::Bus(_) => Some(MANAGER.to_owned()),
            Self::Refused { stack, .. } => Some(format!("mend that, then: stackctl preflight {stack}")),
            Self::Shared { stack, guests } => Some(make_way(stack, guests)),
            Self::Compose(error) => error.next(),
            Self::NotMade { stack, said, .. } => Some(after(stack, said)),
            Self::Fetch { verb: "pull", image, source, .. } => {
                Some(after_refusal(image, source.printed().unwrap_or_default()))
            }
            Self::NotFetched { verb: "pull", image, said, .. } => Some(after_refusal(image, said)),
            Self::Up { source, .. } | Self::Fetch { source, .. } => source.next(),
            Self::NotUp { problems, .. } | Self::DependencyNotUp { problems, .. } => next_of(problems),
            Self::Unwritten { .. } => Some("df --human-readable --inodes, and make room".to_owned()),
            Self::UpUnwritten { stack, .. } => Some(format!("make room, then: stackctl apply {stack}")),
            _ => None,
        }
    }

    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Inventory(_) | Self::VolumesLost { .. } | Self::Unknown { .. } => Code::Configuration,
            Self::Refused { refusals, .. } => refusals.code(),
            Self::NotUp { .. } | Self::DependencyNotUp { .. } => Code::NotUp,
            Self::Held { .. } => Code::NotRolledBack,
            Self::Fetch { source, .. } if source.printed().is_some_and(says_later) => Code::TryLater,
            Self::NotFetched { said, .. } if says_later(said) => Code::TryLater,
            Self::Up { source, .. } | Self::Fetch { source, .. } => compose_code(source),
            Self::NotFetched { .. }
            | Self::NotMade { .. }
            | Self::Shared { .. }
            | Self::ImageGone { .. }
            | Self::StopUnclear { .. }
            | Self::StartedAgain { .. } => Code::Refused,
            Self::Job { code, .. } => code.unwrap_or(Code::Refused),
            Self::State(_) => Code::Io,
            Self::Lock(LockError::Io { .. }) | Self::Unwritten { .. } | Self::UpUnwritten { .. } => {
                Code::CannotWrite
            }
            Self::Interrupted { .. }
            | Self::Superseded { .. }
            | Self::Lock(LockError::Held { .. } | LockError::Interrupted { .. }) => Code::TryLater,
            Self::Podman(error) => podman_code(error),
            Self::Compose(error) => compose_code(error),
            Self::Bus(error) | Self::StopUnread { source: error, .. } => error.code(),
        }
    }
}

impl From<BusError> for StackError {
    fn from(error: BusError) -> Self {
        Self::Bus(Box::new(error))
    }
}

fn joined(several: &[impl ToString]) -> String {
    several.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What shows more of each, once.
fn next_of(problems: &[Problem]) -> Option<String> {
    let mut commands: Vec<&str> = Vec::new();
    for problem in problems {
        if !commands.contains(&problem.next.as_str()) {
            commands.push(&problem.next);
        }
    }
    (!commands.is_empty()).then(|| commands.join("; "))
}

fn limit(waited: Option<Duration>) -> String {
    waited.map_or_else(String::new, |waited| format!(" after {}", humantime::format_duration(waited)))
}

fn podman_code(error: &PodmanError) -> Code {
    match error {
        PodmanError::Missing { .. } | PodmanError::Silent { .. } => Code::Unreachable,
        PodmanError::Process(error) => process_code(error),
    }
}

fn compose_code(error: &ComposeError) -> Code {
    match error {
        ComposeError::NoProvider { .. }
        | ComposeError::Directory { .. }
        | ComposeError::Image { .. }
        | ComposeError::NotAFile { .. } => Code::Configuration,
        // With a status of its own compose has read the files and said no; otherwise it did not come so far.
        ComposeError::Refused { source, .. } if source.exit_status().is_some() => Code::Configuration,
        ComposeError::Refused { source, .. } | ComposeError::Step { source, .. } => process_code(source),
        ComposeError::Model { .. } => Code::Refused,
        ComposeError::Write(_) => Code::CannotWrite,
    }
}

fn process_code(error: &ProcessError) -> Code {
    match error {
        ProcessError::Start { .. } | ProcessError::TimedOut { .. } => Code::Unreachable,
        ProcessError::Interrupted { .. } => Code::TryLater,
        ProcessError::Failed { .. } | ProcessError::TooMuch { .. } | ProcessError::NotUnderstood { .. } => {
            Code::Refused
        }
        ProcessError::Io { .. } => Code::Io,
    }
}

/// What to do about a file that cannot be read.
fn remedy(error: &ReadError) -> String {
    let path = error.path().display();
    match error {
        ReadError::Missing { .. } | ReadError::Io { .. } => format!("ls -l {path}"),
        ReadError::Newer { .. } => "upgrade this program".to_owned(),
        _ => format!(
            "mv {path} {path}.damaged, which gives up the pinned and quarantined images that it names"
        ),
    }
}
