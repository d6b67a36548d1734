//! `stackctl status`: what every stack is doing now, what happened to it last, and what comes next. It looks with the
//! auditor's own eyes and judges with its judges, heals nothing and keeps nothing.

mod gather;
mod model;
mod text;

pub use gather::gather;
pub use model::{Condition, Containers, Last, Provenance, StackStatus, Status, Unit};
pub use text::{one_line, table};
