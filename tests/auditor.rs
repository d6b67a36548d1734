//! The auditor and its units under a real user manager: every kind of change is found through the real path unit, at
//! whatever moment it is made, and whatever happens to the programs meanwhile.
//!
//! `STACKWARDEN_SEED` repeats the random moments of a run, `STACKWARDEN_RACES` sets how many there are.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a panic with its place, and the files are the test's own"
)]

#[path = "auditor/drift.rs"]
mod drift;
#[path = "auditor/faults.rs"]
mod faults;
#[path = "auditor/host.rs"]
mod host;
#[path = "auditor/owners.rs"]
mod owners;
#[path = "auditor/races.rs"]
mod races;
#[path = "auditor/watchers.rs"]
mod watchers;

mod support;
