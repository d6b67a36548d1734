//! The user manager over D-Bus: what it is, what it has loaded, and the few things that we ask it to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use zbus::{Message, OwnedObjectPath, OwnedVariant, Type};

use super::bus::{Bus, BusError, Call};
use super::loaded::{Detail, JobInfo, ListedUnit, LoadedUnit, ManagerState, UnitList};
use super::value::Properties;
use super::words::JobType;
use crate::dirs::Dirs;
use crate::names::UnitName;

pub(super) const SERVICE: &str = "org.freedesktop.systemd1";
pub(super) const OBJECT: &str = "/org/freedesktop/systemd1";
pub(super) const INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const UNIT_INTERFACE: &str = "org.freedesktop.systemd1.Unit";
const JOB_INTERFACE: &str = "org.freedesktop.systemd1.Job";
const PROPERTIES_INTERFACE: &str = "org.freedesktop.DBus.Properties";

/// Its error for a connection that it sends its signals on already; it remembers that when it executes itself anew.
const ALREADY_SUBSCRIBED: &str = "org.freedesktop.systemd1.AlreadySubscribed";

/// Its error for a unit that is not in memory.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// The bus's error for an object that is gone, such as a job that has ended.
const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

/// The socket of the system bus (D-Bus specification, "well-known message bus instances").
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// The manager's own properties that are kept (see [`ManagerState`]).
pub(super) const PROPERTIES: &[&str] = &[
    "Environment",
    "NFailedUnits",
    "SystemState",
    "UnitPath",
    "UnitsLoadStartTimestamp",
    "UnitsLoadTimestamp",
    "Version",
];

/// What to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start it; nothing happens if it is active.
    Start,
    /// Stop it.
    Stop,
    /// Stop it if it is active, and start it.
    Restart,
    /// Let it read its configuration again.
    Reload,
}

impl Verb {
    /// The word for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }

    fn member(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Stop => "StopUnit",
            Self::Restart => "RestartUnit",
            Self::Reload => "ReloadUnit",
        }
    }
}

/// What happens to jobs that are in the way (systemctl(1), `--job-mode=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobMode {
    /// They are cancelled.
    Replace,
    /// The new job is refused.
    Fail,
}

impl JobMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Fail => "fail",
        }
    }
}

/// The user manager, over one connection.
///
/// Every method is one operation and has the deadline that the manager was connected with, unless it takes one of
/// its own. Once an answer is overdue the connection is not used again: later operations fail at once, with the same
/// exit code.
#[derive(Debug)]
pub struct Manager {
    bus: Bus,
}

impl Manager {
    /// Connects to the user bus. The manager itself is first asked by the first operation.
    ///
    /// # Errors
    /// No socket, nobody who listens, no message bus, or no answer within `deadline`.
    pub fn connect(dirs: &Dirs, deadline: Duration) -> Result<Self, BusError> {
        Bus::connect(&dirs.bus_socket(), deadline).map(|bus| Self { bus })
    }

    /// Connects to the system bus, where the system's own manager answers the same questions.
    ///
    /// # Errors
    /// As [`Manager::connect`].
    pub fn connect_system(deadline: Duration) -> Result<Self, BusError> {
        Bus::connect(Path::new(SYSTEM_BUS), deadline).map(|bus| Self { bus })
    }

    /// What the manager says of itself, read anew.
    ///
    /// # Errors
    /// The manager is not there, does not answer in time, or answers nonsense.
    pub fn state(&self) -> Result<ManagerState, BusError> {
        let asked = "read the manager's state";
        self.operation(asked, async {
            let body = (INTERFACE,);
            let properties = self.properties(OBJECT, &body, asked).await?;
            ManagerState::from_properties(&properties)
                .map_err(|reason| BusError::not_understood(asked, reason))
        })
    }

    /// All units in memory, in one round trip.
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn loaded_units(&self) -> Result<UnitList, BusError> {
        let asked = "list the units";
        self.operation(asked, async {
            let reply = self.bus.read(manager("ListUnits"), &(), asked).await?;
            let body = reply.body();
            let rows: Vec<Row<'_>> =
                body.deserialize().map_err(|error| BusError::not_understood(asked, error))?;
            let mut list = UnitList::default();
            for (name, _, load, active, sub, _, _, job, job_type, _) in rows {
                let Ok(name) = UnitName::parse(name) else {
                    list.skipped += 1;
                    continue;
                };
                list.units.insert(
                    name,
                    ListedUnit {
                        load_state: load.into(),
                        active_state: active.into(),
                        sub_state: sub.to_owned(),
                        job: (job != 0).then(|| JobInfo { id: job, kind: job_type.into() }),
                    },
                );
            }
            Ok(list)
        })
    }

    /// Reads `units` in one go, many requests at a time, one reply per unit. A unit that is not loaded is read from
    /// the disk by the manager and forgotten again; one that does not exist has the load state `not-found`.
    ///
    /// A unit whose answer does not come, or makes no sense, has its error; the others are unaffected. The deadline
    /// is that of all of them together.
    #[must_use]
    pub fn observe(
        &self,
        units: &[UnitName],
        detail: Detail,
    ) -> BTreeMap<UnitName, Result<LoadedUnit, BusError>> {
        self.observe_each(units, detail, |_, unit| unit)
    }

