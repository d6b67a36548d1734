//! podman, asked in JSON.

mod alive;
mod ask;
mod inspected;
mod later;
mod needs;
mod time;
mod types;

pub use ask::{Podman, PodmanError, ping};
pub use inspected::{Inspected, Mount, State};
pub use later::{after_refusal, says_later};
pub use needs::{HELPERS, OLDEST, is_older};
pub use time::parse_time;
pub use types::{Container, Image, Owner, PROJECT_LABEL, SERVICE_LABEL, Volume, same_image};
