//! What the tests of programs need: [`Manager`], a real user manager of their own.
//!
//! Every item here is used by `self_test`, so that a test program may use as few of them as it likes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a failed step is a panic with its place")]

mod manager;
mod self_test;

pub use manager::{Manager, write};

use std::time::{Duration, Instant};

/// Calls `poll` until it returns something, and returns that.
///
/// # Panics
///
/// When `deadline` has passed: with `what`, which says what was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, deadline: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = poll() {
            return seen;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
