//! The programs and their units under a real user manager: every kind of change is found through the real path unit, at
//! whatever moment it is made and whatever happens to the programs meanwhile; bad input is told and loses nothing.
//!
//! `STACKWARDEN_SEED` repeats the random moments of a run, `STACKWARDEN_RACES` sets how many there are.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "in a test, a failed step is a panic with its place, the files are the test's own, and a seed is to be seen"
)]

// Its tests take the longest, and those of the first module in the alphabet begin first.
#[path = "host/any_moment.rs"]
mod any_moment;
#[path = "host/bad_files.rs"]
mod bad_files;
#[path = "host/bad_places.rs"]
mod bad_places;
#[path = "host/drift.rs"]
mod drift;
#[path = "host/faults.rs"]
mod faults;
#[path = "host/installed.rs"]
mod installed;
#[path = "host/memory.rs"]
mod memory;
#[path = "host/owners.rs"]
mod owners;
#[path = "host/verify.rs"]
mod verify;
#[path = "host/watchers.rs"]
mod watchers;

mod support;
