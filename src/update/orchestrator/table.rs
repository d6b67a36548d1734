//! What a person sees while a run goes on: one row per stack, rewritten in place.

use std::io::{IsTerminal, Write};

/// A table on the terminal; nothing if there is none, or if a unit runs the program.
#[derive(Debug)]
pub struct Table {
    shown: usize,
    terminal: bool,
}

impl Table {
    /// Looks whether there is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("NOTIFY_SOCKET").is_none();
        Self { shown: 0, terminal }
    }

    /// Whether it is shown.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.terminal
    }

    /// Shows these rows in place of those before.
    pub fn show(&mut self, rows: &[String]) {
        if !self.terminal {
            return;
        }
        let mut text = self.back();
        for row in rows {
            // A row that wraps would make the next move up too short.
            let row: String = row.chars().take(WIDTH).collect();
            text.push_str("\x1b[2K");
            text.push_str(&row);
            text.push('\n');
        }
        self.shown = rows.len();
        drop(std::io::stderr().write_all(text.as_bytes()));
    }

    fn back(&self) -> String {
        if self.shown == 0 { String::new() } else { format!("\x1b[{}A\r", self.shown) }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.terminal && self.shown > 0 {
            // The report takes its place.
            drop(std::io::stderr().write_all(format!("{}\x1b[J", self.back()).as_bytes()));
        }
    }
}

/// Every terminal has so many columns. Characters.
const WIDTH: usize = 79;
