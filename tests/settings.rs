//! What is declared against what a real manager has loaded: equal for every directive that can be compared, and
//! different for each thing that a drop-in can change.

#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a panic with its place")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use stackwarden::names::UnitName;
use stackwarden::systemd::loaded::Detail;
use stackwarden::systemd::manager::Manager as Client;
use stackwarden::systemd::settings::compare::{Comparison, Declared, compare};
use stackwarden::systemd::settings::specifier::Context;
use stackwarden::systemd::words::LoadState;
use support::Manager;

const DEADLINE: Duration = Duration::from_secs(10);

/// One of everything that units commonly set, with the quoting that is likely to be got wrong.
const SERVICE: &str = r#"
[Unit]
Description=Everything of %n, 100%% of it
Documentation=file:///seal.json#token man:foo(1) https://example.org/%p
Documentation=nonsense:x
Requires=needed.target
Wants=wanted.target other.target "quoted.target"
BindsTo=bound.target
PartOf=whole.target
Upholds=held.target
Conflicts=enemy.target
Before=later.target
After=earlier.target wanted.target
OnSuccess=good@%n.service
OnFailure=bad@%n.service
RequiresMountsFor=/srv//data/ %h/x
ConditionPathExists=|/nosuch
ConditionPathExists=|!/nosuch/./x//
ConditionEnvironment=!FOO
ConditionUser=%u
AssertPathExists=/
StartLimitIntervalSec=0
StartLimitBurst=7
RefuseManualStop=yes
JobTimeoutSec=0
CollectMode=inactive-or-failed

[Service]
Type=oneshot
RemainAfterExit=true
ExecCondition=/bin/true %i
ExecStartPre=-/bin/true 'a b' "c \"d\"" e\x20f
ExecStart=/bin/sh -c 'echo "$HOME" ${FOO} %h $$; true'
ExecStart=@/bin/true own-name --option ; -:/bin/true \; x
ExecStart=/bin/true \
    continued   ü 'ß' %%
ExecStartPost=
ExecStartPost=+/bin/true //x//y
ExecReload=!/bin/true
ExecStop=true
ExecStopPost=!!/bin/true ""
TimeoutStartSec=5min 20s
TimeoutStopSec=infinity
RuntimeMaxSec=2h
KillMode=mixed
KillSignal=SIGINT
SendSIGKILL=no
Environment=A=b "C=d e" 'F=%h/x'
Environment=A=c G= "H=a\tb"
EnvironmentFile=-%t/one.env
EnvironmentFile=/two.env
PassEnvironment=X Y
PassEnvironment=Z
UnsetEnvironment=Q
WorkingDirectory=-%h
UMask=0077
Restart=no
RestartSec=3
NotifyAccess=main
SuccessExitStatus=3 TEMPFAIL SIGTERM
StandardInput=null
StandardOutput=append:%t/out
StandardError=journal
SyslogIdentifier=me
Slice=background.slice
OOMScoreAdjust=100
Nice=5
CPUWeight=50
CPUQuota=150%
MemoryHigh=1G
MemoryMax=2G
TasksMax=100
NoNewPrivileges=yes
MemoryDenyWriteExecute=yes
LockPersonality=1
RestrictRealtime=on
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET
RestrictAddressFamilies=AF_INET6
SystemCallFilter=@system-service
SystemCallArchitectures=native
ProtectSystem=strict
ProtectHome=read-only
RuntimeDirectory=a b
RuntimeDirectoryMode=0700
ReadWritePaths=-/srv
X-SwitchMethod=restart

[Install]
WantedBy=default.target
"#;

const PATH: &str = "
[Unit]
Description=watch %I