    /// The same, and keeps of each unit, as soon as it is read, what `keep` makes of it: a thousand services with all
    /// their settings take tens of MiB.
    pub fn observe_each<K>(
        &self,
        units: &[UnitName],
        detail: Detail,
        keep: impl FnMut(&UnitName, LoadedUnit) -> K,
    ) -> BTreeMap<UnitName, Result<K, BusError>> {
        // An empty interface name stands for all interfaces of the object (D-Bus specification, Properties).
        let interface = match detail {
            Detail::Unit => UNIT_INTERFACE,
            Detail::Settings => "",
        };
        let asked = |unit: &UnitName| format!("read {unit}");
        let read = |unit| async move {
            let asked = asked(unit);
            let path = unit_path(unit);
            let properties = self.properties(&path, &(interface,), &asked).await?;
            LoadedUnit::from_properties(properties).map_err(|reason| BusError::not_understood(&asked, reason))
        };
        let answers = self.bus.run_each(units, asked, read, keep);
        units.iter().cloned().zip(answers).collect()
    }

    /// Reads one unit; see [`Manager::observe`].
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn observe_one(&self, unit: &UnitName, detail: Detail) -> Result<LoadedUnit, BusError> {
        self.observe(std::slice::from_ref(unit), detail)
            .remove(unit)
            .unwrap_or_else(|| Err(BusError::not_understood(&format!("read {unit}"), "no answer")))
    }

