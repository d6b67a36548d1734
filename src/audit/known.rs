//! What the last audit has compared, and need not compare again while nothing has moved: neither a file nor a directory
//! that a unit is read from, nor what the manager has read.
//!
//! Comparing all settings of a unit is most of what an audit costs, for the manager most of all. What is loaded can
//! change in two ways only: the manager reads it from the disk again, or somebody sets it over D-Bus, which leaves a
//! drop-in. So a unit that was as it is declared, loaded and on disk, is so still if the disk has not moved since, by
//! the change times that no tool can set back. That no daemon-reload was made since is asked for too.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::declaration::DeclaredUnit;
use super::expected::Disk;
use super::finding::State;
use super::judge::Judgement;
use super::moved::directories_of;
use super::world::{Seen, World};
use crate::atomic::WriteError;
use crate::digest::Sha256;
use crate::dirs::Dirs;
use crate::document::Document;
use crate::names::UnitName;
use crate::records;
use crate::systemd::loaded::{ListedUnit, LoadedUnit, ManagerState, UnitList};
use crate::systemd::search_path::Resolution;
use crate::systemd::words::{ActiveState, LoadState};

/// For how long it is believed. Nothing is known that it would miss; should there be something, this bounds it.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

/// The types of units that can hold what another unit depends on by a file of their own.
const WITH_FILES: &[&str] = &["service", "socket", "target", "timer", "path"];

/// What an audit leaves for the next one; below the runtime directory, where a reboot ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    version: u32,
    /// When the units were compared.
    compared: String,
    /// Everything that can change what they are loaded as.
    picture: Sha256,
    /// The units that were as they are declared, in every respect.
    units: BTreeSet<UnitName>,
}

/// What an audit goes by instead of reading units anew.
#[derive(Debug)]
pub(super) struct Memory {
    /// The files, as they were before the observation.
    pub(super) fingerprint: Sha256,
    /// What the last audit left.
    pub(super) known: Option<Known>,
}

impl Memory {
    /// A digest of everything that can change what units are loaded as: the files by their fingerprint, the directories
    /// that they lie in, by the times that tell whether another one stood in for them, what the manager has read and
    /// when, which units it has in memory, and the program that compares. None as long as the manager has read nothing.
    pub(super) fn picture(
        &self,
        dirs: &Dirs,
        state: &ManagerState,
        listed: &UnitList,
        disk: &Disk,
    ) -> Option<Sha256> {
        let read = state.units_load?;
        let mut hasher = sha2::Sha256::new();
        hasher.update(self.fingerprint.to_string());
        hasher.update(read.micros().to_le_bytes());
        hasher.update(&state.version);
        add(&mut hasher, &std::env::current_exe().ok()?);
        let searched = state.unit_path.iter().map(PathBuf::as_path);
        let read_from: BTreeSet<&Path> =
            disk.resolutions.values().flat_map(directories_of).chain(searched).collect();
        let above = |directory: &&'_ Path| directory.starts_with(&dirs.config_home);
        let above: BTreeSet<&Path> =
            read_from.iter().flat_map(|directory| directory.ancestors().skip(1).take_while(above)).collect();
        for directory in read_from.union(&above) {
            // One that is not there may have been, and have gone again: that changes what it would lie in.
            if let Some(there) = directory.ancestors().find(|directory| add(&mut hasher, directory)) {
                hasher.update(there.as_os_str().as_bytes());
            }
        }
        for name in listed.units.keys().filter(|name| WITH_FILES.contains(&name.unit_type())) {
            hasher.update(name.as_str());
            hasher.update([0]);
        }
        Some(Sha256::from(hasher))
    }
}

impl Document for Known {
    const KIND: &'static str = "memory of compared units";
    const VERSION: u32 = 1;
}

impl Known {
    fn path(dirs: &Dirs) -> PathBuf {
        dirs.run().join("known.json")
    }

    /// Reads what the last audit left. A damaged file is like none: everything is compared then.
    pub(super) fn load_last(dirs: &Dirs) -> Option<Self> {
        Self::load(&Self::path(dirs)).ok()
    }

    /// Leaves it for the next audit.
    ///
    /// # Errors
    /// The runtime directory cannot be written.
    pub(super) fn leave(&self, dirs: &Dirs) -> Result<(), WriteError> {
        self.store(&Self::path(dirs))
    }

