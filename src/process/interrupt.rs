//! The wish that this program ends: SIGTERM from the manager, SIGINT from a terminal, SIGHUP from a lost one.

use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::running::until;

/// A descriptor that becomes readable once this program is asked to end, and stays so: it is never read, so that
/// whatever is started afterwards is refused too.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Option<Rc<SignalFd>>);

impl Interrupt {
    /// From now on the signals no longer end the program; whoever waits looks at this value. The mask is inherited
    /// by threads that are started later, and not by programs (the standard library resets it).
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn catch() -> Result<Self, std::io::Error> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let descriptor = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self(Some(Rc::new(descriptor))))
    }

    /// Never: for what must be done even though the program was asked to end. Give it a short deadline.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether the program was asked to end.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.wait_until(Instant::now())
    }

    /// Waits until `moment`; at once `true` if the program is, or was, asked to end.
    #[must_use]
    pub fn wait_until(&self, moment: Instant) -> bool {
        loop {
            let mut fds: Vec<PollFd<'_>> =
                self.descriptor().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
            match poll(&mut fds, until(moment)) {
                Ok(0) if Instant::now() < moment => {}
                Err(Errno::EINTR) => {}
                other => return other.is_ok_and(|ready| ready > 0),
            }
        }
    }

    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_deref().map(AsFd::as_fd)
    }
}
