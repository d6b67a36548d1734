//! The links of a generation. The owner's link leads into the generation, and from there to the file that was sealed;
//! which generation it is, is known from the link to the seal, which that generation made as well.

use std::path::{Path, PathBuf};

use fs_err as fs;

/// As many links as Linux follows in one path (`path_resolution(7)`).
const HOPS_MAX: usize = 40;

/// Where the links lead, from the one at `path` on: each target, absolute, until something is no link.
#[must_use]
pub fn hops(path: &Path) -> Vec<PathBuf> {
    let mut hops: Vec<PathBuf> = Vec::new();
    let mut at = path.to_owned();
    while let Ok(target) = fs::read_link(&at)
        && hops.len() < HOPS_MAX
    {
        at = at.parent().unwrap_or(Path::new("/")).join(target);
        hops.push(at.clone());
    }
    hops
}

/// Whether the link at `path` leads to where `unit` is, or is to be put: also while nothing is there.
#[must_use]
pub fn leads_to(path: &Path, unit: &Path) -> bool {
    let directory = |path: &Path| fs::canonicalize(path.parent().unwrap_or(Path::new("/"))).ok();
    let is_unit = |hop: &PathBuf| hop.file_name() == unit.file_name() && directory(hop) == directory(unit);
    directory(unit).is_some() && hops(path).iter().any(is_unit)
}

/// What the generation's own link at `path` leads to, if `seal` is a link of the same generation: the file of that
/// name in it. Both lie below `config`. Otherwise `target`, the sealed file itself, to which a generation would not
/// recognise a link as its own.
#[must_use]
pub fn link_target(config: &Path, seal: &Path, path: &Path, target: &Path) -> PathBuf {
    let within_generation = || {
        let of_seal = fs::read_link(seal).ok()?;
        let below = seal.strip_prefix(config).ok()?;
        let root =
            of_seal.ends_with(below).then(|| of_seal.ancestors().nth(below.components().count()))??;
        let own = root.join(path.strip_prefix(config).ok()?);
        hops(&own).iter().any(|hop| hop == target).then_some(own)
    };
    within_generation().unwrap_or_else(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;
    use fs_err::os::unix::fs::symlink;

    /// A store with a sealed file and a generation that links it, and a configuration directory.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (config, generation) = (dir.path().join("config"), dir.path().join("store/g/.config"));
        for parent in [&config, &generation] {
            fs::create_dir_all(parent.join("systemd/user")).unwrap();
            fs::create_dir_all(parent.join("sealed")).unwrap();
        }
        let sealed = dir.path().join("store/web.service");
        atomic::replace(&sealed, b"[Service]\n", atomic::PUBLIC).unwrap();
        symlink(&sealed, generation.join("systemd/user/web.service")).unwrap();
        symlink(generation.join("sealed/web.json"), config.join("sealed/web.json")).unwrap();
        (dir, config, generation)
    }

    #[test]
    fn the_generation_of_the_seal_has_the_link() {
        let (dir, config, generation) = places();
        let (seal, unit) = (config.join("sealed/web.json"), config.join("systemd/user/web.service"));
        let target = dir.path().join("store/web.service");
        assert_eq!(link_target(&config, &seal, &unit, &target), generation.join("systemd/user/web.service"));
        // Another unit's file, or a seal that is no link: the sealed file itself.
        let other = dir.path().join("store/other.service");
        assert_eq!(link_target(&config, &seal, &unit, &other), other);
        fs::remove_file(&seal).unwrap();
        assert_eq!(link_target(&config, &seal, &unit, &target), target);
    }

    #[test]
    fn a_link_leads_to_a_unit_that_is_still_to_be_put_there() {
        let (_dir, config, generation) = places();
        let unit = config.join("systemd/user/web.service");
        let wants = config.join("systemd/user/default.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink("../web.service", wants.join("web.service")).unwrap();
        assert!(leads_to(&wants.join("web.service"), &unit) && !unit.exists());
        let elsewhere = generation.join("systemd/user/web.service");
        assert!(!leads_to(&wants.join("web.service"), &elsewhere));
        assert!(!leads_to(&wants.join("none.service"), &unit));
    }

    #[test]
    fn hops_end_where_nothing_is_and_in_a_loop() {
        let (dir, config, generation) = places();
        let unit = config.join("systemd/user/web.service");
        symlink("../../../store/g/.config/systemd/user/web.service", &unit).unwrap();
        let seen = hops(&unit);
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1], dir.path().join("store/web.service"));
        assert_eq!(hops(&config.join("sealed/web.json")), [generation.join("sealed/web.json")]);
        symlink("loop", config.join("loop")).unwrap();
        assert_eq!(hops(&config.join("loop")).len(), HOPS_MAX);
    }
}
