//! Waiting until directories have been quiet for a while, by their own events (inotify(7)).

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Changes come in bursts: an editor's save, a switch. Nothing is read until this long after the last one.
pub const QUIET: Duration = Duration::from_millis(500);

/// A burst that does not end must not put the audit off for ever.
pub const AT_MOST: Duration = Duration::from_secs(10);

/// Returns when none of `directories` has changed for [`QUIET`], or after [`AT_MOST`]. Without inotify, whose
/// instances are few, it waits [`QUIET`] and leaves the rest to the comparison of fingerprints.
pub fn wait<'a>(directories: impl IntoIterator<Item = &'a PathBuf>) {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
    if let Some(inotify) = &inotify {
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO;
        for directory in directories {
            // A directory that is not there cannot change; that it appears is an event of its parent.
            inotify.add_watch(directory, changes).ok();
        }
    }
    let end = Instant::now() + AT_MOST;
    loop {
        let left = QUIET.min(end.saturating_duration_since(Instant::now()));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let changed = match &inotify {
            Some(inotify) => poll(&mut [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)], timeout),
            None => poll(&mut [], timeout),
        };
        match changed {
            Ok(0) | Err(_) => return,
            Ok(_) => drop(inotify.as_ref().map(Inotify::read_events)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_prolongs_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let started = Instant::now();
        let writer = std::thread::spawn({
            let path = path.clone();
            move || {
                for index in 0..3 {
                    std::thread::sleep(Duration::from_millis(200));
                    fs_err::create_dir(path.join(index.to_string())).unwrap();
                }
            }
        });
        wait([&path]);
        assert!(started.elapsed() >= Duration::from_millis(600) + QUIET, "{:?}", started.elapsed());
        writer.join().unwrap();
    }
}
