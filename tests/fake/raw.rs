//! Sockets behind which there is no bus, or one whose words are tampered with.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};

/// Serves one client after the other at `path` with `serve`, which gets the accepted socket. The thread ends with the
/// test program.
pub fn serve_raw(path: &Path, mut serve: impl FnMut(UnixStream) + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            serve(client.unwrap());
        }
    });
}

/// A socket at `path` whose queue is full, and the clients in it: the next one has to wait.
pub fn listen_without_accepting(path: &Path) -> (std::os::fd::OwnedFd, Vec<UnixStream>) {
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    // A backlog of zero still takes one.
    let first = UnixStream::connect(path).unwrap();
    (listener, vec![first])
}

/// Passes bytes between its clients and a real bus until a client says `trigger`; then it says `instead` to the
/// client, and hangs up unless `holds`.
pub struct Proxy {
    /// The bytes of a client's message to wait for.
    pub trigger: &'static [u8],
    /// What the client is told.
    pub instead: &'static [u8],
    /// Whether the connection stays open.
    pub holds: bool,
}

impl Proxy {
    /// Serves at `path` for the bus at `bus`.
    pub fn serve(self, path: &Path, bus: &Path) {
        let bus = bus.to_owned();
        let kept = Arc::new(Mutex::new(Vec::new()));
        serve_raw(path, move |mut client| {
            let mut server = UnixStream::connect(&bus).unwrap();
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client).unwrap_or(0));
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = client.read(&mut buffer) {
                let said = buffer.get(..length).unwrap();
                if said.windows(self.trigger.len()).any(|window| window == self.trigger) {
                    client.write_all(self.instead).unwrap();
                    if self.holds {
                        kept.lock().unwrap().push((client, server));
                    } else {
                        client.shutdown(std::net::Shutdown::Both).unwrap();
                    }
                    return;
                }
                server.write_all(said).unwrap();
            }
        });
    }
}
