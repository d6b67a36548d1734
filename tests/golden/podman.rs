//! What podman says, as JSON in its own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use stackwarden::audit::{Ask, Asked, Declaration, Stacks};
use stackwarden::dirs::Dirs;
use stackwarden::exit::Code;
use stackwarden::names::StackName;
use stackwarden::podman::{Container, Inspected};

use super::case::with_root;

/// The stacks of the tree, and what podman says of them in a case's directory.
pub fn stacks(case: &Path, root: &Path, dirs: &Dirs, declaration: &Declaration) -> Stacks {
    let mut stacks = Stacks::observe(dirs, declaration, Ask::Nobody);
    let read = |name: &str| {
        let path = case.join("podman").join(name);
        path.exists().then(|| with_root(&super::case::read_json(&path), root))
    };
    if let Ok(why) = fs_err::read_to_string(case.join("podman/failed.txt")) {
        stacks.podman = Asked::Failed { why: why.trim().to_owned(), code: Code::Unreachable };
        return stacks;
    }
    let containers: Vec<Container> =
        read("ps.json").map_or_else(Vec::new, |said| serde_json::from_value(said).unwrap());
    let inspected: Vec<Inspected> =
        read("inspect.json").map_or_else(Vec::new, |said| serde_json::from_value(said).unwrap());
    let hashes: BTreeMap<StackName, BTreeMap<String, String>> =
        read("hashes.json").map_or_else(BTreeMap::new, |said| serde_json::from_value(said).unwrap());
    for (stack, hashes) in hashes {
        stacks.declared.get_mut(&stack).unwrap().hashes = Some(Ok(hashes));
    }
    stacks.podman = Asked::Yes {
        at: SystemTime::now(),
        containers,
        inspected: inspected.into_iter().map(|one| (one.id.clone(), one)).collect(),
    };
    stacks
}
