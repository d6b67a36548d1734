//! What may be repeated of what a provider says when it refuses the files of a stack. It quotes what it stumbles
//! over, and that may be a value of an env file: whole, in part, or of a file that only the provider finds. So only
//! words are repeated that are known to be no such value.

use std::collections::BTreeSet;

/// The providers' own words, those of YAML and of the JSON schema among them.
const VOCABULARY: &str = "
a additional address addresses after all allowed already also an and another any anyof are array as at attribute avoid back be because
between block both boolean but by can cannot character characters circular collection column command compose
condition config configuration conflict conflicting conflicts contain contains could couldn create cycle declared decode
defined definition dependency depends deprecated detected device did directory disabled docker does driver duplicate
duplicates duration each either element elements empty enabled end entry env environment err error errors expanding
expected extends external failed field file filename files find flow following for format found from get given
greater has have host hostname ignored image in include incompatible incorrect indentation index info integer
interpolation into invalid ip is it item items json key keys label length less level line list load loading
local mapping match matching merge merged mode more most mount msg multiple must mutually name named names near need
needs network networks no non none not null number object obsolete of on one only open opening option options or
other parse parsing pattern permission please port ports profile profiles project properties property protocol
provided published range read reading escape recursive reference refers remove required resolve same scalar schema secret
secrets see service services set should simple specified start starting statement stat str stream string such syntax
t tab tag target template than that the there this time to token top type undefined unexpected unique unknown
unmarshal unset unsupported unterminated used using valid validating value values variable variables version volume
volumes warning was when where which while will with without write yaml yml you denied while exists exist cast content node neither nor build context atoi strconv
missing may quoted quotes default defaulting blank map maps seq int bool float
";

/// The longest number that is repeated: those of lines and columns. A longer one may be a value. Digits.
const NUMBER: usize = 3;

/// The words that may be repeated.
#[derive(Debug, Default)]
pub(super) struct Sayable(BTreeSet<String>);

impl Sayable {
    /// The words of a text in which nothing is secret may be repeated.
    pub(super) fn know(&mut self, text: &str) {
        self.0.extend(parts(text).map(str::to_owned));
    }

    /// Whether every word of the text is in what is known to hold no secret.
    pub(super) fn knows(&self, text: &str) -> bool {
        parts(text).all(|part| self.0.contains(part))
    }

    /// Whether a word may be repeated.
    fn holds(&self, word: &str) -> bool {
        parts(word).all(|part| {
            let number = part.len() <= NUMBER && part.bytes().all(|byte| byte.is_ascii_digit());
            let own = || VOCABULARY.split_whitespace().any(|word| word.eq_ignore_ascii_case(part));
            number || self.0.contains(part) || own()
        })
    }

    /// The text with whatever may not be repeated withheld.
    pub(super) fn repeat(&self, text: &str) -> String {
        const WITHHELD: &str = "[withheld]";
        let mut said: Vec<&str> = Vec::new();
        for word in text.lines().flat_map(|line| without_time(line).split_whitespace()) {
            if self.holds(word) {
                said.push(word);
            } else if said.last() != Some(&WITHHELD) {
                said.push(WITHHELD);
            }
        }
        let mut text = said.join(" ");
        if said.contains(&WITHHELD) {
            text.push_str(" (what is withheld may be a value of an env file)");
        }
        text
    }
}

/// Words as short as they can be, so that a path or `services.web.ports` is known when its parts are.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|part| !part.is_empty())
}

/// A warning of docker-compose begins with the time.
fn without_time(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("time=\"") else { return line };
    rest.split_once("\" ").map_or(line, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(text: &str) -> String {
        let mut sayable = Sayable::default();
        sayable.know("services: {web: {image: \"x:${NEEDED:?go and set it}\", env_file: db.env}}");
        sayable.know("/home/me/shop/compose.yml");
        sayable.repeat(text)
    }

    #[test]
    fn what_the_files_hold_and_compose_says_is_repeated() {
        for text in [
            "dependency cycle detected: web -> web",
            "failed to read /home/me/shop/db.env: line 2: unexpected character",
            "required variable NEEDED is missing a value: go and set it",
            "services.web.image must be a string",
            "service \"web\" depends on undefined service \"web\": invalid compose project",
            "yaml: line 1: did not find expected ',' or ']'",
        ] {
            assert_eq!(repeated(text), text);
        }
        assert_eq!(
            repeated("time=\"2026-01-01T00:00:00Z\" level=warning msg=\"The web variable is not set.\""),
            "level=warning msg=\"The web variable is not set.\""
        );
    }

    #[test]
    fn what_may_be_a_value_is_not() {
        for text in [
            "line 1: unterminated quoted value \"S3cretNoClosingQuote",
            "Invalid template: \"pa${S3cretTempl\"",
            "unexpected character \"!\" in variable name near \"!KEY9=value S3cret\\nOTHER=1234\"",
            "Invalid ip address: Tok3n/a S3cret",
            "S3cret",
        ] {
            let said = repeated(text);
            for secret in ["S3cret", "Tok3n", "KEY9", "1234"] {
                assert!(!said.contains(secret), "{said}");
            }
            assert!(said.contains("[withheld]"), "{said}");
        }
    }
}
