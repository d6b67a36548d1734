//! Stackwarden keeps rootless Compose stacks honest: it audits which unit definition every stack runs, and brings
//! stacks up and down as verified transactions. The programs share this library; none of them stays resident.

pub mod alert;
pub mod artifacts;
pub mod atomic;
pub mod audit;
pub mod cli;
pub mod compose;
pub mod digest;
pub mod dirs;
pub mod doctor;
pub mod document;
pub mod error;
pub mod exit;
pub mod explain;
mod failpoint;
pub mod gate;
pub mod generation;
pub mod install;
pub mod inventory;
pub mod journal;
pub mod lock;
pub mod manager_check;
pub mod marked;
pub mod names;
pub mod observe;
pub mod podman;
pub mod process;
pub mod progress;
pub mod records;
pub mod render;
pub mod seal;
pub mod stack;
pub mod status;
pub mod systemd;
pub mod update;
