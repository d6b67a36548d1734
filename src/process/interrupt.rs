//! The wish that this program ends: SIGTERM from the manager, SIGINT from a terminal, SIGHUP from a lost one.

use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::running::until;

/// A descriptor that becomes readable once this program is asked to end, and stays so: it is never read, so that
/// whatever is started afterwards is refused too.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Option<Arc<PipeReader>>);

impl Interrupt {
    /// From now on the signals no longer end the program; whoever waits looks at this value. They are caught and not
    /// blocked: a program inherits what is blocked, and could then not be asked to end.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn catch() -> Result<Self, std::io::Error> {
        let (reader, writer) = std::io::pipe()?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self(Some(Arc::new(reader))))
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::process::{Command, Environment};

    #[test]
    fn programs_can_still_be_asked_to_end() {
        let interrupt = Interrupt::catch().unwrap();
        let own = Command::new(
            Path::new("/bin/grep"),
            &Environment::default(),
            Duration::from_secs(10),
            &interrupt,
        );
        let blocked = own.args(["SigBlk:", "/proc/self/status"]).capture_text().unwrap();
        assert_eq!(blocked, "SigBlk:\t0000000000000000\n");
        assert!(!interrupt.pending());
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        assert!(interrupt.pending() && interrupt.pending());
    }
}
