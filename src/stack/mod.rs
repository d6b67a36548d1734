//! What can be done with one stack: one file per verb, each a transaction or a part of one.

pub mod add;
pub mod adopt;
pub mod apply;
mod context;
mod error;
pub mod preflight;
mod refusal;
mod remove;
mod repair;
mod state;
pub mod stop;
mod sync;
pub mod verify;

pub use context::Context;
pub use error::StackError;
pub use refusal::Refusal;
pub use remove::remove;
pub use repair::repair;
pub use state::StackState;
pub(crate) use sync::put;
pub use sync::sync;
