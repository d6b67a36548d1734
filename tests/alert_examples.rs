//! The alert commands in docs/examples, each run against a receiver that keeps the request it gets.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules for reading and writing state are for the product; these are a test's files"
)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a failed step is a panic with its place"
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use support::write;
use tempfile::TempDir;

/// What a receiver got.
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A web server that takes one request, and answers with `status`. Its address, and what it got.
fn receiver(status: &'static str) -> (String, JoinHandle<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let got = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut next = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let line = next();
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = next().split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}").unwrap();
        Request { line, headers, body: String::from_utf8(body).unwrap() }
    });
    (address, got)
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name)
}

fn sample() -> Value {
    serde_json::from_str(&fs_err::read_to_string(example("alert.json")).unwrap()).unwrap()
}

/// A message of another level.
fn message(level: &str, open: u32) -> Value {
    let mut message = sample();
    message["level"] = json!(level);
    message["open"] = json!(open);
    message
}

fn run(name: &str, arguments: &[&str], path: Option<&Path>, message: &Value) -> Output {
    let path = path.map_or_else(String::new, |path| format!("{}:", path.display()));
    let mut child = Command::new(example(name))
        .args(arguments)
        .env("PATH", format!("{path}/usr/bin:/bin"))
        .env_remove("http_proxy")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn sent(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"");
}

#[test]
fn the_sample_is_as_published() {
    let schema = fs_err::read_to_string(example("../schema/alert.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap().validate(&sample()).unwrap();
}

#[test]
fn ntfy_gets_a_message_for_the_topic() {
    let directory = TempDir::new().unwrap();
    let header = write(directory.path().join("header"), "Authorization: Bearer tk_secret\n");
    let (address, got) = receiver("200 OK");
    sent(&run("alert-ntfy", &[&address, "stacks", header.to_str().unwrap()], None, &sample()));
    let got = got.join().unwrap();
    assert_eq!(got.line, "POST / HTTP/1.1");
    assert_eq!(got.headers["authorization"], "Bearer tk_secret");
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(
        got.json(),
        json!({ "topic": "stacks", "title": sample()["title"], "message": sample()["text"],
                "priority": 5, "tags": ["rotating_light"] })
    );

    let (address, got) = receiver("200 OK");
    sent(&run("alert-ntfy", &[&address, "stacks"], None, &message("all-is-well", 0)));
    let got = got.join().unwrap();
    assert!(!got.headers.contains_key("authorization"));
    assert_eq!((&got.json()["priority"], &got.json()["tags"]), (&json!(1), &json!(["zzz"])));
}

#[test]
fn gotify_gets_a_message_of_the_application() {
    let directory = TempDir::new().unwrap();
    let header = write(directory.path().join("header"), "X-Gotify-Key: A_secret\n");
    let (address, got) = receiver("200 OK");
    sent(&run("alert-gotify", &[&address, header.to_str().unwrap()], None, &message("recovered", 0)));
    let got = got.join().unwrap();
    assert_eq!(got.line, "POST /message HTTP/1.1");
    assert_eq!(got.headers["x-gotify-key"], "A_secret");
    assert_eq!(got.json(), json!({ "title": sample()["title"], "message": sample()["text"], "priority": 3 }));
}

#[test]
fn healthchecks_gets_a_success_a_failure_or_a_line_for_its_log() {
    let directory = TempDir::new().unwrap();
    for (level, open, path) in [
        ("page", 1, "/ping/id/fail"),
        ("ticket", 1, "/ping/id/log"),
        ("recovered", 1, "/ping/id/log"),
        ("recovered", 0, "/ping/id"),
        ("all-is-well", 0, "/ping/id"),
    ] {
        let (address, got) = receiver("200 OK");
        let url = write(directory.path().join("url"), &format!("{address}/ping/id\n"));
        sent(&run("alert-healthchecks", &[url.to_str().unwrap()], None, &message(level, open)));
        let got = got.join().unwrap();
        assert_eq!(got.line, format!("POST {path} HTTP/1.1"), "{level}, {open} open");
        let text =
            format!("{}\n\n{}\n", sample()["title"].as_str().unwrap(), sample()["text"].as_str().unwrap());
        assert_eq!(got.body, text);
    }
}

#[test]
fn mail_goes_to_sendmail_with_headers_and_text() {
    let directory = TempDir::new().unwrap();
    let mail = directory.path().join("mail");
    let sendmail = write(
        directory.path().join("sendmail"),
        &format!("#!/bin/sh\n{{ echo \"$*\"; cat; }} >{}\n", mail.display()),
    );
    fs_err::set_permissions(&sendmail, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut message = sample();
    message["title"] = json!("homelab: page: größer.service: a title that is longer than one encoded word");
    sent(&run("alert-mail", &["me@example.org"], Some(directory.path()), &message));
    // A mail reader that is not ours says what is in it.
    let script = "import email, email.policy, sys\n\
        arguments = sys.stdin.readline()\n\
        mail = email.message_from_file(sys.stdin, policy=email.policy.default)\n\
        print(arguments.strip(), mail['To'], mail['Subject'], mail['X-Stackwarden-Level'], mail.get_content(), sep='\\n')\n";
    let read = Command::new("python3")
        .args(["-c", script])
        .stdin(fs_err::File::open(&mail).unwrap().into_parts().0)
        .output()
        .unwrap();
    let text = format!(
        "-t -i\nme@example.org\n{}\npage\n{}\n\nopen problems: 1\n\n",
        message["title"].as_str().unwrap(),
        message["text"].as_str().unwrap()
    );
    assert_eq!(String::from_utf8(read.stdout).unwrap(), text, "{}", String::from_utf8_lossy(&read.stderr));
    let lines = fs_err::read_to_string(&mail).unwrap();
    assert!(lines.lines().all(|line| line.len() <= 78 && line.is_ascii()), "{lines}");
}

#[test]
fn a_receiver_that_refuses_or_is_not_there_is_a_failure() {
    let directory = TempDir::new().unwrap();
    let (address, got) = receiver("500 Internal Server Error");
    let output = run("alert-ntfy", &[&address, "stacks"], None, &sample());
    got.join().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("500"), "{output:?}");

    let header = write(directory.path().join("header"), "X-Gotify-Key: A_secret\n");
    let output = run("alert-gotify", &["http://127.0.0.1:1", header.to_str().unwrap()], None, &sample());
    assert!(!output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("A_secret"), "{output:?}");
    let output = run("alert-mail", &["me@example.org"], Some(directory.path()), &sample());
    assert!(!output.status.success(), "there is no sendmail");
}
