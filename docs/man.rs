//! Man pages and shell completions, made from the command lines: `cargo run --example man -- DIRECTORY` fills
//! `man1`, `bash`, `fish` and `zsh` in it.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for writing state are for the product; these are a packager's files"
)]

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use stackwarden::cli;
use stackwarden::exit::Code;

/// A file that the programs read or write, and what it is.
const FILES: &[(&str, &str)] = &[
    ("$XDG_CONFIG_HOME/stackwarden/stacks/<stack>.json", "the inventory: what is declared"),
    ("$XDG_CONFIG_HOME/stackwarden/sealed/", "the seals: what the units must be; generated"),
    ("$XDG_CONFIG_HOME/stackwarden/config.json", "settings of the host; optional"),
    ("$XDG_CONFIG_HOME/systemd/user/", "the units"),
    ("$XDG_STATE_HOME/stackwarden/", "the last report, records, and what was set aside"),
];

/// Every program's command line.
pub(crate) fn programs() -> Vec<Command> {
    [cli::audit::command(), cli::stackctl::command(), cli::update::command()]
        .into_iter()
        .map(|mut program| {
            // Gives each verb its full name.
            program.build();
            program
        })
        .collect()
}

/// The verbs that people and units type.
pub(crate) fn verbs(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|verb| verb.get_name() != "help")
}

/// The name of a program's or verb's page: `stackctl-add`.
pub(crate) fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

/// Writes everything.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let place = directory.join(shell.to_string());
        fs_err::create_dir_all(&place)?;
        for mut program in programs() {
            let name = program.get_name().to_owned();
            clap_complete::generate_to(shell, &mut program, name, &place)?;
        }
    }
    let pages = directory.join("man1");
    fs_err::create_dir_all(&pages)?;
    for program in programs() {
        let all: Vec<String> = std::iter::once(&program).chain(verbs(&program)).map(page_name).collect();
        for command in std::iter::once(&program).chain(verbs(&program)) {
            let others: Vec<&String> = all.iter().filter(|name| **name != page_name(command)).collect();
            let name = format!("{}.1", page_name(command));
            fs_err::write(pages.join(name), page(command, &others)?)?;
        }
    }
    Ok(())
}

fn page(command: &Command, others: &[&String]) -> io::Result<Vec<u8>> {
    // The exit codes have a section of their own; `help` is for the terminal.
    let command = command.clone().after_help(None).disable_help_subcommand(true);
    let mut page = Vec::new();
    Man::new(command).manual("Stackwarden").render(&mut page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["EXIT STATUS"]);
    for code in Code::ALL {
        rest.control("TP", []).text([bold(code.number().to_string())]).text([roman(code.meaning())]);
    }
    rest.control("SH", ["FILES"]);
    for (path, what) in FILES {
        rest.control("TP", []).text([bold(*path)]).text([roman(*what)]);
    }
    rest.control("SH", ["SEE ALSO"]);
    let pages: Vec<String> = others.iter().map(|name| format!("{name}(1)")).collect();
    let known = ["stack-audit(1)", "stackctl(1)", "systemctl(1)", "podman-compose(1)"].map(str::to_owned);
    let mut all: Vec<String> = pages.into_iter().chain(known).collect();
    all.sort();
    all.dedup();
    rest.text([roman(all.join(", "))]);
    rest.to_writer(&mut page)?;
    Ok(page)
}

#[cfg(not(test))]
fn main() -> Result<(), String> {
    let directory = std::env::args_os().nth(1).ok_or("usage: man DIRECTORY")?;
    write(Path::new(&directory)).map_err(|error| error.to_string())
}
