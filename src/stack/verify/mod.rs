//! Is the stack up? Judging is a pure function over what podman says; waiting is beside it.

mod judge;
mod observe;
mod run;
mod wait;

pub use judge::{Expected, Observed, Problem, Verdict, ended_badly, judge, never_checked, standing};
pub use observe::{expected, images, observe};
pub use run::run;
pub use wait::{Goal, Outcome, verify};
