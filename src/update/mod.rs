//! Updates: one transaction per stack, which ends verified or undone, and one orchestrator over all of them.

mod blame;
mod change;
mod error;
mod halt;
mod hooks;
mod images;
mod listed;
mod look;
mod machine;
mod newest;
pub mod orchestrator;
mod plan;
mod preview;
mod reference;
mod registry;
mod run;
mod sets;
mod settle;
mod steps;
mod undo;
mod verb;

pub use change::{Change, Outcome, Pin, Pinned, Quarantined, Update, Version};
pub use error::UpdateError;
pub use machine::{End, Known, Next, Seen, Step, next};
pub use preview::{Offer, Verdict, preview};
pub use settle::{Settled, VERBS, settle_open};
pub use verb::{clear_quarantine, quarantined, rollback, update};
