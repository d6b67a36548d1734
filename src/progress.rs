//! What is going on right now: systemd's status line in a unit, live lines on a terminal, nothing elsewhere.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest status line, and longest live line. Characters; a datagram of `sd_notify(3)` holds 4096 bytes.
const SHOWN: usize = 1000;

/// Most live lines at a time: what does not fit on a screen cannot be taken back from it.
const LINES: usize = 16;

/// Between the parts of a status line; on a terminal each part has a line of its own.
const SEPARATOR: &str = " · ";

/// What stands on the terminal now and is not to stay there.
static LIVE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// One container, or a service that lacks one, as the person who waits sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub what: String,
    /// What it does.
    pub state: String,
    /// Whether that is what it should do.
    pub up: bool,
}

/// Where the progress of this program is shown.
#[derive(Debug)]
pub struct Progress {
    socket: Option<OsString>,
    terminal: bool,
    colour: bool,
    shown: String,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Looks where it can be shown.
    #[must_use]
    pub fn new() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let socket = variable("NOTIFY_SOCKET");
        // A terminal that cannot move its cursor would show each state below the one before.
        let moves = variable("TERM").is_some_and(|term| term != "dumb");
        let terminal = socket.is_none() && moves && std::io::stderr().is_terminal();
        Self { socket, terminal, colour: variable("NO_COLOR").is_none(), shown: String::new() }
    }

    /// The same, with nothing on a terminal: for what is told there anyway.
    #[must_use]
    pub fn of_the_unit() -> Self {
        let mut progress = Self::new();
        progress.terminal = false;
        progress
    }

    /// Shows `text` in place of what was shown before; what a unit has told is shown part by part.
    pub fn show(&mut self, text: &str) {
        let text = one_line(text);
        if text == self.shown {
            return;
        }
        let lines = text.split(SEPARATOR).filter(|line| !line.is_empty()).enumerate();
        self.draw(lines.map(|(number, line)| format!("{}{line}", if number == 0 { "" } else { "  " })));
        self.tell(text);
    }

    /// Shows what is waited for: on a terminal a line for each of them, in a unit those that are not up.
    pub fn show_each(&mut self, doing: &str, all: &[Standing]) {
        let up = all.iter().filter(|one| one.up).count();
        let summary = format!("{doing}: {up} of {} up", all.len());
        let mut text = summary.clone();
        let mut lines = vec![one_line(&summary)];
        let width = all.iter().map(|one| one.what.chars().count()).max().unwrap_or_default();
        for one in all {
            let state = one_line(&one.state);
            if !one.up {
                text.extend([SEPARATOR, &one.what, " ", &state]);
            }
            let (on, off) = match (self.colour, one.up) {
                (false, _) => ("", ""),
                (true, true) => ("\x1b[32m", "\x1b[0m"),
                (true, false) => ("\x1b[33m", "\x1b[0m"),
            };
            lines.push(format!("  {on}{:width$}{off}  {state}", one.what));
        }
        self.draw(lines.into_iter());
        self.tell(one_line(&text));
    }

    fn draw(&self, lines: impl Iterator<Item = String>) {
        if self.terminal {
            let mut live = live();
            let mut lines: Vec<String> = lines.collect();
            let more = lines.len().saturating_sub(LINES);
            if more > 0 {
                lines.truncate(LINES);
                lines.push(format!("  and {more} more"));
            }
            let text = format!("{}{}", erased(&live), drawn(&lines));
            *live = lines;
            // There is nowhere left to report that standard error is closed.
            drop(std::io::stderr().write_all(text.as_bytes()));
        }
    }

    fn tell(&mut self, text: String) {
        if let Some(socket) = self.socket.as_ref().filter(|_| text != self.shown) {
            // The manager loses nothing but a status line.
            drop(notify(socket, &format!("STATUS={text}")));
        }
        self.shown = text;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.shown.is_empty()) {
            // What is waited for no longer must not stand in `systemctl status` for as long as the stack runs.
            drop(notify(socket, "STATUS="));
        }
        self.draw(std::iter::empty());
    }
}

/// Writes whole lines, which are to stay, to standard error: above the live lines, if there are any.
pub fn write_above(text: &str) {
    let live = live();
    let text = format!("{}{text}{}", erased(&live), drawn(&live));
    // There is nowhere left to report that standard error is closed.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

fn live() -> MutexGuard<'static, Vec<String>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What draws live lines, the cursor at the end of the last. No line is broken, so that each takes one row.
fn drawn(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("\x1b[?7l{}\x1b[?7h", lines.join("\r\n")) }
}

/// What takes them back.
fn erased(lines: &[String]) -> String {
    match lines.len() {
        0 => String::new(),
        1 => "\r\x1b[J".to_owned(),
        more => format!("\r\x1b[{}A\x1b[J", more - 1),
    }
}

fn one_line(text: &str) -> String {
    crate::process::one_line(text).chars().take(SHOWN).collect()
}

/// One datagram of `sd_notify(3)`.
fn notify(socket: &OsString, text: &str) -> std::io::Result<()> {
    let name = socket.as_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(what: &str, state: &str, up: bool) -> Standing {
        Standing { what: what.to_owned(), state: state.to_owned(), up }
    }

    #[test]
    fn a_unit_tells_what_is_not_up_and_takes_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let heard = || {
            let mut buffer = [0; 4096];
            let size = manager.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..size]).into_owned()
        };
        let mut progress =
            Progress { socket: Some(path.into()), terminal: false, colour: true, shown: String::new() };
        let both = [standing("db-1", "healthy", true), standing("web-1", "is \"starting\"\nnow", false)];
        progress.show_each("waiting", &both);
        assert_eq!(heard(), "STATUS=waiting: 1 of 2 up · web-1 is \"starting\" now");
        progress.show_each("waiting", &both);
        progress.show("compose up");
        assert_eq!(heard(), "STATUS=compose up", "what has not changed is not told again");
        drop(progress);
        assert_eq!(heard(), "STATUS=");
    }

    #[test]
    fn live_lines_are_taken_back_whole() {
        let lines = ["waiting".to_owned(), "  web-1  starting".to_owned(), "  db-1  healthy".to_owned()];
        assert_eq!(drawn(&lines), "\x1b[?7lwaiting\r\n  web-1  starting\r\n  db-1  healthy\x1b[?7h");
        assert_eq!(erased(&lines), "\r\x1b[2A\x1b[J");
        assert_eq!(erased(&lines[..1]), "\r\x1b[J");
        assert_eq!((drawn(&[]), erased(&[])), (String::new(), String::new()));
    }
}
