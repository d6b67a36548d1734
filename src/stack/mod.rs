//! What can be done with one stack: one file per verb, each a transaction or a part of one.

pub mod add;
mod refusal;
mod remove;
mod repair;
mod sync;

pub use refusal::Refusal;
pub use remove::remove;
pub use repair::repair;
pub(crate) use sync::put;
pub use sync::sync;
