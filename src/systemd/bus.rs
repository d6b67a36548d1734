//! One connection to the user bus: connected, and asked, within a deadline, with errors that say what was asked.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;
use serde::Serialize;
use thiserror::Error;
use zbus::{Connection, DBusError, DynamicType, Message};

use super::runtime::Runtime;
use super::signals::{BUS, owner_changes};
use crate::exit::Code;

/// How long the bus and the manager have for one operation (design: host-wide settings, bus). An answer takes
/// milliseconds; what takes longer than this is hung, and a path-triggered audit must not wait behind it.
pub const BUS_DEADLINE: Duration = Duration::from_secs(10);

/// The part of the deadline that a manager which reads itself anew may be away for; measured, it is for 0.1 s.
const ABSENCE: u32 = 3;

/// How often it is waited for within one request.
const RETURNS: u32 = 3;

/// Requests that are under way at the same time. Measured: the manager is kept busy from 16 on and nothing is gained
/// beyond 64, while sd-bus refuses a client's queue only at 393,216 messages.
pub(super) const IN_FLIGHT: usize = 64;

/// Why the bus or the manager could not be asked.
#[derive(Debug, Clone, Error)]
pub enum BusError {
    /// No socket, or nobody listens there.
    #[error("{}: cannot connect to the user bus", socket.display())]
    Connect {
        /// The bus's socket.
        socket: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Somebody listens, and is no message bus.
    #[error("{}: whoever listens there does not talk like a message bus", socket.display())]
    Handshake {
        /// The bus's socket.
        socket: PathBuf,
        /// What zbus found.
        source: zbus::Error,
    },
    /// No answer in time: a hung bus or a hung manager.
    #[error("{}: no answer within {} to: {asked}", socket.display(), humantime::format_duration(*waited))]
    Deadline {
        /// The bus's socket.
        socket: PathBuf,
        /// What was asked.
        asked: String,
        /// How long was waited.
        waited: Duration,
    },
    /// Not asked, because an earlier request on this connection got no answer.
    #[error("{}: not asked, because the bus or the manager left an earlier request unanswered: {asked}", socket.display())]
    GivenUp {
        /// The bus's socket.
        socket: PathBuf,
        /// What would have been asked.
        asked: String,
    },
    /// The connection ended before the answer came.
    #[error("{}: the connection to the user bus was lost before the answer to: {asked}", socket.display())]
    Lost {
        /// The bus's socket.
        socket: PathBuf,
        /// What was asked.
        asked: String,
        /// What the system said.
        source: zbus::Error,
    },
    /// The bus is there and the manager is not.
    #[error("{}: no user manager on the bus ({name}: {message}); asked: {asked}", socket.display())]
    NoManager {
        /// The bus's socket.
        socket: PathBuf,
        /// What was asked.
        asked: String,
        /// The name of the bus's error.
        name: String,
        /// Its text.
        message: String,
    },
    /// The manager said no.
    #[error("the user manager refused to {asked}: {message} ({name})")]
    Refused {
        /// What was asked.
        asked: String,
        /// The name of its error, such as `org.freedesktop.systemd1.NoSuchUnit`.
        name: String,
        /// Its text.
        message: String,
    },
    /// The manager answered something else than its interface promises.
    #[error("the answer of the user manager to {asked:?} was not understood: {reason}")]
    NotUnderstood {
        /// What was asked.
        asked: String,
        /// What was expected, and what there was.
        reason: String,
    },
}

impl BusError {
    /// The exit code that the error alone would lead to.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Connect { .. }
            | Self::Handshake { .. }
            | Self::Deadline { .. }
            | Self::GivenUp { .. }
            | Self::Lost { .. }
            | Self::NoManager { .. } => Code::Unreachable,
            Self::Refused { .. } | Self::NotUnderstood { .. } => Code::Refused,
        }
    }

    /// Whether the manager refused with the D-Bus error `name`.
    #[must_use]
    pub fn is_refusal(&self, name: &str) -> bool {
        matches!(self, Self::Refused { name: given, .. } if given == name)
    }

    pub(super) fn not_understood(asked: &str, reason: impl fmt::Display) -> Self {
        Self::NotUnderstood { asked: asked.to_owned(), reason: reason.to_string() }
    }
}

