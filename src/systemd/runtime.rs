//! zbus driven by the calling thread alone. `zbus::block_on` hands a connection that is still open to a helper
//! thread between two calls, and offers no timer; the runtime below it does without the first and has the second.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zbus::runtime::{Interest, IoSource, traits};
use zruntime::{Shared, SharedRuntime};

/// A runtime without a thread of its own: everything happens inside [`Runtime::block_on`].
#[derive(Clone)]
pub(super) struct Runtime(SharedRuntime);

impl Runtime {
    /// Makes one; it costs an epoll and an event file descriptor.
    pub(super) fn new() -> io::Result<Self> {
        SharedRuntime::new().map(Self)
    }

    /// Runs `future` on this thread; `None` when `limit` has passed first. The future is dropped then.
    pub(super) fn block_on<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        self.0.block_on(self.0.timeout(limit, future)).ok()
    }

    /// Runs `future` as a part of another one; `None` when `limit` has passed first. The future is dropped then.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        self.0.timeout(limit, future).await.ok()
    }

    /// Connects to the socket at `path`, which waits as long as the listener's backlog is full.
    pub(super) async fn connect(&self, path: &Path) -> io::Result<std::os::unix::net::UnixStream> {
        let stream = zruntime::net::unix::UnixStream::<Shared>::connect(&self.0, path).await?;
        Ok(stream.into_std())
    }

    /// Watches `descriptor` for as long as the result lives.
    pub(super) fn watch(&self, descriptor: OwnedFd) -> io::Result<Watch> {
        let descriptor = Arc::new(descriptor);
        Ok(Watch { registration: self.0.register(Arc::clone(&descriptor))?, descriptor })
    }
}

/// A descriptor of somebody else, of which only the readiness is looked at.
#[derive(Debug)]
pub(super) struct Watch {
    registration: zruntime::Registration<Shared>,
    descriptor: Arc<OwnedFd>,
}

impl Watch {
    /// Completes once it can be read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.registration.ready(zruntime::Interest::Readable).await
    }

    /// Whether it can be read now.
    pub(super) fn is_readable(&self) -> bool {
        let mut descriptors = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

impl traits::Runtime for Runtime {
    type RegisteredIoSource = Registration;
    type Sleep = zruntime::Sleep<Shared>;
    type Task<T>
        = Task<T>
    where
        T: Send + 'static;

    fn register_io_source(&self, source: IoSource) -> io::Result<Registration> {
        self.0.register(source).map(Registration)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn spawn<T>(&self, name: &str, future: impl Future<Output = T> + Send + 'static) -> Task<T>
    where
        T: Send + 'static,
    {
        Task(self.0.spawn(Cow::Owned(name.to_owned()), future))
    }

    async fn connect_tcp(&self, _address: SocketAddr) -> io::Result<IoSource> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<IoSource> {
        Ok(IoSource::from(OwnedFd::from(self.connect(path).await?)))
    }

    fn spawn_process(
        &self,
        _command: Command,
        _stdin: Stdio,
        _stdout: Stdio,
        _stderr: Stdio,
    ) -> io::Result<Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send + 'static>>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A watched socket.
pub(super) struct Registration(zruntime::Registration<Shared>);

impl traits::PollIo for Registration {
    fn poll_io<T>(
        &self,
        context: &mut Context<'_>,
        interest: Interest,
        operation: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let interest = match interest {
            Interest::Writable => zruntime::Interest::Writable,
            // The type is open for additions; whatever else there is ends in a read.
            _ => zruntime::Interest::Readable,
        };
        self.0.poll_io(context, interest, operation)
    }
}

/// A task of the connection, cancelled when dropped.
pub(super) struct Task<T>(zruntime::Task<T, Shared>);

impl<T> Future for Task<T> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().0).poll(context)
    }
}

impl<T: Send + 'static> traits::TaskHandle<T> for Task<T> {
    fn detach(self) {
        self.0.detach();
    }
}
