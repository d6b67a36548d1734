//! One unit as it is now: on disk, in the form of its seal, and in the manager.

use std::time::SystemTime;

use super::seal::{Observed, ObservedFile};
use crate::document::Document;
use crate::names::UnitName;
use crate::systemd::disk_text::DiskText;
use crate::systemd::search_path::{DiskState, Resolution, SearchPath};

/// What the disk has.
#[derive(Debug)]
pub struct Sight {
    /// As it would be sealed now.
    pub now: Observed,
    /// How the name resolves.
    pub resolution: Resolution,
    /// The texts.
    pub text: DiskText,
    /// What could not be looked at.
    pub unchecked: Vec<String>,
}

impl Sight {
    /// Looks at `unit` on disk.
    #[must_use]
    pub fn look(search_path: &SearchPath, unit: &UnitName) -> Self {
        let resolution = search_path.resolve(unit);
        let text = DiskText::read(&resolution);
        let mut unchecked: Vec<String> = resolution.unchecked.iter().map(ToString::to_string).collect();
        unchecked.extend(text.unchecked.iter().cloned());
        // The fragment's digest was taken when its text was read; a mask has no text.
        let fragment = resolution.fragment.as_ref().map(|path| ObservedFile {
            path: path.clone(),
            link: path.read_link().ok(),
            sha256: text.digests.get(path).copied(),
        });
        let drop_ins = resolution.drop_in_paths();
        let drop_ins = drop_ins.into_iter().map(|path| ObservedFile::look(path, &mut unchecked)).collect();
        let pulls = search_path.wants_links(unit).into_iter().filter(|pull| pull.in_force);
        let now = Observed {
            version: Observed::VERSION,
            unit: unit.clone(),
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            masked: resolution.state == DiskState::Masked,
            fragment,
            source: text.source().map(|path| ObservedFile::look(&path, &mut unchecked)),
            drop_ins,
            shadowed: resolution.shadowed().map(|copy| copy.path.clone()).collect(),
            pulled_in_by: pulls.map(|pull| pull.path).collect(),
        };
        unchecked.sort();
        unchecked.dedup();
        Self { now, resolution, text, unchecked }
    }
}