/// Errors of the bus itself, or of starting a service, that mean that there is no manager (D-Bus specification,
/// and `bus-errors.h` of systemd). With no manager the bus tries to start one, hence `Spawn`.
fn means_no_manager(name: &str) -> bool {
    name.strip_prefix("org.freedesktop.DBus.Error.").is_some_and(|short| {
        short.starts_with("Spawn.")
            || matches!(
                short,
                "ServiceUnknown"
                    | "NameHasNoOwner"
                    | "NoReply"
                    | "Disconnected"
                    | "NoServer"
                    | "Timeout"
                    | "TimedOut"
            )
    })
}

/// Where a request goes and what it says.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
}

/// A connection to the user bus that is driven by the calling thread and has a deadline for everything.
pub(super) struct Bus {
    socket: PathBuf,
    deadline: Duration,
    runtime: Runtime,
    connection: Connection,
    /// Set once an answer is overdue: it may still come, and a request may be on the wire in part, so that
    /// nothing that is said on this connection afterwards would be sure to be understood.
    given_up: Cell<bool>,
    /// Set once the manager was waited for in vain.
    deserted: Cell<bool>,
}

impl Bus {
    /// Connects, authenticates and introduces itself, all within `deadline`.
    pub(super) fn connect(socket: &Path, deadline: Duration) -> Result<Self, BusError> {
        let cannot =
            |source: io::Error| BusError::Connect { socket: socket.to_owned(), source: Arc::new(source) };
        let runtime = Runtime::new().map_err(cannot)?;
        let mut step = "connect";
        let connecting = async {
            let stream = runtime.connect(socket).await.map_err(cannot)?;
            step = "authenticate";
            zbus::connection::Builder::unix_stream(stream)
                .runtime(runtime.clone())
                .build()
                .await
                .map_err(|source| BusError::Handshake { socket: socket.to_owned(), source })
        };
        let connected = runtime.block_on(deadline, connecting);
        let connection = connected.ok_or_else(|| BusError::Deadline {
            socket: socket.to_owned(),
            asked: step.to_owned(),
            waited: deadline,
        })??;
        let (given_up, deserted) = (Cell::new(false), Cell::new(false));
        Ok(Self { socket: socket.to_owned(), deadline, runtime, connection, given_up, deserted })
    }

    /// The deadline of an operation for which no other is given.
    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Runs one operation, with all its requests, to its end or to the end of `limit`.
    pub(super) fn run<T>(
        &self,
        asked: &str,
        limit: Duration,
        operation: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        if self.given_up.get() {
            return Err(BusError::GivenUp { socket: self.socket.clone(), asked: asked.to_owned() });
        }
        self.runtime.block_on(limit, operation).unwrap_or_else(|| Err(self.overdue(asked, limit)))
    }

    /// The error of an answer that did not come; nothing is asked on this connection any more.
    pub(super) fn overdue(&self, asked: &str, waited: Duration) -> BusError {
        self.given_up.set(true);
        self.unanswered(asked, waited)
    }

    /// The same for what took too long although the manager is well, such as a job.
    pub(super) fn unanswered(&self, asked: &str, waited: Duration) -> BusError {
        BusError::Deadline { socket: self.socket.clone(), asked: asked.to_owned(), waited }
    }

