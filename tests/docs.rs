//! The documentation against the programs.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

use std::path::Path;

use stackwarden::audit::Check;
use stackwarden::document::read_text;
use stackwarden::exit::Code;

fn document(path: &str) -> String {
    read_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_handbook_has_a_whole_section_for_each_check_and_no_other() {
    let handbook = document("docs/handbook.md");
    let sections: Vec<&str> = handbook.split("\n## ").skip(1).collect();
    let titles: Vec<&str> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    let ids: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
    assert_eq!(titles, ids, "sections and checks, in order");
    for section in sections {
        for part in ["**What it means.**", "**Why it matters.**", "**How to recover.**"] {
            assert!(section.contains(part), "{part} is missing in: {section}");
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
