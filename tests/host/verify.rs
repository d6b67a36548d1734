//! systemd's own opinion of every unit text, with ordinary and with odd values.

use std::path::Path;

use stackwarden::digest::Sha256;
use stackwarden::dirs::Dirs;
use stackwarden::inventory::{Entry, Host, VerifyMode};
use stackwarden::names::StackName;
use stackwarden::render::{self, Programs, RenderedUnit};
use tempfile::TempDir;

use super::support::{Manager, write};

fn dirs(home: &Path) -> Dirs {
    Dirs {
        user: "me".to_owned(),
        home: home.to_owned(),
        config_home: home.join(".config"),
        state_home: home.join(".local/state"),
        data_home: home.join(".local/share"),
        cache_home: home.join(".cache"),
        runtime: home.join("run"),
    }
}

/// Every unit that there is, with values of which `odd` is a part.
fn units(odd: &str, mode: VerifyMode) -> Vec<RenderedUnit> {
    let home = Path::new("/home").join(odd);
    let programs = Programs {
        stackctl: env!("CARGO_BIN_EXE_stackctl").into(),
        stack_audit: env!("CARGO_BIN_EXE_stack-audit").into(),
        stack_update: env!("CARGO_BIN_EXE_stack-update").into(),
    };
    let host = Host { path: format!("/usr/bin:/{odd}"), ..Host::default() };
    let mut entry = Entry::new(home.join("web"), vec!["compose.yml".into()]);
    odd.clone_into(&mut entry.description);
    entry.requires_mounts = vec![home.clone(), "/mnt".into()];
    entry.verify.mode = mode;
    let stack = StackName::parse("web").unwrap();
    let mut units = render::shipped(&dirs(&home), &host, &programs).unwrap();
    units.extend(render::stack(&dirs(&home), &host, &programs, &stack, &entry, &Sha256::of(b"")).unwrap());
    units
}

#[test]
fn systemd_has_nothing_to_say_against_any_unit() {
    let manager = Manager::start();
    for odd in ["plain", "with space", "50% off", "it's \"quoted\"", "back\\slash\\", "@token@ ; $HOME #"] {
        for mode in [VerifyMode::Detached, VerifyMode::Gate] {
            let directory = TempDir::new().unwrap();
            let mut command = manager.command("systemd-analyze");
            command.args(["--user", "verify", "--man=no"]);
            for unit in units(odd, mode) {
                let path = write(directory.path().join(unit.name.as_str()), &unit.text);
                // A template is verified as one of its instances: that of the stack.
                let name = unit.name.as_str().replace('@', "@web");
                command.arg(path.with_file_name(name));
            }
            let output = command.output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success() && said.is_empty(), "{odd}: {}: {said}", output.status);
        }
    }
}
