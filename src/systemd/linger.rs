//! Does a user's manager run before login?

use std::io;
use std::path::Path;

use fs_err as fs;

use crate::error::chain;

/// Whether `user` lingers: logind keeps a file for each user who does (`loginctl(1)`, enable-linger).
///
/// # Errors
/// In words: the directory cannot be looked at.
pub fn lingers(user: &str) -> Result<bool, String> {
    match fs::symlink_metadata(Path::new("/var/lib/systemd/linger").join(user)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(chain(&error)),
    }
}
