//! From a name to its fragment and its other names: pure, over what the scan found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::name_parts::{NameForm, form, instantiated, with_instance};
use crate::names::UnitName;

/// systemd follows at most seven aliases in a row and gives up at the eighth step (its `FOLLOW_MAX`).
const FOLLOW_MAX: usize = 8;

/// One step from the name that was asked for to its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// No copy of the name: its template is taken instead.
    Template {
        /// The instance.
        from: UnitName,
        /// The template.
        to: UnitName,
    },
    /// The winning copy is a link into the search path.
    Alias {
        /// The name.
        from: UnitName,
        /// The name that it stands for.
        to: UnitName,
    },
    /// The winning copy is a file, or a link out of the search path.
    Fragment {
        /// The name.
        name: UnitName,
        /// The path, as the manager reports it.
        path: PathBuf,
    },
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    /// No copy of it.
    Absent,
    /// An alias of a name that has no copy.
    Broken(UnitName),
    /// Too many aliases in a row, which is what a circle looks like.
    Loop,
}

/// What the winning copy of a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Fragment(PathBuf),
    Alias(UnitName),
}

/// Name to winning copy, and name to the aliases that lead to it.
#[derive(Debug, Default)]
pub(super) struct NameMap {
    entries: BTreeMap<UnitName, Entry>,
    /// Final name to (alias, fragment); names of their own files are not in it.
    aliases: BTreeMap<UnitName, Vec<(UnitName, PathBuf)>>,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The fragment, or why there is none.
    pub fragment: Result<PathBuf, Miss>,
    /// How it was found, as far as it went.
    pub steps: Vec<Step>,
    /// Every name of the unit, templates among them still as templates.
    pub names: BTreeSet<UnitName>,
}

impl NameMap {
    pub(super) fn new(entries: BTreeMap<UnitName, Entry>) -> Self {
        let mut map = Self { entries, aliases: BTreeMap::new() };
        let mut aliases: BTreeMap<UnitName, Vec<(UnitName, PathBuf)>> = BTreeMap::new();
        for (name, entry) in &map.entries {
            if !matches!(entry, Entry::Alias(_)) {
                continue;
            }
            let Ok(fragment) = map.follow(name, &mut Vec::new()) else {
                continue;
            };
            // An instance that is a link to a template is an alias for just this instance.
            let target = base_name(fragment).and_then(|base| match (form(&base), form(name)) {
                (NameForm::Template, NameForm::Instance) => with_instance(&base, name.instance()?),
                _ => Some(base),
            });
            if let Some(target) = target {
                aliases.entry(target).or_default().push((name.clone(), fragment.to_owned()));
            }
        }
        map.aliases = aliases;
        map
    }

    /// Follows aliases to a fragment.
    fn follow<'a>(&'a self, name: &UnitName, steps: &mut Vec<Step>) -> Result<&'a Path, Miss> {
        let mut at = name.clone();
        for hop in 0..FOLLOW_MAX {
            let entry = match self.entries.get(&at) {
                Some(entry) => entry,
                None if hop == 0 => return Err(Miss::Absent),
                None => {
                    let broken = || Miss::Broken(at.clone());
                    let template = at.template().ok_or_else(broken)?;
                    let entry = self.entries.get(&template).ok_or_else(broken)?;
                    steps.push(Step::Template { from: at.clone(), to: template.clone() });
                    at = template;
                    entry
                }
            };
            match entry {
                Entry::Fragment(path) => {
                    steps.push(Step::Fragment { name: at, path: path.clone() });
                    return Ok(path);
                }
                Entry::Alias(to) => {
                    steps.push(Step::Alias { from: at, to: to.clone() });
                    at = to.clone();
                }
            }
        }
        Err(Miss::Loop)
    }

    /// Looks `name` up. `usable` tells whether a fragment is there and no mask: aliases of others do not count.
    pub(super) fn find(&self, name: &UnitName, usable: &dyn Fn(&Path) -> bool) -> Found {
        let mut found =
            Found { fragment: Err(Miss::Absent), steps: Vec::new(), names: BTreeSet::from([name.clone()]) };
        let mut names = BTreeSet::new();
        if self.add_names(name, name, None, usable, &mut names).is_err() {
            found.fragment = Err(Miss::Loop);
            return found;
        }
        let mut fragment = self.follow(name, &mut found.steps);
        if let (Err(Miss::Absent | Miss::Broken(_)), Some(template)) = (&fragment, name.template()) {
            let mut steps = vec![Step::Template { from: name.clone(), to: template.clone() }];
            match self.follow(&template, &mut steps) {
                // The instance's own broken alias says more than a template that is not there.
                Err(Miss::Absent) => {}
                other => {
                    found.steps = steps;
                    fragment = other;
                }
            }
        }
        if let Ok(path) = fragment
            && let Some(base) = base_name(path).filter(|base| base != name)
            && self.add_names(name, &base, Some(&base), usable, &mut names).is_err()
        {
            fragment = Err(Miss::Loop);
        }
        if fragment != Err(Miss::Loop) {
            found.names = names;
        }
        found.fragment = fragment.map(Path::to_owned);
        found
    }

    /// Adds `base`, and what is an alias of it, to `names` of the unit `unit`.
    fn add_names(
        &self,
        unit: &UnitName,
        base: &UnitName,
        fragment_base: Option<&UnitName>,
        usable: &dyn Fn(&Path) -> bool,
        names: &mut BTreeSet<UnitName>,
    ) -> Result<(), Miss> {
        let instance = unit.instance().filter(|instance| !instance.is_empty());
        if form(unit) != NameForm::Template {
            names.insert(base.clone());
        }
        // The name itself is in already, except as a template.
        let own = match (form(base), self.entries.get(base)) {
            (NameForm::Template, Some(Entry::Fragment(path))) if usable(path) => Some(base),
            _ => None,
        };
        let aliases = self.aliases.get(base).map_or(&[][..], Vec::as_slice);
        let aliases = aliases.iter().filter(|(_, fragment)| usable(fragment)).map(|(alias, _)| alias);
        for alias in own.into_iter().chain(aliases) {
            if instance.is_none() || form(alias) != NameForm::Template {
                names.insert(alias.clone());
                continue;
            }
            let Some(alias) = instantiated(alias, instance) else {
                continue;
            };
            match (self.follow(&alias, &mut Vec::new()), fragment_base) {
                (Err(Miss::Loop), _) => return Err(Miss::Loop),
                // The instance has a copy of its own, which leads elsewhere.
                (Ok(path), Some(fragment_base)) if base_name(path).as_ref() != Some(fragment_base) => {}
                _ => {
                    names.insert(alias);
                }
            }
        }
        Ok(())
    }

    /// Every name that has a winning copy.
    pub(super) fn names(&self) -> impl Iterator<Item = &UnitName> {
        self.entries.keys()
    }
}

fn base_name(path: &Path) -> Option<UnitName> {
    path.file_name().and_then(|name| name.to_str()).and_then(|name| UnitName::parse(name).ok())
}
