//! What was found out about one unit, for the reasons to be made from: plain values.

use std::path::{Path, PathBuf};

use super::declaration::UnitDeclaration;
use super::generation::Generation;
use crate::dirs::Dirs;
use crate::names::UnitName;
use crate::systemd::loaded::{LoadedUnit, ManagerState};
use crate::systemd::search_path::{DirectoryKind, Resolution, WantsLink, kind_of_directory};

/// What was found out.
pub(super) struct Facts<'a> {
    pub(super) dirs: &'a Dirs,
    pub(super) unit: &'a UnitName,
    pub(super) resolution: &'a Resolution,
    pub(super) wants: &'a [WantsLink],
    pub(super) generation: Option<Generation>,
    /// Where the links lead that the text on disk is reached by.
    pub(super) hops: Vec<PathBuf>,
    /// `SourcePath=` of the text on disk: what a generator made it from.
    pub(super) source: Option<PathBuf>,
    pub(super) declaration: Option<&'a UnitDeclaration>,
    pub(super) manager: Option<&'a ManagerState>,
    pub(super) loaded: Option<&'a LoadedUnit>,
    /// Whether the manager had the unit before it was asked.
    pub(super) in_memory: bool,
}

impl Facts<'_> {
    /// Whose directory of the search path a file lies in.
    pub(super) fn kind_of(&self, file: &Path) -> DirectoryKind {
        file.parent().map_or(DirectoryKind::Other, |directory| kind_of_directory(directory, self.dirs))
    }

    /// Whether a link with this text is the declared one, which a generation reaches by way of a link of its own.
    pub(super) fn is_declared(&self, link: Option<&PathBuf>) -> bool {
        let declared = self.declaration.and_then(|declaration| declaration.link.as_ref());
        match (declared, link) {
            (Some(declared), Some(link)) => link == declared || self.hops.contains(declared),
            (declared, link) => declared.is_none() && link.is_none(),
        }
    }
}
