//! Running other programs: bounded in time and in what they may print, in a process group of their own that goes
//! when we must, with an environment that is told and not inherited.

mod command;
mod environment;
mod error;
mod foreground;
mod interrupt;
mod lines;
mod redact;
mod running;
mod tail;

pub use command::Command;
pub use environment::Environment;
pub use error::{ProcessError, quote_all};
pub use interrupt::Interrupt;
pub use lines::{Lines, Next};
pub use redact::Redactor;
pub(crate) use running::until;
pub use tail::{cut, one_line};

/// What a thread came to. If it panicked, so does this one.
pub(crate) fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
