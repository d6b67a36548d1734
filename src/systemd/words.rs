//! The manager's enumerations: closed for us, open for what a later systemd adds.

/// An enumeration of words of systemd, with a variant for the ones that are not known here.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* #[doc = concat!("`", $word, "`")] $variant,)*
            /// A word that this version does not know.
            Other(String),
        }

        impl $name {
            /// systemd's own word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Whether the manager as a whole is up (systemctl(1), is-system-running).
    SystemState {
        Initializing = "initializing",
        Starting = "starting",
        Running = "running",
        Degraded = "degraded",
        Maintenance = "maintenance",
        Stopping = "stopping",
    }
}

words! {
    /// What became of reading the unit's files (org.freedesktop.systemd1(5)).
    LoadState {
        Stub = "stub",
        Loaded = "loaded",
        NotFound = "not-found",
        BadSetting = "bad-setting",
        Error = "error",
        Merged = "merged",
        Masked = "masked",
    }
}

impl LoadState {
    /// Whether the unit's files are there and the manager could not make a unit of them.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        !matches!(self, Self::Loaded | Self::NotFound | Self::Masked | Self::Merged)
    }
}

words! {
    /// The unit's state in one word, the same for all types (systemd.unit(5)).
    ActiveState {
        Active = "active",
        Reloading = "reloading",
        Inactive = "inactive",
        Failed = "failed",
        Activating = "activating",
        Deactivating = "deactivating",
        Maintenance = "maintenance",
        Refreshing = "refreshing",
    }
}

words! {
    /// What a job is to do (org.freedesktop.systemd1(5), Job.JobType).
    JobType {
        Start = "start",
        VerifyActive = "verify-active",
        Stop = "stop",
        Reload = "reload",
        Restart = "restart",
        TryRestart = "try-restart",
        TryReload = "try-reload",
        ReloadOrStart = "reload-or-start",
        Nop = "nop",
    }
}

words! {
    /// How a job ended (org.freedesktop.systemd1(5), `JobRemoved`). A word that is not known counts as a failure.
    JobResult {
        Done = "done",
        Canceled = "canceled",
        Timeout = "timeout",
        Failed = "failed",
        Dependency = "dependency",
        Skipped = "skipped",
        Invalid = "invalid",
        Assert = "assert",
        Unsupported = "unsupported",
        Collected = "collected",
        Once = "once",
        Frozen = "frozen",
        Concurrency = "concurrency",
    }
}

impl JobResult {
    /// Whether the job did what it was there for, as systemctl(1) sees it. A start whose condition failed is `done`
    /// too: the unit's condition result tells.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}
