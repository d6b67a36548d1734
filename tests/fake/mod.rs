//! Peers that a real manager cannot be made to be: a private message bus with a scripted manager on it, and sockets
//! behind which there is no bus at all.

mod bus;
mod raw;

pub use bus::{Answer, FakeManager, PrivateBus, reply};
pub use raw::{Proxy, listen_without_accepting, serve_raw};

use std::path::Path;

use stackwarden::dirs::Dirs;

/// Directories whose bus is in `runtime`.
pub fn dirs(runtime: &Path) -> Dirs {
    let below = |name: &str| runtime.join(name);
    Dirs {
        user: "root".to_owned(),
        home: below("home"),
        config_home: below("config"),
        state_home: below("state"),
        data_home: below("data"),
        cache_home: below("cache"),
        runtime: runtime.to_owned(),
    }
}
