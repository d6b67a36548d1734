//! How an update can end early, and with which code.

use std::path::PathBuf;

use thiserror::Error;

use crate::error::Error as AnyError;
use crate::exit::Code;
use crate::names::StackName;
use crate::podman::after_refusal;
use crate::process::ProcessError;

/// Why an update did not come to its end.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// It failed before anything was changed.
    #[error("stack {stack}: not {verb}, nothing was changed{}", if source.code() == Code::TryLater { ", the next run tries again" } else { "" })]
    NothingChanged {
        /// The stack.
        stack: StackName,
        /// What was wanted: `updated`, `rolled back`.
        verb: &'static str,
        /// Why.
        source: Box<AnyError>,
    },
    /// It succeeded, and what is to be remembered of it was not written.
    #[error("stack {stack}: {done}; what is pinned and quarantined could not be remembered")]
    NotRemembered {
        /// The stack.
        stack: StackName,
        /// What was done.
        done: String,
        /// Why.
        source: Box<AnyError>,
    },
    /// The compose files were edited and not applied.
    #[error(
        "stack {stack}: {} runs {runs}, but the compose files say {reference}: an edit that was not applied has no way back; next: systemctl --user restart {}",
        services.join(", "), stack.service()
    )]
    Edited {
        /// The stack.
        stack: StackName,
        /// The services.
        services: Vec<String>,
        /// What the compose files say.
        reference: String,
        /// What the container was made from.
        runs: String,
    },
    /// Nothing is new, and what runs is not to run.
    #[error(
        "stack {stack}: it still runs {image}, which is quarantined since {since}: {reason}; next: stackctl {way_back} {stack}, or stackctl quarantine {stack} --clear if it is good"
    )]
    QuarantinedRuns {
        /// The stack.
        stack: StackName,
        /// The reference and the digest.
        image: String,
        /// Since when.
        since: String,
        /// Why.
        reason: String,
        /// The verb that leads away from it.
        way_back: &'static str,
    },
    /// The registry cannot be reached, limits the rate, or is in trouble itself.
    #[error("{reference}: the registry cannot be asked now")]
    Later {
        /// The image.
        reference: String,
        /// What podman or skopeo said.
        source: ProcessError,
    },
    /// Nobody declares the stack, and nothing is remembered of it.
    #[error(
        "stack {stack}: expected a stack that is declared, saw {}; next: stackctl status",
        if declared.is_empty() { "that none is".to_owned() } else { format!("only {}", declared.join(", ")) }
    )]
    UnknownStack {
        /// The stack.
        stack: StackName,
        /// Those that are declared.
        declared: Vec<String>,
    },
    /// The registry said no, or offers what cannot be taken.
    #[error("{reference}: the registry refused, or what it offers is not an image")]
    Offer {
        /// The image.
        reference: String,
        /// What podman or skopeo said.
        source: ProcessError,
    },
    /// podman's storage is full.
    #[error("{reference}: there is no room for it")]
    Full {
        /// The image.
        reference: String,
        /// What podman said.
        source: ProcessError,
    },
    /// The image is for another machine.
    #[error("{reference}: the image is for {seen}, expected {expected}")]
    Platform {
        /// The image.
        reference: String,
        /// This machine.
        expected: String,
        /// What the image says.
        seen: String,
    },
    /// Too little space to fetch anything.
    #[error(
        "{}: {free} MiB are free, expected at least {needed}; next: podman system df",
        path.display()
    )]
    Space {
        /// podman's storage.
        path: PathBuf,
        /// What is free. MiB.
        free: u64,
        /// What is expected. MiB.
        needed: u64,
    },
    /// A command of the operator failed.
    #[error("stack {stack}: a command of \"update.{key}\" failed{}", if *key == "on_rollback" { ", so the services whose images changed stay stopped until their data was brought back" } else { "" })]
    Hook {
        /// The stack.
        stack: StackName,
        /// `before` or `on_rollback`.
        key: &'static str,
        /// How.
        source: ProcessError,
    },
    /// What runs after the step is not what was to run.
    #[error("stack {stack}: service {service} runs image {seen}, expected {expected}")]
    WrongImage {
        /// The stack.
        stack: StackName,
        /// The service.
        service: String,
        /// The id that was recorded.
        expected: String,
        /// The id that runs.
        seen: String,
    },
    /// The stack is stopped, and what a killed program has left must be settled first.
    #[error(
        "stack {stack}: an update begun {since} was killed, and the stack is stopped; next: systemctl --user start {}, which finishes or undoes it",
        stack.service()
    )]
    Open {
        /// The stack.
        stack: StackName,
        /// When the update began.
        since: String,
    },
    /// There is no such pinned set.
    #[error("stack {stack}: there is no pinned set {wanted} to go back to; there are {}: {}; next: stackctl history {stack}", there.len(), listed(there))]
    NoPin {
        /// The stack.
        stack: StackName,
        /// The number that was asked for.
        wanted: usize,
        /// Those that there are, a line each.
        there: Vec<String>,
    },
    /// No image of the set is used any more.
    #[error(
        "stack {stack}: nothing that it runs was different in the pinned set {set}; were the references edited?"
    )]
    NothingToGoBackTo {
        /// The stack.
        stack: StackName,
        /// The set in a line.
        set: String,
    },
    /// It was undone.
    #[error(
        "stack {stack}: update rolled back, the old images run again and are verified; with the new ones: {why}"
    )]
    RolledBack {
        /// The stack.
        stack: StackName,
        /// Why.
        why: String,
    },
    /// It was not undone.
    #[error("stack {stack}: update failed and what runs is not verified: {why}; {left}; next: {next}")]
    NotRolledBack {
        /// The stack.
        stack: StackName,
        /// Why the update failed.
        why: String,
        /// Why it was not undone, and what is left.
        left: String,
        /// What to do.
        next: String,
    },
    /// It failed while tags were moved, and was put back before a container was started.
    #[error("stack {stack}: update failed before a container was started, and was put back: {why}")]
    PutBack {
        /// The stack.
        stack: StackName,
        /// The code of what failed.
        code: Code,
        /// Why.
        why: String,
    },
    /// The machine goes down.
    #[error(
        "stack {stack}: the user manager is stopping; the update is finished or undone at the next start of the stack"
    )]
    GoingDown {
        /// The stack.
        stack: StackName,
    },
    /// Somebody asks for something that only skopeo can answer.
    #[error("{} is not installed, and without it a registry cannot be asked without pulling", program.display())]
    NoSkopeo {
        /// The program.
        program: PathBuf,
    },
}

