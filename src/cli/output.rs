//! What goes to standard output: text for the person who typed the command, or JSON.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::error::Error;
use crate::journal;

/// Writes `text` and a newline. A reader that went away (`| head`) is not an error. Under a unit whose standard
/// output is the journal nothing is written: the events say it there, with their fields.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    if journal::goes_to_journal(&out) {
        return Ok(());
    }
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::Output(error)),
        Ok(()) => Ok(()),
    }
}

/// The first failure of [`say`].
static UNSAID: OnceLock<io::Error> = OnceLock::new();

/// As [`print`], in the middle of a change: nobody listening must not end it half way. The failure is told when the
/// program ends.
pub fn say(text: &str) {
    if let Err(Error::Output(error)) = print(text) {
        drop(UNSAID.set(error));
    }
}

/// What could not be said, if anything.
///
/// # Errors
/// As [`print`].
pub fn said() -> Result<(), Error> {
    // The error is kept where it was stored; its kind and its words are all that there is to it.
    UNSAID.get().map_or(Ok(()), |error| Err(Error::Output(io::Error::new(error.kind(), error.to_string()))))
}

/// Writes `value` as indented JSON.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    print(&serde_json::to_string_pretty(value).map_err(|error| Error::Output(error.into()))?)
}

/// Whether text for a person is coloured: on a terminal, unless `NO_COLOR` (no-color.org) is set.
#[must_use]
pub fn colour() -> bool {
    let set = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}
