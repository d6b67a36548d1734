//! fragment-owner, fragment-replaced, fragment-content, override-control, override-transient, shadowed-copy: whose file
//! is it, and is it the declared one?

use std::path::{Path, PathBuf};

use super::check::Check;
use super::finding::{Finding, State, Verdicts, removal, typed};
use super::world::{Owned, Seen, World};
use crate::dirs::Dirs;
use crate::document::ReadError;
use crate::error::chain;
use crate::systemd::search_path::{CopyKind, DirectoryKind, UnitCopy, kind_of_file};

pub(super) fn judge(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    owner(seen, dirs, verdicts);
    // An instance has no file of its own; its template is judged by itself.
    if seen.declared.sealed_as_template {
        instance(seen, dirs, verdicts);
    } else {
        replaced(seen, dirs, verdicts);
        content(seen, dirs, verdicts);
    }
    shadowed(seen, dirs, verdicts);
}

fn about(check: Check, state: State, seen: &Seen) -> Finding {
    Finding::broken(check, state).about(&seen.name, seen.declared.stack.as_ref())
}

/// Which file wins, on disk and in the manager.
fn owner(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let on_disk = seen.resolution.winner().map(|copy| copy.path.as_path());
    let loaded = seen.loaded.as_ref().and_then(|loaded| loaded.as_ref().ok());
    let loaded_path = loaded.and_then(|unit| unit.fragment_path.as_deref());
    let foreign = [(State::OnDisk, on_disk), (State::Loaded, loaded_path)]
        .into_iter()
        .filter_map(|(state, path)| Some((state, path?)))
        .find(|(_, path)| path.parent() != Some(dirs.owner().as_path()));
    let kind = foreign.map(|(_, path)| kind_of_file(path, dirs));
    let transient = loaded.is_some_and(|unit| unit.transient);

    let finding = |check, (state, path): (State, &Path)| {
        let whose = kind.map_or_else(String::new, |kind| format!(" ({kind})"));
        let what = match state {
            State::Loaded => "the manager has loaded",
            _ => "the search path leads to",
        };
        let next = match (check, state) {
            (Check::OverrideTransient, _) if kind == Some(DirectoryKind::Transient) || transient => {
                format!("systemctl --user stop {}; then: rm -f {}", seen.name, typed(path))
            }
            (Check::OverrideTransient, _) => {
                format!("systemctl --user cat {}; then rename what it is made from", seen.name)
            }
            (_, State::Loaded) => "systemctl --user daemon-reload".to_owned(),
            _ if matches!(*seen.owned, Owned::Absent) => {
                format!("stackctl explain {}; {}", seen.name, seen.declared.repair_command())
            }
            _ => format!("stackctl explain {}; {}", seen.name, removal(path)),
        };
        about(check, state, seen)
            .at(path)
            .expected(
                dirs.owner().join(seen.name.as_str()).display().to_string(),
                format!("{what} {}{whose}", path.display()),
            )
            .next(next)
    };
    let control = matches!(kind, Some(DirectoryKind::Control | DirectoryKind::RuntimeControl));
    let made = transient || kind.is_some_and(DirectoryKind::is_generated);
    verdicts.record(Check::FragmentOwner, foreign.map(|place| finding(Check::FragmentOwner, place)));
    verdicts.record(
        Check::OverrideControl,
        foreign.filter(|_| control).map(|place| finding(Check::OverrideControl, place)),
    );
    verdicts.record(
        Check::OverrideTransient,
        foreign.filter(|_| made).map(|place| finding(Check::OverrideTransient, place)),
    );
}

/// A file of an instance's own in the owner directory, in the place of its template's.
fn instance(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let template = seen.name.template().map(|template| template.to_string()).unwrap_or_default();
    let own = seen
        .resolution
        .copies
        .iter()
        .find(|copy| copy.name == seen.name && copy.path.parent() == Some(dirs.owner().as_path()));
    verdicts.record(
        Check::FragmentReplaced,
        own.map(|copy| {
            about(Check::FragmentReplaced, State::OnDisk, seen)
                .at(&copy.path)
                .expected(
                    format!("no file of its own: {template} stands for it"),
                    format!("a file of its own, which leads to {}", copy.end),
                )
                .next(format!("rm {}", typed(&copy.path)))
        }),
    );
}

