//! What is going on right now: systemd's status line in a unit, a live line on a terminal, nothing elsewhere.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Longest text that is shown; a status line is one line. Characters.
const SHOWN: usize = 160;

/// Where the progress of this program is shown.
#[derive(Debug)]
pub struct Progress {
    socket: Option<OsString>,
    terminal: bool,
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
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
        Self { terminal: socket.is_none() && std::io::stderr().is_terminal(), socket, shown: String::new() }
    }

    /// Shows `text` in place of what was shown before.
    pub fn show(&mut self, text: &str) {
        let text: String = crate::process::one_line(text).chars().take(SHOWN).collect();
        if text == self.shown {
            return;
        }
        if let Some(socket) = &self.socket {
            // The manager loses nothing but a status line.
            drop(notify(socket, &format!("STATUS={text}")));
        }
        if self.terminal {
            drop(write!(std::io::stderr(), "\r\x1b[K{text}"));
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
        if self.terminal && !self.shown.is_empty() {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
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
