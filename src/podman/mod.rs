//! podman, asked in JSON.

mod alive;
mod ask;
mod later;
mod needs;
mod time;
mod types;

pub use ask::{Podman, PodmanError, ping};
pub use later::says_later;
pub use needs::{HELPERS, OLDEST, is_older};
pub use time::parse_time;
pub use types::{
    Container, Image, Inspected, Mount, Owner, PROJECT_LABEL, SERVICE_LABEL, State, Volume, same_image,
};
