//! drop-in-unexpected and drop-in-directory: what changes a unit without touching its file?

use std::collections::BTreeMap;
use std::path::Path;

use super::check::Check;
use super::finding::{Finding, State, Verdicts, removal, typed};
use super::world::{Seen, is_of_distribution};
use crate::dirs::Dirs;
use crate::systemd::search_path::{DropInListing, DropInScope, FileEnd};

pub(super) fn judge(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let mut unexpected: BTreeMap<&Path, State> = BTreeMap::new();
    for drop_in in &seen.resolution.drop_ins {
        // One that masks, or that leads nowhere, is listed by the manager and changes nothing.
        let harmless = matches!(drop_in.end, FileEnd::Mask(_) | FileEnd::Missing | FileEnd::Loop);
        let of_distribution = is_of_distribution(dirs, drop_in.scope, &drop_in.found_at);
        if !harmless && !of_distribution && !seen.declared.allows(drop_in) {
            unexpected.insert(&drop_in.path, State::OnDisk);
        }
    }
    if let Some(Ok(loaded)) = seen.loaded.as_ref().filter(|_| seen.in_memory) {
        for path in &loaded.drop_in_paths {
            if !seen.resolution.drop_ins.iter().any(|drop_in| drop_in.is_reported_as(path)) {
                unexpected.insert(path, State::Loaded);
            }
        }
    }
    let unreadable = seen.resolution.drop_in_directories.iter().filter_map(|directory| {
        let error = directory.listing.error()?;
        Some(
            Finding::unknown(Check::DropInUnexpected, State::OnDisk)
                .about(&seen.name, seen.declared.stack.as_ref())
                .at(&directory.path)
                .expected("a directory that can be listed", error.to_string())
                .next(format!("ls -ld {}", typed(&directory.path))),
        )
    });
    verdicts.record_all(
        Check::DropInUnexpected,
        unexpected
            .into_iter()
            .map(|(path, state)| {
                let next = match state {
                    State::OnDisk => remedy(seen, path),
                    _ => "systemctl --user daemon-reload".to_owned(),
                };
                let finding = match (&seen.declared.allowed_drop_ins, state) {
                    (None, State::OnDisk) => Finding::unknown(Check::DropInUnexpected, state),
                    _ => Finding::broken(Check::DropInUnexpected, state),
                };
                finding
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .at(path)
                    .expected(expectation(seen), what(seen, path, state))
                    .next(next)
            })
            .chain(unreadable),
    );
    verdicts.record_all(
        Check::DropInDirectory,
        seen.resolution
            .drop_in_directories
            .iter()
            .filter(|directory| matches!(directory.scope, DropInScope::Unit | DropInScope::Template))
            .filter(|directory| matches!(&directory.listing, DropInListing::Listed(entries) if entries.is_empty()))
            .map(|directory| {
                Finding::broken(Check::DropInDirectory, State::OnDisk)
                    .about(&seen.name, seen.declared.stack.as_ref())
                    .at(&directory.path)
                    .expected("no undeclared drop-in directory", "an empty one: what is put there takes effect at the next reload")
                    .next(format!("rmdir {}", typed(&directory.path)))
            }),
    );
}

/// Only a stack's declaration can allow a drop-in: the inventory, or what a generation makes that of.
fn remedy(seen: &Seen, path: &Path) -> String {
    let (cat, remove) = (format!("systemctl --user cat {}", seen.name), removal(path));
    match &seen.declared.stack {
        Some(stack) if seen.declared.sealed.link.is_some() => {
            format!(
                "{cat}; then {remove}, or allow it (services.stackwarden.stacks.{stack}.allowedDropIns) and switch"
            )
        }
        Some(stack) => {
            format!("{cat}; then {remove}, or allow it (allowed_drop_ins) and stackctl sync {stack}")
        }
        None => format!("{cat}; then {remove}"),
    }
}

fn expectation(seen: &Seen) -> String {
    match seen.declared.allowed_drop_ins.as_deref() {
        None => "a readable inventory entry, which says what drop-ins are allowed".to_owned(),
        Some([]) => "no drop-ins".to_owned(),
        Some(allowed) => format!("no drop-ins but {}", allowed.join(", ")),
    }
}

fn what(seen: &Seen, path: &Path, state: State) -> String {
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let in_effect = loaded.is_some_and(|unit| unit.drop_in_paths.iter().any(|loaded| loaded == path));
    match (state, in_effect && seen.in_memory) {
        (State::OnDisk, true) => format!("{}, loaded and in effect", path.display()),
        (State::OnDisk, false) => format!("{}, in effect from the next reload on", path.display()),
        _ => format!("{}, gone from the disk and still loaded", path.display()),
    }
}
