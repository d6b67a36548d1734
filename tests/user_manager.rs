//! The D-Bus client against a real user manager.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading state are for the product; these are a test's files"
)]
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use stackwarden::exit::Code;
use stackwarden::names::UnitName;
use stackwarden::systemd::bus::BusError;
use stackwarden::systemd::jobs::{JobEvent, JobOutcome, JobRequest, Jobs};
use stackwarden::systemd::loaded::{Detail, JobInfo, LoadedUnit};
use stackwarden::systemd::manager::{JobMode, Manager as Client, Verb};
use stackwarden::systemd::search_path::SearchPath;
use stackwarden::systemd::words::{ActiveState, JobResult, JobType, LoadState, SystemState};
use support::{Manager, wait_for};

const DEADLINE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(500);

/// More than a deadline is the time that a busy machine takes to notice it.
const SLACK: Duration = Duration::from_secs(2);

fn connect(manager: &Manager) -> Client {
    Client::connect(&manager.dirs(), DEADLINE).unwrap()
}

fn unit(name: &str) -> UnitName {
    UnitName::parse(name).unwrap()
}

fn request(name: &str) -> JobRequest {
    JobRequest { verb: Verb::Start, unit: unit(name), mode: JobMode::Replace }
}

fn settings(client: &Client, name: &str) -> LoadedUnit {
    client.observe_one(&unit(name), Detail::Settings).unwrap()
}

