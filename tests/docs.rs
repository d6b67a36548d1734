//! The documentation against the programs.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

use std::path::Path;

use stackwarden::audit::Check;
use stackwarden::document::read_text;
use stackwarden::exit::Code;

fn document(path: &str) -> String {
    read_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The parts of each section of the handbook, in order.
const PARTS: &[&str] = &["**What it means.**", "**Why it matters.**", "**How to recover.**"];

#[test]
fn the_handbook_has_a_whole_section_for_each_check_and_no_other() {
    let handbook = document("docs/handbook.md");
    let sections: Vec<(&str, &str)> =
        handbook.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    let titles: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    let ids: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
    assert_eq!(titles, ids, "sections and checks, in order");
    for (id, text) in sections {
        let places: Vec<Option<usize>> = PARTS.iter().map(|part| text.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{id}: {PARTS:?}, in this order");
        for part in PARTS {
            let said = text.split_once(part).unwrap().1.split("\n\n").next().unwrap().trim();
            assert!(said.len() > 5, "{id}: {part} says nothing");
        }
    }
}

#[test]
fn the_readme_lists_every_check_and_every_exit_code() {
    let readme = document("README.md");
    for check in Check::ALL {
        let row = format!("| `{check}` | {} | {} |\n", check.severity(), check.broken_when());
        assert!(readme.contains(&row), "expected the row: {row}");
    }
    for code in Code::ALL {
        let row = format!("| {} | {} |\n", code.number(), code.meaning());
        assert!(readme.contains(&row), "expected the row: {row}");
    }
}

#[test]
fn findings_lead_to_sections_that_exist() {
    use stackwarden::audit::{Finding, State};
    let handbook = document("docs/handbook.md");
    for check in Check::ALL {
        let link = Finding::broken(*check, State::OnDisk).documentation;
        let anchor = link.strip_prefix("docs/handbook.md#").unwrap();
        assert!(handbook.contains(&format!("\n## {anchor}\n")), "{link} leads nowhere");
    }
}
