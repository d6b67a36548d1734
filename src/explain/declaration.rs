//! What was declared of one unit. Only the files that can name it are read: explaining one unit on a host with a
//! thousand stacks must not read a thousand seals.

use std::path::PathBuf;

use super::explanation::Declarer;
use crate::audit;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::error::chain;
use crate::inventory::{Inventory, InventoryError};
use crate::names::{StackName, UnitName};
use crate::observe::{Observed, ObservedUnits};
use crate::seal::{self, Seal, SealedUnit};
use crate::systemd::search_path::DropIn;

/// One unit's declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitDeclaration {
    pub(super) by: Declarer,
    pub(super) stack: Option<StackName>,
    pub(super) seal: PathBuf,
    pub(super) fragment: Option<PathBuf>,
    pub(super) link: Option<PathBuf>,
    pub(super) sha256: Option<Sha256>,
    pub(super) token: Option<String>,
    pub(super) allowed_drop_ins: Vec<String>,
}

impl UnitDeclaration {
    /// Finds what declares `unit`, an instance by its template too. What cannot be read goes to `unchecked`.
    pub(super) fn find(dirs: &Dirs, unit: &UnitName, unchecked: &mut Vec<String>) -> Option<Self> {
        let template = unit.template();
        let names = [Some(unit), template.as_ref()];
        for name in names.into_iter().flatten() {
            for (stack, path) in candidates(dirs, name) {
                let seal = match Seal::load(&path) {
                    Ok(seal) => seal,
                    Err(error) if error.is_missing() => continue,
                    Err(error) => {
                        unchecked.push(chain(&error));
                        continue;
                    }
                };
                if let Some(sealed) = seal.units.get(name) {
                    return Some(Self::of(dirs, name, stack, path, sealed, unchecked));
                }
            }
        }
        match ObservedUnits::load_unit(dirs, unit) {
            Ok(seal) => seal.map(|seal| Self::observed(dirs, &seal)),
            Err(error) => {
                unchecked.push(chain(&error));
                None
            }
        }
    }

    fn observed(dirs: &Dirs, seal: &Observed) -> Self {
        let fragment = seal.fragment.as_ref();
        Self {
            by: Declarer::Observed,
            stack: None,
            seal: Observed::path(dirs, &seal.unit),
            link: fragment.and_then(|file| file.link.clone()),
            sha256: fragment.and_then(|file| file.sha256),
            fragment: fragment.map(|file| file.path.clone()),
            token: None,
            allowed_drop_ins: seal.drop_ins.iter().map(|file| file.path.display().to_string()).collect(),
        }
    }

    /// Who declares it, in words.
    pub(super) fn by_whom(&self) -> String {
        match (self.by, &self.stack) {
            (Declarer::Stack, Some(stack)) => format!("stack {stack}"),
            (Declarer::Orphan, Some(stack)) => format!("stack {stack}, which is gone"),
            (Declarer::Observed, _) => "observed".to_owned(),
            _ => "Stackwarden's own unit".to_owned(),
        }
    }

    /// Whether a drop-in may change the unit.
    pub(super) fn allows(&self, drop_in: &DropIn) -> bool {
        audit::allows(&self.allowed_drop_ins, drop_in)
    }

    fn of(
        dirs: &Dirs,
        name: &UnitName,
        stack: Option<StackName>,
        seal: PathBuf,
        sealed: &SealedUnit,
        unchecked: &mut Vec<String>,
    ) -> Self {
        let entry = stack.as_ref().map(|stack| Inventory::load_stack(dirs, stack));
        let (by, allowed_drop_ins) = match entry {
            None => (Declarer::Shipped, Vec::new()),
            Some(Ok(declared)) => (Declarer::Stack, declared.entry.allowed_drop_ins),
            Some(Err(InventoryError::Read(error))) if error.is_missing() => (Declarer::Orphan, Vec::new()),
            Some(Err(error)) => {
                unchecked.push(chain(&error));
                (Declarer::Stack, Vec::new())
            }
        };
        Self {
            by,
            stack,
            seal,
            fragment: Some(dirs.owner().join(name.as_str())),
            link: sealed.link.clone(),
            sha256: Some(sealed.sha256),
            token: Some(sealed.token.clone()),
            allowed_drop_ins,
        }
    }
}

/// The seals that may name a unit: the shipped units' own, and those of the stacks that its name can belong to.
fn candidates(dirs: &Dirs, name: &UnitName) -> Vec<(Option<StackName>, PathBuf)> {
    let stem = name.stem();
    let stacks = [Some(stem), stem.strip_suffix("-update")];
    let stacks = stacks.into_iter().flatten().filter_map(|stem| StackName::parse(stem).ok());
    std::iter::once((None, Seal::path(dirs, seal::SHIPPED)))
        .chain(stacks.map(|stack| {
            let path = Seal::path(dirs, stack.as_str());
            (Some(stack), path)
        }))
        .collect()
}
