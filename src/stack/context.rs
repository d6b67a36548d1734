//! What every verb needs: where things are, the host's settings, and whether we were asked to end.

use crate::compose::{Compose, ComposeError};
use crate::dirs::Dirs;
use crate::error::{Error, chain};
use crate::inventory::{Entry, Host};
use crate::names::StackName;
use crate::podman::{Podman, PodmanError};
use crate::process::Interrupt;
use crate::systemd::bus::BusError;
use crate::systemd::manager::Manager;

/// The edge of a transaction.
#[derive(Debug)]
pub struct Context {
    /// Where things are.
    pub dirs: Dirs,
    /// The host's settings.
    pub host: Host,
    /// Whether we were asked to end.
    pub interrupt: Interrupt,
}

impl Context {
    /// Reads environment and host configuration; from now on SIGTERM and SIGINT are waited for and not died of.
    ///
    /// # Errors
    /// The environment or the host configuration is not usable.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { interrupt: Interrupt::catch()?, ..Self::open_plain()? })
    }

    /// As [`Context::open`], with signals left as they are: for what only reads, or becomes another program.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub fn open_plain() -> Result<Self, Error> {
        let dirs = Dirs::from_env()?;
        let host = Host::load_or_default(&dirs).map_err(Error::Configuration)?;
        Ok(Self { dirs, host, interrupt: Interrupt::never() })
    }

    /// As [`Context::open`], with the defaults in place of a host configuration that cannot be read: what is to end must
    /// not run on because of a slip there.
    ///
    /// # Errors
    /// The environment is not usable.
    pub fn open_to_stop() -> Result<Self, Error> {
        let dirs = Dirs::from_env()?;
        let host = Host::load_or_default(&dirs).unwrap_or_else(|error| {
            tracing::warn!("{}; going on with the defaults", chain(&error));
            Host::default()
        });
        Ok(Self { dirs, host, interrupt: Interrupt::catch()? })
    }

    /// podman.
    ///
    /// # Errors
    /// It is not installed.
    pub fn podman(&self) -> Result<Podman, PodmanError> {
        Podman::find(&self.dirs, &self.host, &self.interrupt)
    }

    /// The compose of a declared stack.
    ///
    /// # Errors
    /// The provider is not installed, or cannot do what is declared.
    pub fn compose(
        &self,
        podman: &Podman,
        stack: &StackName,
        entry: &Entry,
    ) -> Result<Compose, ComposeError> {
        Compose::new(&self.dirs, &self.host, podman.program(), stack, entry, &self.interrupt)
    }

    /// A connection to the user manager.
    ///
    /// # Errors
    /// There is no bus, or it does not answer in time.
    pub fn manager(&self) -> Result<Manager, BusError> {
        Manager::connect(&self.dirs, self.host.bus_deadline.duration())
    }
}
