//! The unit file and its drop-ins, read and merged as systemd does.

use std::path::{Path, PathBuf};

use super::explanation::{Line, Setting};
use crate::digest::Sha256;
use crate::document::{ReadError, read_bounded};
use crate::error::chain;
use crate::systemd::search_path::{DiskState, Resolution};
use crate::systemd::settings::compare::Declared;
use crate::systemd::unit_file::UnitFile;
use crate::systemd::unit_text::UnitText;

/// What the texts on disk come to.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: UnitText,
    /// The digest of the unit file; none if it cannot be read.
    pub(super) fragment: Option<Sha256>,
    /// Lines that systemd ignores, and where it stops reading.
    pub(super) problems: Vec<String>,
    /// Files that cannot be read.
    pub(super) unchecked: Vec<String>,
}

impl Texts {
    /// Reads the fragment, then the drop-ins that take effect, in their order.
    pub(super) fn read(resolution: &Resolution) -> Self {
        let mut texts = Self::default();
        if resolution.state != DiskState::Loaded && resolution.state != DiskState::LoadedWithoutFile {
            return texts;
        }
        if let Some(fragment) = &resolution.fragment {
            match read_bounded(fragment) {
                Ok(content) => {
                    texts.fragment = Some(Sha256::of(&content));
                    texts.push(fragment, &content);
                }
                Err(error) => texts.unchecked.push(chain(&error)),
            }
        }
        for drop_in in resolution.drop_ins.iter().filter(|drop_in| drop_in.is_effective()) {
            match read_bounded(&drop_in.path) {
                Ok(content) => texts.push(&drop_in.path, &content),
                Err(error) => texts.unchecked.push(chain(&error)),
            }
        }
        texts
    }

    fn push(&mut self, path: &Path, content: &[u8]) {
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let line =
                    1 + content.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
                let valid = error.valid_up_to();
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
    pub(super) fn declared(&self) -> Vec<Declared<'_>> {
        self.text
            .files()
            .flat_map(|(_, file)| &file.assignments)
            .map(|a| Declared { section: &a.section, key: &a.key, value: &a.value })
            .collect()
    }

    /// The settings, with all lines that have a say in each.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let line = |located: crate::systemd::unit_text::Located| Line {
            file: located.file,
            line: located.line,
            key: located.key,
            value: located.value,
            in_force: located.in_force,
        };
        let keys = self.text.keys().into_iter();
        keys.map(|(section, key)| {
            let lines = self.text.history(&section, &key).into_iter().map(line).collect();
            Setting { section, key, lines }
        })
        .collect()
    }

    /// What a generator says that it made the unit from.
    pub(super) fn source(&self) -> Option<PathBuf> {
        let lines = self.text.in_force("Unit", "SourcePath");
        lines.last().filter(|line| !line.value.is_empty()).map(|line| PathBuf::from(&line.value))
    }
}
