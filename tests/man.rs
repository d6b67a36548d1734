//! The man pages and completions against the programs.

#[path = "../docs/man.rs"]
mod man;

use std::collections::BTreeSet;

use stackwarden::document::read_text;
use stackwarden::exit::Code;

#[test]
fn every_program_and_verb_has_a_page_with_every_option_and_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    man::write(directory.path()).unwrap();
    let pages: BTreeSet<String> = fs_err::read_dir(directory.path().join("man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut expected = BTreeSet::new();
    for program in man::programs() {
        for command in std::iter::once(&program).chain(man::verbs(&program)) {
            let name = format!("{}.1", man::page_name(command));
            // In roff a dash that is one has a backslash, and an apostrophe has a name.
            let page = read_text(&directory.path().join("man1").join(&name))
                .unwrap()
                .replace("\\*(Aq", "'")
                .replace('\\', "");
            for code in Code::ALL {
                let row = format!("fB{}fRn{}n", code.number(), code.meaning());
                assert!(page.replace('\n', "n").contains(&row), "{name} lacks exit code {row}");
            }
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(page.contains(&format!("--{option}")), "{name} lacks --{option}");
            }
            expected.insert(name);
        }
    }
    assert_eq!(pages, expected);
    assert!(expected.contains("stackctl-add.1"), "{expected:?}");
}

#[test]
fn completions_know_every_verb() {
    let directory = tempfile::tempdir().unwrap();
    man::write(directory.path()).unwrap();
    for file in ["bash/stackctl.bash", "fish/stackctl.fish", "zsh/_stackctl"] {
        let text = read_text(&directory.path().join(file)).unwrap();
        for program in man::programs().iter().filter(|program| program.get_name() == "stackctl") {
            for verb in man::verbs(program) {
                assert!(text.contains(verb.get_name()), "{file} lacks {}", verb.get_name());
            }
        }
    }
}
