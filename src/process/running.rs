//! A program that runs, and the one wait for everything that can happen to it.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::interrupt::Interrupt;

/// How long a program may clean up after SIGTERM. docker-compose gives up its own requests within a second or two.
const GRACE: Duration = if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(10) };

/// How long the kernel may take to end a process after SIGKILL before we stop waiting for it: it hangs in a system
/// call then (a dead network file system), and nobody can help.
const DEATH: Duration = Duration::from_secs(5);

/// What happened next.
pub(super) enum Event {
    /// It printed this to standard output.
    Stdout(Vec<u8>),
    /// It printed this to standard error.
    Stderr(Vec<u8>),
    /// It has ended, and everything that it printed has been read.
    Exited,
    /// The deadline has passed.
    Deadline,
    /// This program was asked to end.
    Interrupted,
}

/// A child, leader of its process group. Dropping it ends the whole group.
pub(super) struct Running {
    child: Child,
    exit: OwnedFd,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    interrupt: Interrupt,
    reaped: bool,
}

struct Pipe(Box<dyn Stream>);

trait Stream: Read + AsFd {}
impl<T: Read + AsFd> Stream for T {}

impl Pipe {
    fn new(stream: impl Stream + 'static) -> io::Result<Self> {
        let flags = OFlag::from_bits_truncate(fcntl(&stream, FcntlArg::F_GETFL)?);
        fcntl(&stream, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self(Box::new(stream)))
    }
}

impl Running {
    pub(super) fn new(mut child: Child, interrupt: Interrupt) -> io::Result<Self> {
        let prepare = |child: &mut Child| {
            let pid = rustix::process::Pid::from_child(child);
            let exit = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
            let stdout = child.stdout.take().map(Pipe::new).transpose()?;
            let stderr = child.stderr.take().map(Pipe::new).transpose()?;
            Ok((exit, stdout, stderr))
        };
        match prepare(&mut child) {
            Ok((exit, stdout, stderr)) => Ok(Self { child, exit, stdout, stderr, interrupt, reaped: false }),
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    /// Waits for the next event.
    pub(super) fn next(&mut self, deadline: Instant) -> io::Result<Event> {
        Self::next_of(&mut [self], deadline).map(|(_, event)| event)
    }

    /// Waits for the next event of several programs, and says by index whose it is; a passed deadline or an
    /// interruption is told as the first one's.
    pub(super) fn next_of(programs: &mut [&mut Self], deadline: Instant) -> io::Result<(usize, Event)> {
        loop {
            let ready = wait(programs, deadline)?;
            for (index, program) in programs.iter_mut().enumerate() {
                let ready: Vec<Source> =
                    ready.iter().filter(|(whose, _)| *whose == index).map(|(_, source)| *source).collect();
                // Also when it prints without end.
                if !ready.is_empty() && ready != [Source::Exit] && Instant::now() >= deadline {
                    return Ok((index, Event::Deadline));
                }
                if let Some(event) = program.take(&ready)? {
                    return Ok((index, event));
                }
            }
            if ready.is_empty() && Instant::now() >= deadline {
                return Ok((0, Event::Deadline));
            }
        }
    }

    /// The event behind what can be read.
    fn take(&mut self, ready: &[Source]) -> io::Result<Option<Event>> {
        if let Some(bytes) = read_ready(&mut self.stdout, ready.contains(&Source::Stdout))? {
            return Ok(Some(Event::Stdout(bytes)));
        }
        if let Some(bytes) = read_ready(&mut self.stderr, ready.contains(&Source::Stderr))? {
            return Ok(Some(Event::Stderr(bytes)));
        }
        // Of a program that has ended everything is read before its end is told. A grandchild may still hold the
        // pipes; it is not waited for.
        Ok(match ready {
            [Source::Exit, ..] if ready.iter().all(|source| source.is_silent()) => Some(Event::Exited),
            [Source::Interrupt] => Some(Event::Interrupted),
            _ => None,
        })
    }

    fn sources(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>)> {
        let sources = [
            (Source::Exit, Some(self.exit.as_fd())),
            (Source::Stdout, self.stdout.as_ref().map(|pipe| pipe.0.as_fd())),
            (Source::Stderr, self.stderr.as_ref().map(|pipe| pipe.0.as_fd())),
            (Source::Interrupt, self.interrupt.descriptor()),
        ];
        sources.into_iter().filter_map(|(source, fd)| fd.map(|fd| (source, fd)))
    }

    /// The status of a program that has ended. Of one that was killed the whole group goes: nobody leads it any more,
    /// and what it had begun would go on unseen.
    pub(super) fn reap(&mut self) -> io::Result<ExitStatus> {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        if matches!(waitid(Id::PIDFd(self.exit.as_fd()), peek), Ok(WaitStatus::Signaled(..))) {
            self.signal(Signal::SIGKILL);
        }
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }

    /// Ends the whole process group: SIGTERM, then SIGKILL. What is printed meanwhile goes to `sink`.
    pub(super) fn end(&mut self, mut sink: impl FnMut(Event)) {
        self.interrupt = Interrupt::never();
        for (signal, patience) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, DEATH)] {
            self.signal(signal);
            let deadline = Instant::now() + patience;
            loop {
                match self.next(deadline) {
                    Ok(Event::Exited) => {
                        // What it started and left behind in its group goes too.
                        self.signal(Signal::SIGKILL);
                        drop(self.reap());
                        return;
                    }
                    Ok(Event::Deadline | Event::Interrupted) | Err(_) => break,
                    Ok(event) => sink(event),
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // The group's leader has not been reaped, so its id cannot be anybody else's. A group that is gone is fine.
        if let Ok(id) = i32::try_from(self.child.id()) {
            killpg(Pid::from_raw(id), signal).ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.end(drop);
        }
    }
}

/// What can be read of which program, in the order of [`Source`]; nothing if the deadline has passed, or a signal
/// came.
fn wait(programs: &[&mut Running], deadline: Instant) -> io::Result<Vec<(usize, Source)>> {
    let (sources, mut fds): (Vec<_>, Vec<_>) = programs
        .iter()
        .enumerate()
        .flat_map(|(index, program)| program.sources().map(move |(source, fd)| ((index, source), fd)))
        .map(|(source, fd)| (source, PollFd::new(fd, PollFlags::POLLIN)))
        .unzip();
    match poll(&mut fds, until(deadline)) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    }
    Ok(sources
        .into_iter()
        .zip(fds)
        .filter(|(_, fd)| fd.any() == Some(true))
        .map(|(source, _)| source)
        .collect())
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Exit,
    Stdout,
    Stderr,
    Interrupt,
}

impl Source {
    fn is_silent(self) -> bool {
        matches!(self, Self::Exit | Self::Interrupt)
    }
}

/// What is there to be read; a pipe that has come to its end is closed.
fn read_ready(pipe: &mut Option<Pipe>, ready: bool) -> io::Result<Option<Vec<u8>>> {
    let Some(Pipe(stream)) = pipe.as_mut().filter(|_| ready) else { return Ok(None) };
    let mut buffer = vec![0; 64 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => {
            *pipe = None;
            Ok(None)
        }
        Ok(size) => {
            buffer.truncate(size);
            Ok(Some(buffer))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A poll(2) timeout that does not end before `deadline`.
pub(crate) fn until(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(i32::try_from(milliseconds).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX)
}
