//! Generated texts of unit files and drop-ins: what is in force, compared with what the manager loaded.

use std::path::PathBuf;

use stackwarden::names::UnitName;
use stackwarden::systemd::unit_file::UnitFile;
use stackwarden::systemd::unit_text::UnitText;

use super::chance::Chance;
use super::support::{Manager, write};
use super::{number, show, unquoted};

const LINES: &[&str] = &[
    "[Unit]",
    "[Unit]",
    " [Unit]\t",
    "[Install]",
    "[Nonsense]",
    "[X-Own]",
    "[]",
    "Description=d1",
    "Description= d 2 \t",
    "\tDescription\t=\tt",
    "Description = # no comment",
    "Description=a\\\\",
    "Description=a\\ ",
    "Description=",
    "Description",
    "Description=x=y",
    "description=lower",
    "=x",
    "==",
    "Documentation=man:a(1)",
    "Documentation=man:b(2) man:c(3)",
    "Documentation = https://example.org/#x ",
    "Documentation=",
    "Documentation=gopher:no",
    "X-Own=1",
    "# comment",
    "; comment",
    "  # comment",
    "#",
    "",
    "   ",
    "\u{feff}[Unit]",
    "\u{feff}",
    "\u{feff}# comment",
    "man:d(4)",
    "Description=ü",
];

/// Rare, because systemd stops reading there.
const FATAL: &[&str] = &["[Unit", "[Un\"it]", "[Unit]x", "[", "[Un\\it]"];

const ENDS: &[(usize, &str)] = &[
    (70, "\n"),
    (8, "\r\n"),
    (4, "\r"),
    (3, "\n\r"),
    (3, "\0"),
    (8, "\\\n"),
    (3, " \\\r\n"),
    (3, "\\\\\n"),
    (3, "\\ \n"),
];

fn text(chance: &mut Chance) -> String {
    let mut text = String::new();
    if chance.percent(70) {
        text.push_str("[Unit]\n");
    }
    for _ in 0..=chance.below(12) {
        let lines = if chance.percent(1) { FATAL } else { LINES };
        text.push_str(chance.pick::<&str>(lines));
        text.push_str(chance.weigh(ENDS));
    }
    // The last line often has no end.
    if chance.percent(20) {
        text.truncate(text.trim_end_matches(['\n', '\r', '\0']).len());
    }
    if text.is_empty() {
        // Not a mask.
        text.push('\n');
    }
    text
}

/// What the manager should say: the state, the description, the documentation.
fn expected(unit: &UnitName, texts: &[(PathBuf, String)]) -> Option<(String, Vec<String>)> {
    let mut merged = UnitText::default();
    for (position, (path, text)) in texts.iter().enumerate() {
        match UnitFile::parse(text) {
            Ok(file) => merged.push(path, file),
            Err(_) if position == 0 => return None,
            Err(error) => merged.push(path, error.before().clone()),
        }
    }
    let description = merged
        .in_force("Unit", "Description")
        .pop()
        .map(|located| located.value)
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| unit.to_string());
    let documentation = merged
        .in_force("Unit", "Documentation")
        .iter()
        .flat_map(|located| located.value.split_whitespace())
        // systemd drops what is no address.
        .filter(|word| word.starts_with("man:") || word.starts_with("https:"))
        .map(str::to_owned)
        .collect();
    Some((description, documentation))
}

#[test]
fn texts_are_read_as_systemd_reads_them() {
    let manager = Manager::start();
    let first = number("STACKWARDEN_SEED", 1);
    let mut units = Vec::new();
    for seed in first..first + number("STACKWARDEN_TEXTS", 400) {
        let mut chance = Chance::new(seed);
        let unit = UnitName::parse(&format!("t{seed}.target")).unwrap();
        let mut texts = Vec::new();
        let file = manager.owner().join(unit.as_str());
        texts.push((file, text(&mut chance)));
        for number in 0..chance.below(3) {
            let file = manager.owner().join(format!("{unit}.d/{number}.conf"));
            texts.push((file, text(&mut chance)));
        }
        for (file, text) in &texts {
            write(file, text);
        }
        units.push((unit, texts));
    }
    manager.systemctl(&["daemon-reload"]);
    let properties = "LoadState,Description,Documentation";
    let loaded = show(&manager, properties, units.iter().map(|(unit, _)| unit));
    assert_eq!(loaded.len(), units.len());
    let mut errors = 0;
    for ((unit, texts), theirs) in units.iter().zip(&loaded) {
        let word = |key: &str| theirs.get(key).map_or("", String::as_str);
        let Some((description, documentation)) = expected(unit, texts) else {
            assert_eq!(word("LoadState"), "error", "{unit}: {texts:#?}");
            errors += 1;
            continue;
        };
        assert_eq!(word("LoadState"), "loaded", "{unit}: {texts:#?}");
        // Where printing strips white space at the ends, so does this.
        assert_eq!(word("Description").trim(), description.trim(), "{unit}: {texts:#?}");
        let words: Vec<String> = word("Documentation").split_whitespace().map(unquoted).collect();
        assert_eq!(words, documentation, "{unit}: {texts:#?}");
    }
    println!("{} units agree, {errors} of them errors", units.len());
}
