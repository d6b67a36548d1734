//! Values as they stand in a unit file, each escaped for its place.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `%` introduces a specifier in every unit setting; systemd.unit(5).
pub(super) fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// What a link in `Documentation=` to a file in `directory` starts with, as the manager reports it.
#[must_use]
pub fn documentation(directory: &Path) -> String {
    format!("file://{}/", url_path(directory))
}

/// A path as the path of a URL.
pub(super) fn url_path(path: &Path) -> String {
    let mut url = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(*byte));
            }
            other => url.push_str(&percent(*other)),
        }
    }
    url
}

fn percent(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// A text to the end of its line. A backslash there would join the next line to it; the space that keeps it from that
/// is not part of the value (systemd.syntax(7)).
pub(super) fn line(text: &str) -> String {
    let end = if text.ends_with('\\') { " " } else { "" };
    specifiers(text) + end
}

/// The inside of a double-quoted string in a unit file.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '"' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => quoted.extend(["\\x".to_owned(), format!("{:02x}", u32::from(c))]),
            c => quoted.push(c),
        }
    }
    specifiers(&quoted)
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | ','))
}

/// A path as one word: the first of a command line, in which nothing else is expanded, or one of a list; quoted only
/// where it must be.
pub(super) fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    if is_plain(&text) { text.into_owned() } else { format!("\"{}\"", quoted(&text)) }
}
