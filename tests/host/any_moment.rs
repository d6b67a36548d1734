//! No change is lost: made at any moment of an audit, a thousand at once, by several audits at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use stackwarden::audit::Report;
use stackwarden::document::Document;

use super::installed::{DEADLINE, Host, has, lines};
use super::support::write;

/// Users among whom the rounds are shared out: most of it is waiting.
const HOSTS: u64 = 4;

const DROP_IN: &str = "[Service]\nEnvironment=A=1\n";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .map_or(default, |value| value.parse().unwrap_or_else(|error| panic!("{variable}={value}: {error}")))
}

/// Steele, Lea and Flood's `SplitMix64`.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    /// Seeded by the variable, or else by the clock; says how to repeat it.
    pub fn new(what: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let seed = number("STACKWARDEN_SEED", u64::try_from(now % 1_000_000_007).unwrap());
        println!("{what}: STACKWARDEN_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Sleeps for less than `limit`.
    pub fn pause(&mut self, limit: Duration) {
        let micros = u64::try_from(limit.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(self.below(micros)));
    }
}

/// One round: an audit is started in one way or another, and at some moment of it something changes that nothing else
/// will bring to light.
fn round(host: &Host, chance: &mut Chance, index: u64, last: Option<&std::path::Path>) -> std::path::PathBuf {
    let manager = &host.manager;
    let places = [
        host.owned("web.service.d"),
        host.owned("service.d"),
        manager.config().join("systemd/user.control/web.service.d"),
        manager.runtime().join("systemd/user.control/web.service.d"),
        manager.runtime().join("systemd/user/web.service.d"),
    ];
    let place = &places[usize::try_from(chance.below(5)).unwrap()];
    let drop_in = place.join(format!("{index}.conf"));
    match chance.below(4) {
        // The path unit, with its wait for quiet, and all that follows.
        0 => {
            write(host.owned("junk.service"), &format!("# {index}\n"));
            chance.pause(Duration::from_millis(1200));
        }
        // The service alone: the change falls into the observation itself, or right behind it.
        1 | 2 => {
            manager.systemctl(&["start", "--no-block", "stack-audit.service"]);
            chance.pause(Duration::from_millis(150));
        }
        // By hand, beside whatever the unit does.
        _ => {
            let mut audit = host.command("stack-audit").spawn().unwrap();
            chance.pause(Duration::from_millis(100));
            write(&drop_in, DROP_IN);
            audit.wait().unwrap();
        }
    }
    // The change and its repair: what the round before left must be gone, and this one's must be found.
    if let Some(last) = last {
        fs_err::remove_file(last).unwrap();
    }
    write(&drop_in, DROP_IN);
    drop_in
}

/// A unit that was loaded while the round before was under way, and is in memory still: every fresh load reads the disk.
const STILL_LOADED: &str = "gone from the disk and still loaded";

fn race(chance: &mut Chance, first: u64, count: u64) {
    let host = Host::new(&["web"]);
    let mut last: Option<std::path::PathBuf> = None;
    for index in first..first + count {
        let drop_in = round(&host, chance, index, last.as_deref());
        host.await_found(&format!("round {index}"), |found| {
            has(found, "drop-in-unexpected", "web.service", &drop_in)
                && found
                    .iter()
                    .filter(|finding| finding.path.is_some() && finding.path == last)
                    .all(|finding| finding.seen.ends_with(STILL_LOADED))
        });
        last = Some(drop_in);
    }
    fs_err::remove_file(last.unwrap()).unwrap();
    fs_err::remove_file(host.owned("junk.service")).ok();
    // On a busy machine the manager may not have noticed the last change yet, and be at rest for that reason.
    let begin = Instant::now();
    loop {
        host.await_rest();
        let looked = host.run("stack-audit", &["--dry-run", "--json"]);
        let fresh = Report::parse(std::path::Path::new("-"), &looked.stdout).unwrap();
        let (found, fresh) = (host.found(), super::installed::findings(fresh).collect::<Vec<_>>());
        if found == fresh {
            return;
        }
        assert!(begin.elapsed() < DEADLINE, "{}\na fresh look {}", lines(&found), lines(&fresh));
    }
}

#[test]
fn a_change_at_any_moment_of_an_audit_is_reported() {
    let chance = Chance::new("moments");
    let count = number("STACKWARDEN_RACES", 200) / HOSTS;
    std::thread::scope(|scope| {
        for host in 0..HOSTS {
            let mut chance = Chance(chance.0.wrapping_add(host));
            scope.spawn(move || race(&mut chance, host * count, count));
        }
    });
}

#[test]
fn of_a_thousand_changes_in_a_second_the_last_state_is_reported() {
    let host = Host::new(&["web"]);
    let over = AtomicBool::new(false);
    let runs: BTreeSet<String> = std::thread::scope(|scope| {
        let runs = scope.spawn(|| {
            let mut runs = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                runs.extend(host.report().map(|report| report.run));
                std::thread::sleep(Duration::from_millis(5));
            }
            runs
        });
        let text = fs_err::read_to_string(host.owned("web.service")).unwrap();
        let drop_in = |index: u64| host.owned(&format!("web.service.d/{index}.conf"));
        let begin = Instant::now();
        for index in 0..500 {
            let new = write(host.owned("web.service.new"), &format!("{text}# {index}\n"));
            fs_err::rename(new, host.owned("web.service")).unwrap();
            write(drop_in(index), DROP_IN);
            if index > 0 {
                fs_err::remove_file(drop_in(index - 1)).unwrap();
            }
            let due = Duration::from_millis(2 * index);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
        }
        host.await_settled("the last state", |found| {
            found.len() == 2
                && has(found, "fragment-content", "web.service", &host.owned("web.service"))
                && has(found, "drop-in-unexpected", "web.service", &drop_in(499))
        });
        assert_eq!(host.manager.property("stack-audit.path", "SubState"), "waiting");
        over.store(true, Ordering::Relaxed);
        runs.join().unwrap()
    });
    assert!(runs.len() <= 12, "{} audits: {runs:?}", runs.len());
    fs_err::remove_dir_all(host.owned("web.service.d")).unwrap();
    host.must("stackctl", &["repair", "web"]);
    host.await_settled("repaired", <[_]>::is_empty);
}

