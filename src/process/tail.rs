//! The end of what a program printed: enough for an error message, whatever it prints before.

use super::redact::Redactor;

/// How much of the end is shown. Providers put the reason last. Bytes.
const SHOWN: usize = 2048;

/// How much of it is kept before values are taken out: a value that is cut in two could not be recognised, so the
/// first, perhaps incomplete line is left out. Bytes.
const KEPT: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
            self.cut = true;
        }
    }

    /// Whole lines, without control characters and values, at most [`SHOWN`] bytes.
    pub(super) fn text(&self, redactor: &Redactor) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let whole = if self.cut { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        let clean = redactor.redact(&without_traceback(&clean(whole)));
        let mut lines: Vec<&str> = Vec::new();
        let mut size = 0;
        for line in clean.lines().rev().map(str::trim_end).filter(|line| !line.is_empty()) {
            size += line.len() + 1;
            if size > SHOWN && !lines.is_empty() {
                break;
            }
            lines.push(line);
        }
        lines.reverse();
        lines.join("\n").chars().take(2 * SHOWN).collect()
    }
}

/// podman-compose is written in Python, and tells a mistake in a compose file as a traceback: what counts is its last
/// line.
fn without_traceback(text: &str) -> String {
    match text.rsplit_once("Traceback (most recent call last):") {
        Some((before, trace)) => {
            let reason = trace.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with(' '));
            format!("{before}{}", reason.unwrap_or_default())
        }
        None => text.to_owned(),
    }
}

/// Without terminal escapes; of a line that was overwritten (`\r`, progress) only what was visible in the end.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let mut characters = body.rsplit('\r').next().unwrap_or_default().chars().peekable();
        while let Some(character) = characters.next() {
            if character == '\x1b' {
                // CSI sequences end with a letter.
                if characters.next_if_eq(&'[').is_some() {
                    while characters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
                }
            } else if !character.is_control() || character == '\t' {
                out.push(character);
            }
        }
        if line.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

/// A text of several lines in one, without control characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a text, of which it shows that it is one. `most` is in characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_text_was_cut_shows() {
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".to_owned(), "äö…".to_owned()));
    }

    #[test]
    fn the_end_is_kept_in_whole_lines() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text(&Redactor::default());
        assert!(text.ends_with("line 99998\nline 99999") && text.len() <= SHOWN, "{} bytes", text.len());
        assert!(text.starts_with("line "));
    }

    #[test]
    fn a_value_that_was_cut_is_not_shown() {
        let mut tail = Tail::default();
        tail.push(&b"secret".repeat(10_000));
        tail.push(b"\nreason\n");
        assert_eq!(tail.text(&Redactor::default()), "reason");
    }

    #[test]
    fn of_a_traceback_the_reason_is_kept() {
        let mut tail = Tail::default();
        tail.push(
            b"before\nTraceback (most recent call last):\n  File \"x\", line 1\nValueError: must be set\n",
        );
        assert_eq!(tail.text(&Redactor::default()), "before\nValueError: must be set");
    }

    #[test]
    fn terminal_escapes_and_progress_go() {
        assert_eq!(clean("10%\r50%\rdone\r\n\x1b[1;31mred\x1b[0m\x07\n"), "done\nred\n");
    }
}
