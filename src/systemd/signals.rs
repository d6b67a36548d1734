//! The signals of the manager, and of the bus about the manager, that are listened to while jobs run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, message};

use super::bus::{Bus, BusError};
use super::manager;
use super::words::JobResult;
use crate::names::UnitName;

/// How many endings of jobs are kept for us while we are busy. A burst, such as a target's, is taken off the queue
/// with every wait, so this bounds only what comes in between.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// The bus itself: its name and its interface.
pub(super) const BUS: &str = "org.freedesktop.DBus";

const PROPERTIES_INTERFACE: &str = "org.freedesktop.DBus.Properties";
const SERVICE_INTERFACE: &str = "org.freedesktop.systemd1.Service";

/// What the bus tells of who has `name`.
pub(super) async fn owner_changes(connection: &Connection, name: &str) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder()
        .msg_type(message::Type::Signal)
        .sender(BUS)
        .interface(BUS)
        .member("NameOwnerChanged")
        .arg(0, name)
        .build()?;
    MessageStream::for_match_rule(rule, connection, None).await
}

/// The signals that are listened to while jobs run.
#[derive(Debug)]
pub(super) struct Signals {
    removed: MessageStream,
    owner: MessageStream,
    changed: Option<MessageStream>,
    /// The jobs that ended since this was last emptied.
    pub(super) endings: BTreeMap<u32, JobResult>,
    /// What became of the manager's place on the bus since this was last emptied.
    pub(super) change: Option<Change>,
    /// The last status line of the unit that is listened to, since this was last emptied.
    pub(super) status: Option<String>,
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
    /// Has the bus send them from now on, and the status line of `of` whenever it changes.
    pub(super) async fn subscribe(bus: &Bus, asked: &str, of: Option<&UnitName>) -> Result<Self, BusError> {
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
        let changed = match of {
            None => None,
            Some(unit) => {
                let rule = MatchRule::builder()
                    .msg_type(message::Type::Signal)
                    .sender(manager::SERVICE)
                    .interface(PROPERTIES_INTERFACE)
                    .member("PropertiesChanged")
                    .path(manager::unit_path(unit))
                    .arg(0, SERVICE_INTERFACE)
                    .build()
                    .map_err(failed)?;
                Some(MessageStream::for_match_rule(rule, connection, Some(QUEUE)).await.map_err(failed)?)
            }
        };
        Ok(Self {
            changed,
            status: None,
            removed: MessageStream::for_match_rule(removed, connection, Some(QUEUE)).await.map_err(failed)?,
            owner: owner_changes(connection, manager::SERVICE).await.map_err(failed)?,
            endings: BTreeMap::new(),
            change: None,
        })
    }

    /// Takes all that is there, and leaves `context` to be woken by the next; whether there was anything.
    pub(super) fn take(&mut self, context: &mut Context<'_>) -> bool {
        let endings = self.take_endings(context);
        let changes = self.take_changes(context);
        let status = self.take_status(context);
        endings || changes || status
    }

    fn take_status(&mut self, context: &mut Context<'_>) -> bool {
        let mut any = false;
        let Some(changed) = &mut self.changed else { return any };
        loop {
            match Pin::new(&mut *changed).poll_next(context) {
                Poll::Pending => return any,
                Poll::Ready(None | Some(Err(_))) => return self.close(),
                Poll::Ready(Some(Ok(signal))) => {
                    let body = signal.body();
                    let changed = body.deserialize::<(&str, BTreeMap<String, OwnedVariant>, Vec<&str>)>();
                    let text = changed.ok().and_then(|(_, mut changed, _)| changed.remove("StatusText"));
                    if let Some(text) = text.and_then(|text| String::try_from(text).ok()) {
                        self.status = Some(text);
                        any = true;
                    }
                }
            }
        }
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
