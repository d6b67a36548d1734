//! program-missing: are the programs there that the declared units run?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::check::Check;
use super::declaration::DeclaredUnit;
use super::finding::{Finding, State, Verdicts};
use super::world::{Seen, World};
use crate::names::UnitName;
use crate::systemd::settings::command::Command;
use crate::systemd::settings::specifier::Context;

/// The programs that a unit runs, by their paths. A name without one is looked for when the unit starts.
fn of(name: &UnitName, declared: &DeclaredUnit, context: &Context) -> BTreeSet<PathBuf> {
    let lines = declared.sealed.settings.iter().filter(|setting| {
        setting.section == "Service" && setting.key.starts_with("Exec") && setting.key != "ExecSearchPath"
    });
    let commands = lines.filter_map(|setting| Command::parse_line(setting.value, context, name).ok());
    commands.flatten().map(|command| PathBuf::from(command.path)).filter(|path| path.is_absolute()).collect()
}

/// The programs of the declared units that are not there. Each is looked at once.
pub(super) fn missing(declared: &BTreeMap<UnitName, DeclaredUnit>, context: &Context) -> BTreeSet<PathBuf> {
    let all: BTreeSet<PathBuf> =
        declared.iter().flat_map(|(name, declared)| of(name, declared, context)).collect();
    all.into_iter().filter(|program| !is_program(program)).collect()
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

pub(super) fn judge(seen: &Seen, world: &World, context: &Context, verdicts: &mut Verdicts) {
    if seen.declared.sealed_as_template {
        return;
    }
    let missing = &world.answers.missing_programs;
    // Nearly always; then nobody needs to know which ones the unit runs.
    let programs = if missing.is_empty() { BTreeSet::new() } else { of(&seen.name, &seen.declared, context) };
    let next = match &seen.declared.stack {
        Some(stack) => format!("stackctl sync {stack}"),
        None => "stackctl install".to_owned(),
    };
    verdicts.record_all(
        Check::ProgramMissing,
        programs.intersection(missing).map(|program| {
            Finding::broken(Check::ProgramMissing, State::Declared)
                .about(&seen.name, seen.declared.stack.as_ref())
                .at(program)
                .expected("a program that can be executed", "none at that path: the unit fails with 203/EXEC")
                .next(&next)
        }),
    );
}
