//! The env files of a stack: there, ours, nobody else's, and well formed. What is in them is never shown.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err as fs;
use nix::unistd::Uid;

use super::dotenv::{closing, is_name};
use super::env_files::{EnvFiles, Secret};
use crate::document::{ReadError, kind_of, read_text};
use crate::error::chain;
use crate::inventory::Entry;

/// Reading, writing or executing by others.
const OTHERS: u32 = 0o007;

/// What kind of thing is wrong with an env file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawKind {
    /// Neither it nor its fallback is there.
    Missing,
    /// It is a directory, a FIFO, or what else is no file.
    NotAFile,
    /// We may not read it.
    Unreadable,
    /// A line of it is no assignment, or it is no text.
    Malformed,
    /// Others can read or replace it.
    Exposed,
    /// It is missing, and the deprecated fallback is used in its place.
    Fallback,
}

/// What is wrong with an env file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaw {
    /// The file.
    pub path: PathBuf,
    /// In a word.
    pub kind: FlawKind,
    /// What was seen; never a value.
    pub seen: String,
    /// What to type next; empty if only a person knows.
    pub next: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "env file {} {}", self.path.display(), self.seen)?;
        if self.next.is_empty() { Ok(()) } else { write!(f, "; next: {}", self.next) }
    }
}

impl Flaw {
    fn new(path: &Path, kind: FlawKind, seen: impl Into<String>) -> Self {
        Self { path: path.to_owned(), kind, seen: seen.into(), next: String::new() }
    }

    fn next(mut self, command: String) -> Self {
        self.next = command;
        self
    }

    /// What is wrong with a stack's env files, as they are now.
    #[must_use]
    pub fn all_of(entry: &Entry) -> Vec<Self> {
        let files = EnvFiles::of(entry);
        let implicit = files.implicit.iter().filter_map(|path| content(path));
        implicit.chain(files.declared.iter().flat_map(secret)).collect()
    }
}

fn secret(secret: &Secret) -> Vec<Flaw> {
    let path = &secret.path;
    let mut flaws = Vec::new();
    if let Some(native) = &secret.instead_of {
        let seen = format!(
            "is missing and {} is used instead; this fallback is deprecated: provide the first",
            path.display()
        );
        flaws.push(Flaw::new(native, FlawKind::Fallback, seen));
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            flaws.push(Flaw::new(path, FlawKind::Missing, "is missing, and no fallback is there"));
        }
        Err(error) => {
            let seen = format!("cannot be looked at: {}", std::io::Error::from(error.kind()));
            flaws.push(Flaw::new(path, FlawKind::Unreadable, seen));
        }
        Ok(metadata) if !metadata.is_file() => flaws.push(not_a_file(path, kind_of(metadata.file_type()))),
        Ok(metadata) => {
            flaws.extend(exposed(path, &metadata, Uid::effective()));
            flaws.extend(content(path));
        }
    }
    flaws
}

/// Who else could read or replace the file.
fn exposed(path: &Path, metadata: &Metadata, user: Uid) -> Option<Flaw> {
    let shown = path.display();
    let owner = metadata.uid();
    if owner != user.as_raw() && owner != 0 {
        let seen = format!("is owned by uid {owner}: expected uid {user} or root");
        return Some(Flaw::new(path, FlawKind::Exposed, seen).next(format!("chown {user} {shown}")));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & OTHERS != 0).then(|| {
        let seen = format!("is exposed: others can access it (mode {mode:04o})");
        Flaw::new(path, FlawKind::Exposed, seen).next(format!("chmod o-rwx {shown}"))
    })
}

fn not_a_file(path: &Path, found: &str) -> Flaw {
    Flaw::new(path, FlawKind::NotAFile, format!("is no file: expected a regular file, found a {found}"))
}

pub(super) fn content(path: &Path) -> Option<Flaw> {
    match read_text(path) {
        Ok(text) => malformed(&text).map(|(line, problem)| {
            Flaw::new(path, FlawKind::Malformed, format!("is malformed: line {line} {problem}"))
        }),
        Err(error @ ReadError::Io { .. }) => {
            let seen = format!("cannot be read: {}", chain(&error));
            Some(Flaw::new(path, FlawKind::Unreadable, seen).next(format!("chmod u+r {}", path.display())))
        }
        Err(ReadError::NotRegular { found, .. }) => Some(not_a_file(path, found)),
        Err(error) => {
            Some(Flaw::new(path, FlawKind::Malformed, format!("cannot be used: {}", chain(&error))))
        }
    }
}

