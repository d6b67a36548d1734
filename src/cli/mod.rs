//! The command lines, and the one place that turns a result into an exit code.

pub mod audit;
mod declare;
mod doctor;
mod explain;
mod inspect;
mod lifecycle;
mod monitor;
mod observe;
pub mod output;
mod packaging;
pub mod stackctl;
pub mod update;
mod updates;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::stat::{Mode, umask};

use crate::error::Error;
use crate::exit::Code;
use crate::journal;
use crate::names::StackName;

/// Runs a program: parses its command line, does its work, prints an error once, under the stack that it is about if
/// there is one, and ends with its code.
fn run<A: Parser>(
    stack: impl FnOnce(&A) -> Option<&StackName>,
    work: impl FnOnce(A) -> Result<Code, Error>,
) -> ExitCode {
    let arguments = match A::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // --help and --version arrive here too; only they are not a mistake.
            let code = if usage.use_stderr() { Code::Usage } else { Code::Done };
            return match usage.print() {
                Ok(()) => code.into(),
                Err(_) => Code::Io.into(),
            };
        }
    };
    // Whoever takes rights from himself could not read afterwards what is written here.
    let given = umask(Mode::empty());
    umask(given & !Mode::S_IRWXU);
    journal::start();
    let stack = stack(&arguments).cloned();
    match work(arguments).and_then(|code| output::said().map(|()| code)) {
        Ok(code) => code.into(),
        Err(error) => {
            let code = error.code();
            tracing::error!(
                MESSAGE_ID = journal::FAILED,
                EXIT_CODE = code.number(),
                STACKWARDEN_STACK = stack.as_ref().map(StackName::as_str),
                "{}",
                error.line()
            );
            code.into()
        }
    }
}