    /// What the next audit may know of this observation, in which nothing moved; none if that is what was known before.
    /// The age of what was compared stays.
    pub(super) fn of(world: &World, judgement: &Judgement, before: Option<&Self>) -> Option<Self> {
        let picture = world.picture?;
        let doubtful: BTreeSet<&UnitName> = judgement
            .verdicts
            .findings
            .iter()
            .chain(judgement.pending.iter().map(|pending| &pending.finding))
            .filter(|finding| finding.state != State::Running)
            .filter_map(|finding| finding.unit.as_ref())
            .collect();
        let is_known = |seen: &&Seen| !doubtful.contains(&seen.name) && is_as_on_disk(seen);
        let units = world.units.values().filter(is_known).map(|seen| seen.name.clone()).collect();
        let before = before.filter(|before| before.picture == picture && before.is_fresh(world.answers.now));
        let compared = before.map_or_else(|| records::timestamp(world.answers.now), |it| it.compared.clone());
        Some(Self { version: Self::VERSION, compared, picture, units }).filter(|now| before != Some(now))
    }

    fn is_fresh(&self, now: SystemTime) -> bool {
        let compared = humantime::parse_rfc3339(&self.compared).ok();
        compared.and_then(|compared| now.duration_since(compared).ok()).is_some_and(|age| age < BELIEVED)
    }

    /// Whether what it says of units holds in this picture.
    pub(super) fn holds(&self, picture: Sha256) -> bool {
        self.picture == picture && self.is_fresh(SystemTime::now())
    }

    /// A unit that it knows, as the manager has it: what it was loaded from, and the state that it is in now.
    pub(super) fn loaded(
        &self,
        name: &UnitName,
        listed: &ListedUnit,
        resolution: &Resolution,
        declared: &DeclaredUnit,
    ) -> Option<LoadedUnit> {
        let is_at_rest = matches!(listed.active_state, ActiveState::Active | ActiveState::Inactive)
            && listed.load_state == LoadState::Loaded
            && listed.job.is_none();
        (is_at_rest && self.units.contains(name)).then(|| LoadedUnit {
            fragment_path: resolution.fragment.clone(),
            drop_in_paths: resolution.drop_in_paths().into_iter().map(Path::to_owned).collect(),
            documentation: documentation(declared),
            ..LoadedUnit::listed(name, listed)
        })
    }
}

/// Whether a unit of a stack, or its verification, is loaded from just what is on disk.
fn is_as_on_disk(seen: &Seen) -> bool {
    let Some(Ok(loaded)) = &seen.loaded else { return false };
    let of_stack = seen.declared.stack.is_some() || seen.declared.sealed_as_template;
    of_stack
        && seen.name.unit_type() == "service"
        && seen.in_memory
        && seen.differences.is_empty()
        && seen.resolution.unchecked.is_empty()
        && loaded.id == seen.name
        && loaded.load_state == LoadState::Loaded
        && !loaded.transient
        && !loaded.need_daemon_reload
        && loaded.fragment_path == seen.resolution.fragment
        && loaded.drop_in_paths.iter().eq(seen.resolution.drop_in_paths())
}

/// The links of the declared text to its documentation, of which one has the token.
fn documentation(declared: &DeclaredUnit) -> Vec<String> {
    let links = declared.sealed.settings.iter().filter(|setting| setting.key == "Documentation");
    links.flat_map(|setting| setting.value.split_whitespace()).map(str::to_owned).collect()
}

