//! Versioned JSON files: read with a bound and exact errors, written whole.

use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use thiserror::Error;

use crate::atomic::{self, WriteError};

/// No file that a person or a program of ours writes comes near this; a larger one is a mistake, and reading it
/// whole would take the memory of the machine. Bytes.
pub const SIZE_MAX: u64 = 4 * 1024 * 1024;

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system refused: permissions, a link loop, an I/O error.
    #[error("{}: cannot read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, FIFO, socket or device.
    #[error("{}: expected a regular file, found a {found}", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        found: &'static str,
    },
    /// Larger than [`SIZE_MAX`].
    #[error("{}: {size} bytes; at most {SIZE_MAX} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Not UTF-8.
    #[error("{}: not UTF-8 after byte {valid}, in line {line}", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// How many bytes are valid.
        valid: usize,
        /// The line of the first bad byte, counted from 1.
        line: usize,
    },
    /// No content.
    #[error("{}: the file is empty; expected {kind}, version {version}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was expected.
        kind: &'static str,
        /// The version that is understood.
        version: u32,
    },
    /// Made by a newer version of this program: the source names both versions.
    #[error("{}: made by a newer version of this program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What serde found, with line and column.
        source: serde_json::Error,
    },
    /// Not JSON, an unknown key, a wrong type or value: the source names key, line and column.
    #[error("{}: not a valid {kind}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected.
        kind: &'static str,
        /// What serde found, with line and column.
        source: serde_json::Error,
    },
}

impl ReadError {
    /// Whether the file simply is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path }
            | Self::Io { path, .. }
            | Self::NotRegular { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NotUtf8 { path, .. }
            | Self::Empty { path, .. }
            | Self::Newer { path, .. }
            | Self::Invalid { path, .. } => path,
        }
    }
}

/// A kind of file with a version of its own.
pub trait Document: Serialize + DeserializeOwned {
    /// What the file is called in messages, for example `inventory entry`.
    const KIND: &'static str;
    /// The newest version that is understood.
    const VERSION: u32;

    /// Reads the file.
    ///
    /// # Errors
    /// Names the file, and the line and key where there is one.
    fn load(path: &Path) -> Result<Self, ReadError> {
        Self::parse(path, &read_bounded(path)?)
    }

    /// Parses a file's content.
    ///
    /// # Errors
    /// As [`Document::load`].
    fn parse(path: &Path, content: &[u8]) -> Result<Self, ReadError> {
        let text = utf8(path, content)?;
        if text.trim().is_empty() {
            return Err(ReadError::Empty { path: path.to_owned(), kind: Self::KIND, version: Self::VERSION });
        }
        let invalid = |source| ReadError::Invalid { path: path.to_owned(), kind: Self::KIND, source };
        // serde would take the values of an object in the order of their declaration from an array, too.
        if text.trim_start().starts_with('[') {
            return Err(invalid(serde_json::Error::custom("invalid type: array, expected an object")));
        }
        // The version is looked at first: what a newer version added must not read as an unknown key.
        serde_json::from_str::<VersionProbe<Self>>(text).map_err(|source| {
            let newer = serde_json::from_str::<AnyVersion>(text).is_ok_and(|any| any.version > Self::VERSION);
            if newer { ReadError::Newer { path: path.to_owned(), source } } else { invalid(source) }
        })?;
        serde_json::from_str(text).map_err(invalid)
    }

    /// Replaces the file atomically; mode 0600.
    ///
    /// # Errors
    /// Names the file and the step that failed; the old file is then still whole.
    fn store(&self, path: &Path) -> Result<(), WriteError> {
        let mut content = serde_json::to_vec_pretty(self)
            .map_err(|source| WriteError::new(path, "serialise", io::Error::other(source)))?;
        content.push(b'\n');
        atomic::replace(path, &content, atomic::PRIVATE)
    }
}

#[derive(serde::Deserialize)]
#[serde(bound = "")]
struct VersionProbe<D: Document> {
    #[serde(rename = "version", deserialize_with = "known_version::<D, _>")]
    _version: std::marker::PhantomData<D>,
}

#[derive(serde::Deserialize)]
struct AnyVersion {
    version: u32,
}

