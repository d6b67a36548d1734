//! Where a link's text leads, as systemd computes it: links on the way are followed, the last component is not, and
//! what does not exist is taken as written.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::probe::{errno_of, lstat};

/// systemd gives up at the 32nd link on the way (its `CHASE_MAX`).
const FOLLOW_MAX: usize = 32;

/// Follows paths, and remembers which components are directories: a thousand links into one store share most of them.
#[derive(Debug, Default)]
pub(super) struct Chaser {
    directories: HashSet<PathBuf>,
}

impl Chaser {
    /// The path without `.`, `..` and links on the way, its last component not followed.
    pub(super) fn resolve_parents(&mut self, path: &Path) -> Result<PathBuf, Errno> {
        let mut todo: VecDeque<OsString> = components(path).collect();
        let mut done = PathBuf::from("/");
        let mut follows = 0;
        while let Some(first) = todo.pop_front() {
            if first == ".." {
                // A file has no parent directory entry: the system says so.
                if !self.is_directory(&done)? {
                    return Err(Errno::ENOTDIR);
                }
                done.pop();
                continue;
            }
            let child = done.join(&first);
            if self.directories.contains(&child) {
                done = child;
                continue;
            }
            let status = match lstat(&child) {
                Ok(status) => status,
                Err(Errno::ENOENT) if !todo.iter().any(|part| part == "..") => {
                    done = child;
                    done.extend(todo);
                    return Ok(done);
                }
                Err(errno) => return Err(errno),
            };
            if status.file_type == "link" && !todo.is_empty() {
                follows += 1;
                if follows >= FOLLOW_MAX {
                    return Err(Errno::ELOOP);
                }
                let target = child.read_link().map_err(|error| errno_of(&error))?;
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                for part in components(&target).collect::<Vec<_>>().into_iter().rev() {
                    todo.push_front(part);
                }
                continue;
            }
            if status.file_type == "directory" {
                self.directories.insert(child.clone());
            }
            done = child;
        }
        Ok(done)
    }

    fn is_directory(&mut self, path: &Path) -> Result<bool, Errno> {
        if path == Path::new("/") || self.directories.contains(path) {
            return Ok(true);
        }
        Ok(lstat(path)?.file_type == "directory")
    }
}

fn components(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_on_the_way_are_followed_and_the_last_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs_err::create_dir(base.join("real")).unwrap();
        fs_err::File::create(base.join("real/file")).unwrap();
        symlink("real", base.join("via")).unwrap();
        symlink("file", base.join("real/last")).unwrap();
        symlink("circle", base.join("circle")).unwrap();
        let chase = |path: &str| Chaser::default().resolve_parents(&base.join(path));
        assert_eq!(chase("via/./last"), Ok(base.join("real/last")));
        assert_eq!(chase("via/../real/none/x"), Ok(base.join("real/none/x")));
        assert_eq!(chase("real/file/x"), Err(Errno::ENOTDIR));
        assert_eq!(chase("real/file/.."), Err(Errno::ENOTDIR));
        assert_eq!(chase("none/../real"), Err(Errno::ENOENT));
        assert_eq!(chase("circle"), Ok(base.join("circle")));
        assert_eq!(chase("circle/x"), Err(Errno::ELOOP));
    }
}
