//! The text of an env file, read in every way in which docker-compose (compose-go), podman-compose (python-dotenv) or
//! podman itself reads it, so that whatever value comes of it can be hidden. Not for giving values to anybody.

/// The values of an env file with their names, generously: what one provider takes for a comment, an escape or the end
/// of a value another takes as it is, so all readings are there.
pub(super) fn values(text: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    // As the providers do: a quoted value may go over several lines.
    while let Some((line, after)) = first_line(rest) {
        let begin = rest;
        rest = after;
        let Some((name, value)) = assignment(line) else { continue };
        let quoted = quote_of(value).and_then(|quote| {
            let (_, inner) = begin.split_once(quote)?;
            Some((inner, closing(inner, quote, true)))
        });
        let Some((inner, end)) = quoted else {
            unquoted(name, value, &mut found);
            continue;
        };
        let inner = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
        found.push((name, inner.to_owned()));
        found.push((name, unescaped(inner)));
        let lines = inner.matches('\n').count();
        rest = (0..lines).fold(rest, |rest, _| first_line(rest).map_or("", |(_, after)| after));
    }
    // And as if no value did, for a quote that one of them does not take for one.
    for (name, value) in text.lines().filter_map(assignment) {
        unquoted(name, value, &mut found);
        if let Some(quote) = quote_of(value) {
            let inner = value.get(quote.len_utf8()..).unwrap_or_default();
            for by_backslash in [false, true] {
                let end = closing(inner, quote, by_backslash).unwrap_or(inner.len());
                let body = inner.get(..end).unwrap_or_default();
                found.push((name, body.to_owned()));
                found.push((name, unescaped(body)));
            }
        }
    }
    found
}

/// Where an open quote is closed. A backslash escapes a quote for both providers, and nothing for a shell's single ones.
pub(super) fn closing(text: &str, quote: char, by_backslash: bool) -> Option<usize> {
    let mut escaped = false;
    for (position, character) in text.char_indices() {
        if character == quote && !escaped {
            return Some(position);
        }
        escaped = by_backslash && character == '\\' && !escaped;
    }
    None
}

/// Whether this may stand before `=`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-[]".contains(c))
}

