//! What a real manager cannot be made to do: not to be there, to be hung or slow, to lie, and to be huge. Each ends
//! in an error that says what is wrong, within the deadline.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod fake;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fake::{Answer, FakeManager, PrivateBus, Proxy, dirs, listen_without_accepting, reply, serve_raw};
use stackwarden::exit::Code;
use stackwarden::names::UnitName;
use stackwarden::systemd::bus::BusError;
use stackwarden::systemd::jobs::{JobEvent, JobOutcome, JobRequest, Jobs};
use stackwarden::systemd::loaded::Detail;
use stackwarden::systemd::manager::{JobMode, Manager, Verb};
use stackwarden::systemd::value::Timestamp;
use stackwarden::systemd::words::{ActiveState, JobResult, LoadState, SystemState};
use zbus::{Message, ObjectPath, Variant};

const DEADLINE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(400);

/// More than a deadline is the time that a busy machine takes to notice it.
const SLACK: Duration = Duration::from_secs(2);

fn unit(name: &str) -> UnitName {
    UnitName::parse(name).unwrap()
}

/// The chain of an error, as it is printed.
fn chain(error: &BusError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The error of `ask` against the bus in `runtime`, which has to come in time.
fn error_of<T: std::fmt::Debug>(
    runtime: &Path,
    ask: impl FnOnce(&mut Manager) -> Result<T, BusError>,
) -> BusError {
    let started = Instant::now();
    let error =
        Manager::connect(&dirs(runtime), SHORT).and_then(|mut manager| ask(&mut manager)).unwrap_err();
    assert!(started.elapsed() < SHORT * 2 + SLACK, "{:?}: {error}", started.elapsed());
    error
}

#[track_caller]
fn assert_error(error: &BusError, code: Code, start: &str, end: &str) {
    let text = chain(error);
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    assert_eq!(error.code(), code, "{text}");
}

type Ask = fn(&mut Manager, &UnitName) -> Result<(), BusError>;

type Properties = BTreeMap<&'static str, Variant<'static>>;

/// All that is needed of a unit, as the manager would answer.
fn unit_properties() -> Properties {
    let texts =
        |texts: &[&str]| Variant::from(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<String>>());
    let root = ObjectPath::try_from("/").unwrap();
    [
        ("Id", Variant::from("a.service")),
        ("Names", texts(&["a.service"])),
        ("LoadState", Variant::from("loaded")),
        ("LoadError", Variant::from((String::new(), String::new()))),
        ("ActiveState", Variant::from("active")),
        ("SubState", Variant::from("running")),
        ("FragmentPath", Variant::from("/a.service")),
        ("SourcePath", Variant::from("")),
        ("DropInPaths", texts(&[])),
        ("UnitFileState", Variant::from("")),
        ("NeedDaemonReload", Variant::from(false)),
        ("Documentation", texts(&[])),
        ("Transient", Variant::from(false)),
        ("TriggeredBy", texts(&[])),
        ("Triggers", texts(&[])),
        ("Job", Variant::from((0_u32, root))),
        ("InvocationID", Variant::from(Vec::<u8>::new())),
        ("StateChangeTimestamp", Variant::from(0_u64)),
        ("InactiveExitTimestamp", Variant::from(0_u64)),
        ("ActiveEnterTimestamp", Variant::from(0_u64)),
        ("ConditionTimestamp", Variant::from(0_u64)),
        ("ConditionResult", Variant::from(false)),
    ]
    .into_iter()
    .collect()
}

/// The error of reading a unit with these properties.
fn error_of_properties(change: impl FnOnce(&mut Properties)) -> BusError {
    let mut properties = unit_properties();
    change(&mut properties);
    let manager = FakeManager::start(move |_, call| reply(call, &properties));
    error_of(manager.runtime(), |client| client.observe_one(&unit("a.service"), Detail::Unit))
}

#[test]
fn without_a_socket_or_a_listener_there_is_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("bus");
    let start = format!("{}: cannot connect to the user bus: ", socket.display());
    let ask = |_: &mut Manager| Ok(());
    let error = error_of(dir.path(), ask);
    assert_error(&error, Code::Unreachable, &start, "No such file or directory (os error 2)");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_error(&error_of(dir.path(), ask), Code::Unreachable, &start, "Connection refused (os error 111)");
    fs_err::remove_file(&socket).unwrap();
    fs_err::File::create(&socket).unwrap();
    assert_error(&error_of(dir.path(), ask), Code::Unreachable, &start, "Connection refused (os error 111)");
    let long = dir.path().join("x".repeat(120));
    fs_err::create_dir(&long).unwrap();
    let error = error_of(&long, ask);
    assert!(matches!(error, BusError::Connect { .. }), "{error}");
}

