//! Alerts say something new: what is broken now is compared with what was last told, and only the difference is sent.

mod command;
mod compare;
mod doubt;
mod error;
mod message;
mod problem;
mod run;
mod state;
mod units;

pub use command::deliver;
pub use compare::{Event, Kind, compare};
pub use doubt::Doubt;
pub use error::AlertError;
pub use message::{Level, Message, Sender};
pub use problem::{Problem, Subject};
pub use run::alert;
pub use state::{Alerts, Told};
pub use units::{Failed, Observed};
