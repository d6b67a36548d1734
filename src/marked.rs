//! The units of ours by their own word: a text that we wrote names its seal in `Documentation=`, also when seal and
//! inventory entry are gone.

use std::collections::BTreeMap;

use fs_err as fs;

use crate::dirs::Dirs;
use crate::document::read_text;
use crate::names::{StackName, UnitName};
use crate::seal;
use crate::systemd::settings::assignments::Assignments;

/// The marked units among those in the owner directory that are `wanted`, with the stacks that they name. What cannot be
/// read has no mark.
pub fn on_disk(dirs: &Dirs, wanted: impl Fn(&UnitName) -> bool) -> BTreeMap<UnitName, StackName> {
    let owner = dirs.owner();
    let entries = fs::read_dir(&owner).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = UnitName::parse(entry.file_name().to_str()?).ok().filter(&wanted)?;
            let path = owner.join(name.as_str());
            let target = fs::read_link(&path).ok().map(|target| owner.join(target));
            // Another name of a unit that is there under its own.
            if target.as_ref().is_some_and(|target| target.parent() == Some(&owner)) {
                return None;
            }
            let text = read_text(&path).ok()?;
            let settings = Assignments::of_text(&text);
            let documentation: Vec<String> = settings
                .iter()
                .filter(|setting| setting.section == "Unit" && setting.key == "Documentation")
                .flat_map(|setting| setting.value.split_whitespace().map(str::to_owned))
                .collect();
            Some((name, stack_of(&documentation)?))
        })
        .collect()
}

/// The stack whose seal a unit's documentation names; none for the shipped units.
#[must_use]
pub fn stack_of(documentation: &[String]) -> Option<StackName> {
    let name = documentation.iter().find_map(|link| {
        let (path, _) = link.strip_prefix("file://")?.rsplit_once('#')?;
        path.rsplit_once("/stackwarden/sealed/")?.1.strip_suffix(".json")
    })?;
    StackName::parse(name).ok().filter(|name| name.as_str() != seal::SHIPPED)
}
