//! The current generation of Home Manager: what it says a unit's file is, so that a link of an earlier one, or one
//! that somebody else made, can be told from it.

use std::path::{Path, PathBuf};

use crate::dirs::Dirs;

/// Below a generation: the files that are linked into the home directory.
const HOME_FILES: &str = "home-files";

/// The owner directory below them. Home Manager goes by `.config` unless `xdg.configHome` is set, which is then the
/// same as ours.
const USUAL_CONFIG: &str = ".config";

/// What every link of every generation of Home Manager has in its text.
const MARK: &str = "-home-manager-files/";

/// The current generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// The link that makes it the current one.
    pub(super) root: PathBuf,
    /// Where its files really are.
    files: PathBuf,
    /// The owner directory below the home directory.
    owner: PathBuf,
}

impl Generation {
    /// Finds it: activation keeps a link to it in the state directory, whether Home Manager stands alone or is a module
    /// of NixOS; before that it was a profile (Home Manager's `lib-bash/activation-init.sh`).
    pub(super) fn current(dirs: &Dirs) -> Option<Self> {
        let roots = [
            dirs.state_home.join("home-manager/gcroots/current-home"),
            dirs.state_home.join("nix/profiles/home-manager"),
            Path::new("/nix/var/nix/profiles/per-user").join(&dirs.user).join("home-manager"),
        ];
        let owner = match dirs.owner().strip_prefix(&dirs.home) {
            Ok(below_home) => below_home.to_owned(),
            Err(_) => Path::new(USUAL_CONFIG).join("systemd/user"),
        };
        roots.into_iter().find_map(|root| {
            let files = root.join(HOME_FILES).canonicalize().ok()?;
            Some(Self { root, files, owner: owner.clone() })
        })
    }

    /// The file that it has for an entry of the owner directory, which is what the link there leads to.
    pub(super) fn file(&self, entry: &Path) -> PathBuf {
        self.files.join(&self.owner).join(entry)
    }

    /// Whether it has the entry at all.
    pub(super) fn has(&self, entry: &Path) -> bool {
        self.file(entry).symlink_metadata().is_ok()
    }
}

/// Whether a link was made by Home Manager, in whichever generation.
pub(super) fn is_home_managers(link: &Path) -> bool {
    link.to_string_lossy().contains(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;
    use fs_err::os::unix::fs::symlink;

    #[test]
    fn the_current_generation_is_found_through_its_root() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        assert_eq!(Generation::current(&dirs), None);
        let store = home.path().join("store/x-home-manager-files");
        fs::create_dir_all(store.join(".config/systemd/user")).unwrap();
        symlink("/store/a.service", store.join(".config/systemd/user/a.service")).unwrap();
        let generation = home.path().join("store/x-home-manager-generation");
        fs::create_dir_all(&generation).unwrap();
        symlink(&store, generation.join("home-files")).unwrap();
        let root = dirs.state_home.join("home-manager/gcroots/current-home");
        fs::create_dir_all(root.parent().unwrap()).unwrap();
        symlink(&generation, &root).unwrap();
        let current = Generation::current(&dirs).unwrap();
        assert_eq!(current.root, root);
        let file = current.file(Path::new("a.service"));
        assert!(file.ends_with("store/x-home-manager-files/.config/systemd/user/a.service"), "{file:?}");
        assert!(is_home_managers(&file) && !is_home_managers(Path::new("/nix/store/x-unit/a.service")));
        assert!(current.has(Path::new("a.service")) && !current.has(Path::new("b.service")));
    }
}
