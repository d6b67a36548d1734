//! What is declared, gathered from inventory, seals and host configuration, for the judges to hold the world against.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dirs::Dirs;
use crate::error::chain;
use crate::inventory::{Host, Inventory, stack_of_file};
use crate::names::{StackName, UnitName};
use crate::observe::{Observed, ObservedUnits};
use crate::seal::{self, Seal, SealedUnit, Seals};
use crate::systemd::search_path::DropIn;

use super::check::Check;
use super::finding::{Finding, State, Verdicts, typed};

/// One unit that is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredUnit {
    /// What it must be.
    pub sealed: Arc<SealedUnit>,
    /// The stack it belongs to; none for a shipped unit.
    pub stack: Option<StackName>,
    /// The drop-ins that may change it; none if the entry that says so cannot be read.
    pub allowed_drop_ins: Option<Vec<String>>,
    /// Whether it is a loaded instance, whose seal is that of its template.
    pub sealed_as_template: bool,
}

impl DeclaredUnit {
    /// Whether a drop-in may change this unit; see [`allows`].
    #[must_use]
    pub fn allows(&self, drop_in: &DropIn) -> bool {
        self.allowed_drop_ins.as_deref().is_some_and(|allowed| allows(allowed, drop_in))
    }

    /// The command that puts the unit's files back.
    #[must_use]
    pub fn repair_command(&self) -> String {
        match &self.stack {
            Some(stack) => format!("stackctl repair {stack}"),
            None => "stackctl install".to_owned(),
        }
    }
}

/// Whether a drop-in is one of `allowed`: by file name or by absolute path. Only a file can be allowed; reading a FIFO
/// would hang the manager.
#[must_use]
pub fn allows(allowed: &[String], drop_in: &DropIn) -> bool {
    let named = |allowed: &String| {
        let path = Path::new(allowed);
        drop_in.path == path || drop_in.found_at == path || drop_in.path.file_name() == Some(path.as_os_str())
    };
    drop_in.is_effective() && allowed.iter().any(named)
}

/// Everything that is declared.
#[derive(Debug)]
pub struct Declaration {
    /// The host-wide settings; the defaults where the file is broken, which is a finding.
    pub host: Host,
    /// The inventory.
    pub inventory: Inventory,
    /// The seals.
    pub seals: Seals,
    /// The units of declared stacks, and the shipped ones.
    pub units: BTreeMap<UnitName, DeclaredUnit>,
    /// Units that are sealed although their stack is not declared any more.
    pub orphans: BTreeMap<UnitName, StackName>,
    /// The units that are only observed. One that is declared meanwhile is held to its declaration.
    pub observed: BTreeMap<UnitName, Observed>,
    broken: BTreeMap<PathBuf, Broken>,
}

/// A file of the declaration that cannot be read.
#[derive(Debug)]
struct Broken {
    stack: Option<StackName>,
    problem: String,
    next: String,
}

impl Broken {
    fn new(path: &Path, error: &dyn std::error::Error) -> Self {
        let next = format!("mend {}, then: systemctl --user start stack-audit.service", typed(path));
        Self { stack: None, problem: chain(error), next }
    }

    /// A file of an inventory entry.
    fn entry(path: &Path, error: &dyn std::error::Error) -> Self {
        let is_file = path.extension().is_some();
        Self { stack: stack_of_file(path).ok().filter(|_| is_file), ..Self::new(path, error) }
    }

    /// A seal, which is made anew rather than mended.
    fn seal(path: &Path, error: &dyn std::error::Error) -> Self {
        let broken = Self::entry(path, error);
        let next = match &broken.stack {
            Some(stack) => format!("stackctl sync {stack}"),
            None if path.file_stem().is_some_and(|stem| stem == seal::SHIPPED) => {
                "stackctl install".to_owned()
            }
            None => return broken,
        };
        Self { next, ..broken }
    }

    /// The seal of an observed unit, which can be made anew only for the unit as it is now.
    fn observed(path: &Path, problem: String) -> Self {
        let unit =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| UnitName::parse(stem).ok());
        let next = match unit {
            Some(unit) => format!("rm {}, then: stackctl observe {unit}", typed(path)),
            None if path.extension().is_none() => format!("ls -ld {}", typed(path)),
            None => format!("rm {}", typed(path)),
        };
        Self { stack: None, problem, next }
    }
}

