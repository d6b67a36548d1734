//! One transaction per stack at a time, and one of what concerns the whole host: an flock(2) that the kernel lets go of
//! when its holder dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dirs::Dirs;
use crate::names::StackName;
use crate::process::{Interrupt, until};

/// What a waiter may read of the lock file. Bytes.
const HOLDER_MAX: u64 = 4096;

/// Why a stack is not locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else holds the lock, and went on doing so.
    #[error(
        "{what} is locked by {holder}; waited {}, nothing was changed; try again later",
        humantime::format_duration(whole_seconds(*waited))
    )]
    Held {
        /// What is locked: `stack web`.
        what: String,
        /// Who holds it.
        holder: String,
        /// How long was waited.
        waited: Duration,
    },
    /// This program was asked to end while it waited.
    #[error(
        "{what} is locked by {holder}; this program was asked to end while it waited, nothing was changed"
    )]
    Interrupted {
        /// What is locked.
        what: String,
        /// Who holds it.
        holder: String,
    },
    /// The lock file cannot be made or locked.
    #[error("{}: cannot {step}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Who holds a lock, as its file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    verb: String,
    since: String,
}

/// Proof that this process holds the lock of a stack, for whoever needs it held. Let go of when it is dropped.
#[derive(Debug)]
pub struct Locked {
    stack: StackName,
    _lock: Lock,
}

/// What a look at a stack's lock saw. Two looks that are equal and both free say that no transaction was under way
/// between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// When the lock file was written last: at the beginning and the end of every transaction.
    written: Option<SystemTime>,
    /// Whether somebody held the lock.
    pub held: bool,
}

/// Proof that this process is the only one that does something for all stacks of this user. Let go of when it is
/// dropped.
#[derive(Debug)]
pub struct Alone {
    _lock: Lock,
}