#[test]
fn a_listener_that_never_accepts_or_never_answers_is_overdue() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("bus");
    let overdue = format!("{}: no answer within 400ms to: ", socket.display());
    let full = listen_without_accepting(&socket);
    assert_error(&error_of(dir.path(), |_| Ok(())), Code::Unreachable, &overdue, "to: connect");
    drop(full);
    fs_err::remove_file(&socket).unwrap();
    let clients = Mutex::new(Vec::new());
    serve_raw(&socket, move |client| clients.lock().unwrap().push(client));
    assert_error(&error_of(dir.path(), |_| Ok(())), Code::Unreachable, &overdue, "to: authenticate");
}

#[test]
fn what_is_no_bus_is_told_so() {
    let garbage: &[&[u8]] = &[
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n\r\n",
        b"OK 1234deadbeef",
        b"REJECTED\r\n",
        b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\nl\x02garbage garbage garbage",
        b"",
    ];
    for words in garbage {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("bus");
        serve_raw(&socket, move |mut client| {
            let mut said = [0; 512];
            // The client may hang up as soon as it sees what this is.
            if client.read(&mut said).is_ok() && client.write_all(words).is_ok() {
                client.flush().unwrap();
            }
        });
        let error = error_of(dir.path(), |_| Ok(()));
        let start = format!("{}: whoever listens there does not talk like a message bus: ", socket.display());
        assert_error(&error, Code::Unreachable, &start, "");
    }
}

