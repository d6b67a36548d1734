//! What ends a program early, and the one map from errors to exit codes.

use std::error::Error as StdError;
use std::io;

use thiserror::Error;

use crate::alert::AlertError;
use crate::artifacts::ArtifactError;
use crate::atomic::WriteError;
use crate::dirs::DirsError;
use crate::document::ReadError;
use crate::exit::Code;
use crate::gate::GateError;
use crate::inventory::InventoryError;
use crate::lock::LockError;
use crate::manager_check::CheckError;
use crate::names::{NameError, StackName, UnitName};
use crate::observe::ObserveError;
use crate::render::ProgramsError;
use crate::seal::SealError;
use crate::stack::{Refusal, StackError};
use crate::systemd::bus::BusError;
use crate::update::UpdateError;

/// What tells more of a bus or a manager that does not answer.
pub(crate) const MANAGER: &str = "systemctl status \"user@$(id -u).service\"";

/// Everything that can end a program early. Each concern has its own enum; this one only gathers them.
#[derive(Debug, Error)]
pub enum Error {
    /// The environment does not tell where things are.
    #[error(transparent)]
    Dirs(#[from] DirsError),
    /// A name that was given on the command line.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A file of the inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The host configuration or a seal.
    #[error(transparent)]
    Configuration(ReadError),
    /// A gate that could assert nothing.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A unit file that cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A declaration that is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A stack that is not declared, because compose does not take its files.
    #[error("stack {stack} was not added")]
    NotAdded {
        /// The stack.
        stack: StackName,
        /// What compose said.
        source: Box<StackError>,
    },
    /// A unit that is not observed, or not forgotten.
    #[error(transparent)]
    Observe(Box<ObserveError>),
    /// A unit file or link.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The user bus or the manager.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// A unit that did not start.
    #[error(
        "{unit}: expected it to be started, but its job ended as {result}; next: systemctl --user status {unit}"
    )]
    NotStarted {
        /// The unit.
        unit: UnitName,
        /// The job's result, in systemd's word.
        result: String,
    },
    /// No program that a unit could start.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// An audit that ends before its verdict, several times in a row.
    #[error(
        "{unit} ended several times in a row before its verdict; next: journalctl --user -u {unit} -n 50"
    )]
    AuditNeverCompletes {
        /// The unit.
        unit: UnitName,
    },
    /// Another audit that does not end.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An alert that was not told.
    #[error(transparent)]
    Alert(#[from] AlertError),
    /// A user manager that cannot be looked at.
    #[error(transparent)]
    ManagerCheck(#[from] CheckError),
    /// A state file.
    #[error(transparent)]
    State(ReadError),
    /// A transaction on a stack.
    #[error(transparent)]
    Stack(Box<StackError>),
    /// An update.
    #[error(transparent)]
    Update(Box<UpdateError>),
    /// A file that could not be replaced.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Standard output.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A directory or file operation; the source names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// How the program ends because of this error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Dirs(_)
            | Self::Inventory(_)
            | Self::Configuration(_)
            | Self::Seal(_)
            | Self::Observe(_)
            | Self::Refused(_)
            | Self::Programs(ProgramsError::Unstartable(_)) => Code::Configuration,
            Self::Name(_) => Code::Usage,
            Self::Artifact(error) => error.code(),
            Self::Bus(error) => error.code(),
            Self::Gate(error) => error.code(),
            Self::NotStarted { .. } => Code::Refused,
            Self::AuditNeverCompletes { .. } => Code::Internal,
            Self::Alert(error) => error.code(),
            Self::ManagerCheck(error) => error.code(),
            Self::Stack(error) => error.code(),
            Self::NotAdded { source, .. } => source.code(),
            Self::Update(error) => error.code(),
            Self::State(_) | Self::Io(_) | Self::Output(_) | Self::Programs(ProgramsError::Unknown(_)) => {
                Code::Io
            }
            Self::Lock(LockError::Held { .. } | LockError::Interrupted { .. }) => Code::TryLater,
            Self::Write(_) | Self::Lock(LockError::Io { .. }) => Code::CannotWrite,
        }
    }
}

impl Error {
    /// The error in one line, with what to type next.
    #[must_use]
    pub fn line(&self) -> String {
        let text = chain(self);
        match self.next() {
            // Who found it may have known better.
            Some(next) if !text.contains("next: ") => format!("{text}; next: {next}"),
            _ => text,
        }
    }

    /// The error in one line, without what to type next: for who knows better, or names it elsewhere.
    #[must_use]
    pub fn reason(&self) -> String {
        part_next(&chain(self)).0.to_owned()
    }

    /// What to type next, where the text does not say it.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        match self {
            Self::Inventory(error) => Some(error.next()),
            Self::Bus(_) => Some(MANAGER.to_owned()),
            Self::Stack(error) => error.next(),
            // No verb knows it yet.
            Self::NotAdded { stack, .. } => {
                Some(format!("mend that, then again: stackctl add {stack} --compose FILE"))
            }
            Self::Update(error) => error.next(),
            _ => None,
        }
    }
}

