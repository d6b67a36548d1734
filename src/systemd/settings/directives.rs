//! Which directives can be compared with what the manager reports, how, and which cannot and why.

use super::rule::{Rule, Undeclared};

/// One property of the manager, and the directives that decide it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The section of the unit file.
    pub section: &'static str,
    /// The directives; a `*` at the end stands for anything. They reset each other.
    pub keys: &'static [&'static str],
    /// The property.
    pub property: &'static str,
    /// How the two are compared.
    pub rule: Rule,
    /// What is expected when no directive is given.
    pub undeclared: Undeclared,
}

impl Setting {
    /// Whether it decides this setting.
    #[must_use]
    pub fn has(&self, section: &str, key: &str) -> bool {
        self.section == section
            && self.keys.iter().any(|known| match known.strip_suffix('*') {
                Some(start) => key.starts_with(start),
                None => *known == key,
            })
    }
}

/// Whether a directive is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparable {
    /// It is.
    Yes,
    /// It is not, for this reason.
    No(&'static str),
    /// Nothing is known about it here.
    Unknown,
}

/// Whether `key` in `section` is compared.
#[must_use]
pub fn comparable(section: &str, key: &str) -> Comparable {
    if SETTINGS.iter().any(|setting| setting.has(section, key)) {
        return Comparable::Yes;
    }
    if section.starts_with("X-") || key.starts_with("X-") {
        return Comparable::No("an extension, which the manager does not read");
    }
    let known = NOT_COMPARED.iter().find(|(s, k, _)| *s == section && (*k == "*" || *k == key));
    known.map_or(Comparable::Unknown, |(_, _, reason)| Comparable::No(reason))
}

/// The properties that [`SETTINGS`] look at.
pub(in crate::systemd) fn properties() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.property)
}

/// Directives that are not compared, with the reason. `*` stands for all keys of the section.
pub const NOT_COMPARED: &[(&str, &str, &str)] = &[
    ("Install", "*", "not loaded by the manager: the links that it makes are looked at instead"),
    ("Service", "CapabilityBoundingSet", "has no effect in a user unit but to fail it"),
    ("Service", "AmbientCapabilities", "has no effect in a user unit but to fail it"),
    ("Service", "PIDFile", "only of use with Type=forking, and reported in another form by every version"),
    ("Service", "LimitNOFILE", "reported as two numbers, after the manager's own limits were applied"),
    ("Service", "LimitNPROC", "reported as two numbers, after the manager's own limits were applied"),
    ("Service", "LimitMEMLOCK", "reported as two numbers, after the manager's own limits were applied"),
    ("Service", "LimitCORE", "reported as two numbers, after the manager's own limits were applied"),
    ("Service", "SystemCallLog", "reported as the expanded list of calls of the running version"),
    ("Service", "PrivateUsers", "its type changed between versions"),
    ("Service", "PrivateTmp", "its type changed between versions"),
    ("Service", "ProtectControlGroups", "its type changed between versions"),
    ("Service", "ProtectHostname", "its type changed between versions"),
    ("Service", "Delegate", "reported together with the controllers of the machine"),
    ("Service", "LogLevelMax", "does nothing in a user unit"),
    ("Service", "LogExtraFields", "does nothing in a user unit"),
    ("Service", "LogRateLimitIntervalSec", "does nothing in a user unit"),
    ("Service", "LogRateLimitBurst", "does nothing in a user unit"),
];

const fn set(
    section: &'static str,
    keys: &'static [&'static str],
    property: &'static str,
    rule: Rule,
    undeclared: Undeclared,
) -> Setting {
    Setting { section, keys, property, rule, undeclared }
}

/// A dependency: systemd adds its own, so that only what is missing counts.
const fn units(key: &'static [&'static str], property: &'static str) -> Setting {
    set("Unit", key, property, Rule::Units, Undeclared::Anything)
}

/// A dependency that can keep the unit from starting or make it stop: one that is loaded and not declared is a difference.
const fn needs(key: &'static [&'static str], property: &'static str) -> Setting {
    set("Unit", key, property, Rule::ExactUnits, Undeclared::Nothing)
}

/// A list of commands; one that is loaded and not declared is a difference.
const fn exec(key: &'static [&'static str], property: &'static str) -> Setting {
    set("Service", key, property, Rule::Commands, Undeclared::Nothing)
}

