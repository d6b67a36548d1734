//! What a manager says, as JSON: in the words of its own properties, with their usual values left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use stackwarden::audit::{Answers, Declaration, World};
use stackwarden::names::UnitName;
use stackwarden::systemd::bus::BusError;
use stackwarden::systemd::loaded::{Detail, ListedUnit, LoadError, LoadedUnit, ManagerState, UnitList};
use stackwarden::systemd::manager::Manager;
use stackwarden::systemd::value::{SettingValue, Timestamp};
use stackwarden::systemd::words::SystemState;

/// What `says` comes to, when the files of the tree were written by `written`.
pub fn answers(says: &Value, written: SystemTime) -> Answers {
    let after = |key: &str| {
        let seconds = says[key].as_i64().unwrap();
        let span = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { written - span } else { written + span }
    };
    let read = u64::try_from(after("seconds_until_read").duration_since(UNIX_EPOCH).unwrap().as_micros());
    let mut listed = UnitList::default();
    let mut loaded = BTreeMap::new();
    for (name, unit) in says["units"].as_object().unwrap() {
        let name = UnitName::parse(name).unwrap();
        let (active, sub) = states(unit);
        if unit["InMemory"] != json!(false) {
            let row = ListedUnit {
                load_state: text(unit, "LoadState", "loaded").as_str().into(),
                active_state: active.as_str().into(),
                sub_state: sub,
                job: None,
            };
            listed.units.insert(name.clone(), row);
        }
        loaded.insert(name.clone(), of_unit(&name, unit));
    }
    Answers {
        now: after("seconds_until_now"),
        manager: ManagerState {
            version: says["Version"].as_str().unwrap().to_owned(),
            system_state: SystemState::Running,
            unit_path: texts(says, "UnitPath").into_iter().map(Into::into).collect(),
            units_load: Timestamp::from_micros(read.unwrap()),
            failed_units: 0,
            environment: Vec::new(),
        },
        listed,
        loaded,
        aliases: BTreeMap::new(),
        missing_programs: texts(says, "missing_programs").into_iter().map(Into::into).collect(),
        lingering: match &says["lingering"] {
            Value::String(problem) => Err(problem.clone()),
            other => Ok(other.as_bool().unwrap()),
        },
    }
}

fn of_unit(name: &UnitName, unit: &Value) -> Result<LoadedUnit, BusError> {
    if let Some(reason) = unit["error"].as_str() {
        return Err(BusError::NotUnderstood { asked: format!("read {name}"), reason: reason.to_owned() });
    }
    let (active, sub) = states(unit);
    Ok(LoadedUnit {
        id: name.clone(),
        names: vec![name.to_string()],
        load_state: text(unit, "LoadState", "loaded").as_str().into(),
        load_error: unit["LoadError"].as_str().map(|message| LoadError {
            name: "org.freedesktop.systemd1.BadUnitSetting".to_owned(),
            message: message.to_owned(),
        }),
        active_state: active.as_str().into(),
        sub_state: sub,
        fragment_path: unit["FragmentPath"].as_str().map(Into::into),
        source_path: None,
        drop_in_paths: texts(unit, "DropInPaths").into_iter().map(Into::into).collect(),
        unit_file_state: None,
        need_daemon_reload: unit["NeedDaemonReload"].as_bool().unwrap_or_default(),
        documentation: texts(unit, "Documentation"),
        transient: unit["Transient"].as_bool().unwrap_or_default(),
        triggered_by: Vec::new(),
        triggers: Vec::new(),
        job: None,
        invocation_id: None,
        state_change: unit["StateChangeTimestamp"].as_u64().and_then(Timestamp::from_micros),
        inactive_exit: None,
        active_enter: None,
        condition: None,
        result: Some(text(unit, "Result", "success")),
        exec_main_code: None,
        exec_main_status: unit["ExecMainStatus"].as_u64(),
        next_elapse: None,
        next_elapse_monotonic: None,
        properties: unit["settings"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone().into(), setting(value)))
            .collect(),
    })
}

fn states(unit: &Value) -> (String, String) {
    (text(unit, "ActiveState", "inactive"), text(unit, "SubState", "dead"))
}

fn text(value: &Value, key: &str, default: &str) -> String {
    value[key].as_str().unwrap_or(default).to_owned()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value[key].as_array().cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn setting(value: &Value) -> SettingValue {
    match value {
        Value::Bool(value) => SettingValue::Bool(*value),
        Value::Number(number) => match number.as_u64() {
            Some(number) => SettingValue::Unsigned(number),
            None => SettingValue::Signed(number.as_i64().unwrap()),
        },
        Value::String(text) => SettingValue::Text(text.clone()),
        Value::Array(values) => SettingValue::List(values.iter().map(setting).collect()),
        Value::Null | Value::Object(_) => panic!("no property has the value {value}"),
    }
}

/// What a real manager says, in the same form.
pub fn record(declaration: &Declaration, world: &World, manager: &Manager) -> Value {
    // An observation keeps no settings but those that differ.
    let names: Vec<UnitName> = world.units.keys().filter(|name| !name.is_template()).cloned().collect();
    let whole = manager.observe(&names, Detail::Settings);
    let mut units = Map::new();
    for (name, seen) in &world.units {
        let Some(Ok(loaded)) = &seen.loaded else { continue };
        let mut unit = Map::new();
        let mut put = |key: &str, value: Value, usual: Value| {
            if value != usual {
                unit.insert(key.to_owned(), value);
            }
        };
        put("InMemory", json!(seen.in_memory), json!(true));
        put("ActiveState", json!(loaded.active_state.as_str()), json!("inactive"));
        put("SubState", json!(loaded.sub_state), json!("dead"));
        put("FragmentPath", json!(loaded.fragment_path), json!(null));
        put("Documentation", json!(loaded.documentation), json!([]));
        let declared: BTreeSet<&str> =
            declaration.units[name].sealed.settings.iter().map(|setting| setting.key).collect();
        let settings: Map<String, Value> = whole[name]
            .as_ref()
            .unwrap()
            .properties
            .iter()
            .filter(|(property, _)| is_recorded(property, &declared))
            .map(|(property, value)| (property.to_string(), recorded(value)))
            .collect();
        unit.insert("settings".to_owned(), Value::Object(settings));
        units.insert(name.to_string(), Value::Object(unit));
    }
    json!({
        "Version": world.answers.manager.version,
        "UnitPath": world.answers.manager.unit_path,
        "seconds_until_read": 300,
        "seconds_until_now": 600,
        "lingering": true,
        "units": units,
    })
}

/// What the unit declares, as far as it is not too long to read; how the other settings must be is held elsewhere.
fn is_recorded(property: &str, declared: &BTreeSet<&str>) -> bool {
    let groups = ["Exec", "Paths", "Timers", "Timeout"];
    let too_long = ["Documentation", "SystemCallFilter"];
    (declared.contains(property) || groups.iter().any(|group| property.starts_with(group)))
        && !too_long.contains(&property)
}

fn recorded(value: &SettingValue) -> Value {
    match value {
        SettingValue::Bool(value) => json!(value),
        SettingValue::Signed(number) => json!(number),
        SettingValue::Unsigned(number) => json!(number),
        SettingValue::Text(text) => json!(text),
        SettingValue::List(values) => values.iter().map(recorded).collect(),
    }
}
