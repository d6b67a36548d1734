//! Words of a setting's value: white space separates, quotes join, backslashes escape (systemd.syntax(7), "Quoting",
//! and `extract_first_word()` of systemd).

use thiserror::Error;

/// Why a value is not a list of words. systemd then ignores the assignment, or the rest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QuotingError {
    /// A quote that nothing closes.
    #[error("a quote is not closed")]
    Unbalanced,
    /// A backslash with nothing, or nothing that means something, behind it.
    #[error("not an escape sequence")]
    Escape,
}

/// What a backslash does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// It stands for itself: unit names, URLs, most paths.
    Retained,
    /// It vanishes, and what follows it stands for itself: `RequiresMountsFor=`.
    Removed,
    /// A C escape; one that is not known is an error: `Environment=`.
    Strict,
    /// A C escape; one that is not known stands for itself: command lines.
    Relaxed,
}

/// The words of `text`. When it is malformed, the words before that place come with the error.
///
/// # Errors
/// An open quote, or with [`Escapes::Strict`] an unknown escape.
pub fn words(text: &str, escapes: Escapes) -> Result<Vec<String>, (Vec<String>, QuotingError)> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        match next_word(rest, escapes) {
            Ok(None) => return Ok(words),
            Ok(Some((word, after))) => {
                words.push(word);
                rest = after;
            }
            Err(error) => return Err((words, error)),
        }
    }
}

/// The first word and what follows it; `None` when only white space is left.
pub(super) fn next_word(text: &str, escapes: Escapes) -> Result<Option<(String, &str)>, QuotingError> {
    let text = text.trim_start_matches(is_space);
    if text.is_empty() {
        return Ok(None);
    }
    let mut word = Vec::new();
    let mut quote: Option<char> = None;
    let mut rest = text.chars();
    loop {
        let before = rest.as_str();
        let Some(c) = rest.next() else {
            break;
        };
        match (c, quote) {
            ('\\', _) if escapes == Escapes::Removed => match rest.next() {
                Some(next) => push(&mut word, next),
                None => return Err(QuotingError::Escape),
            },
            ('\\', _) if escapes != Escapes::Retained => match unescape(rest.as_str()) {
                Some((bytes, after)) => {
                    word.extend(bytes);
                    rest = after.chars();
                }
                None if escapes == Escapes::Relaxed && !rest.as_str().is_empty() => word.push(b'\\'),
                None => return Err(QuotingError::Escape),
            },
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if is_space(c) => return finish(word).map(|word| Some((word, before))),
            (c, _) => push(&mut word, c),
        }
    }
    match quote {
        Some(_) => Err(QuotingError::Unbalanced),
        None => finish(word).map(|word| Some((word, ""))),
    }
}

/// Escapes can make bytes that are not text; systemd refuses those too.
fn finish(word: Vec<u8>) -> Result<String, QuotingError> {
    String::from_utf8(word).map_err(|_| QuotingError::Escape)
}

fn push(word: &mut Vec<u8>, c: char) {
    word.extend(c.encode_utf8(&mut [0; 4]).bytes());
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Reads the escape sequence behind a backslash: the bytes it means and what follows it.
fn unescape(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.chars();
    let first = rest.next()?;
    let simple = |byte: u8| Some((vec![byte], rest.as_str()));
    match first {
        'a' => simple(7),
        'b' => simple(8),
        'f' => simple(12),
        'n' => simple(b'\n'),
        'r' => simple(b'\r'),
        't' => simple(b'\t'),
        'v' => simple(11),
        's' => simple(b' '),
        '\\' | '"' | '\'' => simple(u8::try_from(first).ok()?),
        'x' => numeral(rest.as_str(), 2, 16).and_then(byte),
        'u' => numeral(rest.as_str(), 4, 16).and_then(character),
        'U' => numeral(rest.as_str(), 8, 16).and_then(character),
        '0'..='7' => numeral(text, 3, 8).and_then(byte),
        _ => None,
    }
}

fn numeral(text: &str, length: usize, radix: u32) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(length)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    // A NUL byte cannot be part of a setting.
    let value = u32::from_str_radix(digits, radix).ok().filter(|value| *value != 0)?;
    Some((value, rest))
}

fn byte((value, rest): (u32, &str)) -> Option<(Vec<u8>, &str)> {
    Some((vec![u8::try_from(value).ok()?], rest))
}

fn character((value, rest): (u32, &str)) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    push(&mut bytes, char::from_u32(value)?);
    Some((bytes, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text, Escapes::Relaxed).unwrap()
    }

    #[test]
    fn quotes_join_and_vanish() {
        assert_eq!(split("a  'b c' \"d ' e\"\t'' x'y'z"), ["a", "b c", "d ' e", "", "xyz"]);
        assert_eq!(split("  "), [""; 0]);
    }

    #[test]
    fn escapes_are_those_of_c_and_unknown_ones_stay() {
        assert_eq!(split(r"a\tb \x41\102\u00e9 'q\'q' \s \\ \q"), ["a\tb", "ABé", "q'q", " ", "\\", "\\q"]);
        assert_eq!(words(r"a \q b", Escapes::Strict), Err((vec!["a".to_owned()], QuotingError::Escape)));
        assert_eq!(words(r"a\x2db 'c d'", Escapes::Retained).unwrap(), [r"a\x2db", "c d"]);
        assert_eq!(words(r#"a\x2db\\ "c\" d""#, Escapes::Removed).unwrap(), [r"ax2db\", "c\" d"]);
    }

    #[test]
    fn malformed_values_are_errors() {
        for (text, error) in [("a 'b", QuotingError::Unbalanced), ("a \\", QuotingError::Escape)] {
            assert_eq!(words(text, Escapes::Relaxed), Err((vec!["a".to_owned()], error)), "{text}");
        }
        assert!(words(r"\xff", Escapes::Relaxed).is_err());
    }
}