    /// Sends one request and waits for its answer; to be run inside [`Bus::run`].
    pub(super) async fn call<B>(&self, call: Call<'_>, body: &B, asked: &str) -> Result<Message, BusError>
    where
        B: Serialize + DynamicType,
    {
        self.connection
            .call_method(Some(call.destination), call.path, Some(call.interface), call.member, body)
            .await
            .map_err(|error| self.failed(error, asked))
    }

    /// As [`Bus::call`], for what changes nothing: a manager that leaves the bus to read itself anew (`daemon-reexec`) has
    /// lost the question, and is asked again once it is back.
    pub(super) async fn read<B>(&self, call: Call<'_>, body: &B, asked: &str) -> Result<Message, BusError>
    where
        B: Serialize + DynamicType,
    {
        let mut answer = self.call(call, body, asked).await;
        for _ in 0..RETURNS {
            let is_gone = matches!(answer, Err(BusError::NoManager { .. })) && !self.deserted.get();
            if !is_gone || !self.returns(call.destination).await {
                break;
            }
            answer = self.call(call, body, asked).await;
        }
        answer
    }

    /// Waits until somebody has `name` on the bus; whether anybody has.
    async fn returns(&self, name: &str) -> bool {
        let waiting = async {
            let mut changes = owner_changes(&self.connection, name).await?;
            loop {
                let asked = (name,);
                let answer = self.connection.call_method(Some(BUS), "/", Some(BUS), "NameHasOwner", &asked);
                if answer.await?.body().deserialize()? {
                    return Ok(true);
                }
                if poll_fn(|context| Pin::new(&mut changes).poll_next(context)).await.is_none() {
                    return Ok::<bool, zbus::Error>(false);
                }
            }
        };
        let returned = matches!(self.runtime.within(self.deadline / ABSENCE, waiting).await, Some(Ok(true)));
        self.deserted.set(!returned);
        returned
    }

    /// What a failed request means.
    pub(super) fn failed(&self, error: zbus::Error, asked: &str) -> BusError {
        let (name, message) = match &error {
            zbus::Error::MethodError(name, message, _) => {
                (name.to_string(), message.clone().unwrap_or_default())
            }
            zbus::Error::FDO(error) => {
                (error.name().to_string(), error.description().unwrap_or_default().to_owned())
            }
            zbus::Error::InputOutput(_) => {
                return BusError::Lost {
                    socket: self.socket.clone(),
                    asked: asked.to_owned(),
                    source: error,
                };
            }
            _ => return BusError::not_understood(asked, error),
        };
        let asked = asked.to_owned();
        if means_no_manager(&name) {
            BusError::NoManager { socket: self.socket.clone(), asked, name, message }
        } else {
            BusError::Refused { asked, name, message }
        }
    }

    /// Asks the same of many objects, [`IN_FLIGHT`] at a time, within one deadline, and keeps of each answer what
    /// `keep` makes of it. What has no answer by then has its error; the order of the results is that of `items`.
    pub(super) fn run_each<'i, I, T, K, F>(
        &self,
        items: &'i [I],
        asked: impl Fn(&I) -> String,
        mut ask: impl FnMut(&'i I) -> F,
        mut keep: impl FnMut(&'i I, T) -> K,
    ) -> Vec<Result<K, BusError>>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        let mut answers: Vec<Result<K, BusError>> = Vec::with_capacity(items.len());
        let outcome = self.run("read the units", self.deadline, async {
            let mut window: VecDeque<(&'i I, Request<F>)> = VecDeque::with_capacity(IN_FLIGHT);
            for item in items {
                let mut request = Request::new(ask(item));
                request.send().await;
                window.push_back((item, request));
                // The manager answers in the order of the questions, so the oldest is the one to wait for.
                if window.len() >= IN_FLIGHT
                    && let Some((item, oldest)) = window.pop_front()
                {
                    answers.push(oldest.answer().await.map(|answer| keep(item, answer)));
                }
            }
            for (item, request) in window {
                answers.push(request.answer().await.map(|answer| keep(item, answer)));
            }
            Ok(())
        });
        if let Err(error) = outcome {
            let unanswered = items.iter().skip(answers.len()).map(|item| {
                Err(match &error {
                    BusError::GivenUp { socket, .. } => {
                        BusError::GivenUp { socket: socket.clone(), asked: asked(item) }
                    }
                    _ => self.overdue(&asked(item), self.deadline),
                })
            });
            answers.extend(unanswered);
        }
        answers
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("socket", &self.socket)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// A request that is sent before its answer is waited for.
struct Request<F: Future> {
    future: Pin<Box<F>>,
    answer: Option<F::Output>,
}

impl<F: Future> Request<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), answer: None }
    }

    /// The first poll writes the message.
    async fn send(&mut self) {
        poll_fn(|context| {
            if let Poll::Ready(answer) = self.future.as_mut().poll(context) {
                self.answer = Some(answer);
            }
            Poll::Ready(())
        })
        .await;
    }

    async fn answer(self) -> F::Output {
        match self.answer {
            Some(answer) => answer,
            None => self.future.await,
        }
    }
}