#[test]
fn many_audits_at_once_leave_one_right_report() {
    let host = Host::new(&["web"]);
    for index in 0..3 {
        let drop_in = host.owned(&format!("web.service.d/{index}.conf"));
        let mut audits: Vec<_> = (0..10).map(|_| host.command("stack-audit").spawn().unwrap()).collect();
        write(&drop_in, DROP_IN);
        host.manager.systemctl(&["start", "--no-block", "stack-audit.service"]);
        for audit in &mut audits {
            let code = audit.wait().unwrap().code();
            // 79: this machine's user does not linger, or the drop-in was seen.
            assert!(matches!(code, Some(0 | 79)), "{code:?}");
        }
        host.await_settled("the drop-in", |found| has(found, "drop-in-unexpected", "web.service", &drop_in));
        fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
        host.await_settled("no drop-in", <[_]>::is_empty);
    }
}

#[test]
fn an_audit_that_is_killed_at_any_moment_is_made_up_for() {
    let chance = Chance::new("kills");
    std::thread::scope(|scope| {
        for share in 0..3 {
            let mut chance = Chance(chance.0.wrapping_add(share));
            scope.spawn(move || kill_audits(&mut chance));
        }
    });
}

fn kill_audits(chance: &mut Chance) {
    let host = Host::new(&["web"]);
    for index in 0..5 {
        let drop_in = host.owned(&format!("web.service.d/{index}.conf"));
        write(&drop_in, DROP_IN);
        super::support::wait_for("an audit begins", DEADLINE, || {
            (host.manager.property("stack-audit.service", "ActiveState") == "activating").then_some(())
        });
        chance.pause(Duration::from_millis(800));
        host.manager.try_systemctl(&["kill", "--signal=KILL", "stack-audit.service"]);
        host.await_settled("found in spite of it", |found| {
            has(found, "drop-in-unexpected", "web.service", &drop_in)
        });
        fs_err::remove_dir_all(drop_in.parent().unwrap()).unwrap();
        host.await_settled("gone", <[_]>::is_empty);
    }
    // A killed audit is a failed one until the next has ended.
    assert_eq!(host.found().len(), 0, "{}", lines(&host.found()));
}
