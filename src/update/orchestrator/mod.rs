//! `stack-update`: starts the update unit of every stack, and tells in one place how each came out.

mod classify;
mod report;
mod run;
mod table;
mod written;

pub use classify::{Verdict, classify};
pub use report::{Report, StackReport, path};
pub use run::{Options, run};

/// The unit that runs [`run`].
pub const ORCHESTRATOR: &str = "stack-update.service";
