//! The base against a real manager, and how it is made anew.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stackwarden::audit::{self, Declaration, World};
use stackwarden::digest::Sha256;
use stackwarden::dirs::Dirs;
use stackwarden::document::Document;
use stackwarden::inventory::{Entry, Host, VerifyMode};
use stackwarden::names::StackName;
use stackwarden::render::{self, Programs};
use stackwarden::seal::Seal;
use stackwarden::systemd::manager::Manager as Client;

use super::support::Manager;
use super::{blessing, case, manager, podman};

/// Where the base's units look for their programs; on the machine of this test there are none.
const PROGRAMS: &str = "/home/me/.cargo/bin";

const DEADLINE: Duration = Duration::from_secs(10);

/// Lets a real manager load the base, and compares the report on that with the expected one.
pub fn hold() {
    let again = blessing().is_some_and(|what| what == "base");
    if again {
        make();
    }
    let real = Manager::start();
    case::lay(&case::base().join("files"), real.dir(), real.dir());
    // A file whose change time lies within a tick of the kernel's clock before the load counts as unread.
    std::thread::sleep(Duration::from_millis(20));
    real.systemctl(&["daemon-reload"]);
    real.systemctl(&["start", "stack-audit.path", "stack-audit.timer", "stack-update.timer"]);
    let dirs = case::dirs(real.dir());
    let client = Client::connect(&dirs, DEADLINE).unwrap();
    let declaration = Declaration::load(&dirs);
    let mut world = World::observe(
        &dirs,
        &declaration,
        &client,
        podman::stacks(&case::base(), real.dir(), &dirs, &declaration),
    )
    .unwrap();
    world.answers.lingering = Ok(true);
    let missing = std::mem::take(&mut world.answers.missing_programs);
    let programs = ["stack-audit", "stack-update", "stackctl"];
    assert!(missing.iter().eq(&programs.map(|name| Path::new(PROGRAMS).join(name))), "{missing:?}");
    if again {
        let says = manager::record(&declaration, &world, &client).to_string();
        let says: Value =
            serde_json::from_str(&says.replace(real.dir().to_str().unwrap(), "@root@")).unwrap();
        case::write_json(&case::base().join("manager.json"), &says);
    }
    let report = audit::preview(&dirs, &declaration, &world);
    let report = case::normal(&serde_json::to_value(report).unwrap(), real.dir());
    let expected = case::read_json(&case::base().join("expected.json"));
    assert!(report == expected || blessing().is_some(), "{}", case::difference(&expected, &report));
}

/// The base's files: the shipped units, a stack whose unit is a file, and one whose unit is a generation's link.
fn make() {
    let files = case::base().join("files");
    if files.exists() {
        fs_err::remove_dir_all(&files).unwrap();
    }
    let home = Path::new("/home/me");
    let dirs = Dirs { config_home: home.join(".config"), ..case::dirs(home) };
    let programs = Programs::in_directory(Path::new(PROGRAMS));
    let host = Host::default();
    let write = |path: String, text: &str| drop(super::support::write(files.join(path), text));
    let owner = "config/systemd/user";
    let enable = |unit: &render::RenderedUnit| {
        for link in unit.wants_links() {
            let link = files.join(owner).join(link);
            fs_err::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(format!("../{}", unit.name), link).unwrap();
        }
    };
    let seal = |name: &str, seal: &Value| {
        write(format!("config/stackwarden/sealed/{name}.json"), &format!("{seal:#}\n"));
    };

    let shipped = render::shipped(&dirs, &host, &programs).unwrap();
    for unit in &shipped {
        write(format!("{owner}/{}", unit.name), &unit.text);
        enable(unit);
    }
    seal("stackwarden", &serde_json::to_value(Seal::of(&shipped, None)).unwrap());

    for (name, is_linked) in [("web", false), ("db", true)] {
        let stack = StackName::parse(name).unwrap();
        let mut entry = Entry::new(home.join(name), vec!["compose.yml".into()]);
        entry.verify.mode = VerifyMode::Off;
        let text = format!("{:#}\n", serde_json::to_value(&entry).unwrap());
        Entry::parse(Path::new(name), text.as_bytes()).unwrap();
        write(format!("config/stackwarden/stacks/{name}.json"), &text);
        let digest = Sha256::of(text.as_bytes());
        let units = render::stack(&dirs, &host, &programs, &stack, &entry, &digest).unwrap();
        let mut sealed = serde_json::to_value(Seal::of(&units, Some(digest))).unwrap();
        for unit in &units {
            enable(unit);
            if is_linked {
                let target = format!("@root@/store/{}", unit.name);
                write(format!("store/{}", unit.name), &unit.text);
                symlink(&target, files.join(owner).join(unit.name.as_str())).unwrap();
                sealed["units"][unit.name.as_str()]["link"] = json!(target);
            } else {
                write(format!("{owner}/{}", unit.name), &unit.text);
            }
        }
        seal(name, &sealed);
    }
}
