//! The env files: what is wrong with them, as codes and warnings.

use super::Findings;
use crate::compose::{Flaw, FlawKind};
use crate::exit::Code;
use crate::inventory::Entry;

pub(super) fn check(entry: &Entry, findings: &mut Findings) {
    for flaw in Flaw::all_of(entry) {
        match flaw.kind {
            FlawKind::Fallback => findings.warn(flaw.to_string()),
            FlawKind::Exposed | FlawKind::Unreadable => {
                findings.refuse(Code::SecretPermissions, flaw.to_string());
            }
            FlawKind::Missing | FlawKind::NotAFile | FlawKind::Malformed => {
                findings.refuse(Code::Configuration, flaw.to_string());
            }
        }
    }
}
