//! Running a program in our place, with something left to do when it has ended.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::command::Command;
use super::error::ProcessError;

impl Command {
    /// Runs the program to its end with our own streams, in our own process group: a terminal's signals reach it and
    /// do not end us, and what only we are sent is passed on. Gives its exit code, as a shell would.
    ///
    /// # Errors
    /// It cannot be started or waited for.
    pub fn attend(&self) -> Result<i32, ProcessError> {
        let failed = |source| ProcessError::Io { command: self.shown(), step: "wait for", source };
        let mut asked = asked_to_end().map_err(failed)?;
        let mut child = self.spawn()?;
        let status = attend(&mut child, &mut asked).map_err(failed)?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }
}

/// Readable whenever this program alone was asked to end.
fn asked_to_end() -> io::Result<PipeReader> {
    let (reader, writer) = io::pipe()?;
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    for signal in [SIGINT, SIGQUIT] {
        // Nobody looks at it: that it is caught keeps it from ending us.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(reader)
}

fn attend(child: &mut Child, asked: &mut PipeReader) -> io::Result<ExitStatus> {
    let exit = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let mut fds = [exit.as_fd(), asked.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let [ended, wanted] = fds.map(|fd| fd.any() == Some(true));
        if ended {
            return child.wait();
        }
        if wanted {
            asked.read_exact(&mut [0])?;
            pidfd_send_signal(&exit, Signal::TERM)?;
        }
    }
}
