//! The files and links that we own in the owner directory: put in place, put back, taken away. What is not ours is
//! never overwritten, and what drifted is kept in the state directory.

mod error;
mod hand;
mod place;

pub use error::ArtifactError;
pub use hand::{Change, Hand, set_aside};
pub use place::{put, put_link_back, take_away, take_away_unsealed};
