//! The env files of a stack: which ones are there, and the values in them, known only so that they can be hidden.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    /// The directory's own `.env`, if there is one.
    pub implicit: Option<PathBuf>,
    /// The declared ones.
    pub declared: Vec<Secret>,
}

impl EnvFiles {
    /// Chooses between native and fallback paths by what is there now.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let directory = &entry.compose.directory;
        let implicit = Some(directory.join(".env")).filter(|path| path.is_file());
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

/// The env files that a compose file names for its services, as far as its text tells without reading it as YAML: of
/// every word near an `env_file`, whether there is a file of that name. One too many hides more, and harms nobody.
pub(super) fn of_services(compose_file: &str, directories: &[&Path]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut near: Option<usize> = None;
    for line in compose_file.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.contains("env_file") {
            near = Some(indent);
        } else if near
            .is_some_and(|key| indent < key || (indent == key && !line.trim_start().starts_with(['-', ']'])))
            && !line.trim().is_empty()
        {
            near = None;
        }
        if near.is_none() {
            continue;
        }
        let words = line.split(|c: char| c.is_whitespace() || "\"'[]{},".contains(c));
        for word in words.filter(|word| !word.is_empty()) {
            found
                .extend(directories.iter().map(|directory| directory.join(word)).find(|path| path.is_file()));
        }
    }
    found
}

/// Knows every value in the text of an env file, and the parts of it that a provider may stumble over, unless they
/// stand in the compose files anyway.
pub(super) fn hide(redactor: &mut Redactor, text: &str, sayable: &Sayable) {
    for (name, value) in assignments(text) {
        redactor.hide(name, &value);
        for part in value.split(|c: char| c.is_whitespace() || "/:@,;=".contains(c)) {
            if part.len() >= SHORTEST_PART && !sayable.knows(part) {
                redactor.hide(name, part);
            }
        }
    }
}

fn is_missing(path: &Path) -> bool {
    fs_err::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The assignments of an env file, generously: what one provider takes for a comment another takes for a value, so
/// both readings are hidden. Not for giving values to anybody.
fn assignments(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, char, String)> = None;
    for line in text.lines() {
        if let Some((name, quote, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line.trim_end().trim_end_matches(quote));
            if line.trim_end().ends_with(quote) {
                found.push((name, value));
            } else {
                open = Some((name, quote, value));
            }
            continue;
        }
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.starts_with('#') {
            continue;
        }
        // A line that is no assignment is a mistake, and perhaps a secret without its name.
        let (name, value) =
            line.split_once(['=', ':']).filter(|(name, _)| is_name(name.trim())).unwrap_or(("value", line));
        let (name, value) = (name.trim(), value.trim());
        found.push((name, value.to_owned()));
        if let Some((before_comment, _)) = value.split_once(" #") {
            found.push((name, before_comment.trim().to_owned()));
        }
        if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let inner = value.get(1..).unwrap_or_default();
            match inner.split_once(quote) {
                Some((inner, _)) => {
                    found.push((name, inner.to_owned()));
                    found.push((name, inner.replace("\\n", "\n").replace("\\\"", "\"")));
                }
                None => open = Some((name, quote, inner.to_owned())),
            }
        }
    }
    found.extend(open.map(|(name, _, value)| (name, value)));
    found
}

/// Whether it can be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-[]".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use crate::inventory::EnvFile;

    #[test]
    fn every_reading_of_a_value_is_found() {
        let text = "# no\nexport A=plain1\nB = \"quoted two\" # why\nC='multi\nline three'\nD=four4 # not\nbroken-secret\n";
        let mut redactor = Redactor::default();
        for (name, value) in assignments(text) {
            redactor.hide(name, &value);
        }
        assert_eq!(
            redactor.redact("plain1 / quoted two / multi / line three / four4 / broken-secret"),
            "[A] / [B] / [C] / [C] / [D] / [value]"
        );
    }

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
    fn the_env_files_of_services_are_found_in_every_form() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a.env", "b.env", "c.env", "d.env", "image"];
        for name in names {
            atomic::replace(&dir.path().join(name), b"A=b", atomic::PRIVATE).unwrap();
        }
        let text = "services:\n  a: {env_file: a.env}\n  b:\n    env_file:\n    - b.env\n    image: image\n  c:\n    env_file:\n      - path: \"c.env\"\n        required: true\n    image: image\n  d: {env_file: ['./d.env', none.env]}\n";
        let found: Vec<PathBuf> = of_services(text, &[dir.path()]).into_iter().collect();
        let found: BTreeSet<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(found, BTreeSet::from(["a.env", "b.env", "c.env", "d.env"]));
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
        atomic::replace(&dir.path().join(".env"), b"A=b", atomic::PRIVATE).unwrap();
        assert_eq!(EnvFiles::of(&entry).paths().count(), 2);
    }
}
