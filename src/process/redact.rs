//! Taking the values of secrets out of what a program printed, before anybody sees or keeps it.
//!
//! A value comes back in many forms: quoted for a shell, by Go's `%q` or as JSON, several times over, with its dollars
//! doubled for compose, encoded for a URL, in capitals. So it is not looked for as a text: two texts are the same if
//! they differ in nothing but how they are written ([`readings`]).

use std::fmt;
use std::ops::Range;

/// Shorter values are left as they are: they are no secrets (`80`, `yes`, `eth`), and replacing them would make
/// messages unreadable. Bytes.
const SHORTEST: usize = 4;

/// Values that are as common in messages as in configurations, and secret in neither.
const COMMON: &[&str] =
    &["true", "false", "none", "null", "localhost", "production", "http", "https", "postgres"];

/// The longest encoding of one character as bytes of UTF-8. Bytes.
const UTF8_MAX: usize = 4;

/// How much quoting may stand before one character; more is no quoting, and would take long to look through.
const QUOTING_MAX: usize = 64;

/// Knows values and the names to show in their place.
#[derive(Clone, Default)]
pub struct Redactor(Vec<Hidden>);

#[derive(Clone, PartialEq, Eq)]
struct Hidden {
    /// What is looked for: lower-case, without what quoting adds.
    units: Vec<char>,
    shown: String,
}

impl Redactor {
    /// One more value, which from now on reads as `[NAME]`. A value of several lines is looked for line by line.
    pub fn hide(&mut self, name: &str, value: &str) {
        for line in value.lines() {
            // A terminal shows nothing for a control character, or only what follows it.
            let whole: String = line.chars().filter(|c| !is_lost(*c)).collect();
            let pieces = line.split(is_lost).filter(|piece| piece.len() < whole.len());
            for text in pieces.chain([whole.as_str()]).map(str::trim) {
                self.hide_text(name, text);
            }
        }
    }

    fn hide_text(&mut self, name: &str, text: &str) {
        if text.len() < SHORTEST || COMMON.contains(&text.to_ascii_lowercase().as_str()) {
            return;
        }
        let mut units: Vec<char> = Vec::new();
        for unit in text.chars().map(unit).filter(|unit| !is_quoting(*unit)) {
            if !(is_repeated(unit) && units.last() == Some(&unit)) {
                units.push(unit);
            }
        }
        if units.len() < SHORTEST.min(text.chars().count()) {
            // There is little in it but quotes: it is looked for as it is.
            units = text.chars().map(unit).collect();
        }
        if !self.0.iter().any(|hidden| hidden.units == units) {
            self.0.push(Hidden { units, shown: format!("[{name}]") });
        }
    }

    /// The names that are shown.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|hidden| hidden.shown.as_str())
    }

    /// The text without the values.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut written = 0;
        for (place, shown) in self.places(text) {
            redacted.push_str(text.get(written..place.start).unwrap_or_default());
            redacted.push_str(shown);
            written = place.end;
        }
        redacted.push_str(text.get(written..).unwrap_or_default());
        redacted
    }

    /// Where values are. Where several overlap, all of it goes, and the longest one is named.
    fn places(&self, text: &str) -> Vec<(Range<usize>, &str)> {
        let mut places: Vec<(Range<usize>, &str)> = Vec::new();
        let mut longest = 0;
        for (start, _) in text.char_indices() {
            let first = readings(text, start);
            for hidden in &self.0 {
                let Some((unit, rest)) = hidden.units.split_first() else { continue };
                let ends = first.iter().filter(|(read, _)| read == unit).map(|(_, end)| *end).collect();
                let Some(end) = end_of(text, ends, rest) else { continue };
                let length = end - start;
                if let Some((place, shown)) = places.last_mut().filter(|(place, _)| start < place.end) {
                    place.end = place.end.max(end);
                    if length > longest {
                        (*shown, longest) = (&hidden.shown, length);
                    }
                } else {
                    places.push((start..end, &hidden.shown));
                    longest = length;
                }
            }
        }
        places
    }
}

