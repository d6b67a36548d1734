//! The project directory, the compose files, and the mounts below them.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Findings;
use crate::document::{read_bounded, read_text};
use crate::error::chain;
use crate::exit::Code;
use crate::inventory::Entry;

pub(super) fn check(entry: &Entry, findings: &mut Findings) {
    let directory = &entry.compose.directory;
    let is_directory = fs::metadata(directory).is_ok_and(|metadata| metadata.is_dir());
    if is_directory {
        for file in entry.compose_files() {
            if let Err(error) = read_bounded(&file) {
                findings.refuse(Code::Configuration, format!("compose file {}", chain(&error)));
            }
        }
    } else {
        let problem =
            format!("the project directory {} is not there, or is not a directory", directory.display());
        findings.refuse(Code::Configuration, problem);
    }
    let implicit = directory.join(".env");
    if implicit.is_dir() {
        findings.warn(format!("{} is a directory, of which compose takes no notice", implicit.display()));
    }
    if entry.requires_mounts.is_empty() {
        return;
    }
    // An automount is mounted by looking into it.
    for path in &entry.requires_mounts {
        drop(fs::read_dir(path));
    }
    match read_text(Path::new("/proc/self/mountinfo")) {
        Ok(mounts) => {
            for path in entry.requires_mounts.iter().filter(|path| !is_mounted(&mounts, path)) {
                let problem = format!(
                    "{}: expected a mounted file system there, and nothing is; mount it, then start the stack again",
                    path.display()
                );
                findings.refuse(Code::Configuration, problem);
            }
        }
        Err(error) => findings.refuse(Code::Refused, chain(&error)),
    }
}

/// Whether a file system other than the root's holds `path`, by `proc_pid_mountinfo(5)`.
fn is_mounted(mountinfo: &str, path: &Path) -> bool {
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let point = fields.nth(4)?;
            let kind = fields.skip_while(|field| *field != "-").nth(1)?;
            // An autofs that has not been mounted is only a promise.
            (kind != "autofs" && point != "/").then(|| PathBuf::from(unescape(point)))
        })
        .any(|point| path.starts_with(point))
}

/// Blanks, tabs, line ends and backslashes are written as octal numbers.
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_mounted_when_something_else_than_the_root_holds_it() {
        let mountinfo = "\
22 1 0:21 / / rw shared:1 - ext4 /dev/a rw
40 22 0:35 / /mnt/auto rw shared:2 - autofs systemd-1 rw
41 22 0:36 / /mnt/my\\040disk rw - xfs /dev/b rw
";
        assert!(is_mounted(mountinfo, Path::new("/mnt/my disk/data")));
        for not in ["/mnt/auto", "/mnt/my", "/srv", "/"] {
            assert!(!is_mounted(mountinfo, Path::new(not)), "{not}");
        }
    }

    #[test]
    fn each_missing_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut findings = Findings::default();
        check(&Entry::new(dir.path().to_owned(), vec!["a.yml".into(), "b.yml".into()]), &mut findings);
        assert_eq!(findings.refusals.len(), 2);
        assert!(findings.refusals[0].problem.ends_with("a.yml: no such file"), "{:?}", findings.refusals);
    }
}