[Path]
PathChanged=/srv//a/
PathModified=%h
PathExists=/x
DirectoryNotEmpty=/y
PathExistsGlob=/z/*
MakeDirectory=yes
DirectoryMode=0700
";

const TIMER: &str = "
[Timer]
OnBootSec=1h
OnCalendar=
OnStartupSec=3min
OnUnitActiveSec=15min
OnCalendar=Mon..Fri 4:00
OnCalendar=daily
Persistent=true
RandomizedDelaySec=30min
FixedRandomDelay=true
AccuracySec=1s
Unit=other.service
";

struct Bench {
    manager: Manager,
    client: Client,
    context: Context,
}

impl Bench {
    fn new() -> Self {
        let manager = Manager::start();
        let dirs = manager.dirs();
        let client = Client::connect(&dirs, DEADLINE).unwrap();
        let context = Context::new(&dirs, &client.state().unwrap().version);
        Self { manager, client, context }
    }

    /// Loads `name` with `text` and `drop_ins`, and compares it with `declared`.
    fn compare(&self, name: &str, text: &str, drop_in: Option<&str>, declared: &str) -> Comparison {
        let directory = self.manager.owner().join(format!("{name}.d"));
        if directory.exists() {
            fs_err::remove_dir_all(&directory).unwrap();
        }
        self.manager.write_unit(name, text);
        if let Some(drop_in) = drop_in {
            self.manager.write_unit(&format!("{name}.d/99.conf"), drop_in);
        }
        self.client.reload(DEADLINE).unwrap();
        let unit = UnitName::parse(name).unwrap();
        let loaded = self.client.observe_one(&unit, Detail::Settings).unwrap();
        assert_eq!(loaded.load_state, LoadState::Loaded, "{:?} {}", loaded.load_error, self.manager.log());
        let assignments = assignments(declared);
        let declared: Vec<Declared<'_>> =
            assignments.iter().map(|(section, key, value)| Declared { section, key, value }).collect();
        compare(&unit, &declared, &self.context, &BTreeMap::new(), &loaded.properties)
    }

    /// The differences that `drop_in` makes to `text`, as `setting: expected | seen`.
    fn differences(&self, name: &str, text: &str, drop_in: &str) -> Vec<String> {
        let comparison = self.compare(name, text, Some(drop_in), text);
        comparison
            .differences
            .iter()
            .map(|difference| {
                format!("{}: {} | {}", difference.setting, difference.expected, difference.seen)
            })
            .collect()
    }
}

/// Enough of a unit file parser for the texts above.
fn assignments(text: &str) -> Vec<(String, String, String)> {
    let joined = text.replace("\\\n", " ");
    let mut section = String::new();
    let mut found = Vec::new();
    for line in joined.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else {
            let (key, value) = line.split_once('=').unwrap();
            found.push((section.clone(), key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

#[test]
fn a_unit_that_is_loaded_as_declared_has_no_difference() {
    let bench = Bench::new();
    for (name, text) in [
        ("every@thing.service", SERVICE),
        ("watch@a-b.path", PATH),
        ("tick.timer", TIMER),
        ("plain.service", "[Service]\nExecStart=/bin/true\n"),
        ("plain.path", "[Path]\nPathChanged=/srv\n"),
        ("plain.timer", "[Timer]\nOnStartupSec=1h\n"),
        ("plain.target", "[Unit]\nDescription=x\n"),
    ] {
        assert_eq!(
            bench.compare(name, text, None, text),
            Comparison::default(),
            "{name}: {}",
            bench.manager.log()
        );
    }
}

#[test]
fn each_thing_that_a_drop_in_changes_is_told() {
    let bench = Bench::new();
    let text = "[Unit]\nDescription=x\nAfter=a.target\n[Service]\nType=oneshot\nExecStart=/bin/true one\nEnvironment=A=b\n";
    for (drop_in, told) in [
        ("[Service]\nExecStart=\nExecStart=/bin/true two", "ExecStart: /bin/true one | /bin/true two"),
        ("[Service]\nExecStart=/bin/true two", "ExecStart: /bin/true one | /bin/true one, /bin/true two"),
        ("[Service]\nExecStartPost=/bin/evil", "ExecStartPost: (none) | /bin/evil"),
        ("[Service]\nExecStop=-/bin/evil 'a b'", "ExecStop: (none) | -/bin/evil \"a b\""),
        ("[Service]\nEnvironment=A=c D=e", "Environment: A=b | A=c, D=e"),
        ("[Service]\nEnvironmentFile=-/e", "EnvironmentFile: (none) | -/e"),
        ("[Service]\nWorkingDirectory=/tmp", "WorkingDirectory: ~ | /tmp"),
        ("[Service]\nUser=nobody", "User: (empty) | nobody"),
        ("[Service]\nRootDirectory=/srv", "RootDirectory: (empty) | /srv"),
        ("[Service]\nBindPaths=/srv:/etc", "BindPaths: (none) | some"),
        ("[Service]\nSuccessExitStatus=1", "SuccessExitStatus: (none) | 1"),
        ("[Service]\nRestart=on-failure", "Restart: no | on-failure"),
        ("[Service]\nType=exec", "Type: oneshot | exec"),
        ("[Service]\nRemainAfterExit=yes", "RemainAfterExit: no | yes"),
        ("[Unit]\nConditionPathExists=/nosuch", "Condition*: (none) | ConditionPathExists=/nosuch"),
        ("[Unit]\nDescription=y", "Description: x | y"),
        ("[Unit]\nDocumentation=man:y(1)", "Documentation: (none) | man:y(1)"),
        ("[Unit]\nFailureAction=exit", "FailureAction: none | exit"),
    ] {
        let told = told.replace('~', bench.manager.dir().join("home").to_str().unwrap());
        assert_eq!(bench.differences("web.service", text, drop_in), [told], "{drop_in}");
    }
    // More dependencies are systemd's business, fewer are ours.
    let none: [&str; 0] = [];
    assert_eq!(bench.differences("web.service", text, "[Unit]\nAfter=b.target"), none);
    let path = "[Path]\nPathChanged=/a\n";
    assert_eq!(
        bench.differences("web.path", path, "[Path]\nPathExists=/b\nUnit=x.service"),
        ["PathChanged: PathChanged=/a | PathChanged=/a, PathExists=/b", "Unit: web.service | x.service"]
    );
    let timer = "[Timer]\nOnCalendar=04:00\nPersistent=yes\n";
    assert_eq!(
        bench.differences("web.timer", timer, "[Timer]\nOnCalendar=05:00\nOnBootSec=5min\nPersistent=no"),
        [
            "On*Sec: (none) | OnBootSec=5m",
            "OnCalendar: *-*-* 04:00:00 | *-*-* 04:00:00, *-*-* 05:00:00",
            "Persistent: yes | no"
        ]
    );
}

/// Directives that keep a service from what it needs, or give it something else, the first systemd that knows each
/// (systemd.directives(7), NEWS), and what is told of it.
const CONFINEMENTS: &[(&str, u32, &str)] = &[
    ("NoExecPaths=/srv", 248, "NoExecPaths: (none) | /srv"),
    ("ExecPaths=/srv", 248, "ExecPaths: (none) | /srv"),
    ("ExtensionDirectories=/srv", 251, "ExtensionDirectories: (none) | /srv"),
    ("ImportCredential=x", 254, "ImportCredential: (none) | x"),
    ("ConfigurationDirectory=x", 235, "ConfigurationDirectory: (none) | x"),
    ("LogsDirectory=x", 235, "LogsDirectory: (none) | x"),
    ("RuntimeDirectory=x", 211, "RuntimeDirectory: (none) | x"),
    ("StateDirectory=x", 235, "StateDirectory: (none) | x"),
    ("CacheDirectory=x", 235, "CacheDirectory: (none) | x"),
    ("SupplementaryGroups=games", 206, "SupplementaryGroups: (none) | games"),
    ("MountImages=/a.raw:/srv", 247, "MountImages: (none) | some"),
    ("ExtensionImages=/a.raw", 248, "ExtensionImages: (none) | some"),
    ("LoadCredentialEncrypted=x:/x", 250, "LoadCredentialEncrypted: (none) | some"),
    ("IPAddressAllow=localhost", 235, "IPAddressAllow: (none) | some"),
    ("IPAddressDeny=any", 235, "IPAddressDeny: (none) | some"),
    ("TimeoutStartFailureMode=kill", 246, "TimeoutStartFailureMode: terminate | kill"),
    ("TimeoutStopFailureMode=abort", 246, "TimeoutStopFailureMode: terminate | abort"),
    ("RuntimeMaxSec=1h", 229, "RuntimeMaxSec: infinity | 1h"),
    ("ProtectProc=invisible", 247, "ProtectProc: default | invisible"),
    ("ProcSubset=pid", 247, "ProcSubset: all | pid"),
    ("NetworkNamespacePath=/n", 242, "NetworkNamespacePath: (empty) | /n"),
    ("IPCNamespacePath=/n", 248, "IPCNamespacePath: (empty) | /n"),
    ("PAMName=login", 183, "PAMName: (empty) | login"),
    ("ExitType=cgroup", 250, "ExitType: main | cgroup"),
    ("PrivateIPC=yes", 248, "PrivateIPC: no | yes"),
    ("SendSIGHUP=yes", 207, "SendSIGHUP: no | yes"),
    ("RootDirectoryStartOnly=yes", 183, "RootDirectoryStartOnly: no | yes"),
    ("NonBlocking=yes", 183, "NonBlocking: no | yes"),
    ("PrivateNetwork=yes", 183, "PrivateNetwork: no | yes"),
    ("PrivateDevices=yes", 209, "PrivateDevices: no | yes"),
    ("ProtectClock=yes", 245, "ProtectClock: no | yes"),
    ("ProtectKernelLogs=yes", 244, "ProtectKernelLogs: no | yes"),
    ("ProtectKernelModules=yes", 232, "ProtectKernelModules: no | yes"),
    ("ProtectKernelTunables=yes", 232, "ProtectKernelTunables: no | yes"),
    ("ProtectSystem=strict", 214, "ProtectSystem: no | strict"),
    ("ProtectHome=tmpfs", 214, "ProtectHome: no | tmpfs"),
];

#[test]
fn each_confinement_that_a_drop_in_adds_is_told_as_far_as_the_manager_knows_it() {
    let bench = Bench::new();
    let version = bench.client.state().unwrap().version;
    let version: u32 = version.split(['.', ' ', '~', '-']).next().unwrap().parse().unwrap();
    let text = "[Service]\nType=exec\nExecStart=/bin/true\n";
    for (directive, since, told) in CONFINEMENTS {
        let differences = bench.differences("web.service", text, &format!("[Service]\n{directive}"));
        let expected: &[&str] = if version >= *since { &[told] } else { &[] };
        assert_eq!(differences, expected, "{directive}: {}", bench.manager.log());
        let declared = format!("{text}{directive}\n");
        let itself = bench.compare("web.service", &declared, None, &declared);
        assert_eq!(itself.differences, [], "{directive}, declared");
    }
}

#[test]
fn what_is_missing_from_the_loaded_unit_is_told() {
    let bench = Bench::new();
    let declared = "[Unit]\nAfter=a.target b.target\nRequiresMountsFor=/srv\n[Service]\nExecStart=/bin/true\nTimeoutStartSec=2min\n";
    let loaded = "[Unit]\nAfter=a.target\n[Service]\nExecStart=/bin/true\nTimeoutStartSec=1min\n";
    let comparison = bench.compare("web.service", loaded, None, declared);
    let told: Vec<(&str, &str)> =
        comparison.differences.iter().map(|d| (d.setting.as_str(), d.expected.as_str())).collect();
    assert_eq!(told, [("After", "b.target"), ("RequiresMountsFor", "/srv"), ("TimeoutStartSec", "2m")]);
    let strange = "[Service]\nExecStart=/bin/true\nFoo=bar\nSyslogIdentifier=%H\n";
    let comparison = bench.compare("strange.service", strange, None, strange);
    assert_eq!(comparison.differences, []);
    let left_out: Vec<&str> = comparison.uncompared.iter().map(|u| u.setting.as_str()).collect();
    assert_eq!(left_out, ["SyslogIdentifier", "Foo"]);
}
