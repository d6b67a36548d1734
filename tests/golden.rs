//! Golden trees: a directory is a case. `base` passes; every other case is what it changes of the base, breaks one thing,
//! and says what the report must be.
//!
//! - `files/` is laid over the base's: `config`, `run`, `data`, `etc`, `usr` of a user, and `store` for a generation's files;
//! - `case.json` says what it breaks, what is taken away, what a directory in git cannot hold, and, as a merge patch (RFC
//!   7386) on the base's `manager.json`, what the manager says;
//! - `podman/` is what podman says, in its own words: `ps.json`, `inspect.json`, what compose would hash a stack's services
//!   to, `hashes.json`, or, in `failed.txt`, why it does not answer; without it there are no containers;
//! - `expected.json` is the report, with `@root@` for the directory of the tree.
//!
//! `STACKWARDEN_BLESS=1` writes the expected reports anew, `STACKWARDEN_BLESS=base` the base itself, from the shipped units
//! and a real manager.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "in a test, a failed step is a panic with its place, and the files are the test's own"
)]

#[path = "golden/base.rs"]
mod base;
#[path = "golden/case.rs"]
mod case;
#[path = "golden/manager.rs"]
mod manager;
#[path = "golden/podman.rs"]
mod podman;

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use stackwarden::audit::Check;

use case::Case;

fn blessing() -> Option<String> {
    std::env::var("STACKWARDEN_BLESS").ok()
}

#[test]
fn every_case_is_reported_as_expected() {
    let published: Value = case::read_json(&case::project().join("docs/schema/audit.schema.json"));
    let published = jsonschema::draft202012::new(&published).unwrap();
    let mut wrong = Vec::new();
    for case in Case::all() {
        let report = case.report();
        if let Err(error) = published.validate(&report) {
            wrong.push(format!("{}: not as published, at {}: {error}", case.name, error.instance_path()));
        }
        if blessing().is_some() {
            case::write_json(&case.directory.join("expected.json"), &report);
            continue;
        }
        let expected = case::read_json(&case.directory.join("expected.json"));
        if report != expected {
            wrong.push(format!("{}:\n{}", case.name, case::difference(&expected, &report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_base_passes_and_every_other_case_breaks_what_it_says() {
    for case in Case::all() {
        let expected = case::read_json(&case.directory.join("expected.json"));
        let found: Vec<&str> =
            expected["findings"].as_array().unwrap().iter().map(|f| f["check"].as_str().unwrap()).collect();
        match &case.breaks {
            Some(check) => assert!(found.contains(&check.as_str()), "{}: {found:?}", case.name),
            None => assert_eq!(found, [""; 0], "{}", case.name),
        }
        let named = case.breaks.as_ref().is_none_or(|check| case.name.starts_with(check.as_str()));
        assert!(named, "{}: a case is named after what it breaks", case.name);
    }
}

#[test]
fn every_check_is_broken_by_a_case() {
    let broken: BTreeSet<String> = Case::all().into_iter().filter_map(|case| case.breaks).collect();
    let all: BTreeSet<String> = Check::ALL.iter().map(|check| check.id().to_owned()).collect();
    assert_eq!(broken, all);
}

#[test]
fn a_real_manager_says_of_the_base_what_the_base_says() {
    base::hold();
}