/// A file where a link is declared, another target, a dangling link, or a link where a file is declared.
fn replaced(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let path = dirs.owner().join(seen.name.as_str());
    let expected = match &seen.declared.sealed.link {
        Some(target) => format!("a link that leads to {}", target.display()),
        None => "a regular file".to_owned(),
    };
    let found = match (&*seen.owned, &seen.declared.sealed.link) {
        // That nothing is there is unit-missing or fragment-owner.
        (Owned::Absent | Owned::Unknown(_), _) | (Owned::File(_), None) => None,
        (Owned::File(_), Some(_)) => Some("a regular file".to_owned()),
        (Owned::Link(hops, end), declared) => {
            let end_of_it =
                if end.as_ref().is_err_and(ReadError::is_missing) { ", where nothing is" } else { "" };
            let leads_there = declared.as_ref().is_some_and(|declared| hops.contains(declared));
            (!leads_there || !end_of_it.is_empty())
                .then(|| format!("a link to {}{end_of_it}", chain_of(hops)))
        }
        (Owned::Other(kind), _) => Some(format!("a {kind}")),
    };
    verdicts.record(
        Check::FragmentReplaced,
        found.map(|found| {
            about(Check::FragmentReplaced, State::OnDisk, seen)
                .at(&path)
                .expected(expected, found)
                .next(seen.declared.repair_command())
        }),
    );
}

/// The directories of the search path that cannot be listed: a copy in any of them might win or change a unit.
pub(super) fn directories(world: &World, verdicts: &mut Verdicts) {
    verdicts.record_all(
        Check::FragmentOwner,
        world.search_path.unreadable().map(|error| {
            Finding::unknown(Check::FragmentOwner, State::OnDisk)
                .at(&error.path)
                .expected("a directory of the unit search path that can be listed", error.to_string())
                .next(format!("ls -ld {}", typed(&error.path)))
        }),
    );
}

/// Where a link leads, link by link.
fn chain_of(hops: &[PathBuf]) -> String {
    let hops: Vec<String> = hops.iter().map(|hop| hop.display().to_string()).collect();
    hops.join(", and from there to ")
}

fn content(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let path = dirs.owner().join(seen.name.as_str());
    let sealed = &seen.declared.sealed.sha256;
    let finding = match &*seen.owned {
        Owned::File(Ok(digest)) | Owned::Link(_, Ok(digest)) => (digest != sealed).then(|| {
            about(Check::FragmentContent, State::OnDisk, seen)
                .at(&path)
                .expected(
                    format!("the sealed text (sha256 {}…)", sealed.short()),
                    format!("another text (sha256 {}…)", digest.short()),
                )
                .next(seen.declared.repair_command())
        }),
        // Nothing there, or what has no text, is unit-missing, unit-masked or fragment-replaced.
        Owned::File(Err(ReadError::Missing { .. } | ReadError::NotRegular { .. }))
        | Owned::Link(_, Err(ReadError::Missing { .. } | ReadError::NotRegular { .. }))
        | Owned::Absent
        | Owned::Other(_) => None,
        Owned::File(Err(error)) | Owned::Link(_, Err(error)) => Some(unknown(seen, &path, chain(error))),
        Owned::Unknown(reason) => Some(unknown(seen, &path, reason.clone())),
    };
    verdicts.record(Check::FragmentContent, finding);
}

fn unknown(seen: &Seen, path: &Path, reason: String) -> Finding {
    Finding::unknown(Check::FragmentContent, State::OnDisk)
        .about(&seen.name, seen.declared.stack.as_ref())
        .at(path)
        .expected("a readable unit file", reason)
        .next(format!("ls -l {}; {}", typed(path), seen.declared.repair_command()))
}

/// How NixOS is told to take a unit away: what it puts into /etc are links into the store.
fn of_nixos(copy: &UnitCopy) -> Option<String> {
    let CopyKind::Link(link) = &copy.kind else { return None };
    let nixos = copy.path.starts_with("/etc") && link.target.starts_with("/nix/store");
    nixos.then(|| {
        let (set, stem) = (copy.name.unit_type(), copy.name.stem());
        format!("remove systemd.user.{set}s.{stem} from the configuration of NixOS, and switch")
    })
}

/// Copies that lose; the owner's own is not one of them.
fn shadowed(seen: &Seen, dirs: &Dirs, verdicts: &mut Verdicts) {
    let copies = seen.resolution.shadowed().filter(|copy| copy.path.parent() != Some(dirs.owner().as_path()));
    verdicts.record_all(
        Check::ShadowedCopy,
        copies.map(|copy| {
            let whose = kind_of_file(&copy.path, dirs);
            about(Check::ShadowedCopy, State::OnDisk, seen)
                .at(&copy.path)
                .expected(
                    "one owner: no other copy of the name",
                    format!("{} ({whose}), which loses", copy.path.display()),
                )
                .next(of_nixos(copy).unwrap_or_else(|| removal(&copy.path)))
        }),
    );
}