    /// Whether a unit is in memory. Unlike reading it, asking does not load it.
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn has_in_memory(&self, unit: &UnitName) -> Result<bool, BusError> {
        let asked = format!("look for {unit}");
        let name = (unit.as_str(),);
        match self.operation(&asked, self.bus.read(manager("GetUnit"), &name, &asked)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal(NO_SUCH_UNIT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The real names of those of `units` that have another one: `dbus.service` is an alias on many systems. One that
    /// cannot be asked keeps its name.
    #[must_use]
    pub fn real_names(&self, units: &[UnitName]) -> BTreeMap<UnitName, UnitName> {
        let asked = self.observe(units, Detail::Unit).into_iter();
        let named = asked.filter_map(|(name, unit)| Some((name, unit.ok()?.id)));
        named.filter(|(name, id)| name != id).collect()
    }

    /// Lets the manager read all unit files again, and waits until it has.
    ///
    /// # Errors
    /// As [`Manager::state`]; `deadline` instead of the connection's.
    pub fn reload(&self, deadline: Duration) -> Result<(), BusError> {
        let asked = "reload the unit files";
        self.bus.run(asked, deadline, async { self.bus.call(manager("Reload"), &(), asked).await.map(drop) })
    }

    /// Queues a job and does not wait for it; its number.
    ///
    /// # Errors
    /// As [`Manager::state`]; refused if the unit does not exist, is masked, or may not be started by hand.
    pub fn enqueue(&self, verb: Verb, unit: &UnitName, mode: JobMode) -> Result<u32, BusError> {
        let asked = format!("{} {unit}", verb.as_str());
        self.operation(&asked, self.enqueue_job(verb, unit, mode))
    }

    /// Forgets that a unit is failed, and its start counter.
    ///
    /// # Errors
    /// As [`Manager::state`]; refused if the unit is not loaded.
    pub fn reset_failed(&self, unit: &UnitName) -> Result<(), BusError> {
        let asked = format!("reset {unit}");
        self.operation(&asked, async {
            self.bus.call(manager("ResetFailedUnit"), &(unit.as_str(),), &asked).await.map(drop)
        })
    }

    /// The job that a unit has now, if any. In the stop command of a unit it tells a restart from a stop.
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn unit_job(&self, unit: &UnitName) -> Result<Option<JobInfo>, BusError> {
        let asked = format!("read the job of {unit}");
        self.operation(&asked, async {
            let (id, path): (u32, OwnedObjectPath) =
                self.property(&unit_path(unit), UNIT_INTERFACE, "Job", &asked).await?;
            if id == 0 {
                return Ok(None);
            }
            match self.property::<String>(path.as_str(), JOB_INTERFACE, "JobType", &asked).await {
                Ok(kind) => Ok(Some(JobInfo { id, kind: JobType::from(kind.as_str()) })),
                Err(error) if error.is_refusal(UNKNOWN_OBJECT) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// The path or timer unit that asked for the job that a unit has now. The process that the job runs finds the name
    /// in `$TRIGGER_UNIT` as well, but the manager leaves the one of an earlier start there when a person starts it.
    ///
    /// # Errors
    /// As [`Manager::state`].
    pub fn job_trigger(&self, unit: &UnitName) -> Result<Option<UnitName>, BusError> {
        let asked = format!("read what triggered {unit}");
        self.operation(&asked, async {
            let (id, path): (u32, OwnedObjectPath) =
                self.property(&unit_path(unit), UNIT_INTERFACE, "Job", &asked).await?;
            if id == 0 {
                return Ok(None);
            }
            let details: Vec<(String, String)> =
                match self.property(path.as_str(), JOB_INTERFACE, "ActivationDetails", &asked).await {
                    Ok(details) => details,
                    Err(error) if error.is_refusal(UNKNOWN_OBJECT) => return Ok(None),
                    Err(error) => return Err(error),
                };
            let trigger = details.into_iter().find(|(key, _)| key == "trigger_unit");
            trigger
                .map(|(_, name)| UnitName::parse(&name))
                .transpose()
                .map_err(|error| BusError::not_understood(&asked, error))
        })
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Has the manager send its signals on this connection.
    pub(super) async fn subscribe(&self, asked: &str) -> Result<(), BusError> {
        match self.bus.read(manager("Subscribe"), &(), asked).await {
            Err(error) if !error.is_refusal(ALREADY_SUBSCRIBED) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn enqueue_job(
        &self,
        verb: Verb,
        unit: &UnitName,
        mode: JobMode,
    ) -> Result<u32, BusError> {
        let asked = format!("{} {unit}", verb.as_str());
        let body = (unit.as_str(), mode.as_str());
        let path: OwnedObjectPath =
            body_of(&self.bus.call(manager(verb.member()), &body, &asked).await?, &asked)?;
        job_id(path.as_str())
            .ok_or_else(|| BusError::not_understood(&asked, format_args!("{path} is not the path of a job")))
    }

    /// Whether a job is still known to the manager.
    pub(super) async fn has_job(&self, id: u32) -> Result<bool, BusError> {
        let asked = format!("look for job {id}");
        let path = format!("{OBJECT}/job/{id}");
        match self.property::<u32>(&path, JOB_INTERFACE, "Id", &asked).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_refusal(UNKNOWN_OBJECT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn operation<T>(
        &self,
        asked: &str,
        operation: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        self.bus.run(asked, self.bus.deadline(), operation)
    }

    async fn properties(&self, path: &str, interface: &(&str,), asked: &str) -> Result<Properties, BusError> {
        let reply = self.bus.read(properties_of(path), interface, asked).await?;
        Properties::from_body(&reply.body()).map_err(|reason| BusError::not_understood(asked, reason))
    }

    async fn property<T>(&self, path: &str, interface: &str, name: &str, asked: &str) -> Result<T, BusError>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: std::fmt::Display,
    {
        let call = Call { member: "Get", ..properties_of(path) };
        let value: OwnedVariant = body_of(&self.bus.read(call, &(interface, name), asked).await?, asked)?;
        T::try_from(value).map_err(|error| BusError::not_understood(asked, format_args!("{name}: {error}")))
    }
}

/// What an answer says that owns what it says.
fn body_of<T: DeserializeOwned + Type>(reply: &Message, asked: &str) -> Result<T, BusError> {
    reply.body().deserialize().map_err(|error| BusError::not_understood(asked, error))
}

/// A row of `ListUnits`: name, description, load, active and sub state, followed unit, object, job, its type, its object.
type Row<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    zbus::ObjectPath<'a>,
    u32,
    &'a str,
    zbus::ObjectPath<'a>,
);

/// A method of the manager object.
fn manager(member: &'static str) -> Call<'static> {
    Call { destination: SERVICE, path: OBJECT, interface: INTERFACE, member }
}

fn properties_of(path: &str) -> Call<'_> {
    Call { destination: SERVICE, path, interface: PROPERTIES_INTERFACE, member: "GetAll" }
}

/// The object path of a unit, without asking: systemd's `bus_label_escape()` keeps letters and digits, and writes
/// every other byte, and a digit in front, as `_` and two hexadecimal digits.
pub(super) fn unit_path(unit: &UnitName) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('_');
    let mut path = format!("{OBJECT}/unit/");
    for (index, byte) in unit.as_str().bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.extend(['_', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    path
}

/// The number in a job's object path.
pub(super) fn job_id(path: &str) -> Option<u32> {
    path.strip_prefix(OBJECT)?.strip_prefix("/job/")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_paths_are_escaped_as_systemd_does() {
        for (name, escaped) in [
            ("foo.service", "foo_2eservice"),
            ("9a-b@x.timer", "_39a_2db_40x_2etimer"),
            ("a\\x2d_.path", "a_5cx2d_5f_2epath"),
        ] {
            let path = unit_path(&UnitName::parse(name).unwrap());
            assert_eq!(path, format!("/org/freedesktop/systemd1/unit/{escaped}"));
        }
    }

    #[test]
    fn job_numbers_come_from_their_paths() {
        assert_eq!(job_id("/org/freedesktop/systemd1/job/42"), Some(42));
        assert_eq!(job_id("/org/freedesktop/systemd1/job/x"), None);
        assert_eq!(job_id("/"), None);
    }
}