impl Alone {
    /// Takes the lock of `what`, a word such as `alerts`, for `verb`, as [`Locked::take`] does.
    ///
    /// # Errors
    /// As [`Locked::take`].
    pub fn take(
        dirs: &Dirs,
        what: &str,
        verb: &str,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, LockError> {
        // No stack's name has this character.
        let file = format!("@{what}.lock");
        let lock = Lock::take(dirs, &file, what, verb, patience, interrupt, |_| {})?;
        Ok(Self { _lock: lock })
    }

    /// Whether somebody holds the lock of `what`.
    #[must_use]
    pub fn is_held(dirs: &Dirs, what: &str) -> bool {
        is_locked(&dirs.run().join("locks").join(format!("@{what}.lock")))
    }
}

impl Locked {
    /// Takes the lock of `stack` for `verb`, and waits for at most `patience` if somebody else holds it; `waiting` is
    /// told who, once.
    ///
    /// # Errors
    /// Names the holder if the lock was not free in time.
    pub fn take(
        dirs: &Dirs,
        stack: &StackName,
        verb: &str,
        patience: Duration,
        interrupt: &Interrupt,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, LockError> {
        let what = format!("stack {stack}");
        let lock = Lock::take(dirs, &format!("{stack}.lock"), &what, verb, patience, interrupt, waiting)?;
        Ok(Self { stack: stack.clone(), _lock: lock })
    }

    /// Waits until nobody is at work on `stack`, and takes nothing from anybody who only waits, too. Whether somebody was.
    ///
    /// # Errors
    /// Names the holder if it did not end in time.
    pub fn wait_for_others(
        dirs: &Dirs,
        stack: &StackName,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<bool, LockError> {
        let path = path(dirs, stack);
        let failed = |step| {
            let path = path.clone();
            move |source| LockError::Io { path, step, source }
        };
        let file = open(&path).map_err(failed("open the lock file"))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(std::fs::TryLockError::Error(source)) => Err(failed("lock")(source)),
            Err(std::fs::TryLockError::WouldBlock) => {
                let begin = Instant::now();
                let (what, holder) = (format!("stack {stack}"), holder(&path));
                match wait(file, File::lock_shared, begin + patience, interrupt).map_err(failed("lock"))? {
                    Waited::Taken(_) => Ok(true),
                    Waited::Deadline => Err(LockError::Held { what, holder, waited: begin.elapsed() }),
                    Waited::Interrupted => Err(LockError::Interrupted { what, holder }),
                }
            }
        }
    }

    /// Looks whether somebody is at work on `stack`, and takes nothing.
    #[must_use]
    pub fn peek(dirs: &Dirs, stack: &StackName) -> Peek {
        let path = path(dirs, stack);
        let Ok(metadata) = fs::symlink_metadata(&path) else { return Peek { written: None, held: false } };
        // The holder writes its name; one that was killed leaves it, and only then the lock itself must be tried.
        let held = metadata.len() > 0 && is_locked(&path);
        Peek { written: metadata.modified().ok(), held }
    }

    /// Whether somebody holds the lock of `stack` for `verb`.
    #[must_use]
    pub fn is_held_for(dirs: &Dirs, stack: &StackName, verb: &str) -> bool {
        let path = path(dirs, stack);
        is_locked(&path) && read_holder(&path).is_some_and(|holder| holder.verb == verb)
    }

    /// The stack that is locked.
    #[must_use]
    pub fn stack(&self) -> &StackName {
        &self.stack
    }
}

fn is_locked(path: &Path) -> bool {
    open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

fn path(dirs: &Dirs, stack: &StackName) -> PathBuf {
    dirs.run().join("locks").join(format!("{stack}.lock"))
}

/// A lock file that is locked.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn take(
        dirs: &Dirs,
        file: &str,
        what: &str,
        verb: &str,
        patience: Duration,
        interrupt: &Interrupt,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, LockError> {
        let path = dirs.run().join("locks").join(file);
        let failed = |step| {
            let path = path.clone();
            move |source| LockError::Io { path, step, source }
        };
        let file = open(&path).map_err(failed("open the lock file"))?;
        let file = match file.try_lock() {
            Ok(()) => file,
            Err(std::fs::TryLockError::Error(source)) => return Err(failed("lock")(source)),
            Err(std::fs::TryLockError::WouldBlock) => {
                waiting(&holder(&path));
                let begin = Instant::now();
                let what = what.to_owned();
                match wait(file, File::lock, begin + patience, interrupt).map_err(failed("lock"))? {
                    Waited::Taken(file) => file,
                    Waited::Deadline => {
                        return Err(LockError::Held { what, holder: holder(&path), waited: begin.elapsed() });
                    }
                    Waited::Interrupted => {
                        return Err(LockError::Interrupted { what, holder: holder(&path) });
                    }
                }
            }
        };
        let mut lock = Self(file);
        lock.tell(verb).map_err(failed("write"))?;
        Ok(lock)
    }

    fn tell(&mut self, verb: &str) -> io::Result<()> {
        let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let holder = Holder { pid: std::process::id(), verb: verb.to_owned(), since };
        self.0.set_len(0)?;
        self.0.rewind()?;
        self.0.write_all(&serde_json::to_vec(&holder)?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder writes its own; until then the file should name nobody.
        drop(self.0.set_len(0));
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        use std::os::unix::fs::DirBuilderExt;
        if !parent.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
    }
    // Close-on-exec is the standard library's default: no container may inherit the lock.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
        .open(path)
}

enum Waited {
    Taken(File),
    Deadline,
    Interrupted,
}

/// flock(2) has no deadline, so a thread of its own waits in it, and this one for the thread. After a deadline the
/// thread stays behind until the program ends, which is at once.
fn wait(
    file: File,
    lock: fn(&File) -> io::Result<()>,
    deadline: Instant,
    interrupt: &Interrupt,
) -> io::Result<Waited> {
    let (ended, end) = io::pipe()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let taken = lock(&file).map(|()| file);
        // Nobody listens any more after a deadline; the file is closed then.
        drop(sender.send(taken));
        drop(end);
    })?;
    loop {
        let mut fds = vec![PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        fds.extend(interrupt.descriptor().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, until(deadline)) {
            Ok(0) if Instant::now() >= deadline => return Ok(Waited::Deadline),
            Ok(0) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        if let Ok(taken) = receiver.try_recv() {
            return taken.map(Waited::Taken);
        }
        if interrupt.pending() {
            return Ok(Waited::Interrupted);
        }
    }
}

fn read_holder(path: &Path) -> Option<Holder> {
    let mut text = Vec::new();
    fs::File::open(path).and_then(|file| file.take(HOLDER_MAX).read_to_end(&mut text)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The holder in words.
fn holder(path: &Path) -> String {
    match read_holder(path) {
        Some(Holder { pid, verb, since }) => format!("`{verb}` (pid {pid}, since {since})"),
        None => "a process that has not said which it is".to_owned(),
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(dirs: &Dirs, patience: Duration, waiting: impl FnOnce(&str)) -> Result<Locked, LockError> {
        let stack = StackName::parse("demo").unwrap();
        Locked::take(dirs, &stack, "apply", patience, &Interrupt::never(), waiting)
    }

    #[test]
    fn a_waiter_learns_who_holds_the_lock_and_gives_up_in_time() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let first = take(&dirs, Duration::ZERO, |_| panic!("the lock is free")).unwrap();
        let mut told = String::new();
        let error = take(&dirs, Duration::from_millis(50), |who| who.clone_into(&mut told)).unwrap_err();
        assert!(told.starts_with(&format!("`apply` (pid {}, since ", std::process::id())), "{told}");
        assert!(
            error.to_string().starts_with(&format!("stack demo is locked by {told}; waited 0s")),
            "{error}"
        );
        drop(first);
        // The thread of the waiter that gave up may take the lock for a moment before it closes it.
        take(&dirs, Duration::from_secs(5), |_| {}).unwrap();
    }

    #[test]
    fn whoever_only_waits_is_in_nobodys_way() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("demo").unwrap();
        let wait = |patience| Locked::wait_for_others(&dirs, &stack, patience, &Interrupt::never());
        assert!(!wait(Duration::ZERO).unwrap());
        let other = open(&path(&dirs, &stack)).unwrap();
        other.lock_shared().unwrap();
        assert!(!wait(Duration::ZERO).unwrap(), "another that waits");
        drop(other);
        let held = take(&dirs, Duration::ZERO, |_| {}).unwrap();
        assert!(matches!(wait(Duration::from_millis(50)), Err(LockError::Held { .. })));
        let waiter = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait(Duration::from_secs(10)));
            drop(held);
            waiter.join().unwrap()
        });
        waiter.unwrap();
    }

    #[test]
    fn what_a_lock_is_held_for_is_told_for_as_long_as_it_is_held() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let stack = StackName::parse("demo").unwrap();
        let held = take(&dirs, Duration::ZERO, |_| {}).unwrap();
        assert!(Locked::is_held_for(&dirs, &stack, "apply") && !Locked::is_held_for(&dirs, &stack, "remove"));
        let left = serde_json::to_vec(&read_holder(&path(&dirs, &stack))).unwrap();
        drop(held);
        // As one that was killed leaves it.
        crate::atomic::replace(&path(&dirs, &stack), &left, crate::atomic::PRIVATE).unwrap();
        assert!(!Locked::is_held_for(&dirs, &stack, "apply"));
    }

    #[test]
    fn a_waiter_gets_the_lock_as_soon_as_it_is_free() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::below(home.path());
        let first = take(&dirs, Duration::ZERO, |_| {}).unwrap();
        let second = take(&dirs, Duration::from_secs(10), |_| drop(first)).unwrap();
        assert_eq!(second.stack().as_str(), "demo");
    }
}