/// Every outcome, in the order in which they came.
fn outcomes(mut jobs: Jobs<'_>) -> Vec<(String, JobOutcome)> {
    let mut over = Vec::new();
    while let Some(event) = jobs.next_event().unwrap() {
        if let JobEvent::Over { unit, outcome } = event {
            over.push((unit.to_string(), outcome));
        }
    }
    over
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

#[test]
fn the_manager_tells_about_itself() {
    let manager = Manager::start();
    let client = connect(&manager);
    wait_for("the manager is running", DEADLINE, || {
        (client.state().unwrap().system_state == SystemState::Running).then_some(())
    });
    let state = client.state().unwrap();
    assert!(state.version.starts_with(|c: char| c.is_ascii_digit()), "{state:?}");
    assert!(state.unit_path.contains(&manager.owner()), "{state:?}");
    assert!(state.environment.iter().any(|line| line.starts_with("HOME=")), "{state:?}");
    assert_eq!(state.failed_units, 0);
    client.reload(DEADLINE).unwrap();
    assert!(client.state().unwrap().units_load > state.units_load, "a reload moves the time of the load");
    let listed = client.loaded_units().unwrap();
    assert_eq!(listed.skipped, 0);
    let bus = &listed.units[&unit("dbus.service")];
    assert_eq!((&bus.load_state, &bus.active_state), (&LoadState::Loaded, &ActiveState::Active));
}

#[test]
fn units_are_read_whether_they_are_loaded_or_not() {
    let manager = Manager::start();
    let client = connect(&manager);
    let fragment = manager.write_unit(
        "web.service",
        "[Unit]\nDocumentation=file:///s#t\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    );
    let drop_in = manager.write_unit("web.service.d/a.conf", "[Unit]\nDescription=d\n");
    manager.write_unit("bad.service", "[Service]\nType=oneshot\n");
    manager
        .write_unit("skip.service", "[Unit]\nConditionPathExists=/nosuch\n[Service]\nExecStart=/bin/true\n");
    manager.write_unit("fail.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n");
    manager.write_unit("tick.timer", "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n");
    manager.write_unit("tick.service", "[Service]\nExecStart=/bin/true\n");
    std::os::unix::fs::symlink("/dev/null", manager.owner().join("masked.service")).unwrap();
    client.reload(DEADLINE).unwrap();
    for name in ["web.service", "tick.timer"] {
        manager.systemctl(&["start", name]);
    }
    manager.try_systemctl(&["start", "fail.service", "skip.service"]);

    let web = settings(&client, "web.service");
    assert_eq!(web.id, unit("web.service"));
    assert_eq!(web.fragment_path.as_deref(), Some(fragment.as_path()));
    assert_eq!(web.drop_in_paths, [drop_in]);
    assert_eq!(web.documentation, ["file:///s#t"]);
    assert_eq!((&web.active_state, web.sub_state.as_str()), (&ActiveState::Active, "exited"));
    assert_eq!((web.need_daemon_reload, web.transient, web.job), (false, false, None));
    assert_eq!(web.result.as_deref(), Some("success"));
    assert_eq!((web.exec_main_code, web.exec_main_status), (Some(1), Some(0)));
    assert!(web.active_enter.is_some() && web.inactive_exit <= web.active_enter, "{web:?}");
    assert_eq!(web.invocation_id.as_ref().map(String::len), Some(32));
    assert_eq!(web.unit_file_state.as_deref(), Some("static"));
    let failed = settings(&client, "fail.service");
    assert_eq!((&failed.active_state, failed.exec_main_status), (&ActiveState::Failed, Some(7)));
    assert_eq!(failed.result.as_deref(), Some("exit-code"));
    assert_eq!(client.state().unwrap().failed_units, 1);
    client.reset_failed(&unit("fail.service")).unwrap();
    assert_eq!(client.state().unwrap().failed_units, 0);

    let names =
        ["web.service", "nosuch.service", "masked.service", "bad.service", "tick.timer", "tick.service"];
    let read = client.observe(&names.map(unit), Detail::Unit);
    assert_eq!(read.len(), names.len());
    let state = |name: &str| read[&unit(name)].as_ref().unwrap().load_state.clone();
    assert_eq!(
        names.map(state),
        [
            LoadState::Loaded,
            LoadState::NotFound,
            LoadState::Masked,
            LoadState::BadSetting,
            LoadState::Loaded,
            LoadState::Loaded
        ]
    );
    let of = |name: &str| read[&unit(name)].as_ref().unwrap().clone();
    assert_eq!(of("nosuch.service").load_error.unwrap().name, "org.freedesktop.systemd1.NoSuchUnit");
    assert_eq!(of("tick.service").triggered_by, ["tick.timer"]);
    assert_eq!(of("tick.timer").triggers, ["tick.service"]);
    assert_eq!(of("web.service").result, None, "only the unit's own properties were asked for");
    let timer = settings(&client, "tick.timer");
    assert!(timer.next_elapse.is_some(), "{timer:?}");
    assert!(!client.loaded_units().unwrap().units.contains_key(&unit("nosuch.service")), "forgotten again");
}

#[test]
fn jobs_are_followed_to_their_ends() {
    let manager = Manager::start();
    let mut client = connect(&manager);
    let oneshot = |more: &str| format!("[Service]\nType=oneshot\n{more}\n");
    manager.write_unit("good.service", &oneshot("ExecStart=/bin/true"));
    manager.write_unit("slow.service", &oneshot("ExecStart=/bin/sleep 0.3"));
    manager.write_unit("bad.service", &oneshot("ExecStart=/bin/false"));
    manager.write_unit("late.service", &oneshot("ExecStart=/bin/sleep 60\nTimeoutStartSec=200ms"));
    manager.write_unit(
        "needy.service",
        "[Unit]\nRequires=bad.service\nAfter=bad.service\n[Service]\nExecStart=/bin/true\n",
    );
    manager.write_unit(
        "queue.service",
        "[Unit]\nJobTimeoutSec=200ms\n[Service]\nType=oneshot\nExecStart=/bin/sleep 60\n",
    );
    manager.write_unit("hung.service", &oneshot("ExecStart=/bin/sleep 60"));
    std::os::unix::fs::symlink("/dev/null", manager.owner().join("masked.service")).unwrap();
    client.reload(DEADLINE).unwrap();

    let names = [
        "slow.service",
        "good.service",
        "bad.service",
        "masked.service",
        "late.service",
        "queue.service",
        "needy.service",
        "hung.service",
        "nosuch.service",
        "good.service",
    ];
    let jobs = Jobs::new(&mut client, names.map(request), Duration::from_secs(2))
        .at_once(NonZeroUsize::new(3).unwrap());
    let over = outcomes(jobs);
    let mut told: Vec<String> = over
        .iter()
        .map(|(unit, outcome)| match outcome {
            JobOutcome::Ended(result) => format!("{unit} {result}"),
            JobOutcome::Failed(error) => format!("{unit} {error}"),
            JobOutcome::Overdue { .. } => format!("{unit} overdue"),
            other => format!("{unit} {other:?}"),
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "bad.service failed",
            "good.service done",
            "good.service done",
            "hung.service overdue",
            "late.service failed",
            "masked.service the user manager refused to start masked.service: Unit masked.service is masked. (org.freedesktop.systemd1.UnitMasked)",
            "needy.service dependency",
            "nosuch.service the user manager refused to start nosuch.service: Unit nosuch.service not found. (org.freedesktop.systemd1.NoSuchUnit)",
            "queue.service timeout",
            "slow.service done",
        ]
    );

    assert_eq!(client.unit_job(&unit("hung.service")).unwrap().unwrap().kind, JobType::Start);
    client.enqueue(Verb::Stop, &unit("hung.service"), JobMode::Replace).unwrap();
    let result = client.run_job(Verb::Start, &unit("slow.service"), JobMode::Replace, DEADLINE).unwrap();
    assert!(result.is_success(), "{result}");
    let error = client.run_job(Verb::Start, &unit("hung.service"), JobMode::Replace, SHORT).unwrap_err();
    assert!(matches!(error, BusError::Deadline { .. }), "{error}");
    assert!(error.to_string().ends_with("no answer within 500ms to: start hung.service"), "{error}");
    assert_eq!(
        client.run_job(Verb::Stop, &unit("hung.service"), JobMode::Replace, DEADLINE).unwrap(),
        JobResult::Done,
        "a job that takes too long does not end the connection"
    );
}

#[test]
fn at_most_so_many_jobs_run_and_waiting_takes_no_time() {
    let manager = Manager::start();
    let mut client = connect(&manager);
    manager.write_unit("wait@.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.5\n");
    let names: Vec<String> = (0..6).map(|number| format!("wait@{number}.service")).collect();
    let requests: Vec<JobRequest> = names.iter().map(|name| request(name)).collect();
    let mut jobs = Jobs::new(&mut client, requests, DEADLINE).at_once(NonZeroUsize::new(2).unwrap());
    let (mut running, mut most, mut over) = (0_i32, 0, 0);
    let started = Instant::now();
    let before = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    while let Some(event) = jobs.next_event().unwrap() {
        match event {
            JobEvent::Queued { .. } => running += 1,
            JobEvent::Status { .. } => panic!("nobody asked for it"),
            JobEvent::Over { outcome, .. } => {
                assert!(outcome.is_success(), "{outcome:?}");
                running -= 1;
                over += 1;
            }
        }
        most = most.max(running);
    }
    let after = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let used = (after.user_time() + after.system_time() - before.user_time() - before.system_time())
        .num_milliseconds();
    assert_eq!((most, over), (2, 6));
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
    assert!(used < 100, "{used} ms of processor time");
    let helpers: Vec<String> = fs_err::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs_err::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.contains("runtime") || name.contains("zbus"))
        .collect();
    assert_eq!(helpers, [""; 0], "threads of the bus library");
}

#[test]
fn a_batch_stops_when_it_is_told_to() {
    let manager = Manager::start();
    let mut client = connect(&manager);
    manager.write_unit("wait@.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 60\n");
    let (told, tell) = std::io::pipe().unwrap();
    let requests = ["wait@1.service", "wait@2.service", "wait@3.service"].map(request);
    let jobs = Jobs::new(&mut client, requests, DEADLINE)
        .at_once(NonZeroUsize::new(2).unwrap())
        .stopped_by(told.into())
        .unwrap();
    let teller = std::thread::spawn(move || {
        std::thread::sleep(SHORT);
        drop(tell);
    });
    let started = Instant::now();
    let over = outcomes(jobs);
    teller.join().unwrap();
    assert!(started.elapsed() < SHORT + SLACK);
    let told: Vec<String> = over.iter().map(|(unit, outcome)| format!("{unit} {outcome:?}")).collect();
    assert_eq!(
        told,
        ["wait@1.service StillRunning", "wait@2.service StillRunning", "wait@3.service NotReached"]
    );
}

#[test]
fn a_stop_command_can_tell_a_restart_from_a_stop() {
    let manager = Manager::start();
    let client = connect(&manager);
    manager.write_unit(
        "web.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/sleep 0.5\n",
    );
    manager.systemctl(&["start", "web.service"]);
    assert_eq!(client.unit_job(&unit("web.service")).unwrap(), None);
    for (verb, kind) in [(Verb::Restart, JobType::Restart), (Verb::Stop, JobType::Stop)] {
        let id = client.enqueue(verb, &unit("web.service"), JobMode::Replace).unwrap();
        wait_for("its stop command runs", DEADLINE, || {
            (settings(&client, "web.service").sub_state == "stop").then_some(())
        });
        assert_eq!(client.unit_job(&unit("web.service")).unwrap(), Some(JobInfo { id, kind }));
        assert_eq!(settings(&client, "web.service").job, Some(id));
        wait_for("the job is over", DEADLINE, || {
            client.unit_job(&unit("web.service")).unwrap().is_none().then_some(())
        });
    }
}

#[test]
fn jobs_outlive_a_manager_that_executes_itself_anew() {
    let manager = Manager::start();
    let mut client = connect(&manager);
    manager.write_unit("wait.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 1\n");
    let mut jobs = Jobs::new(&mut client, [request("wait.service")], DEADLINE);
    assert!(matches!(jobs.next_event().unwrap(), Some(JobEvent::Queued { .. })));
    manager.systemctl(&["daemon-reexec"]);
    let over = jobs.next_event().unwrap();
    assert!(
        matches!(over, Some(JobEvent::Over { outcome: JobOutcome::Ended(JobResult::Done), .. })),
        "{over:?}"
    );
}

#[test]
fn questions_outlive_a_manager_that_executes_itself_anew() {
    let manager = Manager::start();
    manager.write_unit("a.service", "[Service]\nExecStart=/bin/true\n");
    let client = connect(&manager);
    let units: Vec<UnitName> = (0..200).map(|number| unit(&format!("a{number}.service"))).collect();
    std::thread::scope(|scope| {
        let renewals = scope.spawn(|| {
            for number in 0..20 {
                manager.systemctl(&["daemon-reexec"]);
                std::thread::sleep(Duration::from_millis(number * 37 % 60));
            }
        });
        while !renewals.is_finished() {
            client.state().unwrap();
            assert_eq!(settings(&client, "a.service").load_state, LoadState::Loaded);
            assert_eq!(client.unit_job(&unit("a.service")).unwrap(), None);
            assert!(client.loaded_units().unwrap().units.contains_key(&unit("dbus.service")));
            let read = client.observe(&units, Detail::Unit);
            assert!(read.values().all(|one| one.as_ref().unwrap().load_state == LoadState::NotFound));
        }
    });
}

#[test]
fn a_stopped_manager_is_an_error_within_the_deadline() {
    let manager = Manager::start();
    let client = Client::connect(&manager.dirs(), SHORT).unwrap();
    let before = client.state().unwrap();
    signal(manager.pid(), Signal::SIGSTOP);
    let started = Instant::now();
    let error = client.state().unwrap_err();
    assert!(started.elapsed() < SHORT + SLACK, "{:?}", started.elapsed());
    assert_eq!(
        error.to_string(),
        format!(
            "{}: no answer within 500ms to: read the manager's state",
            manager.dirs().bus_socket().display()
        )
    );
    assert_eq!(error.code(), Code::Unreachable);
    let started = Instant::now();
    let units = [unit("a.service"), unit("b.service")];
    for error in client.observe(&units, Detail::Unit).into_values().map(Result::unwrap_err) {
        assert!(matches!(error, BusError::GivenUp { .. }), "{error}");
        assert_eq!(error.code(), Code::Unreachable);
    }
    let fresh = Client::connect(&manager.dirs(), SHORT).unwrap();
    for (unit, error) in fresh.observe(&units, Detail::Unit) {
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with(&format!("no answer within 500ms to: read {unit}")), "{error}");
    }
    assert!(started.elapsed() < SHORT + SLACK, "{:?}", started.elapsed());
    signal(manager.pid(), Signal::SIGCONT);
    assert_eq!(connect(&manager).state().unwrap().version, before.version);
}