/// Adds what tells that a file or directory is the same, and unchanged; false if it cannot be looked at.
fn add(hasher: &mut sha2::Sha256, path: &Path) -> bool {
    let Ok(metadata) = fs_err::metadata(path) else { return false };
    hasher.update(metadata.dev().to_le_bytes());
    hasher.update(metadata.ino().to_le_bytes());
    hasher.update(metadata.ctime().to_le_bytes());
    hasher.update(metadata.ctime_nsec().to_le_bytes());
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fingerprint::{TICK, take};
    use super::*;
    use crate::atomic::{PUBLIC, replace};
    use crate::seal::SealedUnit;
    use crate::systemd::loaded::JobInfo;
    use crate::systemd::settings::assignments::Assignments;
    use crate::systemd::value::Timestamp;
    use crate::systemd::words::SystemState;

    struct Home {
        dirs: Dirs,
        state: ManagerState,
        listed: UnitList,
        root: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let dirs = Dirs::below(home.path());
            fs_err::create_dir_all(dirs.owner()).unwrap();
            replace(&dirs.owner().join("a.service"), b"[Service]\n", PUBLIC).unwrap();
            let state = ManagerState {
                version: "257".to_owned(),
                system_state: SystemState::from("running"),
                unit_path: vec![dirs.runtime.join("systemd/user.control"), dirs.owner()],
                units_load: Timestamp::from_micros(1),
                failed_units: 0,
                environment: Vec::new(),
            };
            Self { dirs, state, listed: UnitList::default(), root: home }
        }

        fn list(&mut self, name: &str, job: Option<JobInfo>) -> ListedUnit {
            let unit = ListedUnit {
                load_state: LoadState::Loaded,
                active_state: ActiveState::Active,
                sub_state: "exited".to_owned(),
                job,
            };
            self.listed.units.insert(UnitName::parse(name).unwrap(), unit.clone());
            unit
        }

        fn picture(&self) -> Option<Sha256> {
            let directories = self.state.unit_path.iter().cloned().collect();
            let memory = Memory { fingerprint: take(&directories), known: None };
            let disk = Disk::look(&self.state, &mut BTreeMap::new());
            memory.picture(&self.dirs, &self.state, &self.listed, &disk)
        }
    }

    #[test]
    fn everything_that_can_change_what_is_loaded_moves_the_picture_and_looking_does_not() {
        let mut home = Home::new();
        let mut seen = BTreeSet::new();
        let mut moved = |home: &Home, what: &str| {
            std::thread::sleep(2 * TICK);
            let now = home.picture().unwrap();
            assert_eq!(now, home.picture().unwrap(), "looking moved it");
            assert!(seen.insert(now), "{what} did not move it");
            std::thread::sleep(2 * TICK);
        };
        moved(&home, "the first");
        let (owner, away) = (home.dirs.owner(), home.root.path().join("away"));
        for whole in [owner.clone(), owner.parent().unwrap().to_owned(), home.dirs.config_home.clone()] {
            fs_err::rename(&whole, &away).unwrap();
            fs_err::rename(&away, &whole).unwrap();
            moved(&home, "a directory that was away");
        }
        fs_err::create_dir(owner.join("a.service.d")).unwrap();
        fs_err::remove_dir(owner.join("a.service.d")).unwrap();
        moved(&home, "a drop-in directory that has gone again");
        fs_err::create_dir_all(home.dirs.runtime.join("systemd/user.control")).unwrap();
        fs_err::remove_dir_all(home.dirs.runtime.join("systemd")).unwrap();
        moved(&home, "a directory of the search path that has gone again");
        replace(&owner.join("a.service"), b"[Service]\n", PUBLIC).unwrap();
        moved(&home, "a file that was written again");
        home.state.units_load = Timestamp::from_micros(2);
        moved(&home, "a daemon-reload");
        home.list("other.service", None);
        moved(&home, "another unit in memory, which may say something of ours");
        home.state.units_load = None;
        assert_eq!(home.picture(), None, "a manager that has read nothing");
    }

    #[test]
    fn what_is_known_holds_for_a_day_in_the_same_picture_for_a_unit_at_rest() {
        let mut home = Home::new();
        let (name, other) = (UnitName::parse("a.service").unwrap(), UnitName::parse("b.service").unwrap());
        let picture = Sha256::of(b"picture");
        let known = |age: Duration| Known {
            version: Known::VERSION,
            compared: records::timestamp(SystemTime::now() - age),
            picture,
            units: BTreeSet::from([name.clone()]),
        };
        let fresh = known(Duration::from_secs(60));
        assert!(fresh.holds(picture) && !fresh.holds(Sha256::of(b"another")));
        assert!(!known(BELIEVED).holds(picture), "a day old");
        let future = Known { compared: "2999-01-01T00:00:00Z".to_owned(), ..fresh.clone() };
        assert!(!future.holds(picture), "of a clock that was set back");

        let resolution = Disk::look(&home.state, &mut BTreeMap::new()).search_path.resolve(&name);
        let declared = DeclaredUnit {
            sealed: SealedUnit {
                token: "0123".to_owned(),
                sha256: picture,
                link: None,
                enabled_by: Vec::new(),
                settings: Assignments::default(),
            }
            .into(),
            stack: None,
            allowed_drop_ins: None,
            sealed_as_template: false,
        };
        let at_rest = home.list("a.service", None);
        let loaded = fresh.loaded(&name, &at_rest, &resolution, &declared).unwrap();
        assert_eq!(loaded.fragment_path, Some(home.dirs.owner().join("a.service")));
        assert_eq!(fresh.loaded(&other, &at_rest, &resolution, &declared), None);
        let in_a_job = home.list("a.service", Some(JobInfo { id: 1, kind: "restart".into() }));
        assert_eq!(fresh.loaded(&name, &in_a_job, &resolution, &declared), None);
        let failed = ListedUnit { active_state: ActiveState::Failed, ..at_rest.clone() };
        assert_eq!(fresh.loaded(&name, &failed, &resolution, &declared), None);
        let masked = ListedUnit { load_state: LoadState::Masked, ..at_rest };
        assert_eq!(fresh.loaded(&name, &masked, &resolution, &declared), None);
    }
}
