//! The files that compose files name, as far as their text tells without reading it as YAML: of every word near a key,
//! whether there is a file of that name. One too many hides more, and harms nobody.

use std::collections::BTreeSet;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::document::read_text;

/// What compose will read besides what is declared, and perhaps more.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Env files: those of services, and the `.env` beside an included file.
    pub(super) env_files: BTreeSet<PathBuf>,
    /// Those of all these that are FIFOs or sockets: compose would wait for them.
    pub(super) awaited: BTreeSet<PathBuf>,
    /// Compose files that others include or extend.
    included: BTreeSet<PathBuf>,
}

impl Named {
    /// What these texts name, and the files that they include; paths are relative to one of the directories.
    pub(super) fn of(texts: &[String], directories: &[&Path]) -> Self {
        let mut named = Self::default();
        for text in texts {
            named.look(text, directories);
        }
        named
    }

    fn look(&mut self, text: &str, directories: &[&Path]) {
        let env_words = words_near(text, &["env_file"]);
        for path in found(&env_words, directories) {
            self.take(path, |named, path| {
                named.env_files.insert(path);
            });
        }
        let mut words = words_near(text, &["include", "extends"]);
        words.retain(|word| !env_words.contains(word));
        for path in found(&words, directories) {
            self.take(path, |named, path| named.look_into(path, directories));
        }
    }

    /// An included file, once.
    fn look_into(&mut self, path: PathBuf, directories: &[&Path]) {
        let Some(beside) = path.parent().map(Path::to_owned) else { return };
        let Ok(text) = read_text(&path) else { return };
        if !self.included.insert(path) {
            return;
        }
        self.take(beside.join(".env"), |named, path| {
            named.env_files.insert(path);
        });
        let directories: Vec<&Path> =
            [beside.as_path()].into_iter().chain(directories.iter().copied()).collect();
        self.look(&text, &directories);
    }

    fn take(&mut self, path: PathBuf, regular: impl FnOnce(&mut Self, PathBuf)) {
        let Ok(metadata) = fs_err::metadata(&path) else { return };
        let kind = metadata.file_type();
        if kind.is_file() {
            regular(self, path);
        } else if kind.is_fifo() || kind.is_socket() {
            self.awaited.insert(path);
        }
    }
}

/// The words in the lines of such a key, and in those that belong to it by their indentation.
fn words_near<'a>(text: &'a str, keys: &[&str]) -> BTreeSet<&'a str> {
    let mut words = BTreeSet::new();
    let mut near: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if keys.iter().any(|key| content.contains(key)) {
            near = Some(near.map_or(indent, |outer| outer.min(indent)));
        } else if near.is_some_and(|key| indent < key || (indent == key && !content.starts_with(['-', ']'])))
            && !content.is_empty()
        {
            near = None;
        }
        if near.is_some() {
            words.extend(line.split(|c: char| c.is_whitespace() || "\"'[]{},".contains(c)));
        }
    }
    words.remove("");
    words
}

fn found(words: &BTreeSet<&str>, directories: &[&Path]) -> Vec<PathBuf> {
    let place =
        |word: &&str| directories.iter().map(|directory| directory.join(word)).find(|path| path.exists());
    words.iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    fn names(paths: &BTreeSet<PathBuf>) -> Vec<&str> {
        let mut names: Vec<&str> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_env_files_of_services_are_found_in_every_form() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.env", "b.env", "c.env", "d.env", "image"] {
            atomic::replace(&dir.path().join(name), b"A=b", atomic::PRIVATE).unwrap();
        }
        let text = "services:\n  a: {env_file: a.env}\n  b:\n    env_file:\n    - b.env\n    image: image\n  c:\n    env_file:\n      - path: \"c.env\"\n        required: true\n    image: image\n  d: {env_file: ['./d.env', none.env]}\n";
        let named = Named::of(&[text.to_owned()], &[dir.path()]);
        assert_eq!(names(&named.env_files), ["a.env", "b.env", "c.env", "d.env"]);
        assert!(named.included.is_empty() && named.awaited.is_empty());
    }

    #[test]
    fn included_files_are_looked_into_and_what_compose_would_wait_for_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        let write =
            |name: &str, text: &str| atomic::replace(&place.join(name), text.as_bytes(), 0o600).unwrap();
        fs_err::create_dir_all(place.join("sub/path")).unwrap();
        write("sub/more.yml", "include: [again.yml]\nservices: {a: {env_file: [more.env, fifo]}}");
        write(
            "sub/again.yml",
            "include: [more.yml]\nservices: {b: {extends: {file: ../base.yml, service: x}}}",
        );
        write("base.yml", "services: {x: {env_file: base.env}}");
        for name in ["sub/more.env", "sub/.env", "base.env", "own.env"] {
            write(name, "A=b");
        }
        for name in ["sub/fifo", "other.yml"] {
            nix::unistd::mkfifo(&place.join(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        let text = "include:\n- sub/more.yml\n- path: other.yml\n  env_file: own.env\nservices: {}\n";
        let named = Named::of(&[text.to_owned()], &[place]);
        assert_eq!(names(&named.env_files), [".env", "base.env", "more.env", "own.env"]);
        assert_eq!(names(&named.awaited), ["fifo", "other.yml"]);
    }
}
