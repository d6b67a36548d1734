//! A real `dbus-daemon` of the test's own, and a connection that claims to be the manager and answers from a script.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use tempfile::TempDir;
use zbus::message::Type;
use zbus::{Connection, DynamicType, Message, MessageStream};

const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
</busconfig>
"#;

/// A message bus with nobody on it. It ends with this value.
#[derive(Debug)]
pub struct PrivateBus {
    dir: TempDir,
    daemon: Child,
}

impl PrivateBus {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("sw").tempdir().unwrap();
        let socket = dir.path().join("bus");
        let configuration = dir.path().join("bus.conf");
        let text = CONFIGURATION.replace("SOCKET", socket.to_str().unwrap());
        std::io::Write::write_all(&mut fs_err::File::create(&configuration).unwrap(), text.as_bytes())
            .unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // As an ordinary user it complains about the limit of open files.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(daemon.stdout.take().unwrap()),
            &mut address,
        )
        .unwrap();
        assert!(address.starts_with("unix:path="), "dbus-daemon: {address:?}");
        Self { dir, daemon }
    }

    /// `$XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> &Path {
        self.dir.path()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("bus")
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        for result in [self.daemon.kill(), self.daemon.wait().map(drop)] {
            assert!(result.is_ok() || std::thread::panicking(), "dbus-daemon: {result:?}");
        }
    }
}

/// What the manager does when it is asked.
pub enum Answer {
    /// Sends these, the reply among them or not.
    Messages(Vec<Message>),
    /// Says nothing.
    Silence,
    /// Leaves the bus, and comes back after this time if there is one.
    Leave(Option<Duration>),
}

/// The reply to `call`.
pub fn reply<B: Serialize + DynamicType>(call: &Message, body: &B) -> Answer {
    Answer::Messages(vec![Message::method_return(&call.header()).build(body).unwrap()])
}

/// A peer that owns the manager's name.
#[derive(Debug)]
pub struct FakeManager {
    bus: Option<PrivateBus>,
    thread: Option<JoinHandle<()>>,
}

impl FakeManager {
    /// Starts one on a bus of its own. `script` gets the name of each method, and the call.
    pub fn start(script: impl FnMut(&str, &Message) -> Answer + Send + 'static) -> Self {
        let bus = PrivateBus::start();
        let address = format!("unix:path={}", bus.socket().display());
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || zbus::block_on(serve(address, ready, script)));
        is_ready.recv().unwrap();
        Self { bus: Some(bus), thread: Some(thread) }
    }

    /// `$XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> &Path {
        self.bus.as_ref().unwrap().runtime()
    }
}

impl Drop for FakeManager {
    fn drop(&mut self) {
        // Without its bus the peer's connection ends, and so does its thread.
        drop(self.bus.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking(), "the fake manager panicked");
    }
}

async fn serve(address: String, ready: mpsc::Sender<()>, mut script: impl FnMut(&str, &Message) -> Answer) {
    let connect = || async {
        let connection = zbus::connection::Builder::address(address.as_str()).build().await.unwrap();
        let calls = MessageStream::from(&connection);
        connection.request_name("org.freedesktop.systemd1").await.unwrap();
        (connection, calls)
    };
    let (mut connection, mut calls): (Connection, MessageStream) = connect().await;
    ready.send(()).unwrap();
    while let Some(Ok(call)) = poll_fn(|context| Pin::new(&mut calls).poll_next(context)).await {
        if call.message_type() != Type::MethodCall {
            continue;
        }
        let member = call.header().member().unwrap().to_string();
        match script(&member, &call) {
            Answer::Silence => {}
            Answer::Messages(messages) => {
                for message in messages {
                    // The client may be gone by now.
                    if connection.send(&message).await.is_err() {
                        return;
                    }
                }
            }
            Answer::Leave(None) => return,
            Answer::Leave(Some(pause)) => {
                connection.close().await.unwrap();
                std::thread::sleep(pause);
                (connection, calls) = connect().await;
            }
        }
    }
}
