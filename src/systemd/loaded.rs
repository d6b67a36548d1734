//! What the manager holds in memory, as plain values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::value::{Properties, SettingValue, SettingValues, Timestamp};
use super::words::{ActiveState, JobType, LoadState, SystemState};
use crate::names::UnitName;

/// The properties behind [`LoadedUnit`]'s own fields (org.freedesktop.systemd1(5)).
pub(super) const PROPERTIES: &[&str] = &[
    "ActiveEnterTimestamp",
    "ActiveState",
    "ConditionResult",
    "ConditionTimestamp",
    "Documentation",
    "DropInPaths",
    "ExecMainCode",
    "ExecMainStatus",
    "FragmentPath",
    "Id",
    "InactiveExitTimestamp",
    "InvocationID",
    "Job",
    "LoadError",
    "LoadState",
    "Names",
    "NeedDaemonReload",
    "NextElapseUSecMonotonic",
    "NextElapseUSecRealtime",
    "Result",
    "SourcePath",
    "StateChangeTimestamp",
    "SubState",
    "Transient",
    "TriggeredBy",
    "Triggers",
    "UnitFileState",
];

/// How much of a unit is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What every unit has: where it comes from, in what state it is, and the settings of [Unit]. A third of the cost.
    Unit,
    /// And what its type has: Exec lines, environment, timers, results.
    Settings,
}

/// The manager itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerState {
    /// systemd's version, such as `257.7-1`.
    pub version: String,
    /// Whether it is up.
    pub system_state: SystemState,
    /// The unit search path that it uses, first wins.
    pub unit_path: Vec<PathBuf>,
    /// When it last began to read all units: at its start, and then at each daemon-reload. `UnitsLoadTimestamp` alone is
    /// empty until the first daemon-reload.
    pub units_load: Option<Timestamp>,
    /// How many units are failed.
    pub failed_units: u64,
    /// The environment block that units are started with, one `NAME=value` each.
    pub environment: Vec<String>,
}

/// A row of `ListUnits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUnit {
    /// What became of reading its files.
    pub load_state: LoadState,
    /// Its state in one word.
    pub active_state: ActiveState,
    /// Its state in the word of its type: `exited`, `waiting`, …
    pub sub_state: String,
    /// The job that is queued or running for it.
    pub job: Option<JobInfo>,
}

/// All units in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitList {
    /// The units by name.
    pub units: BTreeMap<UnitName, ListedUnit>,
    /// How many names were left out because they are not valid ones.
    pub skipped: usize,
}

/// A job of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// The manager's number of it.
    pub id: u32,
    /// What it is to do.
    pub kind: JobType,
}

/// Why a unit's files could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// A D-Bus error name, such as `org.freedesktop.systemd1.BadUnitSetting`.
    pub name: String,
    /// Its text.
    pub message: String,
}

/// One unit as the manager has it in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedUnit {
    /// The name that its files have; another one than was asked for if that is an alias.
    pub id: UnitName,
    /// All its names.
    pub names: Vec<String>,
    /// What became of reading its files.
    pub load_state: LoadState,
    /// Why they could not be used.
    pub load_error: Option<LoadError>,
    /// Its state in one word.
    pub active_state: ActiveState,
    /// Its state in the word of its type.
    pub sub_state: String,
    /// The unit file that was read; the path of the link where it is one.
    pub fragment_path: Option<PathBuf>,
    /// The file that a generator made it from.
    pub source_path: Option<PathBuf>,
    /// The drop-ins that were read, in the order in which they apply.
    pub drop_in_paths: Vec<PathBuf>,
    /// `enabled`, `linked`, `static`, …, as the files were when the manager was first asked after its last reload: it
    /// then searches all unit directories for this, and remembers.
    pub unit_file_state: Option<String>,
    /// Whether a file is newer than what was loaded, by modification time.
    pub need_daemon_reload: bool,
    /// `Documentation=`, one element per link.
    pub documentation: Vec<String>,
    /// Whether it was made over D-Bus and not from a file.
    pub transient: bool,
    /// Units that start it: a path, a timer, a socket.
    pub triggered_by: Vec<String>,
    /// The unit that it starts.
    pub triggers: Vec<String>,
    /// The number of the job that is queued or running for it.
    pub job: Option<u32>,
    /// The id of this run, in 32 hexadecimal digits.
    pub invocation_id: Option<String>,
    /// When its state last changed.
    pub state_change: Option<Timestamp>,
    /// When it last left `inactive`.
    pub inactive_exit: Option<Timestamp>,
    /// When it last became `active`.
    pub active_enter: Option<Timestamp>,
    /// When its conditions were last looked at, and whether they held.
    pub condition: Option<(Timestamp, bool)>,
    /// `success`, `exit-code`, …, of a service, path or timer. Only with [`Detail::Settings`], like all that follows.
    pub result: Option<String>,
    /// How the main process ended: a `CLD_` code of waitid(2).
    pub exec_main_code: Option<u64>,
    /// Its exit status, or the signal.
    pub exec_main_status: Option<u64>,
    /// When a timer with a calendar elapses next.
    pub next_elapse: Option<Timestamp>,
    /// When a timer with a span elapses next, on the monotonic clock.
    pub next_elapse_monotonic: Option<Duration>,
    /// The values of the settings that can be compared, by property name.
    pub properties: SettingValues,
}