/// What is left of a value when the variables in it are replaced, and the defaults of those that are not set.
pub(super) fn literals(value: &str) -> Vec<&str> {
    let mut found = vec![value];
    for (index, piece) in value.split('$').enumerate() {
        let (inner, after) = match piece.strip_prefix('{').and_then(|piece| piece.split_once('}')) {
            Some((inner, after)) => (inner, after),
            None if index > 0 => {
                ("", piece.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'))
            }
            None => ("", piece),
        };
        let default = inner.find([':', '-', '+', '?']).and_then(|at| inner.get(at..)).unwrap_or_default();
        found.extend([default.trim_start_matches([':', '-', '+', '?']), after]);
    }
    found
}

/// The user information of a URL: the whole of it, and the password, wherever a program may see its end.
pub(super) fn user_parts(value: &str) -> Vec<&str> {
    let Some((_, rest)) = value.split_once("://") else { return Vec::new() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let users = [authority, rest].into_iter().filter_map(|text| Some(text.rsplit_once('@')?.0));
    users
        .flat_map(|user| [Some(user), user.split_once(':').map(|(_, password)| password)])
        .flatten()
        .collect()
}

fn first_line(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() { None } else { Some(text.split_once('\n').unwrap_or((text, ""))) }
}

/// Name and value of a line. One that is no assignment is a mistake, and perhaps a secret without its name.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches('\u{feff}');
    let line = line.strip_prefix("export ").unwrap_or(line);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let named = line.split_once(['=', ':']).filter(|(name, _)| is_name(name.trim()));
    let (name, value) = named.unwrap_or(("value", line));
    Some((name.trim(), value.trim()))
}

fn quote_of(value: &str) -> Option<char> {
    value.chars().next().filter(|c| matches!(c, '"' | '\''))
}

fn unquoted<'a>(name: &'a str, value: &str, found: &mut Vec<(&'a str, String)>) {
    found.push((name, value.to_owned()));
    // A comment begins behind a blank.
    for (position, _) in value.match_indices('#') {
        let before = value.get(..position).unwrap_or_default();
        if before.ends_with(char::is_whitespace) {
            found.push((name, before.trim().to_owned()));
            break;
        }
    }
}

/// What both make of the escapes in double quotes, those included that only one of them knows.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        let octal: String = escape.chars().take(4).take_while(|c| c.is_digit(8)).collect();
        let code = u32::from_str_radix(&octal, 8).ok().filter(|_| octal.starts_with('0') && octal.len() > 1);
        let (character, length) = match (code.and_then(char::from_u32), escape.chars().next()) {
            (Some(character), _) => (character, octal.len()),
            (None, Some('n')) => ('\n', 1),
            (None, Some('r')) => ('\r', 1),
            (None, Some('t')) => ('\t', 1),
            (None, Some('a')) => ('\u{7}', 1),
            (None, Some('b')) => ('\u{8}', 1),
            (None, Some('v')) => ('\u{b}', 1),
            (None, Some('f')) => ('\u{c}', 1),
            (None, Some(other)) => (other, other.len_utf8()),
            (None, None) => ('\\', 0),
        };
        out.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Redactor;

    fn hidden(text: &str, said: &str) -> String {
        let mut redactor = Redactor::default();
        for (name, value) in values(text) {
            redactor.hide(name, &value);
        }
        redactor.redact(said)
    }

    #[test]
    fn every_reading_of_a_value_is_found() {
        let text = "# no\nexport A=plain1\nB = \"quoted two\" # why\nC='multi\nline three'\nD=four4 # not\nbroken-secret\n";
        assert_eq!(
            hidden(text, "plain1 / quoted two / multi / line three / four4 / broken-secret"),
            "[A] / [B] / [C] / [C] / [D] / [value]"
        );
    }

    #[test]
    fn escapes_are_undone_as_the_providers_do() {
        for (line, value) in [
            (r#"A="pa\$\$w0rdSecret\"q@db/x""#, "pa$$w0rdSecret\"q@db/x"),
            (r#"A="aa\$bbSecretcc""#, "aa$bbSecretcc"),
            (r"A=aa$$bbSecretcc", "aa$bbSecretcc"),
            (r#"A="one\ttwo\\three""#, "one\ttwo\\three"),
            (r#"A="first\nsecond""#, "first\nsecond"),
            (r#"A="octal\0123end""#, "octalSend"),
            (r"A='it\'s-secret'", "it's-secret"),
            (r"A='it\tis'", "it\\tis"),
            (r"A='back\slash\' # more", "back\\slash\\"),
            ("A=\"multi\nline # no comment\nB=three\"", "multi\nline # no comment\nB=three"),
            ("export A: 'yaml like' # c", "yaml like"),
            ("A=with#hash\t# comment", "with#hash"),
            ("A='open\nB=secret", "secret"),
            ("A=\"a\r\nbcdef\"\r\nB=secret\r\n", "bcdef\nsecret"),
        ] {
            for part in value.lines().filter(|part| part.len() > 3) {
                let said = hidden(line, &format!("<{part}>")).replace('\\', "");
                assert!(said == "<[A]>" || said == "<[B]>", "{line:?}: {part:?} is said as {said:?}");
            }
        }
    }

    #[test]
    fn what_interpolation_leaves_is_known() {
        assert!(
            literals("a${B}c-d${E:-f}g")
                .iter()
                .filter(|part| part.len() > 1)
                .eq(&["a${B}c-d${E:-f}g", "c-d"])
        );
        assert!(literals("$NAME-tail${X:?because}").contains(&"-tail"));
        assert!(literals("$NAME-tail${X:?because}").contains(&"because"));
    }

    #[test]
    fn the_password_in_a_url_is_known() {
        let parts = user_parts("postgres://app:p@ss/w@db:5432/x?mail=a@b");
        assert!(parts.contains(&"p@ss/w@db:5432/x?mail=a") && parts.contains(&"p"), "{parts:?}");
        assert_eq!(user_parts("http://u:secret@host/x"), ["u:secret", "secret", "u:secret", "secret"]);
        assert_eq!(user_parts("no url: a@b"), Vec::<&str>::new());
    }
}