const fn service(keys: &'static [&'static str], property: &'static str, rule: Rule) -> Setting {
    set("Service", keys, property, rule, Undeclared::Anything)
}

/// A setting that makes a unit run something else, or elsewhere, so that it is looked at when it is not declared too.
const fn service_or(
    keys: &'static [&'static str],
    property: &'static str,
    rule: Rule,
    undeclared: Undeclared,
) -> Setting {
    set("Service", keys, property, rule, undeclared)
}

const SPAN: Rule = Rule::Span { zero_is_infinite: false };
const TIMEOUT: Rule = Rule::Span { zero_is_infinite: true };

/// Everything that is compared. Sources: the load-fragment table and the D-Bus properties of systemd 252 to 257.
pub const SETTINGS: &[Setting] = &[
    // [Unit]
    set("Unit", &["Description"], "Description", Rule::Text, Undeclared::Anything),
    set("Unit", &["Documentation"], "Documentation", Rule::Links, Undeclared::Nothing),
    needs(&["Requires"], "Requires"),
    needs(&["Requisite"], "Requisite"),
    units(&["Wants"], "Wants"),
    needs(&["BindsTo"], "BindsTo"),
    units(&["PartOf"], "PartOf"),
    needs(&["Upholds"], "Upholds"),
    needs(&["Conflicts"], "Conflicts"),
    units(&["Before"], "Before"),
    units(&["After"], "After"),
    units(&["OnSuccess"], "OnSuccess"),
    units(&["OnFailure"], "OnFailure"),
    units(&["PropagatesReloadTo"], "PropagatesReloadTo"),
    units(&["ReloadPropagatedFrom"], "ReloadPropagatedFrom"),
    units(&["PropagatesStopTo"], "PropagatesStopTo"),
    units(&["StopPropagatedFrom"], "StopPropagatedFrom"),
    units(&["JoinsNamespaceOf"], "JoinsNamespaceOf"),
    set("Unit", &["RequiresMountsFor"], "RequiresMountsFor", Rule::Paths, Undeclared::Anything),
    set("Unit", &["Condition*"], "Conditions", Rule::Conditions, Undeclared::Nothing),
    set("Unit", &["Assert*"], "Asserts", Rule::Conditions, Undeclared::Nothing),
    set(
        "Unit",
        &["StartLimitIntervalSec", "StartLimitInterval"],
        "StartLimitIntervalUSec",
        SPAN,
        Undeclared::Anything,
    ),
    set("Unit", &["StartLimitBurst"], "StartLimitBurst", Rule::Number, Undeclared::Anything),
    set("Unit", &["StartLimitAction"], "StartLimitAction", Rule::Text, Undeclared::Text("none")),
    set("Unit", &["FailureAction"], "FailureAction", Rule::Text, Undeclared::Text("none")),
    set("Unit", &["SuccessAction"], "SuccessAction", Rule::Text, Undeclared::Text("none")),
    set("Unit", &["RefuseManualStart"], "RefuseManualStart", Rule::Flag, Undeclared::Flag(false)),
    set("Unit", &["RefuseManualStop"], "RefuseManualStop", Rule::Flag, Undeclared::Flag(false)),
    set("Unit", &["StopWhenUnneeded"], "StopWhenUnneeded", Rule::Flag, Undeclared::Flag(false)),
    set("Unit", &["AllowIsolate"], "AllowIsolate", Rule::Flag, Undeclared::Anything),
    set("Unit", &["IgnoreOnIsolate"], "IgnoreOnIsolate", Rule::Flag, Undeclared::Anything),
    set("Unit", &["DefaultDependencies"], "DefaultDependencies", Rule::Flag, Undeclared::Flag(true)),
    set("Unit", &["JobTimeoutSec"], "JobTimeoutUSec", TIMEOUT, Undeclared::Anything),
    set("Unit", &["JobTimeoutAction"], "JobTimeoutAction", Rule::Text, Undeclared::Text("none")),
    set("Unit", &["CollectMode"], "CollectMode", Rule::Text, Undeclared::Anything),
    set("Unit", &["OnFailureJobMode"], "OnFailureJobMode", Rule::Text, Undeclared::Anything),
    set("Unit", &["OnSuccessJobMode"], "OnSuccessJobMode", Rule::Text, Undeclared::Anything),
    set("Unit", &["SourcePath"], "SourcePath", Rule::Text, Undeclared::Anything),
    // [Service]
    exec(&["ExecCondition"], "ExecConditionEx"),
    exec(&["ExecStartPre"], "ExecStartPreEx"),
    exec(&["ExecStart"], "ExecStartEx"),
    exec(&["ExecStartPost"], "ExecStartPostEx"),
    exec(&["ExecReload"], "ExecReloadEx"),
    exec(&["ExecStop"], "ExecStopEx"),
    exec(&["ExecStopPost"], "ExecStopPostEx"),
    service(&["Type"], "Type", Rule::Text),
    service_or(&["RemainAfterExit"], "RemainAfterExit", Rule::Flag, Undeclared::Flag(false)),
    service(&["TimeoutStartSec", "TimeoutSec"], "TimeoutStartUSec", TIMEOUT),
    service(&["TimeoutStopSec", "TimeoutSec"], "TimeoutStopUSec", TIMEOUT),
    service_or(&["RuntimeMaxSec"], "RuntimeMaxUSec", SPAN, Undeclared::Text("infinity")),
    service(&["WatchdogSec"], "WatchdogUSec", SPAN),
    service_or(&["Restart"], "Restart", Rule::Text, Undeclared::Text("no")),
    service(&["RestartSec"], "RestartUSec", SPAN),
    service_or(&["SuccessExitStatus"], "SuccessExitStatus", Rule::ExitStatuses, Undeclared::Nothing),
    service(&["RestartPreventExitStatus"], "RestartPreventExitStatus", Rule::ExitStatuses),
    service(&["RestartForceExitStatus"], "RestartForceExitStatus", Rule::ExitStatuses),
    service(&["NotifyAccess"], "NotifyAccess", Rule::Text),
    service(&["OOMPolicy"], "OOMPolicy", Rule::Text),
    service(&["BusName"], "BusName", Rule::Text),
    service_or(&["KillMode"], "KillMode", Rule::Text, Undeclared::Text("control-group")),
    service(&["KillSignal"], "KillSignal", Rule::Signal),
    service(&["SendSIGKILL"], "SendSIGKILL", Rule::Flag),
    service_or(&["Environment"], "Environment", Rule::Environment, Undeclared::Nothing),
    service_or(&["EnvironmentFile"], "EnvironmentFiles", Rule::EnvironmentFiles, Undeclared::Nothing),
    service_or(&["PassEnvironment"], "PassEnvironment", Rule::Names, Undeclared::Nothing),
    service_or(&["UnsetEnvironment"], "UnsetEnvironment", Rule::Names, Undeclared::Nothing),
    service_or(&["WorkingDirectory"], "WorkingDirectory", Rule::WorkingDirectory, Undeclared::HomeDirectory),
    service_or(&["RootDirectory"], "RootDirectory", Rule::Text, Undeclared::Text("")),
    service_or(&["RootImage"], "RootImage", Rule::Text, Undeclared::Text("")),
    service_or(&["User"], "User", Rule::Text, Undeclared::Text("")),
    service_or(&["Group"], "Group", Rule::Text, Undeclared::Text("")),
    service_or(&["DynamicUser"], "DynamicUser", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ExecSearchPath"], "ExecSearchPath", Rule::SearchPath, Undeclared::Nothing),
    service_or(&["BindPaths"], "BindPaths", Rule::Present, Undeclared::Nothing),
    service_or(&["BindReadOnlyPaths"], "BindReadOnlyPaths", Rule::Present, Undeclared::Nothing),
    service_or(&["TemporaryFileSystem"], "TemporaryFileSystem", Rule::Present, Undeclared::Nothing),
    service_or(&["LoadCredential"], "LoadCredential", Rule::Present, Undeclared::Nothing),
    service_or(&["SetCredential"], "SetCredential", Rule::Present, Undeclared::Nothing),
    service_or(&["ReadOnlyPaths"], "ReadOnlyPaths", Rule::Names, Undeclared::Nothing),
    service_or(&["ReadWritePaths"], "ReadWritePaths", Rule::Names, Undeclared::Nothing),
    service_or(&["InaccessiblePaths"], "InaccessiblePaths", Rule::Names, Undeclared::Nothing),
    service_or(&["ExecPaths"], "ExecPaths", Rule::Names, Undeclared::Nothing),
    service_or(&["NoExecPaths"], "NoExecPaths", Rule::Names, Undeclared::Nothing),
    service_or(&["ExtensionDirectories"], "ExtensionDirectories", Rule::Names, Undeclared::Nothing),
    service_or(&["ImportCredential"], "ImportCredential", Rule::Names, Undeclared::Nothing),
    service_or(&["ConfigurationDirectory"], "ConfigurationDirectory", Rule::Names, Undeclared::Nothing),
    service_or(&["LogsDirectory"], "LogsDirectory", Rule::Names, Undeclared::Nothing),
    service_or(&["SupplementaryGroups"], "SupplementaryGroups", Rule::Names, Undeclared::Nothing),
    service_or(&["MountImages"], "MountImages", Rule::Present, Undeclared::Nothing),
    service_or(&["ExtensionImages"], "ExtensionImages", Rule::Present, Undeclared::Nothing),
    service_or(&["LoadCredentialEncrypted"], "LoadCredentialEncrypted", Rule::Present, Undeclared::Nothing),
    service_or(&["SetCredentialEncrypted"], "SetCredentialEncrypted", Rule::Present, Undeclared::Nothing),
    service_or(&["IPAddressAllow"], "IPAddressAllow", Rule::Present, Undeclared::Nothing),
    service_or(&["IPAddressDeny"], "IPAddressDeny", Rule::Present, Undeclared::Nothing),
    service_or(
        &["TimeoutStartFailureMode"],
        "TimeoutStartFailureMode",
        Rule::Text,
        Undeclared::Text("terminate"),
    ),
    service_or(
        &["TimeoutStopFailureMode"],
        "TimeoutStopFailureMode",
        Rule::Text,
        Undeclared::Text("terminate"),
    ),
    service_or(&["ProtectProc"], "ProtectProc", Rule::Text, Undeclared::Text("default")),
    service_or(&["ProcSubset"], "ProcSubset", Rule::Text, Undeclared::Text("all")),
    service_or(&["NetworkNamespacePath"], "NetworkNamespacePath", Rule::Text, Undeclared::Text("")),
    service_or(&["IPCNamespacePath"], "IPCNamespacePath", Rule::Text, Undeclared::Text("")),
    service_or(&["PAMName"], "PAMName", Rule::Text, Undeclared::Text("")),
    service_or(&["ExitType"], "ExitType", Rule::Text, Undeclared::Text("main")),
    // Without effect in a user unit, which may not confine devices; PrivateDevices= sets it, too.
    service(&["DevicePolicy"], "DevicePolicy", Rule::Text),
    service_or(&["PrivateIPC"], "PrivateIPC", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["SendSIGHUP"], "SendSIGHUP", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["RootDirectoryStartOnly"], "RootDirectoryStartOnly", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["NonBlocking"], "NonBlocking", Rule::Flag, Undeclared::Flag(false)),
    service(&["UMask"], "UMask", Rule::Octal),
    service(&["StandardInput"], "StandardInput", Rule::Text),
    service(&["StandardOutput"], "StandardOutput", Rule::Output),
    service(&["StandardError"], "StandardError", Rule::Output),
    service(&["SyslogIdentifier"], "SyslogIdentifier", Rule::Text),
    service(&["Slice"], "Slice", Rule::Text),
    service(&["OOMScoreAdjust"], "OOMScoreAdjust", Rule::Number),
    service(&["Nice"], "Nice", Rule::Number),
    service(&["CPUWeight"], "CPUWeight", Rule::Number),
    service(&["IOWeight"], "IOWeight", Rule::Number),
    service(&["CPUQuota"], "CPUQuotaPerSecUSec", Rule::Quota),
    service(&["MemoryMin"], "MemoryMin", Rule::Bytes),
    service(&["MemoryLow"], "MemoryLow", Rule::Bytes),
    service(&["MemoryHigh"], "MemoryHigh", Rule::Bytes),
    service(&["MemoryMax"], "MemoryMax", Rule::Bytes),
    service(&["MemorySwapMax"], "MemorySwapMax", Rule::Bytes),
    service(&["TasksMax"], "TasksMax", Rule::Tasks),
    service(&["NoNewPrivileges"], "NoNewPrivileges", Rule::Flag),
    service(&["MemoryDenyWriteExecute"], "MemoryDenyWriteExecute", Rule::Flag),
    service(&["LockPersonality"], "LockPersonality", Rule::Flag),
    service(&["RestrictRealtime"], "RestrictRealtime", Rule::Flag),
    service(&["RestrictSUIDSGID"], "RestrictSUIDSGID", Rule::Flag),
    service_or(&["PrivateNetwork"], "PrivateNetwork", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["PrivateDevices"], "PrivateDevices", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ProtectClock"], "ProtectClock", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ProtectKernelLogs"], "ProtectKernelLogs", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ProtectKernelModules"], "ProtectKernelModules", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ProtectKernelTunables"], "ProtectKernelTunables", Rule::Flag, Undeclared::Flag(false)),
    service_or(&["ProtectSystem"], "ProtectSystem", Rule::FlagOrWord, Undeclared::Text("no")),
    service_or(&["ProtectHome"], "ProtectHome", Rule::FlagOrWord, Undeclared::Text("no")),
    service(&["RestrictNamespaces"], "RestrictNamespaces", Rule::Namespaces),
    service(&["RestrictAddressFamilies"], "RestrictAddressFamilies", Rule::AddressFamilies),
    service(&["SystemCallFilter"], "SystemCallFilter", Rule::Present),
    service(&["SystemCallArchitectures"], "SystemCallArchitectures", Rule::Names),
    service_or(&["RuntimeDirectory"], "RuntimeDirectory", Rule::Names, Undeclared::Nothing),
    service_or(&["StateDirectory"], "StateDirectory", Rule::Names, Undeclared::Nothing),
    service_or(&["CacheDirectory"], "CacheDirectory", Rule::Names, Undeclared::Nothing),
    service(&["RuntimeDirectoryMode"], "RuntimeDirectoryMode", Rule::Octal),
    service(&["StateDirectoryMode"], "StateDirectoryMode", Rule::Octal),
    // [Path]
    set(
        "Path",
        &["PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty"],
        "Paths",
        Rule::Watches,
        Undeclared::Nothing,
    ),
    set("Path", &["Unit"], "Unit", Rule::Text, Undeclared::ServiceOfTheSameName),
    set("Path", &["MakeDirectory"], "MakeDirectory", Rule::Flag, Undeclared::Flag(false)),
    set("Path", &["DirectoryMode"], "DirectoryMode", Rule::Octal, Undeclared::Anything),
    set("Path", &["TriggerLimitIntervalSec"], "TriggerLimitIntervalUSec", SPAN, Undeclared::Anything),
    set("Path", &["TriggerLimitBurst"], "TriggerLimitBurst", Rule::Number, Undeclared::Anything),
    // [Timer]
    set("Timer", TIMER_KEYS, "TimersMonotonic", Rule::Monotonic, Undeclared::Nothing),
    set("Timer", TIMER_KEYS, "TimersCalendar", Rule::Calendar, Undeclared::Nothing),
    set("Timer", &["OnClockChange"], "OnClockChange", Rule::Flag, Undeclared::Flag(false)),
    set("Timer", &["OnTimezoneChange"], "OnTimezoneChange", Rule::Flag, Undeclared::Flag(false)),
    set("Timer", &["Persistent"], "Persistent", Rule::Flag, Undeclared::Flag(false)),
    set("Timer", &["RandomizedDelaySec"], "RandomizedDelayUSec", SPAN, Undeclared::Anything),
    set("Timer", &["FixedRandomDelay"], "FixedRandomDelay", Rule::Flag, Undeclared::Anything),
    set("Timer", &["AccuracySec"], "AccuracyUSec", SPAN, Undeclared::Anything),
    set("Timer", &["RemainAfterElapse"], "RemainAfterElapse", Rule::Flag, Undeclared::Flag(true)),
    set("Timer", &["WakeSystem"], "WakeSystem", Rule::Flag, Undeclared::Flag(false)),
    set("Timer", &["Unit"], "Unit", Rule::Text, Undeclared::ServiceOfTheSameName),
];

/// One empty assignment of any of these resets all of them.
const TIMER_KEYS: &[&str] =
    &["OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec", "OnCalendar"];
