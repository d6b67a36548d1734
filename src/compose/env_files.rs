//! The env files of a stack: which ones are there, and the values in them, known only so that they can be hidden.

use std::path::{Path, PathBuf};

use super::dotenv;
use super::sayable::Sayable;
use crate::inventory::Entry;
use crate::process::Redactor;

/// A shorter part of a value says little of it, and is a word of its own too often. Bytes.
const SHORTEST_PART: usize = 5;

/// One declared env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The file that is in use, or would be: the native path unless only the fallback is there.
    pub path: PathBuf,
    /// The native path, if the fallback is in use.
    pub instead_of: Option<PathBuf>,
}

/// The env files in the order in which compose reads them; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFiles {
    /// The directory's own `.env`, if there is one, and even if it is no file. Of a directory both providers take no
    /// notice.
    pub implicit: Option<PathBuf>,
    /// The declared ones.
    pub declared: Vec<Secret>,
}

impl EnvFiles {
    /// Chooses between native and fallback paths by what is there now.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let directory = &entry.compose.directory;
        // Whatever is there: a provider opens it, and waits for ever if it is a FIFO.
        let implicit = Some(directory.join(".env")).filter(|path| !is_missing(path) && !path.is_dir());
        let declared = entry
            .env_files
            .iter()
            .map(|file| {
                let native = directory.join(&file.path);
                let fallback = file.fallback.as_ref().map(|path| directory.join(path));
                match fallback {
                    // Only what is not there at all is replaced: one that cannot be read is a mistake to be told.
                    Some(path) if is_missing(&native) && !is_missing(&path) => {
                        Secret { path, instead_of: Some(native) }
                    }
                    _ => Secret { path: native, instead_of: None },
                }
            })
            .collect();
        Self { implicit, declared }
    }

    /// The paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> + Clone {
        self.implicit.iter().chain(self.declared.iter().map(|secret| &secret.path)).map(PathBuf::as_path)
    }
}

/// Knows every value in the text of an env file, and the parts of it that a provider may stumble over.
pub(super) fn hide(redactor: &mut Redactor, text: &str, sayable: &Sayable) {
    for (name, value) in dotenv::values(text) {
        hide_value(redactor, name, &value, sayable);
    }
}

/// Knows a value, and the parts of it, unless they stand in the compose files anyway. What is a password by its place
/// is hidden even then.
pub(super) fn hide_value(redactor: &mut Redactor, name: &str, value: &str, sayable: &Sayable) {
    redactor.hide(name, value);
    for secret in dotenv::user_parts(value) {
        redactor.hide(name, secret);
    }
    for literal in dotenv::literals(value) {
        for part in literal.split(|c: char| c.is_whitespace() || "/:@,;=?&#".contains(c)) {
            if part.len() >= SHORTEST_PART && !sayable.knows(part) {
                redactor.hide(name, part);
            }
        }
    }
}

fn is_missing(path: &Path) -> bool {
    fs_err::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use crate::inventory::EnvFile;

    #[test]
    fn a_part_of_a_value_is_hidden_unless_a_compose_file_has_it() {
        let mut sayable = Sayable::default();
        sayable.know("image: photos");
        let mut redactor = Redactor::default();
        hide(&mut redactor, "URL=Tok3n/a:photos@host-9\n!KEY=S3cret-one\n", &sayable);
        assert_eq!(
            redactor.redact("Tok3n/a photos host-9 Tok3n/a:photos@host-9 S3cret-one !KEY=S3cret-one"),
            "[URL]/a photos [URL] [URL] [value] [value]"
        );
    }

    #[test]
    fn the_fallback_is_taken_only_when_the_native_file_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut entry = Entry::new(dir.path().to_owned(), vec!["compose.yml".into()]);
        entry.env_files = vec![EnvFile { path: "native".into(), fallback: Some("fallback".into()) }];
        let used = |entry: &Entry| EnvFiles::of(entry).declared[0].clone();
        assert_eq!(used(&entry).path, dir.path().join("native"));
        atomic::replace(&dir.path().join("fallback"), b"A=b", atomic::PRIVATE).unwrap();
        assert_eq!(used(&entry).instead_of, Some(dir.path().join("native")));
        atomic::replace(&dir.path().join("native"), b"A=b", atomic::PRIVATE).unwrap();
        assert_eq!(used(&entry).instead_of, None);
        assert_eq!(EnvFiles::of(&entry).implicit, None);
        fs_err::create_dir(dir.path().join(".env")).unwrap();
        assert_eq!(EnvFiles::of(&entry).implicit, None);
        fs_err::remove_dir(dir.path().join(".env")).unwrap();
        atomic::replace(&dir.path().join(".env"), b"A=b", atomic::PRIVATE).unwrap();
        assert_eq!(EnvFiles::of(&entry).paths().count(), 2);
    }
}
