//! `stackctl explain`: why a unit resolves the way it does, from the same resolver as the auditor's.

mod declaration;
mod disk;
mod explanation;
mod facts;
mod gather;
mod generation;
mod reason;
mod states;
mod text;

pub use explanation::*;
pub use gather::{Asked, explain, explain_disk};
pub use reason::{Kind, Reason};
pub use text::text;