impl UpdateError {
    /// What to type next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::NothingChanged { source, .. } | Self::NotRemembered { source, .. } => source.next(),
            Self::Full { .. } => Some("podman system df".to_owned()),
            Self::Offer { reference, source } => Some(after_refusal(reference, source.stderr())),
            _ => None,
        }
    }

    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            // Files of ours that are damaged refuse the update; nothing was written.
            Self::NothingChanged { source, .. } => match source.code() {
                Code::Io => Code::Refused,
                code => code,
            },
            Self::Later { .. } | Self::GoingDown { .. } => Code::TryLater,
            Self::Offer { .. }
            | Self::Full { .. }
            | Self::Platform { .. }
            | Self::Space { .. }
            | Self::Hook { .. }
            | Self::WrongImage { .. }
            | Self::NoSkopeo { .. } => Code::Refused,
            Self::NotRemembered { source, .. } => source.code(),
            Self::Edited { .. }
            | Self::UnknownStack { .. }
            | Self::Open { .. }
            | Self::NoPin { .. }
            | Self::NothingToGoBackTo { .. } => Code::Configuration,
            Self::RolledBack { .. } => Code::RolledBack,
            Self::NotRolledBack { .. } | Self::QuarantinedRuns { .. } => Code::NotRolledBack,
            Self::PutBack { code, .. } => match code {
                Code::TryLater => Code::TryLater,
                _ => Code::Refused,
            },
        }
    }
}

fn listed(sets: &[String]) -> String {
    if sets.is_empty() { "none".to_owned() } else { sets.join("; ") }
}
