//! Settings as unit files write them, and as the manager reports them: read like systemd reads them, and compared.
//! Everything here is a pure function over plain values.

pub mod assignments;
pub mod calendar;
pub mod command;
pub mod compare;
mod declared;
pub mod directives;
pub mod quoting;
mod reported;
pub mod rule;
mod scalar;
pub mod specifier;
pub mod timespan;
