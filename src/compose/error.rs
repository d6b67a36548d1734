//! How asking a compose provider can fail.

use std::path::PathBuf;

use thiserror::Error;

use super::said::{dependents, foreign_network, taken_port};
use crate::atomic::WriteError;
use crate::names::StackName;
use crate::process::ProcessError;

/// Why compose did not do, or did not understand, what a stack declares.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// The pinned provider is not installed.
    #[error("the compose provider {} is not in {path}; install it, or name it in config.json (\"provider\")", program.display())]
    NoProvider {
        /// The program that was looked for.
        program: PathBuf,
        /// Where.
        path: String,
    },
    /// The compose files are refused.
    #[error("compose {} the files of stack {stack}", if source.is_interrupted() { "had not read" } else { "refuses" })]
    Refused {
        /// The stack.
        stack: StackName,
        /// What compose said.
        source: ProcessError,
    },
    /// The name of an image is none. It would be an argument of podman, and it may hold a secret.
    #[error(
        "service {service} of stack {stack}: expected its \"image\" to read [HOST[:PORT]/]NAME[:TAG][@DIGEST]; what it reads is not shown, because it may hold a value of an env file"
    )]
    Image {
        /// The stack.
        stack: StackName,
        /// The service.
        service: String,
    },
    /// What compose says of its files cannot be read.
    #[error("what compose says of the files of stack {stack} is not understood: {problem}")]
    Model {
        /// The stack.
        stack: StackName,
        /// What is missing.
        problem: String,
    },
    /// One of the files that compose reads is none.
    #[error(
        "{} of stack {stack} is no file: expected a regular file, found a {found}; compose was not run, it might wait for it",
        path.display()
    )]
    NotAFile {
        /// The stack.
        stack: StackName,
        /// The file.
        path: PathBuf,
        /// What is there instead.
        found: &'static str,
    },
    /// Starting, stopping or pulling failed.
    #[error("cannot {step} stack {stack}")]
    Step {
        /// The stack.
        stack: StackName,
        /// What was tried.
        step: &'static str,
        /// What compose said.
        source: ProcessError,
    },
    /// The override file or the joined env files cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// podman-compose has no option for the project directory.
    #[error(
        "podman-compose takes the directory of the first compose file ({}) as the project directory; \"compose.directory\" is {}",
        file.display(), directory.display()
    )]
    Directory {
        /// The first compose file's directory.
        file: PathBuf,
        /// The declared one.
        directory: PathBuf,
    },
}

impl ComposeError {
    /// What to type next.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Refused { stack, .. } | Self::Image { stack, .. } | Self::NotAFile { stack, .. } => {
                Some(format!("mend that, then: stackctl preflight {stack}"))
            }
            Self::Step { stack, source: ProcessError::Interrupted { .. }, .. } => {
                Some(format!("stackctl restart {stack}"))
            }
            Self::Step { stack, source: ProcessError::TimedOut { .. }, .. } => Some(format!(
                "stackctl compose {stack} -- logs --tail 50; if it only takes long, a larger \"startup_timeout\" or \"pull_timeout\" in its inventory file"
            )),
            Self::Step { stack, source, .. } => Some(after(stack, source.stderr())),
            _ => None,
        }
    }

    /// What compose printed while it did something.
    #[must_use]
    pub fn printed(&self) -> Option<&str> {
        match self {
            Self::Step { source, .. } => Some(source.stderr()),
            _ => None,
        }
    }

    /// Whether compose did not come to an end of its own, so that nothing it was waiting for is the reason.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        let killed = matches!(self, Self::Step { source, .. } if source.is_killed());
        killed || self.is_interrupted()
    }

    /// Whether it failed only because this program was asked to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(
            self,
            Self::Refused { source, .. } | Self::Step { source, .. } if source.is_interrupted()
        )
    }
}

/// What to type next, after what compose said while it did something with a stack.
#[must_use]
pub fn after(stack: &StackName, said: &str) -> String {
    if let Some(port) = taken_port(said) {
        return format!(
            "ss --listening --numeric --processes 'sport = :{port}', which tells who has that port, then: stackctl restart {stack}"
        );
    }
    if let Some(network) = foreign_network(said) {
        return format!("podman network rm {network}, then: stackctl restart {stack}");
    }
    let filters: String = dependents(said).flat_map(|id| [" --filter id=", id]).collect();
    if filters.is_empty() {
        return format!("mend that, then: stackctl restart {stack}");
    }
    format!(
        "podman ps --all{filters}, which tells what shares a namespace with the container that is replaced, and has to be removed (podman rm --force), then: stackctl restart {stack}"
    )
}
