//! Observed units: any user unit that somebody else generates, sealed as it is and then only audited. The first step
//! of adopting Stackwarden on a host that has its units already.

mod changes;
mod command;
mod error;
mod seal;
mod sight;

pub use changes::{Change, changes};
pub use command::{Outcome, find, forget, observe};
pub use error::ObserveError;
pub use seal::{Observed, ObservedFile, ObservedUnits};
pub use sight::Sight;