#[test]
fn garbage_and_ends_in_the_middle_are_told_apart() {
    let manager = FakeManager::start(|_, _| Answer::Silence);
    let cases: [(&'static [u8], bool, Code, &str); 4] = [
        (
            b"",
            false,
            Code::Unreachable,
            "the connection to the user bus was lost before the answer to: list the units",
        ),
        (
            b"l\x02\x01\x01\x10\0\0\0",
            false,
            Code::Unreachable,
            "the connection to the user bus was lost before the answer to: list the units",
        ),
        (
            b"garbage garbage garbage garbage garbage",
            true,
            Code::Refused,
            "the answer of the user manager to \"list the units\" was not understood: ",
        ),
        (b"l\x02\x01\x01\x10\0\0\0", true, Code::Unreachable, "no answer within 400ms to: list the units"),
    ];
    for (instead, holds, code, told) in cases {
        let dir = tempfile::tempdir().unwrap();
        Proxy { trigger: b"ListUnits", instead, holds }
            .serve(&dir.path().join("bus"), &manager.runtime().join("bus"));
        let error = error_of(dir.path(), |client| client.loaded_units());
        assert!(chain(&error).contains(told), "{}", chain(&error));
        assert_eq!(error.code(), code, "{error}");
    }
}

#[test]
fn a_bus_without_a_manager_is_told_so() {
    let bus = PrivateBus::start();
    let error = error_of(bus.runtime(), |client| client.state());
    let start = format!(
        "{}: no user manager on the bus (org.freedesktop.DBus.Error.ServiceUnknown: ",
        bus.socket().display()
    );
    assert_error(&error, Code::Unreachable, &start, "asked: read the manager's state");
    let error = error_of(bus.runtime(), |client| {
        client.run_job(Verb::Start, &unit("a.service"), JobMode::Replace, SHORT)
    });
    assert_error(&error, Code::Unreachable, &start, "asked: subscribe to the ends of jobs");
}

#[test]
fn a_silent_manager_is_overdue_in_every_question() {
    let manager = FakeManager::start(|_, _| Answer::Silence);
    let a = unit("a.service");
    let questions: [(Ask, &str); 8] = [
        (|m, _| m.state().map(drop), "read the manager's state"),
        (|m, _| m.loaded_units().map(drop), "list the units"),
        (|m, u| m.observe_one(u, Detail::Settings).map(drop), "read a.service"),
        (|m, _| m.reload(SHORT), "reload the unit files"),
        (|m, u| m.enqueue(Verb::Stop, u, JobMode::Fail).map(drop), "stop a.service"),
        (|m, u| m.reset_failed(u), "reset a.service"),
        (|m, u| m.unit_job(u).map(drop), "read the job of a.service"),
        (
            |m, u| m.run_job(Verb::Start, u, JobMode::Replace, DEADLINE).map(drop),
            "subscribe to the ends of jobs",
        ),
    ];
    for (ask, asked) in questions {
        let error = error_of(manager.runtime(), |client| ask(client, &a));
        let overdue =
            format!("{}: no answer within 400ms to: {asked}", manager.runtime().join("bus").display());
        assert_error(&error, Code::Unreachable, &overdue, asked);
    }
}

#[test]
fn errors_of_the_manager_are_passed_on() {
    let manager = FakeManager::start(|member, call| {
        let header = call.header();
        let name = if member == "Reload" {
            "org.freedesktop.DBus.Error.AccessDenied"
        } else {
            "org.freedesktop.systemd1.LoadFailed"
        };
        Answer::Messages(vec![Message::error(&header, name).build(&"no").unwrap()])
    });
    let error = error_of(manager.runtime(), |client| client.reload(DEADLINE));
    assert_error(
        &error,
        Code::Refused,
        "the user manager refused to reload the unit files: ",
        "(org.freedesktop.DBus.Error.AccessDenied)",
    );
    assert!(error.is_refusal("org.freedesktop.DBus.Error.AccessDenied"));
    let error = error_of(manager.runtime(), |client| client.observe_one(&unit("a.service"), Detail::Unit));
    assert_error(
        &error,
        Code::Refused,
        "the user manager refused to read a.service: ",
        "(org.freedesktop.systemd1.LoadFailed)",
    );
    let manager = FakeManager::start(|_, call| {
        Answer::Messages(vec![Message::error(&call.header(), "a.b").build(&()).unwrap()])
    });
    let error = error_of(manager.runtime(), |client| client.state());
    assert_error(&error, Code::Refused, "the user manager refused to read the manager's state", "(a.b)");
}

#[test]
fn properties_that_are_missing_or_of_another_type_are_named() {
    let not_understood = "the answer of the user manager to \"read a.service\" was not understood: ";
    let error = error_of_properties(|properties| {
        properties.remove("NeedDaemonReload");
    });
    assert_error(&error, Code::Refused, not_understood, "there is no property NeedDaemonReload");
    let error = error_of_properties(|properties| {
        properties.insert("NeedDaemonReload", Variant::from("no"));
    });
    assert_error(&error, Code::Refused, not_understood, "NeedDaemonReload is a text, not a truth value");
    let error = error_of_properties(|properties| {
        properties.insert("DropInPaths", Variant::from(vec![1_u32]));
    });
    assert_error(&error, Code::Refused, not_understood, "DropInPaths is a list, not a list of texts");
    let error = error_of_properties(|properties| {
        properties.insert("Id", Variant::from("../etc/passwd"));
    });
    assert!(chain(&error).starts_with(&format!("{not_understood}Id: ")), "{error}");
    let error = error_of_properties(|properties| {
        properties.insert("Id", Variant::from(2.5));
    });
    assert_error(&error, Code::Refused, not_understood, "there is no property Id");
}

#[test]
fn answers_of_another_shape_are_not_understood() {
    let manager = FakeManager::start(|_, call| reply(call, &("a", 1_u32)));
    let a = unit("a.service");
    let questions: [Ask; 5] = [
        |m, _| m.state().map(drop),
        |m, _| m.loaded_units().map(drop),
        |m, u| m.observe_one(u, Detail::Settings).map(drop),
        |m, u| m.enqueue(Verb::Start, u, JobMode::Replace).map(drop),
        |m, u| m.unit_job(u).map(drop),
    ];
    for ask in questions {
        let error = error_of(manager.runtime(), |client| ask(client, &a));
        assert!(matches!(error, BusError::NotUnderstood { .. }), "{error}");
    }
    let manager = FakeManager::start(|_, call| reply(call, &ObjectPath::try_from("/not/a/job").unwrap()));
    let error = error_of(manager.runtime(), |client| client.enqueue(Verb::Start, &a, JobMode::Replace));
    assert!(chain(&error).ends_with("/not/a/job is not the path of a job"), "{error}");
}

#[test]
fn unknown_words_are_kept_as_they_are() {
    let mut properties = unit_properties();
    properties.insert("LoadState", Variant::from("half-loaded"));
    properties.insert("ActiveState", Variant::from("dreaming"));
    properties.insert("FromTheFuture", Variant::from(vec![(1_u32, "x".to_owned())]));
    let state: Properties = [
        ("Version", Variant::from("999")),
        ("SystemState", Variant::from("sleepy")),
        ("UnitPath", Variant::from(vec!["/a".to_owned()])),
        ("UnitsLoadTimestamp", Variant::from(7_u64)),
        ("UnitsLoadStartTimestamp", Variant::from(3_u64)),
        ("NFailedUnits", Variant::from(3_u32)),
        ("Environment", Variant::from(Vec::<String>::new())),
    ]
    .into_iter()
    .collect();
    let manager = FakeManager::start(move |_, call| {
        let of_manager =
            call.header().path().is_some_and(|path| path.as_str() == "/org/freedesktop/systemd1");
        reply(call, if of_manager { &state } else { &properties })
    });
    let client = Manager::connect(&dirs(manager.runtime()), DEADLINE).unwrap();
    let read = client.observe_one(&unit("a.service"), Detail::Unit).unwrap();
    assert_eq!(read.load_state, LoadState::Other("half-loaded".to_owned()));
    assert_eq!(read.active_state, ActiveState::Other("dreaming".to_owned()));
    let state = client.state().unwrap();
    assert_eq!(state.system_state, SystemState::Other("sleepy".to_owned()));
    assert_eq!(state.units_load.map(Timestamp::micros), Some(7));
}

#[test]
fn a_slow_manager_costs_only_the_units_that_it_does_not_reach() {
    let properties = unit_properties();
    let manager = FakeManager::start(move |_, call| {
        std::thread::sleep(Duration::from_millis(200));
        reply(call, &properties)
    });
    let units: Vec<UnitName> = (0..100).map(|number| unit(&format!("a{number:03}.service"))).collect();
    let client = Manager::connect(&dirs(manager.runtime()), Duration::from_secs(1)).unwrap();
    let started = Instant::now();
    let read = client.observe(&units, Detail::Unit);
    assert!(started.elapsed() < Duration::from_secs(1) + SLACK, "{:?}", started.elapsed());
    assert_eq!(read.len(), 100);
    let in_time = read.values().filter(|unit| unit.is_ok()).count();
    assert!((1..=5).contains(&in_time), "{in_time} in a second");
    for (name, unit) in read.iter().skip(in_time) {
        let error = unit.as_ref().unwrap_err();
        assert!(error.to_string().ends_with(&format!("no answer within 1s to: read {name}")), "{error}");
    }
    assert!(matches!(client.state(), Err(BusError::GivenUp { .. })));
}

#[test]
fn one_bad_answer_spoils_no_other() {
    let properties = unit_properties();
    let manager = FakeManager::start(move |_, call| {
        let path = call.header().path().unwrap().to_string();
        if path.contains("bad") { reply(call, &7_u32) } else { reply(call, &properties) }
    });
    let client = Manager::connect(&dirs(manager.runtime()), DEADLINE).unwrap();
    let units = ["a.service", "bad.service", "c.service"].map(unit);
    let read = client.observe(&units, Detail::Unit);
    let fine: Vec<bool> = read.values().map(Result::is_ok).collect();
    assert_eq!(fine, [true, false, true]);
}

#[test]
fn a_hundred_thousand_units_are_listed() {
    const COUNT: usize = 100_000;
    let manager = FakeManager::start(move |_, call| {
        let path = ObjectPath::try_from("/org/freedesktop/systemd1/unit/x").unwrap();
        let none = ObjectPath::try_from("/").unwrap();
        let rows: Vec<_> = (0..COUNT)
            .map(|number| {
                let name = if number % 1000 == 0 {
                    format!("bad name {number}")
                } else {
                    format!("unit{number}.service")
                };
                (name, "A unit", "loaded", "active", "running", "", path.clone(), 0_u32, "", none.clone())
            })
            .collect();
        reply(call, &rows)
    });
    let client = Manager::connect(&dirs(manager.runtime()), DEADLINE).unwrap();
    let list = client.loaded_units().unwrap();
    assert_eq!((list.units.len(), list.skipped), (COUNT - 100, 100));
    let row = &list.units[&unit("unit7.service")];
    assert_eq!(
        (&row.load_state, &row.active_state, row.job.is_none()),
        (&LoadState::Loaded, &ActiveState::Active, true)
    );
}

/// The end of job `id` of `a.service`.
fn removed(id: u32, result: &str) -> Message {
    let path = ObjectPath::try_from(format!("/org/freedesktop/systemd1/job/{id}")).unwrap();
    Message::signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved")
        .build(&(id, path, "a.service", result))
        .unwrap()
}

fn job(call: &Message, id: u32) -> Message {
    let path = ObjectPath::try_from(format!("/org/freedesktop/systemd1/job/{id}")).unwrap();
    Message::method_return(&call.header()).build(&path).unwrap()
}

#[test]
fn an_end_that_comes_before_the_answer_and_a_flood_of_others_are_heard() {
    let manager = FakeManager::start(|member, call| match member {
        "StartUnit" => {
            let mut messages: Vec<Message> = (1000..6000).map(|id| removed(id, "done")).collect();
            messages.push(removed(7, "dreamt"));
            messages.push(job(call, 7));
            Answer::Messages(messages)
        }
        _ => reply(call, &()),
    });
    let mut client = Manager::connect(&dirs(manager.runtime()), DEADLINE).unwrap();
    let result = client.run_job(Verb::Start, &unit("a.service"), JobMode::Replace, DEADLINE).unwrap();
    assert_eq!(result, JobResult::Other("dreamt".to_owned()));
    assert!(!result.is_success(), "a word that is not known is a failure");
}

#[test]
fn a_manager_that_leaves_ends_the_jobs() {
    let leaving = |pause| {
        FakeManager::start(move |member, call| match member {
            "StartUnit" => Answer::Messages(vec![job(call, 7)]),
            "StopUnit" => Answer::Leave(pause),
            "Get" => Answer::Messages(vec![
                Message::error(&call.header(), "org.freedesktop.DBus.Error.UnknownObject")
                    .build(&"gone")
                    .unwrap(),
            ]),
            _ => reply(call, &()),
        })
    };
    let outcome = |manager: &FakeManager| {
        let mut client = Manager::connect(&dirs(manager.runtime()), SHORT).unwrap();
        let request = |verb, name: &str| JobRequest { verb, unit: unit(name), mode: JobMode::Replace };
        let requests = [request(Verb::Start, "a.service"), request(Verb::Stop, "b.service")];
        let mut jobs = Jobs::new(&mut client, requests, DEADLINE).at_once(2.try_into().unwrap());
        let mut over = BTreeMap::new();
        let started = Instant::now();
        while let Some(event) = jobs.next_event().unwrap() {
            if let JobEvent::Over { unit, outcome } = event {
                over.insert(unit, outcome);
            }
        }
        assert!(started.elapsed() < SHORT * 3 + SLACK, "{:?}", started.elapsed());
        over
    };
    let gone = outcome(&leaving(None));
    for outcome in gone.values() {
        assert!(
            matches!(outcome, JobOutcome::Failed(error @ BusError::NoManager { .. }) if error.code() == Code::Unreachable),
            "{outcome:?}"
        );
    }
    let back = outcome(&leaving(Some(Duration::from_millis(100))));
    assert!(matches!(back[&unit("a.service")], JobOutcome::Vanished), "{back:?}");
}

#[test]
fn a_bus_that_dies_ends_the_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let manager = FakeManager::start(|member, call| match member {
        "StartUnit" => Answer::Messages(vec![job(call, 7)]),
        _ => reply(call, &()),
    });
    // The proxy hangs up at the second job.
    Proxy { trigger: b"StopUnit", instead: b"", holds: false }
        .serve(&dir.path().join("bus"), &manager.runtime().join("bus"));
    let mut client = Manager::connect(&dirs(dir.path()), SHORT).unwrap();
    let request = |verb, name: &str| JobRequest { verb, unit: unit(name), mode: JobMode::Replace };
    let requests = [
        request(Verb::Start, "a.service"),
        request(Verb::Stop, "b.service"),
        request(Verb::Start, "c.service"),
    ];
    let mut jobs = Jobs::new(&mut client, requests, DEADLINE).at_once(2.try_into().unwrap());
    let mut over = 0;
    while let Some(event) = jobs.next_event().unwrap() {
        if let JobEvent::Over { unit, outcome } = event {
            assert!(
                matches!(&outcome, JobOutcome::Failed(error) if error.code() == Code::Unreachable),
                "{unit} {outcome:?}"
            );
            over += 1;
        }
    }
    assert_eq!(over, 3);
}
