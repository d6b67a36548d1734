//! The signals of the manager, and of the bus about the manager, that are listened to while jobs run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use zbus::{MatchRule, MessageStream, message};

use super::bus::{Bus, BusError};
use super::manager;
use super::words::JobResult;

/// How many endings of jobs are kept for us while we are busy. A burst, such as a target's, is taken off the queue
/// with every wait, so this bounds only what comes in between.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// The signals that are listened to while jobs run.
#[derive(Debug)]
pub(super) struct Signals {
    removed: MessageStream,
    owner: MessageStream,
    /// The jobs that ended since this was last emptied.
    pub(super) endings: BTreeMap<u32, JobResult>,
    /// What became of the manager's place on the bus since this was last emptied.
    pub(super) change: Option<Change>,
}

/// A change that concerns all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The connection to the bus ended.
    Closed,
    /// The manager left the bus.
    Gone,
    /// A manager is on the bus: a new one, or the old one after `daemon-reexec`.
    Back,
}

impl Signals {
    /// Has the bus send them from now on.
    pub(super) async fn subscribe(bus: &Bus, asked: &str) -> Result<Self, BusError> {
        let connection = bus.connection();
        let failed = |error| bus.failed(error, asked);
        let removed = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .sender(manager::SERVICE)
            .interface(manager::INTERFACE)
            .member("JobRemoved")
            .path(manager::OBJECT)
            .build()
            .map_err(failed)?;
        let owner = MatchRule::builder()
            .msg_type(message::Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, manager::SERVICE)
            .build()
            .map_err(failed)?;
        Ok(Self {
            removed: MessageStream::for_match_rule(removed, connection, Some(QUEUE)).await.map_err(failed)?,
            owner: MessageStream::for_match_rule(owner, connection, None).await.map_err(failed)?,
            endings: BTreeMap::new(),
            change: None,
        })
    }

    /// Takes all that is there, and leaves `context` to be woken by the next; whether there was anything.
    pub(super) fn take(&mut self, context: &mut Context<'_>) -> bool {
        let endings = self.take_endings(context);
        let changes = self.take_changes(context);
        endings || changes
    }

    fn take_endings(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            match Pin::new(&mut self.removed).poll_next(context) {
                Poll::Pending => return any,
                Poll::Ready(None | Some(Err(_))) => return self.close(),
                Poll::Ready(Some(Ok(signal))) => {
                    let body = signal.body();
                    if let Ok((_, job, _, result)) =
                        body.deserialize::<(u32, zbus::ObjectPath<'_>, &str, &str)>()
                        && let Some(job) = manager::job_id(job.as_str())
                    {
                        self.endings.insert(job, JobResult::from(result));
                        any = true;
                    }
                }
            }
        }
    }

    fn take_changes(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            match Pin::new(&mut self.owner).poll_next(context) {
                Poll::Pending => return any,
                Poll::Ready(None | Some(Err(_))) => return self.close(),
                Poll::Ready(Some(Ok(signal))) => {
                    let body = signal.body();
                    if let Ok((_, _, owner)) = body.deserialize::<(&str, &str, &str)>() {
                        self.change = Some(if owner.is_empty() { Change::Gone } else { Change::Back });
                        any = true;
                    }
                }
            }
        }
    }

    fn close(&mut self) -> bool {
        self.change = Some(Change::Closed);
        true
    }
}
