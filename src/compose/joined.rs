//! One env file made of several: podman-compose reads one (1.3).

use std::path::{Path, PathBuf};

use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::atomic::{self, WriteError};
use crate::dirs::Dirs;
use crate::document::read_bounded;
use crate::names::StackName;

/// The joined file: in the user's own runtime directory, which is memory, with mode 0600, and gone with this value.
#[derive(Debug)]
pub(super) struct Joined(PathBuf);

impl Joined {
    pub(super) fn write<'a>(
        run: &Path,
        stack: &StackName,
        paths: impl Iterator<Item = &'a Path>,
    ) -> Result<Self, WriteError> {
        let mut joined = Vec::new();
        for path in paths {
            // One that cannot be read is preflight's to tell.
            joined.extend(read_bounded(path).unwrap_or_default());
            joined.push(b'\n');
        }
        let path = directory(run).join(format!("{stack}.{}", std::process::id()));
        atomic::replace(&path, &joined, atomic::PRIVATE)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // It is in memory, and ends with the session at the latest.
        drop(fs::remove_file(&self.0));
    }
}

/// Removes the joined env files of programs that were killed, whichever stack they are of.
pub fn remove_left_env_files(dirs: &Dirs) {
    remove_left(&dirs.run());
}

pub(super) fn remove_left(run: &Path) {
    for entry in fs::read_dir(directory(run)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.rsplit_once('.').and_then(|(_, pid)| pid.parse().ok());
        if pid.is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn directory(run: &Path) -> PathBuf {
    run.join("env")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_program_left_goes_and_what_is_in_use_stays() {
        let run = tempfile::tempdir().unwrap();
        let stack = StackName::parse("a.b").unwrap();
        let first = run.path().join("first");
        atomic::replace(&first, b"A=b", atomic::PRIVATE).unwrap();
        let joined =
            Joined::write(run.path(), &stack, [first.as_path(), first.as_path()].into_iter()).unwrap();
        assert_eq!(read_bounded(joined.path()).unwrap(), b"A=b\nA=b\n");
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let left = directory(run.path()).join(format!("other.{}", dead.id()));
        atomic::replace(&left, b"A=b", atomic::PRIVATE).unwrap();
        remove_left(run.path());
        assert!(joined.path().exists() && !left.exists());
        drop(joined);
        assert_eq!(fs::read_dir(directory(run.path())).unwrap().count(), 0);
    }
}
