//! Replacing a file so that a reader, or a crash at any moment, sees the old content or the new, never a part.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use thiserror::Error;

/// Mode of what only the user may read: state, records, seals.
pub const PRIVATE: u32 = 0o600;

/// Mode of what others may read: unit files.
pub const PUBLIC: u32 = 0o644;

/// What temporary files are called.
const PREFIX: &str = ".stackwarden-";
const SUFFIX: &str = ".tmp";

/// A temporary file is written and renamed within seconds; one this old is what a killed program left.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Why a file could not be replaced. The old file is then as it was.
#[derive(Debug, Error)]
#[error("{}: cannot {step}", path.display())]
pub struct WriteError {
    path: PathBuf,
    step: &'static str,
    source: io::Error,
}

impl WriteError {
    pub(crate) fn new(path: &Path, step: &'static str, source: io::Error) -> Self {
        Self { path: path.to_owned(), step, source }
    }
}

/// Replaces `path` with `content` and `mode`: a temporary file in the same directory, fsync, rename, fsync of the
/// directory. Missing directories are made with mode 0700. A link at `path` is replaced, not followed.
///
/// # Errors
/// Names the file and the step that failed.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), WriteError> {
    let failed = |step| move |source| WriteError::new(path, step, source);
    let parent = path
        .parent()
        .ok_or_else(|| WriteError::new(path, "find its directory", io::ErrorKind::InvalidInput.into()))?;
    make_private_dir(parent).map_err(failed("make its directory"))?;
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(parent)
        .map_err(failed("make a temporary file"))?;
    file.write_all(content).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("flush"))?;
    file.persist(path).map_err(|error| WriteError::new(path, "replace", error.error))?;
    fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("flush its directory"))
}

/// Replaces `path` only if it is not a regular file with this very content; says whether it did.
///
/// # Errors
/// As [`replace`].
pub fn replace_if_changed(path: &Path, content: &[u8], mode: u32) -> Result<bool, WriteError> {
    let same = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
        && crate::document::read_bounded(path).is_ok_and(|current| current == content);
    if same {
        return Ok(false);
    }
    replace(path, content, mode).map(|()| true)
}

/// Removes the temporary files that killed programs left in a directory. What cannot be removed stays, and harms
/// nobody.
pub fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let abandoned = || {
            let metadata = fs::symlink_metadata(entry.path()).ok().filter(std::fs::Metadata::is_file);
            let age = metadata.and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
            age.is_some_and(|age| age > ABANDONED)
        };
        if ours && abandoned() {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if path.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_whole_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/state.json");
        replace(&path, b"one", PRIVATE).unwrap();
        replace(&path, b"two", PRIVATE).unwrap();
        assert_eq!(crate::document::read_bounded(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&dir.path().join("sub")), ["state.json"]);
    }

    #[test]
    fn what_killed_programs_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - 2 * ABANDONED;
        for (name, modified) in [
            (".stackwarden-old.tmp", old),
            (".stackwarden-new.tmp", std::time::SystemTime::now()),
            ("other.tmp", old),
            (".stackwarden-kept", old),
        ] {
            let path = dir.path().join(name);
            replace(&path, b"x", PRIVATE).unwrap();
            fs::File::open(&path).unwrap().into_file().set_modified(modified).unwrap();
        }
        sweep(dir.path());
        assert_eq!(names(dir.path()), [".stackwarden-kept", ".stackwarden-new.tmp", "other.tmp"]);
    }

    #[test]
    fn a_directory_in_the_way_is_an_error_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state.json")).unwrap();
        let error = replace(&dir.path().join("state.json"), b"x", PRIVATE).unwrap_err();
        assert!(error.to_string().ends_with("state.json: cannot replace"), "{error}");
        assert_eq!(names(dir.path()), ["state.json"]);
    }

    #[test]
    fn unchanged_content_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(replace_if_changed(&path, b"x", PUBLIC).unwrap());
        assert!(!replace_if_changed(&path, b"x", PUBLIC).unwrap());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("b", &path).unwrap();
        replace(&dir.path().join("b"), b"x", PUBLIC).unwrap();
        assert!(
            replace_if_changed(&path, b"x", PUBLIC).unwrap(),
            "a link with the same content is not the file"
        );
    }
}
