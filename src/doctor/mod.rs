//! `stackctl doctor`: what this host lacks, each lack with the command that mends it.
//!
//! Preflight asks the same of podman and its helpers before it touches a container, for one stack and with refusals;
//! this asks before there is a stack, and goes on to what will only hurt later.

mod diagnosis;
mod examine;
mod files;
mod programs;
mod running;

pub use diagnosis::{Diagnosis, Lack, Need};
pub use examine::examine;
pub use files::LINGERING;
