//! A command to run. Every way to run it says what happens to each stream; standard input is empty, or a text that is
//! known before.

use std::ffi::{OsStr, OsString};
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::de::DeserializeOwned;

use super::environment::Environment;
use super::error::{ProcessError, quote_all};
use super::interrupt::Interrupt;
use super::lines::{LineSplitter, Lines};
use super::redact::Redactor;
use super::running::{Event, Running};
use super::tail::Tail;

/// Most that is taken from a program's standard output: `podman inspect` of a thousand containers is about 10 MB.
/// Bytes.
pub const CAPTURE_MAX: usize = 32 * 1024 * 1024;

/// A program, its arguments, its environment and its time limit.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    timeout: Duration,
    interrupt: Interrupt,
    redactor: Redactor,
}

/// What a program printed.
struct Output {
    stdout: Vec<u8>,
    stderr: Tail,
}

impl Command {
    /// The program with exactly this environment. It must end within `timeout`.
    #[must_use]
    pub fn new(program: &Path, environment: &Environment, timeout: Duration, interrupt: &Interrupt) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: environment.clone(),
            directory: None,
            input: Vec::new(),
            timeout,
            interrupt: interrupt.clone(),
            redactor: Redactor::default(),
        }
    }

    /// With one more argument. Arguments are visible to every user of the machine: never a secret.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// In this working directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// With this on standard input.
    #[must_use]
    pub fn input(mut self, content: &[u8]) -> Self {
        content.clone_into(&mut self.input);
        self
    }

    /// These values are taken out of everything that is kept or shown of its standard error.
    #[must_use]
    pub fn redact(mut self, redactor: &Redactor) -> Self {
        self.redactor = redactor.clone();
        self
    }

    /// The command as one would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        quote_all(&self.program, self.arguments.iter().map(OsString::as_os_str))
    }

    /// Standard output is taken, at most [`CAPTURE_MAX`] bytes; the end of standard error is kept for the error.
    ///
    /// # Errors
    /// It cannot be started, prints too much, fails, or does not end in time.
    pub fn capture(&self) -> Result<Vec<u8>, ProcessError> {
        self.captured().map(|output| output.stdout)
    }

    /// As [`Command::capture`], for text.
    ///
    /// # Errors
    /// As [`Command::capture`], and when the output is not UTF-8.
    pub fn capture_text(&self) -> Result<String, ProcessError> {
        let output = self.captured()?;
        String::from_utf8(output.stdout).map_err(|error| self.not_understood(&output.stderr, error))
    }

    /// As [`Command::capture`], for JSON. No output at all is taken as `null`, which is what podman means by it.
    ///
    /// # Errors
    /// As [`Command::capture`], and when the output is not the JSON that is expected.
    pub fn capture_json<T: DeserializeOwned>(&self) -> Result<T, ProcessError> {
        let output = self.captured()?;
        let content: &[u8] = if output.stdout.trim_ascii().is_empty() { b"null" } else { &output.stdout };
        serde_json::from_slice(content).map_err(|error| self.not_understood(&output.stderr, error))
    }

    /// Standard error is taken as text, with standard output thrown away. For programs that answer there; what they
    /// answer is not redacted and must not be kept.
    ///
    /// # Errors
    /// As [`Command::capture`].
    pub fn capture_stderr(&self) -> Result<String, ProcessError> {
        let mut answer = Vec::new();
        self.drive(&mut |event| match event {
            Event::Stderr(bytes) => extend(&mut answer, &bytes),
            _ => true,
        })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Both streams are shown to `watch` line by line, redacted; their common end is kept for the error.
    ///
    /// # Errors
    /// As [`Command::capture`].
    pub fn run(&self, mut watch: impl FnMut(&str)) -> Result<(), ProcessError> {
        let (mut out, mut err) = (LineSplitter::default(), LineSplitter::default());
        self.drive(&mut |event| {
            let lines = match event {
                Event::Stdout(bytes) => out.push(&bytes),
                Event::Stderr(bytes) => err.push(&bytes),
                _ => Vec::new(),
            };
            for line in lines {
                watch(&self.redactor.redact(&line));
            }
            true
        })
        .map(drop)
    }

    /// Starts the program; its standard output is read line by line while it runs, the end of standard error is kept.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn lines(&self) -> Result<Lines, ProcessError> {
        Ok(Lines::new(self.start()?, self.shown(), self.redactor.clone()))
    }

    /// Becomes the program, with our own streams. Returns only if that fails.
    #[must_use]
    pub fn replace_this_program(&self) -> ProcessError {
        let source = self.prepared().exec();
        ProcessError::Start { program: self.program.clone(), source }
    }

    /// Starts the program with our own streams, in our own process group.
    pub(super) fn spawn(&self) -> Result<process::Child, ProcessError> {
        let failed = |source| ProcessError::Start { program: self.program.clone(), source };
        self.prepared().spawn().map_err(failed)
    }

    fn captured(&self) -> Result<Output, ProcessError> {
        let mut stdout = Vec::new();
        let stderr = self.drive(&mut |event| match event {
            Event::Stdout(bytes) => extend(&mut stdout, &bytes),
            _ => true,
        })?;
        Ok(Output { stdout, stderr })
    }

    /// Runs to the end. `sink` gets what is printed and says whether that is still acceptable.
    fn drive(&self, sink: &mut dyn FnMut(Event) -> bool) -> Result<Tail, ProcessError> {
        if self.interrupt.pending() {
            return Err(ProcessError::Interrupted { command: self.shown() });
        }
        let deadline = Instant::now() + self.timeout;
        let mut running = self.start()?;
        let mut tail = Tail::default();
        let failed = |step, source| ProcessError::Io { command: self.shown(), step, source };
        loop {
            match running.next(deadline).map_err(|source| failed("wait for", source))? {
                Event::Exited => break,
                event @ (Event::Deadline | Event::Interrupted) => {
                    running.end(|event| {
                        if let Event::Stderr(bytes) = event {
                            tail.push(&bytes);
                        }
                    });
                    let command = self.shown();
                    return Err(if matches!(event, Event::Interrupted) {
                        ProcessError::Interrupted { command }
                    } else {
                        let stderr = tail.text(&self.redactor);
                        ProcessError::TimedOut { command, after: self.timeout, stderr }
                    });
                }
                event => {
                    if let Event::Stderr(bytes) = &event {
                        tail.push(bytes);
                    }
                    if !sink(event) {
                        return Err(ProcessError::TooMuch { command: self.shown(), limit: CAPTURE_MAX });
                    }
                }
            }
        }
        let status = running.reap().map_err(|source| failed("wait for", source))?;
        if status.success() {
            return Ok(tail);
        }
        // Whoever asked us to end may have asked our whole control group: its end is then no failure of its own.
        if self.interrupt.pending() {
            return Err(ProcessError::Interrupted { command: self.shown() });
        }
        Err(ProcessError::Failed { command: self.shown(), status, stderr: tail.text(&self.redactor) })
    }

    fn start(&self) -> Result<Running, ProcessError> {
        let failed = |source| ProcessError::Start { program: self.program.clone(), source };
        let child = self
            .prepared()
            .stdin(self.stdin().map_err(failed)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Running::new(child, self.interrupt.clone()).map_err(failed)
    }

    /// A file without a name rather than a pipe: nobody has to write while the program reads, and one that does not
    /// read at all is no failure.
    fn stdin(&self) -> io::Result<Stdio> {
        if self.input.is_empty() {
            return Ok(Stdio::null());
        }
        // It stays in memory: there may be something secret in it.
        let mut file = std::fs::File::from(memfd_create(c"input", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&self.input)?;
        file.rewind()?;
        Ok(file.into())
    }

    fn prepared(&self) -> process::Command {
        let mut command = process::Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    fn not_understood(
        &self,
        stderr: &Tail,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ProcessError {
        let stderr = stderr.text(&self.redactor);
        ProcessError::NotUnderstood { command: self.shown(), stderr, source: source.into() }
    }
}

/// Whether there was room.
fn extend(buffer: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let fits = buffer.len() + bytes.len() <= CAPTURE_MAX;
    if fits {
        buffer.extend_from_slice(bytes);
    }
    fits
}

impl ProcessError {
    /// Whether there is no such program.
    #[must_use]
    pub fn is_missing_program(&self) -> bool {
        matches!(self, Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let environment = Environment::default().with("PATH", "/usr/bin:/bin");
        Command::new(Path::new("/bin/sh"), &environment, Duration::from_secs(10), &Interrupt::never())
            .arg("-c")
            .arg(script)
    }

    #[test]
    fn streams_are_told_apart() {
        assert_eq!(sh("echo out; echo err >&2").capture_text().unwrap(), "out\n");
        assert_eq!(sh("echo out; echo err >&2").capture_stderr().unwrap(), "err\n");
        assert_eq!(sh("cat").capture_text().unwrap(), "", "standard input is empty");
        let long = "text\n".repeat(100_000);
        assert_eq!(sh("cat").input(long.as_bytes()).capture_text().unwrap(), long);
        assert_eq!(sh("true").input(long.as_bytes()).capture_text().unwrap(), "");
        let mut lines = Vec::new();
        sh("echo a; echo b >&2; printf c").run(|line| lines.push(line.to_owned())).unwrap();
        lines.sort();
        assert_eq!(lines, ["a", "b"]);
    }

    #[test]
    fn a_failure_tells_command_status_and_the_end_of_what_was_printed() {
        let mut redactor = Redactor::default();
        redactor.hide("PASSWORD", "hunter22");
        let error = sh("echo one >&2; echo hunter22 >&2; exit 3").redact(&redactor).capture().unwrap_err();
        assert_eq!(
            error.to_string(),
            "one; [PASSWORD] (`sh -c 'echo one >&2; echo hunter22 >&2; exit 3'` failed with exit status 3)"
        );
        assert_eq!(error.exit_status(), Some(3));
        assert!(sh("kill -9 $$").capture().unwrap_err().to_string().ends_with("was killed by signal 9"));
    }

    #[test]
    fn a_hanging_program_goes_with_its_group() {
        let mut command = sh("trap '' TERM; sleep 1000 & echo $! >&2; wait; wait");
        command.timeout = Duration::from_millis(200);
        let error = command.capture().unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
        assert_ends(error.stderr().trim().parse().unwrap());
    }

    fn assert_ends(pid: i32) {
        let deadline = Instant::now() + Duration::from_secs(5);
        // Whoever is its parent now may not have reaped it yet.
        while fs_err::read_link(format!("/proc/{pid}/exe")).is_ok() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(Instant::now() < deadline, "process {pid} still runs");
    }

    #[test]
    fn what_a_killed_program_had_started_goes_with_it() {
        let error = sh("sleep 1000 & echo $! >&2; kill -9 $$").capture().unwrap_err();
        assert!(error.is_killed(), "{error}");
        assert_ends(error.stderr().trim().parse().unwrap());
    }

    #[test]
    fn too_much_output_is_an_error_and_not_memory() {
        let error = sh("yes").capture().unwrap_err();
        assert!(matches!(error, ProcessError::TooMuch { .. }), "{error}");
    }

    #[test]
    fn garbage_is_not_understood() {
        let error = sh("echo '{nope'").capture_json::<Vec<u32>>().unwrap_err();
        assert!(error.to_string().ends_with("is not understood"), "{error}");
        assert_eq!(sh("true").capture_json::<Option<Vec<u32>>>().unwrap(), None);
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipes_is_not_waited_for() {
        let begin = Instant::now();
        let pid: i32 = sh("sleep 1000 & echo $!").capture_text().unwrap().trim().parse().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }

    #[test]
    fn a_missing_program_is_told() {
        let none = Command::new(
            Path::new("/nonexistent/podman"),
            &Environment::default(),
            Duration::from_secs(1),
            &Interrupt::never(),
        );
        let error = none.capture().unwrap_err();
        assert!(error.is_missing_program());
        assert_eq!(error.to_string(), "cannot run /nonexistent/podman");
    }
}
