//! The disk's view of the user units: which definition systemd would take at its next daemon-reload, and why.
//!
//! Written after systemd.unit(5) and what systemd 252 to 257 do, and held against the real manager by
//! `tests/resolver.rs`. The directories are the manager's own `UnitPath`, never a list of ours.

mod chase;
mod directory_kind;
mod drop_ins;
mod link;
mod lookup;
mod name_parts;
mod probe;
mod resolution;
mod scan;
mod wants;

pub use directory_kind::{DirectoryKind, kind_of_directory, kind_of_file};
pub use drop_ins::{DropIn, DropInDirectory, DropInListing, DropInScope};
pub use link::{AliasProblem, Link, LinkRole};
pub use lookup::Step;
pub use probe::{CannotCheck, FileEnd, FileStatus};
pub use resolution::{CopyKind, DiskState, NotFound, Resolution, Standing, UnitCopy};
pub use scan::{DirectoryState, SearchDirectory, SearchPath};
pub use wants::{DependencyKind, DependencyLink, WantsLink};