/// Where these units end if they follow, in whatever form, one of these positions.
fn end_of(text: &str, mut positions: Vec<usize>, units: &[char]) -> Option<usize> {
    for unit in units {
        let mut next = Vec::new();
        let mut at = 0;
        while let Some(position) = positions.get(at).copied() {
            at += 1;
            for (read, end) in readings(text, position) {
                if read == *unit && !next.contains(&end) {
                    next.push(end);
                }
                // What quoting adds may stand before each unit, and some units more than once.
                let skipped = is_quoting(read) || is_repeated(read);
                if skipped && at <= QUOTING_MAX && !positions.contains(&end) {
                    positions.push(end);
                }
            }
        }
        positions = next;
    }
    positions.into_iter().max()
}

/// What the text at a position can be read as, and where that ends: itself, a percent-encoded character, or an escape
/// of JSON, Go, Python or a shell.
fn readings(text: &str, position: usize) -> Vec<(char, usize)> {
    let rest = text.get(position..).unwrap_or_default();
    let mut characters = rest.chars();
    let Some(first) = characters.next() else { return Vec::new() };
    let mut found = vec![(unit(first), position + first.len_utf8())];
    let encoded = match (first, characters.next()) {
        ('+', _) => Some((' ', 1)),
        ('%', _) => bytes(rest, "%", 2, 16),
        ('\\', Some('t' | 'n' | 'r' | 'f' | 'v')) => Some((' ', 2)),
        ('\\', Some('x')) => bytes(rest, "\\x", 2, 16),
        ('\\', Some('u')) => number(rest, "\\u", 4, 16).and_then(|code| Some((char::from_u32(code)?, 6))),
        ('\\', Some('U')) => number(rest, "\\U", 8, 16).and_then(|code| Some((char::from_u32(code)?, 10))),
        ('\\', Some('0'..='3')) => bytes(rest, "\\", 3, 8),
        _ => None,
    };
    found.extend(encoded.map(|(read, length)| (unit(read), position + length)));
    found
}

/// A character that is written as bytes, each behind `mark`, and the length of all that.
fn bytes(text: &str, mark: &str, digits: usize, radix: u32) -> Option<(char, usize)> {
    let length = mark.len() + digits;
    let mut found = Vec::new();
    for index in 0..UTF8_MAX {
        let code = text.get(index * length..).and_then(|text| number(text, mark, digits, radix));
        found.push(u8::try_from(code?).ok()?);
        if let Ok(character) = std::str::from_utf8(&found) {
            return Some((character.chars().next()?, (index + 1) * length));
        }
    }
    None
}

fn number(text: &str, mark: &str, digits: usize, radix: u32) -> Option<u32> {
    let digits = text.strip_prefix(mark)?.get(..digits)?;
    digits.chars().all(|c| c.is_digit(radix)).then(|| u32::from_str_radix(digits, radix).ok())?
}

/// A character without what does not count.
fn unit(character: char) -> char {
    match character {
        blank if blank.is_whitespace() => ' ',
        other => other.to_lowercase().next().unwrap_or(other),
    }
}

/// What quoting adds or takes away.
fn is_quoting(unit: char) -> bool {
    matches!(unit, '\\' | '"' | '\'') || unit.is_control()
}

/// What may come back doubled (`$`, for compose) or in another number (blanks).
fn is_repeated(unit: char) -> bool {
    matches!(unit, '$' | ' ')
}