fn known_version<'de, D: Document, De: Deserializer<'de>>(
    deserializer: De,
) -> Result<std::marker::PhantomData<D>, De::Error> {
    let version = <u32 as serde::Deserialize>::deserialize(deserializer)?;
    if version == 0 || version > D::VERSION {
        return Err(De::Error::custom(format_args!(
            "\"version\" is {version}; this program understands {kind} up to version {known}",
            kind = D::KIND,
            known = D::VERSION,
        )));
    }
    Ok(std::marker::PhantomData)
}

/// Reads a regular file of at most [`SIZE_MAX`] bytes, following links. Never blocks on a FIFO.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read_bounded(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
        _ => ReadError::Io { path: path.to_owned(), source },
    };
    // The standard library's errors carry no path, which ours adds; O_NONBLOCK keeps a FIFO from blocking the open.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits())
        .open(path)
        .map_err(|source| match source.raw_os_error() {
            // A socket cannot be opened at all.
            Some(code) if code == nix::errno::Errno::ENXIO as i32 => {
                ReadError::NotRegular { path: path.to_owned(), found: "socket or device" }
            }
            _ => failed(source),
        })?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular { path: path.to_owned(), found: kind_of(metadata.file_type()) });
    }
    if metadata.len() > SIZE_MAX {
        return Err(ReadError::TooLarge { path: path.to_owned(), size: metadata.len() });
    }
    // With room for one byte more than there are, the end is found without another buffer.
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 64);
    file.take(SIZE_MAX + 1).read_to_end(&mut content).map_err(failed)?;
    match u64::try_from(content.len()) {
        Ok(size) if size <= SIZE_MAX => Ok(content),
        _ => Err(ReadError::TooLarge { path: path.to_owned(), size: SIZE_MAX + 1 }),
    }
}

/// Reads a text file with the same bounds as [`read_bounded`].
///
/// # Errors
/// As [`read_bounded`], and when the content is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, ReadError> {
    let content = read_bounded(path)?;
    utf8(path, &content).map(str::to_owned)
}

fn utf8<'a>(path: &Path, content: &'a [u8]) -> Result<&'a str, ReadError> {
    std::str::from_utf8(content).map_err(|error| ReadError::NotUtf8 {
        path: path.to_owned(),
        valid: error.valid_up_to(),
        line: 1 + content.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count(),
    })
}

/// A file type in a word.
#[must_use]
pub fn kind_of(file_type: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        t if t.is_file() => "regular file",
        t if t.is_dir() => "directory",
        t if t.is_symlink() => "link",
        t if t.is_fifo() => "FIFO",
        t if t.is_socket() => "socket",
        _ => "device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        version: u32,
        name: String,
    }

    impl Document for Sample {
        const KIND: &'static str = "sample";
        const VERSION: u32 = 1;
    }

    fn parse_error(content: &[u8]) -> String {
        let error = Sample::parse(Path::new("/x.json"), content).unwrap_err();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    #[test]
    fn errors_name_file_key_and_line() {
        assert_eq!(
            parse_error(b"{\"version\": 1,\n \"nam\": \"x\"}"),
            "/x.json: not a valid sample: unknown field `nam`, expected `version` or `name` at line 2 column 6"
        );
        assert_eq!(
            parse_error(b"{\n\"version\": 2, \"new\": true}"),
            "/x.json: made by a newer version of this program: \"version\" is 2; this program understands sample up to version 1 at line 2 column 12"
        );
        assert_eq!(parse_error(b" \n"), "/x.json: the file is empty; expected sample, version 1");
        assert_eq!(parse_error(b"{\n\xff"), "/x.json: not UTF-8 after byte 2, in line 2");
        assert!(parse_error(b"{\"version\": 1, \"name\":").contains("EOF while parsing"));
        assert!(parse_error(b" [1, \"x\"]").ends_with("expected an object"));
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(read_bounded(&path("none")).unwrap_err().is_missing());
        assert!(matches!(read_bounded(dir.path()), Err(ReadError::NotRegular { found: "directory", .. })));
        nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(read_bounded(&path("fifo")), Err(ReadError::NotRegular { found: "FIFO", .. })));
        std::os::unix::fs::symlink("loop", path("loop")).unwrap();
        assert!(matches!(read_bounded(&path("loop")), Err(ReadError::Io { .. })));
        fs_err::File::create(path("huge")).unwrap().set_len(1 << 30).unwrap();
        assert!(matches!(read_bounded(&path("huge")), Err(ReadError::TooLarge { size: 1_073_741_824, .. })));
    }
}
