//! What can be done with one stack: one file per verb, each a transaction or a part of one.

pub mod add;
pub mod adopt;
pub mod apply;
mod clean;
pub mod compose;
mod context;
mod detach;
mod error;
pub mod history;
mod left_open;
mod own;
pub mod preflight;
mod pull;
mod refusal;
mod remove;
mod repair;
pub mod restart;
mod state;
pub mod stop;
mod sync;
mod transaction;
mod up;
pub mod verify;
pub(crate) mod volumes;

pub use clean::container_of_timer;
pub use context::Context;
pub use error::StackError;
pub use refusal::Refusal;
pub use remove::remove;
pub(crate) use repair::relink;
pub use repair::repair;
pub use state::{Applied, Held, StackState, keyed};
pub(crate) use sync::put;
pub use sync::sync;
pub use transaction::Transaction;
pub(crate) use transaction::tell;