#[test]
fn a_stopped_bus_is_an_error_within_the_deadline() {
    let manager = Manager::start();
    let client = Client::connect(&manager.dirs(), SHORT).unwrap();
    let bus: u32 = manager.property("dbus.service", "MainPID").parse().unwrap();
    signal(bus, Signal::SIGSTOP);
    let started = Instant::now();
    let asked = client.state().unwrap_err();
    assert!(matches!(asked, BusError::Deadline { .. }), "{asked}");
    let connecting = Client::connect(&manager.dirs(), SHORT).unwrap_err();
    assert!(connecting.to_string().ends_with("no answer within 500ms to: authenticate"), "{connecting}");
    assert_eq!(connecting.code(), Code::Unreachable);
    assert!(started.elapsed() < SHORT * 2 + SLACK, "{:?}", started.elapsed());
    signal(bus, Signal::SIGCONT);
}

#[test]
fn a_manager_that_dies_ends_the_wait() {
    let manager = Manager::start();
    manager.write_unit("wait.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 60\n");
    let mut client = Client::connect(&manager.dirs(), SHORT).unwrap();
    let mut jobs = Jobs::new(&mut client, [request("wait.service")], Duration::from_secs(60));
    assert!(matches!(jobs.next_event().unwrap(), Some(JobEvent::Queued { .. })));
    let started = Instant::now();
    signal(manager.pid(), Signal::SIGKILL);
    let Some(JobEvent::Over { outcome: JobOutcome::Failed(error), .. }) = jobs.next_event().unwrap() else {
        panic!("the job is not over");
    };
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    assert!(started.elapsed() < SHORT + SLACK, "{:?}", started.elapsed());
}

