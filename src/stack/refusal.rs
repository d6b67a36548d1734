//! Why a declaration is refused.

use std::path::PathBuf;

use thiserror::Error;

use crate::names::{StackName, UnitName};

/// Why a declaration is refused; nothing was changed.
#[derive(Debug, Error)]
pub enum Refusal {
    /// No entry and no seal of that name.
    #[error("stack {stack} is not declared: expected {}; next: stackctl add {stack} --compose FILE", path.display())]
    NotDeclared {
        /// The stack.
        stack: StackName,
        /// Where its entry would be.
        path: PathBuf,
    },
    /// Nothing is installed that could be taken away.
    #[error("the shipped units are not installed: expected {}; next: stackctl install", path.display())]
    NotInstalled {
        /// Where their seal would be.
        path: PathBuf,
    },
    /// What was given cannot be declared.
    #[error("stack {stack}: {problem}; nothing was written; next: stackctl add --help")]
    BadValue {
        /// The stack.
        stack: StackName,
        /// The key, what was expected, what was seen.
        problem: String,
    },
    /// A link leads to a generation that is gone.
    #[error("{unit}: its declared file {} is gone; switch to a generation that has it", target.display())]
    GenerationGone {
        /// The unit.
        unit: UnitName,
        /// The declared target.
        target: PathBuf,
    },
    /// A new stack needs a compose file.
    #[error("stack {stack} is new and no compose file was given; next: stackctl add {stack} --compose FILE")]
    NoComposeFile {
        /// The stack.
        stack: StackName,
    },
    /// A compose file that is not there.
    #[error("stack {stack}: compose file {}: expected a regular file, found none; next: stackctl add {stack} --compose FILE", path.display())]
    ComposeFileMissing {
        /// The stack.
        stack: StackName,
        /// The file.
        path: PathBuf,
    },
    /// The unit's name is taken.
    #[error("{unit} is somebody else's: {} defines it; choose another name, or remove that file first", path.display())]
    NameTaken {
        /// The unit.
        unit: UnitName,
        /// The file that defines it.
        path: PathBuf,
    },
    /// The project is another stack's.
    #[error(
        "stack {stack}: project {project:?} is that of stack {other}; each would remove the other's containers as orphans; next: stackctl add {stack} --compose FILE --project ANOTHER"
    )]
    ProjectTaken {
        /// The stack.
        stack: StackName,
        /// The project.
        project: String,
        /// The other stack.
        other: StackName,
    },
}
