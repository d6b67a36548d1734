//! Two owners of one name, and what the manager holds while the disk says something else.

use std::path::Path;

use stackwarden::audit::{Finding, State};

use super::installed::{Host, has};
use super::support::write;

fn about(found: &[Finding], check: &str, unit: &str, state: State) -> bool {
    found.iter().any(|finding| {
        finding.check.id() == check
            && finding.state == state
            && finding.unit.as_ref().is_some_and(|name| name.as_str() == unit)
    })
}

fn exec_start(host: &Host, unit: &str) -> String {
    host.manager.property(unit, "ExecStart")
}

/// When the manager last read all units.
fn read_at(host: &Host) -> String {
    host.manager.systemctl(&["show", "--value", "--property=UnitsLoadTimestampMonotonic"])
}

fn foreign(command: &str) -> String {
    format!("[Service]\nType=oneshot\nExecStart={command}\n")
}

#[test]
fn the_owner_s_copy_runs_and_without_it_the_foreign_one_is_reported() {
    let host = Host::new(&["web"]);
    let declared = exec_start(&host, "web.service");
    let copy = write(host.manager.etc().join("web.service"), &foreign("/bin/false"));
    host.manager.systemctl(&["daemon-reload"]);
    // The administrator's directory is not watched here: this is what the timer's run does.
    host.run("stack-audit", &[]);
    assert!(has(&host.found(), "shadowed-copy", "web.service", &copy), "{:?}", host.found());
    assert_eq!(exec_start(&host, "web.service"), declared);

    // Only the losing copy changes, the manager reads it all again, and nothing else happens.
    write(&copy, &foreign("/bin/true"));
    host.manager.systemctl(&["daemon-reload"]);
    host.run("stack-audit", &[]);
    let found = host.found();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(has(&found, "shadowed-copy", "web.service", &copy), "{found:?}");
    assert_eq!(exec_start(&host, "web.service"), declared);
    assert_eq!(Path::new(&host.manager.property("web.service", "FragmentPath")), host.owned("web.service"));

    fs_err::remove_file(host.owned("web.service")).unwrap();
    host.await_found("the foreign copy takes over", |found| {
        has(found, "fragment-owner", "web.service", &copy)
    });
    // Somebody else reloads: now the foreign definition is loaded as well.
    host.manager.systemctl(&["daemon-reload"]);
    assert!(exec_start(&host, "web.service").contains("/bin/true"));
    host.run("stackctl", &["repair", "web"]);
    host.await_settled("the owner's copy is back", |found| {
        found.len() == 1 && has(found, "shadowed-copy", "web.service", &copy)
    });
    assert_eq!(exec_start(&host, "web.service"), declared);
}

#[test]
fn an_edited_text_with_the_old_token_is_found_in_the_manager() {
    let host = Host::new(&["web"]);
    let (unit, declared) = (host.owned("web.service"), exec_start(&host, "web.service"));
    let text = fs_err::read_to_string(&unit).unwrap();
    for (edited, what) in [
        (text.replace(" apply web", " apply other"), "the same token, another command"),
        (text.replace("[Service]\n", "[Service]\nEnvironment=A=1\n"), "the same token, one setting more"),
        (text.replace('#', "#0"), "another token, the same definition"),
    ] {
        write(&unit, &edited);
        host.manager.systemctl(&["daemon-reload"]);
        // The declared text is back, with a time that tells nothing.
        write(&unit, &text);
        let touch = host.manager.command("touch").args(["-d", "@1"]).arg(&unit).status().unwrap();
        assert!(touch.success());
        host.await_settled(what, <[_]>::is_empty);
        assert_eq!(exec_start(&host, "web.service"), declared, "{what}");
        assert!(!host.manager.property("web.service", "Environment").contains("A=1"), "{what}");
    }
    // The last of them was healed by a reload of an audit, which says so.
    write(&unit, &text.replace(" apply web", " apply other"));
    host.manager.systemctl(&["daemon-reload"]);
    host.await_settled("reported", |found| has(found, "fragment-content", "web.service", &unit));
    write(&unit, &text);
    super::support::wait_for("healed", super::installed::DEADLINE, || {
        let healed = host.report()?.healed;
        let reload = healed.iter().find(|healed| healed.action == "daemon-reload")?;
        about(&reload.findings, "definition-stale", "web.service", State::Loaded).then_some(())
    });
}

#[test]
fn a_drifted_text_is_never_loaded_by_a_reload_of_ours() {
    let host = Host::new(&["web", "db"]);
    let read = read_at(&host);
    let (unit, declared) = (host.owned("web.service"), exec_start(&host, "web.service"));
    write(&unit, &foreign("/bin/false"));
    let drifted = |found: &[Finding]| has(found, "fragment-content", "web.service", &unit);
    host.await_settled("drifted on disk, declared in the manager", |found| {
        found.len() == 1 && drifted(found)
    });
    assert_eq!(read_at(&host), read, "nothing was reloaded");
    assert_eq!(exec_start(&host, "web.service"), declared);

    // Another unit is stale: a reload would heal it, and load the drifted text too.
    let other = host.owned("db.service");
    let text = fs_err::read_to_string(&other).unwrap();
    fs_err::rename(&unit, host.owned("web.service.kept")).unwrap();
    host.must("stackctl", &["repair", "web"]);
    write(&other, &text.replace(" apply db", " apply other"));
    host.manager.systemctl(&["daemon-reload"]);
    let read = read_at(&host);
    fs_err::rename(host.owned("web.service.kept"), &unit).unwrap();
    write(&other, &text);
    host.await_settled("one stale, one drifted", |found| {
        drifted(found)
            && found.iter().any(|finding| {
                finding.check.id() == "definition-stale"
                    && finding.next.contains("repair first")
                    && finding.next.contains("fragment-content of web.service")
            })
    });
    assert_eq!(read_at(&host), read, "nothing was reloaded");
    assert!(exec_start(&host, "db.service").contains("apply other"));

    host.must("stackctl", &["repair", "web"]);
    host.await_settled("repaired, and the other one healed", <[_]>::is_empty);
    assert!(exec_start(&host, "db.service").contains("apply db"));
}

/// `systemctl revert` removes what overrides a unit that a package ships; that of a stack is none.
#[test]
fn revert_is_no_way_to_get_rid_of_an_override() {
    let host = Host::new(&["web"]);
    let copy = write(host.manager.config().join("systemd/user.control/web.service"), &foreign("/bin/false"));
    host.await_found("the copy", |found| has(found, "override-control", "web.service", &copy));
    host.manager.systemctl(&["revert", "web.service"]);
    assert!(copy.exists() && host.owned("web.service").exists());
    fs_err::remove_file(&copy).unwrap();
    host.await_settled("removed", <[_]>::is_empty);
}
