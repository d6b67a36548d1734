//! Waiting for a manager that is starting.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use zbus::{MatchRule, MessageStream, message};

use super::bus::BusError;
use super::loaded::ManagerState;
use super::manager::{self, Manager};
use super::words::SystemState;

impl SystemState {
    /// Whether the manager has not finished what it does at its start.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        matches!(self, Self::Initializing | Self::Starting)
    }
}

impl Manager {
    /// What the manager says of itself once its startup is over, and at the latest after `limit`.
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn state_once_started(&self, limit: Duration) -> Result<ManagerState, BusError> {
        let state = self.state()?;
        if !state.system_state.is_starting() {
            return Ok(state);
        }
        let mut finished = self.startup_finished()?;
        // It may have finished before it was asked for its signals.
        let state = self.state()?;
        if !state.system_state.is_starting() {
            return Ok(state);
        }
        let signal = poll_fn(|context| Pin::new(&mut finished).poll_next(context));
        // A wait that ends without the signal leaves nothing unanswered.
        drop(self.bus().runtime().block_on(limit, signal));
        self.state()
    }

    /// The manager's signal that its startup is over (org.freedesktop.systemd1(5), `StartupFinished`).
    fn startup_finished(&self) -> Result<MessageStream, BusError> {
        let asked = "subscribe to the end of the startup";
        let bus = self.bus();
        bus.run(asked, bus.deadline(), async {
            let rule = MatchRule::builder()
                .msg_type(message::Type::Signal)
                .sender(manager::SERVICE)
                .interface(manager::INTERFACE)
                .member("StartupFinished")
                .path(manager::OBJECT)
                .build()
                .map_err(|error| bus.failed(error, asked))?;
            let stream = MessageStream::for_match_rule(rule, bus.connection(), None)
                .await
                .map_err(|error| bus.failed(error, asked))?;
            self.subscribe(asked).await?;
            Ok(stream)
        })
    }
}
