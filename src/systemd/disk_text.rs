//! A resolved unit's file and drop-ins, read from the disk and merged as systemd does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::search_path::{DiskState, Resolution};
use super::settings::compare::Declared;
use super::unit_file::UnitFile;
use super::unit_text::UnitText;
use crate::digest::Sha256;
use crate::document::{ReadError, read_bounded};
use crate::error::chain;

/// What the texts on disk come to.
#[derive(Debug, Default)]
pub struct DiskText {
    /// The texts, merged.
    pub text: UnitText,
    /// The digest of each file that could be read.
    pub digests: BTreeMap<PathBuf, Sha256>,
    /// Lines that systemd ignores, and where it stops reading.
    pub problems: Vec<String>,
    /// Files that cannot be read.
    pub unchecked: Vec<String>,
}

impl DiskText {
    /// Reads the fragment, then the drop-ins that take effect, in their order. Nothing is read for a unit that has no
    /// text in force: one that is masked or not found.
    #[must_use]
    pub fn read(resolution: &Resolution) -> Self {
        let mut texts = Self::default();
        if !matches!(resolution.state, DiskState::Loaded | DiskState::LoadedWithoutFile) {
            return texts;
        }
        let drop_ins = resolution.drop_ins.iter().filter(|drop_in| drop_in.is_effective());
        for path in resolution.fragment.iter().chain(drop_ins.map(|drop_in| &drop_in.path)) {
            match read_bounded(path) {
                Ok(content) => texts.push(path, &content),
                Err(error) => texts.unchecked.push(chain(&error)),
            }
        }
        texts
    }

    fn push(&mut self, path: &Path, content: &[u8]) {
        self.digests.insert(path.to_owned(), Sha256::of(content));
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.valid_up_to();
                let line = 1 + content.iter().take(valid).filter(|byte| **byte == b'\n').count();
                let error = ReadError::NotUtf8 { path: path.to_owned(), valid, line };
                self.unchecked.push(error.to_string());
                return;
            }
        };
        let file = UnitFile::parse(text).unwrap_or_else(|error| {
            self.problems.push(format!("{}: {error}: systemd reads no further", path.display()));
            error.before().clone()
        });
        for problem in &file.problems {
            self.problems.push(format!("{}: {problem}", path.display()));
        }
        self.text.push(path, file);
    }

    /// Every assignment in the order in which systemd reads them.
    #[must_use]
    pub fn declared(&self) -> Vec<Declared<'_>> {
        self.text.files().flat_map(|(_, file)| &file.assignments).map(Declared::from).collect()
    }

    /// What a generator says that it made the unit from: `SourcePath=`.
    #[must_use]
    pub fn source(&self) -> Option<PathBuf> {
        let lines = self.text.in_force("Unit", "SourcePath");
        lines.last().filter(|line| !line.value.is_empty()).map(|line| PathBuf::from(&line.value))
    }
}