#[test]
fn links_beside_a_unit_make_the_dependencies_that_the_disk_tells_of() {
    let manager = Manager::start();
    let client = connect(&manager);
    manager.write_unit("a-web@.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    let link = |directory: &std::path::Path, name: &str, target: &str| {
        fs_err::create_dir_all(directory).unwrap();
        std::os::unix::fs::symlink(target, directory.join(name)).unwrap();
    };
    let (owner, etc) = (manager.owner(), manager.etc());
    link(&owner.join("a-web@x.service.requires"), "own.service", "/nonexistent/own.service");
    link(&owner.join("a-web@.service.requires"), "template.service", "/nonexistent/other");
    link(&owner.join("a-.service.requires"), "prefix.service", "/nonexistent/prefix.service");
    link(&etc.join("service.requires"), "type.service", "/nonexistent/type.service");
    link(&etc.join("a-web@x.service.requires"), "masked.service", "/nonexistent/masked.service");
    link(&owner.join("a-web@x.service.requires"), "masked.service", "/dev/null");
    client.reload(DEADLINE).unwrap();
    let name = "a-web@x.service";
    let loaded = settings(&client, name);
    let mut loaded: Vec<String> = loaded.properties["Requires"].texts().unwrap();
    loaded.retain(|unit| unit.ends_with(".service"));
    loaded.sort();
    let search_path = SearchPath::scan(client.state().unwrap().unit_path);
    let mut on_disk: Vec<String> =
        search_path.resolve(&unit(name)).dependencies.iter().map(|link| link.on.to_string()).collect();
    on_disk.sort();
    assert_eq!(on_disk, ["own.service", "prefix.service", "template.service", "type.service"]);
    assert_eq!(on_disk, loaded);
}

#[test]
fn a_path_unit_that_failed_is_armed_again() {
    let manager = Manager::start();
    let mut client = connect(&manager);
    let flag = manager.dir().join("flag");
    fs_err::write(&flag, "").unwrap();
    manager.write_unit(
        "stack-audit.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
    );
    let limit = "TriggerLimitIntervalSec=1min\nTriggerLimitBurst=2";
    manager.write_unit("stack-audit.path", &format!("[Path]\nPathExists={}\n{limit}\n", flag.display()));
    client.reload(DEADLINE).unwrap();
    manager.try_systemctl(&["start", "stack-audit.path"]);
    let state = |client: &Client| settings(client, "stack-audit.path").active_state;
    wait_for("the path unit fails", DEADLINE, || (state(&client) == ActiveState::Failed).then_some(()));
    fs_err::remove_file(&flag).unwrap();
    let dead = stackwarden::audit::settle::rearm(&manager.dirs(), &mut client).unwrap();
    assert_eq!(dead, [""; 0]);
    assert_eq!(state(&client), ActiveState::Active);
}