/// The first line that is no assignment, and what is wrong with it, without repeating it. Both providers would
/// refuse it too, or silently leave it out, and one of them shows what it stumbled over.
fn malformed(text: &str) -> Option<(usize, &'static str)> {
    let mut open: Option<(usize, char)> = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some((_, quote)) = open {
            if closing(line, quote, quote == '"').is_some() {
                open = None;
            }
            continue;
        }
        let line = line.trim().trim_start_matches('\u{feff}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        // compose also takes `NAME: value`, and a name alone for a variable that is passed on.
        let (name, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        if !is_name(name.trim_end()) {
            return Some((number, "is not an assignment (NAME=value)"));
        }
        let value = value.trim_start();
        open = value
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))
            .filter(|quote| closing(value.get(1..).unwrap_or_default(), *quote, *quote == '"').is_none())
            .map(|quote| (number, quote));
    }
    open.map(|(number, _)| (number, "opens a quote that is never closed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use crate::inventory::EnvFile;

    #[test]
    fn a_malformed_line_is_named_and_not_shown() {
        for good in [
            "",
            "# c\nA=b\n\nexport B = c\nC='multi\nline'\nD=\"a\\\"b\" # c\nE=\n",
            "\u{feff}A=b",
            "PASSED_ON\nA: b",
        ] {
            assert_eq!(malformed(good), None, "{good:?}");
        }
        assert_eq!(malformed("A=b\nhunter 22\n"), Some((2, "is not an assignment (NAME=value)")));
        assert_eq!(malformed("A=b\nB='x\ny\n"), Some((2, "opens a quote that is never closed")));
        assert_eq!(malformed("=b"), Some((1, "is not an assignment (NAME=value)")));
    }

    fn flaws(mode: u32, content: &[u8]) -> Vec<(FlawKind, String)> {
        let dir = tempfile::tempdir().unwrap();
        atomic::replace(&dir.path().join("s.env"), content, mode).unwrap();
        let mut entry = Entry::new(dir.path().to_owned(), vec!["compose.yml".into()]);
        entry.env_files = vec![EnvFile { path: "s.env".into(), fallback: None }];
        let place = format!("{}/", dir.path().display());
        Flaw::all_of(&entry)
            .into_iter()
            .map(|flaw| (flaw.kind, flaw.to_string().replace(&place, "")))
            .collect()
    }

    #[test]
    fn others_must_not_read_it_and_the_message_has_the_chmod() {
        assert_eq!(flaws(0o600, b"A=b\n"), []);
        assert_eq!(flaws(0o640, b"A=b\n"), []);
        assert_eq!(
            flaws(0o644, b"A=hunter22\n"),
            [(
                FlawKind::Exposed,
                "env file s.env is exposed: others can access it (mode 0644); next: chmod o-rwx s.env"
                    .to_owned()
            )]
        );
        assert_eq!(
            flaws(0o600, b"\xff"),
            [(
                FlawKind::Malformed,
                "env file s.env cannot be used: s.env: not UTF-8 after byte 0, in line 1".to_owned()
            )]
        );
    }

    #[test]
    fn what_is_not_a_file_is_told_without_waiting_for_it() {
        let dir = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut entry = Entry::new(dir.path().to_owned(), vec!["compose.yml".into()]);
        entry.env_files =
            ["fifo", "none", "."].map(|path| EnvFile { path: path.into(), fallback: None }).into();
        let seen: Vec<String> = Flaw::all_of(&entry).iter().map(ToString::to_string).collect();
        assert!(seen[0].ends_with("expected a regular file, found a FIFO"), "{seen:?}");
        assert!(seen[1].ends_with("is missing, and no fallback is there"), "{seen:?}");
        assert!(seen[2].ends_with("expected a regular file, found a directory"), "{seen:?}");
    }
}