impl From<StackError> for Error {
    fn from(error: StackError) -> Self {
        Self::Stack(Box::new(error))
    }
}

impl From<UpdateError> for Error {
    fn from(error: UpdateError) -> Self {
        Self::Update(Box::new(error))
    }
}

/// An error and its causes in one line, outermost first. A cause that its parent already spells out is left out.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let part = source.to_string();
        if !text.ends_with(&part) && !text.starts_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = source.source();
    }
    text
}

/// A line that was made by [`Error::line`], parted into what is wrong and what to type next.
#[must_use]
pub fn part_next(line: &str) -> (&str, Option<&str>) {
    line.rsplit_once("; next: ").map_or((line, None), |(what, next)| (what, Some(next)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::ComposeError;
    use crate::stack::verify::Problem;

    #[test]
    fn a_chain_is_one_line_from_outside_in() {
        let error = crate::document::read_text(std::path::Path::new("/proc/self/mem/x")).unwrap_err();
        assert_eq!(chain(&error), "/proc/self/mem/x: cannot read: Not a directory (os error 20)");
    }

    #[test]
    fn a_line_says_what_to_type_next_once() {
        let home = tempfile::tempdir().unwrap();
        let dirs = crate::dirs::Dirs::below(home.path());
        let stack = StackName::parse("demo").unwrap();
        let load = || crate::inventory::Inventory::load_stack(&dirs, &stack).unwrap_err();
        let line = Error::from(load()).line();
        assert!(line.ends_with("; next: stackctl add demo --compose FILE"), "{line}");
        crate::atomic::replace(&dirs.inventory_file(&stack), b"{garbage", crate::atomic::PRIVATE).unwrap();
        let line = Error::from(StackError::from(load())).line();
        assert!(line.contains("demo.json; next: ") || line.contains("; next: mend "), "{line}");
        let refused = ComposeError::Image { stack: stack.clone(), service: "web".to_owned() };
        let line = Error::from(StackError::from(refused)).line();
        assert_eq!(line.matches("next: ").count(), 1, "{line}");
    }

    #[test]
    fn what_was_not_added_is_added_again_and_not_asked_for_by_name() {
        let stack = StackName::parse("demo").unwrap();
        let source = ComposeError::Image { stack: stack.clone(), service: "web".to_owned() };
        let error = Error::NotAdded { stack, source: Box::new(source.into()) };
        assert_eq!(error.code(), Code::Configuration);
        let line = error.line();
        assert!(line.starts_with("stack demo was not added: service web of stack demo: "), "{line}");
        assert!(line.ends_with("; next: mend that, then again: stackctl add demo --compose FILE"), "{line}");
    }

    #[test]
    fn what_compose_could_not_do_says_what_to_type_next() {
        let stack = StackName::parse("demo").unwrap();
        let said = "Error: rootlessport listen tcp 0.0.0.0:8099: bind: address already in use".to_owned();
        let not_made = StackError::NotMade { stack, service: "web".to_owned(), seen: "none", said };
        let line = Error::from(not_made).line();
        assert!(line.ends_with("; next: ss --listening --numeric --processes 'sport = :8099', which tells who has that port, then: stackctl restart demo"), "{line}");
        assert!(line.starts_with("stack demo: service web: expected a container that was started, saw none after `compose up`: Error: rootlessport"), "{line}");
    }

    #[test]
    fn what_to_type_next_comes_last_and_can_be_parted_from_the_rest() {
        let stack = StackName::parse("demo").unwrap();
        let problem = |what: &str, next: &str| Problem {
            what: what.to_owned(),
            why: "is not".to_owned(),
            next: next.to_owned(),
        };
        let problems =
            vec![problem("a", "podman logs a"), problem("b", "podman ps"), problem("c", "podman ps")];
        let error = Error::from(StackError::NotUp { stack, problems, waited: None });
        let line = error.line();
        assert_eq!(
            line,
            "stack demo is not up: a is not; b is not; c is not; next: podman logs a; podman ps"
        );
        assert_eq!(part_next(&line), (error.reason().as_str(), Some("podman logs a; podman ps")));
        assert_eq!(part_next("a: b"), ("a: b", None));
        let unread = crate::document::read_text(std::path::Path::new("/proc/self/mem/x")).unwrap_err();
        let line = Error::from(StackError::State(unread)).line();
        assert!(line.ends_with("Not a directory (os error 20); next: ls -l /proc/self/mem/x"), "{line}");
    }

    #[test]
    fn the_beginning_of_a_text_is_not_repeated() {
        let source = crate::process::ProcessError::Interrupted { command: "x".to_owned() };
        let stack = StackName::parse("demo").unwrap();
        let source = Box::new(ComposeError::Step { stack, step: "start", source });
        let error = StackError::Up { containers: "none".to_owned(), source };
        assert_eq!(
            chain(&error),
            "cannot start stack demo; its containers now: none: `x` was ended because this program was asked to end"
        );
    }
}