impl Declaration {
    /// Reads all of it. Each file stands by itself: a broken one is a finding, and hides no other.
    #[must_use]
    pub fn load(dirs: &Dirs) -> Self {
        let inventory = Inventory::load(dirs);
        let seals = Seals::load(dirs);
        let mut broken = BTreeMap::new();
        for (path, error) in &inventory.broken {
            broken.insert(path.clone(), Broken::entry(path, error));
        }
        for (path, error) in &seals.broken {
            broken.insert(path.clone(), Broken::seal(path, error));
        }
        let ObservedUnits { units: mut observed, broken: not_observed } = ObservedUnits::load(dirs);
        for (path, problem) in not_observed {
            broken.insert(path.clone(), Broken::observed(&path, problem));
        }
        let host = Host::load_or_default(dirs).unwrap_or_else(|error| {
            broken.insert(error.path().to_owned(), Broken::new(error.path(), &error));
            Host::default()
        });
        let mut units = BTreeMap::new();
        let mut orphans = BTreeMap::new();
        if let Some(seal) = &seals.shipped {
            units.extend(declared(seal, None, Some(&[])));
        }
        let unlisted = broken.contains_key(&dirs.inventory());
        for (stack, seal) in &seals.stacks {
            // While a stack's entry is broken its last seal still says what its units must be.
            let entry_unknown = unlisted || broken.contains_key(&dirs.inventory_file(stack));
            match inventory.stacks.get(stack) {
                Some(entry) => units.extend(declared(seal, Some(stack), Some(&entry.entry.allowed_drop_ins))),
                None if entry_unknown => units.extend(declared(seal, Some(stack), None)),
                None => orphans.extend(seal.units.keys().map(|unit| (unit.clone(), stack.clone()))),
            }
        }
        observed.retain(|unit, _| !units.contains_key(unit));
        Self { host, inventory, seals, units, orphans, observed, broken }
    }

    /// Judges the declaration itself: what cannot be read, and what the units do not follow yet.
    pub fn judge(&self, dirs: &Dirs, verdicts: &mut Verdicts) {
        verdicts.record_all(
            Check::DeclarationInvalid,
            self.broken.iter().map(|(path, broken)| {
                let finding = Finding::unknown(Check::DeclarationInvalid, State::Declared)
                    .at(path)
                    .expected("a valid file", &broken.problem)
                    .next(&broken.next);
                match &broken.stack {
                    Some(stack) => finding.of_stack(stack),
                    None => finding,
                }
            }),
        );
        for (stack, declared) in &self.inventory.stacks {
            let path = dirs.inventory_file(stack);
            if self.is_seal_unknown(dirs, stack.as_str()) {
                continue;
            }
            let seen = match self.seals.stacks.get(stack) {
                None => Some("no seal: its units were never made".to_owned()),
                Some(seal) if seal.inventory != Some(declared.sha256) => {
                    Some("the file was edited after its units were made".to_owned())
                }
                Some(_) => None,
            };
            verdicts.record(
                Check::InventoryUnsealed,
                seen.map(|seen| {
                    Finding::broken(Check::InventoryUnsealed, State::Declared)
                        .of_stack(stack)
                        .at(&path)
                        .expected("units made from this very file", seen)
                        .next(format!("stackctl sync {stack}"))
                }),
            );
        }
    }

    /// Whether what a stack declares cannot be told, or its units were never made: that is a finding of its own.
    #[must_use]
    pub fn is_unsure_of(&self, dirs: &Dirs, stack: &StackName) -> bool {
        let entry = dirs.inventory_file(stack);
        self.is_seal_unknown(dirs, stack.as_str())
            || [dirs.inventory(), entry].iter().any(|path| self.broken.contains_key(path))
            || (self.inventory.stacks.contains_key(stack) && !self.seals.stacks.contains_key(stack))
    }

    /// Whether a seal cannot be read, which is a finding of its own.
    #[must_use]
    pub fn is_seal_unknown(&self, dirs: &Dirs, name: &str) -> bool {
        [dirs.seals(), Seal::path(dirs, name)].iter().any(|path| self.broken.contains_key(path))
    }

    /// Whether a part of the declaration is unknown, so that a reload might load what nobody has checked.
    #[must_use]
    pub fn seal_broken(&self, dirs: &Dirs) -> Option<&Path> {
        // An observed unit is not ours: what its seal would say blocks nothing.
        let ours = |path: &&PathBuf| path.starts_with(dirs.seals()) && !path.starts_with(dirs.observed());
        self.broken.keys().find(ours).map(PathBuf::as_path)
    }
}

fn declared<'a>(
    seal: &'a Seal,
    stack: Option<&'a StackName>,
    allowed_drop_ins: Option<&'a [String]>,
) -> impl Iterator<Item = (UnitName, DeclaredUnit)> + 'a {
    seal.units.iter().map(move |(name, sealed)| {
        let unit = DeclaredUnit {
            sealed: Arc::clone(sealed),
            stack: stack.cloned(),
            allowed_drop_ins: allowed_drop_ins.map(<[String]>::to_vec),
            sealed_as_template: false,
        };
        (name.clone(), unit)
    })
}