impl LoadedUnit {
    /// Reads a `GetAll` answer; the error says which property is missing or of a wrong type.
    pub(super) fn from_properties(properties: Properties) -> Result<Self, String> {
        let p = &properties;
        let id = p.text("Id")?;
        let (error_name, error_message) = p.need("LoadError", pair_of_texts, "a pair of texts")?;
        let job = p.need("Job", first_number, "a pair of a number and a path")?;
        let invocation: Vec<u8> = p.need("InvocationID", bytes, "a list of bytes")?;
        let condition = p.timestamp("ConditionTimestamp")?.zip(Some(p.bool("ConditionResult")?));
        Ok(Self {
            id: UnitName::parse(&id).map_err(|error| format!("Id: {error}"))?,
            names: p.texts("Names")?,
            load_state: p.text("LoadState")?.as_str().into(),
            load_error: (!error_name.is_empty())
                .then_some(LoadError { name: error_name, message: error_message }),
            active_state: p.text("ActiveState")?.as_str().into(),
            sub_state: p.text("SubState")?,
            fragment_path: path(p.text("FragmentPath")?),
            source_path: path(p.text("SourcePath")?),
            drop_in_paths: paths(p.texts("DropInPaths")?),
            unit_file_state: Some(p.text("UnitFileState")?).filter(|word| !word.is_empty()),
            need_daemon_reload: p.bool("NeedDaemonReload")?,
            documentation: p.texts("Documentation")?,
            transient: p.bool("Transient")?,
            triggered_by: p.texts("TriggeredBy")?,
            triggers: p.texts("Triggers")?,
            job: u32::try_from(job).ok().filter(|id| *id != 0),
            invocation_id: (!invocation.is_empty()).then(|| hexadecimal(&invocation)),
            state_change: p.timestamp("StateChangeTimestamp")?,
            inactive_exit: p.timestamp("InactiveExitTimestamp")?,
            active_enter: p.timestamp("ActiveEnterTimestamp")?,
            condition,
            result: p.text("Result").ok(),
            exec_main_code: p.optional_number("ExecMainCode"),
            exec_main_status: p.optional_number("ExecMainStatus"),
            next_elapse: p.optional_number("NextElapseUSecRealtime").and_then(Timestamp::from_micros),
            next_elapse_monotonic: p
                .optional_number("NextElapseUSecMonotonic")
                .filter(|micros| *micros != 0 && *micros != u64::MAX)
                .map(Duration::from_micros),
            properties: properties.0,
        })
    }

    /// A unit of which nothing is read but its row in the list of all units.
    #[must_use]
    pub fn listed(name: &UnitName, listed: &ListedUnit) -> Self {
        Self {
            id: name.clone(),
            names: vec![name.to_string()],
            load_state: listed.load_state.clone(),
            load_error: None,
            active_state: listed.active_state.clone(),
            sub_state: listed.sub_state.clone(),
            fragment_path: None,
            source_path: None,
            drop_in_paths: Vec::new(),
            unit_file_state: None,
            need_daemon_reload: false,
            documentation: Vec::new(),
            transient: false,
            triggered_by: Vec::new(),
            triggers: Vec::new(),
            job: listed.job.as_ref().map(|job| job.id),
            invocation_id: None,
            state_change: None,
            inactive_exit: None,
            active_enter: None,
            condition: None,
            result: None,
            exec_main_code: None,
            exec_main_status: None,
            next_elapse: None,
            next_elapse_monotonic: None,
            properties: SettingValues::new(),
        }
    }

    /// Whether the last attempt to start it ended at a condition.
    #[must_use]
    pub fn was_skipped(&self) -> bool {
        matches!(self.condition, Some((_, false)))
    }
}

impl ManagerState {
    /// Reads the `GetAll` answer of the manager's own interface.
    pub(super) fn from_properties(p: &Properties) -> Result<Self, String> {
        Ok(Self {
            version: p.text("Version")?,
            system_state: p.text("SystemState")?.as_str().into(),
            unit_path: paths(p.texts("UnitPath")?),
            units_load: p.timestamp("UnitsLoadTimestamp")?.max(p.timestamp("UnitsLoadStartTimestamp")?),
            failed_units: p.need("NFailedUnits", SettingValue::unsigned, "a number")?,
            environment: p.texts("Environment")?,
        })
    }
}

fn path(text: String) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn paths(texts: Vec<String>) -> Vec<PathBuf> {
    texts.into_iter().map(PathBuf::from).collect()
}

fn pair_of_texts(value: &SettingValue) -> Option<(String, String)> {
    match value.list()? {
        [first, second] => Some((first.text()?.to_owned(), second.text()?.to_owned())),
        _ => None,
    }
}

fn first_number(value: &SettingValue) -> Option<u64> {
    value.list()?.first()?.unsigned()
}

fn bytes(value: &SettingValue) -> Option<Vec<u8>> {
    value.list()?.iter().map(|byte| byte.unsigned().and_then(|byte| u8::try_from(byte).ok())).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
