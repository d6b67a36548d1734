//! How running a program can fail.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use super::tail::cut;

/// Longest command that a message shows; a compose command with many services would fill a screen. Characters.
const SHOWN: usize = 400;

/// Why a program did not do what it was run for. What it printed is redacted already.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// There is no such program, or it cannot be run.
    #[error("cannot run {}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a status other than 0.
    #[error("{}", reason(stderr, &format!("`{command}` {}", describe(*status))))]
    Failed {
        /// The command, quoted.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        stderr: String,
    },
    /// It did not end in time, and was ended with its whole process group.
    #[error("{}", reason(stderr, &format!("`{command}` did not end within {}", humantime::format_duration(*after))))]
    TimedOut {
        /// The command, quoted.
        command: String,
        /// Its time limit.
        after: Duration,
        /// The end of what it printed.
        stderr: String,
    },
    /// This program was asked to end, so the other one was ended with its whole process group.
    #[error("`{command}` was ended because this program was asked to end")]
    Interrupted {
        /// The command, quoted.
        command: String,
    },
    /// It printed more than anything sensible would.
    #[error("`{command}` printed more than {limit} bytes, which is not understood")]
    TooMuch {
        /// The command, quoted.
        command: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// What it printed is not what was asked for.
    #[error("{}", reason(stderr, &format!("what `{command}` printed is not understood")))]
    NotUnderstood {
        /// The command, quoted.
        command: String,
        /// The end of what it printed beside.
        stderr: String,
        /// Where the text stops making sense.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Talking to the process failed.
    #[error("cannot {step} `{command}`")]
    Io {
        /// The command, quoted.
        command: String,
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ProcessError {
    /// Whether it ended only because this program was asked to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }

    /// The status that the program ended with, if it ended by itself.
    #[must_use]
    pub fn exit_status(&self) -> Option<i32> {
        match self {
            Self::Failed { status, .. } => status.code(),
            _ => None,
        }
    }

    /// The end of what the program printed; empty if it printed nothing.
    #[must_use]
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. }
            | Self::TimedOut { stderr, .. }
            | Self::NotUnderstood { stderr, .. } => stderr,
            _ => "",
        }
    }

    /// Whether the program was killed by a signal, and has not come to an end of its own.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(self, Self::Failed { status, .. } if status.code().is_none())
    }

    /// With something else in the place of what the program printed.
    #[must_use]
    pub fn retold(mut self, retell: impl FnOnce(&str) -> String) -> Self {
        if let Self::Failed { stderr, .. }
        | Self::TimedOut { stderr, .. }
        | Self::NotUnderstood { stderr, .. } = &mut self
        {
            *stderr = retell(stderr);
        }
        self
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit status {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// What the program itself said comes first: its command line can fill a terminal.
fn reason(stderr: &str, what: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { what.to_owned() } else { format!("{} ({what})", lines.join("; ")) }
}

/// A command line as one would type it, cut where it becomes too long to read.
#[must_use]
pub fn quote_all<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
    let mut text = quote(&program.file_name().unwrap_or(program.as_os_str()).to_string_lossy());
    for argument in arguments {
        text.push(' ');
        text.push_str(&quote(&argument.to_string_lossy()));
    }
    cut(&text, SHOWN)
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!(
            "'{}'",
            word.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"").replace('\'', "'\\''")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_as_one_would_type_them() {
        let quoted = quote_all(
            Path::new("/usr/bin/podman"),
            ["ps", "--filter=label=a b", "", "it's \"so\""].map(OsStr::new),
        );
        assert_eq!(quoted, r#"podman ps '--filter=label=a b' '' 'it'\''s "so"'"#);
        assert!(quote_all(Path::new("x"), [OsStr::new(&"y".repeat(1000))]).ends_with('…'));
    }
}