/// What is not shown of a line.
fn is_lost(character: char) -> bool {
    character.is_control() && character != '\t'
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_their_names() {
        let mut redactor = Redactor::default();
        redactor.hide("SHORT", "abc");
        redactor.hide("DEBUG", "true");
        redactor.hide("PASSWORD", "hunter22");
        redactor.hide("URL", "postgres://me:hunter22@db/x");
        redactor.hide("KEY", "-----BEGIN\nAAAABBBB\n");
        assert_eq!(
            redactor.redact("bad postgres://me:hunter22@db/x, hunter22, AAAABBBB, true, abc"),
            "bad [URL], [PASSWORD], [KEY], true, abc"
        );
        assert!(!format!("{redactor:?}").contains("hunter22"));
    }

    #[test]
    fn values_that_overlap_go_together() {
        let mut redactor = Redactor::default();
        redactor.hide("A", "abcdef");
        redactor.hide("B", "defghijk");
        assert_eq!(redactor.redact("1 abcdefghijk 2 \"abcdef\" 3"), "1 [B] 2 \"[A]\" 3");
    }

    /// Every way in which a value was seen to come back, and what else a program may do to it.
    fn forms(value: &str) -> Vec<String> {
        let mut forms = vec![value.to_owned()];
        let each = |form: &dyn Fn(char) -> String| value.chars().map(form).collect::<Vec<_>>().concat();
        let bytes = |form: &dyn Fn(u8) -> String| value.bytes().map(form).collect::<Vec<_>>().concat();
        let percent = |kept: &str, blank: &str| {
            each(&|c| match c {
                ' ' => blank.to_owned(),
                c if c.is_ascii_alphanumeric() || kept.contains(c) => c.to_string(),
                c => c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat(),
            })
        };
        let json = |text: &str| serde_json::to_string(text).unwrap();
        forms.push(value.replace('$', "$$"));
        forms.push(json(value));
        forms.push(json(&json(value)));
        forms.push(json(value).replace('<', "\\u003c").replace('&', "\\u0026"));
        forms.push(each(&|c| format!("\\u{:04x}", c as u32)));
        forms.push(bytes(&|byte| format!("\\x{byte:02x}")));
        forms.push(bytes(&|byte| format!("\\{byte:03o}")));
        forms.push(format!("'{}'", value.replace('\'', "'\\''")));
        forms.push(format!("'{}'", value.replace('\'', "'\"'\"'")));
        forms.push(value.chars().flat_map(|c| ['\\', c]).collect());
        forms.push(format!("{value:?}"));
        forms.push(percent("", "%20"));
        forms.push(percent("", "+"));
        forms.push(percent("$&+,/:;=?@-_.~", "%20"));
        for form in forms.clone() {
            forms.push(form.to_uppercase().replace("\\U", "\\u").replace("\\X", "\\x"));
            forms.push(form.to_lowercase());
        }
        forms
    }

    #[test]
    fn a_value_is_hidden_in_every_form() {
        const ALPHABET: &[char] = &[
            'a', 'Z', 'e', 'n', 't', 'u', 'x', '0', '7', 'ä', '密', ' ', '$', '$', '"', '\'', '\\', '\\',
            '%', '+', '&', '<', '#', '{', '}', ':', '/', '@', '=', ',', '`', '!',
        ];
        // A fixed sequence, so that a failure comes again.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        for _ in 0..200 {
            let length = 4 + random(14);
            let inner: String = (0..length).map(|_| ALPHABET[random(ALPHABET.len())]).collect();
            let value = format!("Qj{inner}W9");
            let mut redactor = Redactor::default();
            redactor.hide("IT", &value);
            for form in forms(&value) {
                let said = redactor.redact(&format!("before {form} after"));
                let left: String = said.chars().filter(|c| !"\\\"'".contains(*c)).collect();
                assert_eq!(left, "before [IT] after", "{value:?} as {form:?}");
            }
        }
    }

    #[test]
    fn what_is_no_value_stays() {
        let mut redactor = Redactor::default();
        redactor.hide("IT", "pa$$word\\n1");
        redactor.hide("QUOTES", "\"\"''");
        for text in ["pa word1", "paword1", "pa$word 2", "p%61$wor", "'' \"\"", "100 %, a+b, C:\\new\\u12"] {
            assert_eq!(redactor.redact(text), text);
        }
        assert_eq!(redactor.redact("a \"\"'' b"), "a [QUOTES] b");
    }

    #[test]
    fn what_a_terminal_would_not_show_parts_a_value() {
        let mut redactor = Redactor::default();
        redactor.hide("IT", "first\rsecond\tthird\u{7}x");
        assert_eq!(
            redactor.redact("second third / firstsecond\tthirdx / second\\tthird"),
            "[IT] / [IT] / [IT]"
        );
    }
}
