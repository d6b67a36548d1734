//! The env files: there, ours, nobody else's, and well formed. What is in them is never shown.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fs_err as fs;
use nix::unistd::Uid;

use super::Findings;
use crate::compose::{EnvFiles, Secret};
use crate::document::{kind_of, read_text};
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::Entry;

/// Reading, writing or executing by others.
const OTHERS: u32 = 0o007;

pub(super) fn check(entry: &Entry, findings: &mut Findings) {
    let files = EnvFiles::of(entry);
    if let Some(path) = &files.implicit {
        check_content(path, findings);
    }
    for secret in &files.declared {
        check_secret(secret, findings);
    }
}

fn check_secret(secret: &Secret, findings: &mut Findings) {
    let path = &secret.path;
    if let Some(native) = &secret.instead_of {
        findings.warn(format!(
            "env file {} is missing and {} is used instead; this fallback is deprecated: provide the first",
            native.display(),
            path.display()
        ));
    }
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => findings.refuse(
            Code::Configuration,
            format!("env file {} is missing, and no fallback is there", path.display()),
        ),
        Err(error) => findings.refuse(
            Code::SecretPermissions,
            format!("env file {}: cannot look at it: {error}", path.display()),
        ),
        Ok(metadata) if !metadata.is_file() => findings.refuse(
            Code::Configuration,
            format!(
                "env file {}: expected a regular file, found a {}",
                path.display(),
                kind_of(metadata.file_type())
            ),
        ),
        Ok(metadata) => {
            if let Some(problem) = exposed(path, &metadata, Uid::effective()) {
                findings.refuse(Code::SecretPermissions, problem);
            }
            check_content(path, findings);
        }
    }
}

/// Who else could read or replace the file.
fn exposed(path: &Path, metadata: &Metadata, user: Uid) -> Option<String> {
    let shown = path.display();
    let owner = metadata.uid();
    if owner != user.as_raw() && owner != 0 {
        return Some(format!(
            "env file {shown}: expected it to be owned by uid {user} or root, it is owned by uid {owner}; next: chown {user} {shown}"
        ));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & OTHERS != 0).then(|| {
        format!("env file {shown}: others can access it (mode {mode:04o}); next: chmod o-rwx {shown}")
    })
}

fn check_content(path: &Path, findings: &mut Findings) {
    use crate::document::ReadError;
    match read_text(path) {
        Ok(text) => {
            if let Some((line, problem)) = malformed(&text) {
                findings.refuse(
                    Code::Configuration,
                    format!("env file {}: line {line} {problem}", path.display()),
                );
            }
        }
        Err(error @ ReadError::Io { .. }) => findings.refuse(
            Code::SecretPermissions,
            format!("env file {}; next: chmod u+r {}", chain(&error), path.display()),
        ),
        Err(error) => findings.refuse(Code::Configuration, format!("env file {}", chain(&error))),
    }
}

/// The first line that is no assignment, and what is wrong with it, without repeating it. Both providers would
/// refuse it too, or silently leave it out, and one of them shows what it stumbled over.
fn malformed(text: &str) -> Option<(usize, &'static str)> {
    let mut open: Option<(usize, char)> = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if let Some((_, quote)) = open {
            if closes(line, quote) {
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
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.trim_end().chars().all(|c| c.is_ascii_alphanumeric() || "_.-[]".contains(c));
        if !is_name {
            return Some((number, "is not an assignment (NAME=value)"));
        }
        let value = value.trim_start();
        open = value
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))
            .filter(|quote| !closes(value.get(1..).unwrap_or_default(), *quote))
            .map(|quote| (number, quote));
    }
    open.map(|(number, _)| (number, "opens a quote that is never closed"))
}

/// Whether a quote that is open at the beginning of `text` is closed in it. A backslash escapes within double quotes.
fn closes(text: &str, quote: char) -> bool {
    let mut escaped = false;
    for character in text.chars() {
        if character == quote && !escaped {
            return true;
        }
        escaped = character == '\\' && !escaped && quote == '"';
    }
    false
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

    fn refusals(mode: u32, content: &[u8]) -> Vec<(Code, String)> {
        let dir = tempfile::tempdir().unwrap();
        atomic::replace(&dir.path().join("s.env"), content, mode).unwrap();
        let mut entry = Entry::new(dir.path().to_owned(), vec!["compose.yml".into()]);
        entry.env_files = vec![EnvFile { path: "s.env".into(), fallback: None }];
        let mut findings = Findings::default();
        check(&entry, &mut findings);
        let place = format!("{}/", dir.path().display());
        findings
            .refusals
            .into_iter()
            .map(|refusal| (refusal.code, refusal.problem.replace(&place, "")))
            .collect()
    }

    #[test]
    fn others_must_not_read_it_and_the_message_has_the_chmod() {
        assert_eq!(refusals(0o600, b"A=b\n"), []);
        assert_eq!(refusals(0o640, b"A=b\n"), []);
        assert_eq!(
            refusals(0o644, b"A=hunter22\n"),
            [(
                Code::SecretPermissions,
                "env file s.env: others can access it (mode 0644); next: chmod o-rwx s.env".to_owned()
            )]
        );
        assert_eq!(
            refusals(0o600, b"\xff"),
            [(Code::Configuration, "env file s.env: not UTF-8 after byte 0, in line 1".to_owned())]
        );
    }

    #[test]
    fn what_is_not_a_file_is_told_without_waiting_for_it() {
        let dir = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut entry = Entry::new(dir.path().to_owned(), vec!["compose.yml".into()]);
        entry.env_files =
            ["fifo", "none", "."].map(|path| EnvFile { path: path.into(), fallback: None }).into();
        let mut findings = Findings::default();
        check(&entry, &mut findings);
        let problems: Vec<&str> = findings.refusals.iter().map(|refusal| refusal.problem.as_str()).collect();
        assert!(problems[0].ends_with("expected a regular file, found a FIFO"), "{problems:?}");
        assert!(problems[1].ends_with("is missing, and no fallback is there"), "{problems:?}");
        assert!(problems[2].ends_with("expected a regular file, found a directory"), "{problems:?}");
    }
}
