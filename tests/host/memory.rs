//! What an audit remembers of the units that it has compared.

use serde_json::{Value, json};

use super::installed::Host;

#[test]
fn what_was_compared_is_compared_again_only_when_something_has_moved() {
    let host = Host::new(&["web"]);
    let path = host.manager.runtime().join("stackwarden/known.json");
    let known = || serde_json::from_str::<Value>(&fs_err::read_to_string(&path).unwrap()).unwrap();
    let audited = || {
        host.run("stack-audit", &[]);
        let report = host.report().unwrap();
        (report.counts, report.findings)
    };

    fs_err::remove_file(&path).unwrap();
    let anew = audited();
    let before = known();
    assert!(before["units"].as_array().unwrap().contains(&json!("web.service")), "{before}");
    assert_eq!(audited(), anew, "what is remembered is judged like what is read");
    assert_eq!(known(), before, "nothing has moved");

    host.manager.systemctl(&["daemon-reload"]);
    assert_eq!(audited(), anew);
    assert_ne!(known()["picture"], before["picture"], "the manager has read everything again");

    // Set in memory, while the drop-in that would tell of it comes and goes.
    let weight = || host.manager.property("web.service", "CPUWeight");
    let unset = weight();
    host.manager.systemctl(&["set-property", "web.service", "CPUWeight=50"]);
    assert_eq!(weight(), "50");
    fs_err::remove_dir_all(host.manager.config().join("systemd/user.control/web.service.d")).unwrap();
    host.await_settled("set, and the drop-in gone", <[_]>::is_empty);
    assert_eq!(weight(), unset, "what is loaded was compared, and read again");

    fs_err::write(&path, "{").unwrap();
    audited();
    assert_eq!(known()["units"], before["units"], "a damaged memory is none");
}
