//! The compose provider, pinned: docker-compose or podman-compose, run through `podman compose` where containers are
//! touched, and by itself where files are only read.

mod dotenv;
mod env_files;
mod error;
mod hashes;
mod joined;
mod merged;
mod model;
mod named;
mod needs;
mod overlay;
mod provider;
mod said;
mod sayable;
mod secrets;

pub use env_files::{EnvFiles, Secret};
pub use error::{ComposeError, after};
pub use hashes::Hashed;
pub use joined::remove_left_env_files;
pub use model::{Model, Namespace, Service};
pub use overlay::{LABEL, Overlay};
pub use provider::{Compose, find_provider};
pub use said::is_a_cause;
pub use secrets::{Flaw, FlawKind};
