//! The auditor: observe, judge, heal, observe again, report. Judging is pure; one file per family of invariants.

mod check;
mod conclude;
mod declaration;
mod definition;
mod drop_ins;
mod enablement;
mod finding;
pub mod fingerprint;
mod fragment;
mod heal;
mod host;
mod judge;
pub mod quiet;
mod report;
mod run;
pub mod settle;
mod state;
mod units;
mod watches;
mod world;

pub use check::{Check, Severity};
pub use conclude::preview;
pub use declaration::{Declaration, DeclaredUnit, allows};
pub use finding::{Finding, State, Status, Verdicts};
pub use heal::{Action, Plan};
pub use judge::{Judgement, judge};
pub use report::{Counts, Healed, Report, Thresholds, Trigger};
pub use run::{Audit, Options, audit};
pub use state::last;
pub(crate) use units::failure;
pub use world::{ALERTS, Answers, Owned, Seen, World, with_instances};
