//! The checks as data: id, severity, and when each is broken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a broken check matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// It will bite later.
    Ticket,
    /// Declared authority or the desired state is lost.
    Page,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Ticket => "ticket",
            Self::Page => "page",
        })
    }
}

macro_rules! checks {
    ($($name:ident = $id:literal, $severity:ident, $broken:literal;)*) => {
        /// One invariant. The ids are stable: reports, metrics and the operator's handbook go by them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Check {
            $(#[doc = $broken] #[serde(rename = $id)] $name,)*
        }

        impl Check {
            /// Every check, in the order of the handbook.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Those that need podman's answer.
            pub const RUNNING: &[Self] = &[
                Self::RunningStale,
                Self::ContainersUnowned,
                Self::StackDown,
                Self::StackUnhealthy,
                Self::LabelMismatch,
                Self::ProviderMismatch,
                Self::HealthTimerMissing,
            ];

            /// The stable id, in kebab case.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How much it matters, unless the finding says otherwise.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// When it is broken, in a line.
            #[must_use]
            pub const fn broken_when(self) -> &'static str {
                match self { $(Self::$name => $broken,)* }
            }
        }
    };
}

checks! {
    ManagerUnreachable = "manager-unreachable", Page, "no user bus or manager within the deadline";
    DeclarationInvalid = "declaration-invalid", Page, "an inventory file, a seal or the host configuration cannot be read, so that what it declares cannot be audited";
    UnitMissing = "unit-missing", Page, "a declared unit is not on disk, or the manager does not find it";
    UnitMasked = "unit-masked", Page, "a declared unit is masked";
    UnitLoadError = "unit-load-error", Page, "the manager could not load a declared unit";
    FragmentOwner = "fragment-owner", Page, "the winning fragment is not in the owner directory";
    FragmentReplaced = "fragment-replaced", Page, "the owner directory has a file where a link is declared, another target, a dangling link, or a link where a file is declared";
    FragmentContent = "fragment-content", Page, "the unit file's text is not the sealed one";
    DefinitionStale = "definition-stale", Page, "what the manager has loaded is not what is declared";
    ReloadPending = "reload-pending", Ticket, "the manager has not read what is on disk, past the grace period";
    DropInUnexpected = "drop-in-unexpected", Page, "a drop-in that is not allowed changes a declared unit";
    DropInDirectory = "drop-in-directory", Ticket, "an undeclared drop-in directory of a declared unit exists, still empty";
    DependencyUnexpected = "dependency-unexpected", Page, "a link beside a declared unit makes it depend on a unit that is not declared";
    OverrideControl = "override-control", Page, "user.control wins over the owner directory";
    OverrideTransient = "override-transient", Page, "a transient or generated unit wins over the owner directory";
    ShadowedCopy = "shadowed-copy", Ticket, "another directory of the search path has a copy that loses";
    UnitNotEnabled = "unit-not-enabled", Ticket, "a link that enables the unit is not as declared";
    ProgramMissing = "program-missing", Page, "a program that a declared unit runs is not there";
    UnitFailed = "unit-failed", Page, "a declared unit is failed";
    RunningStale = "running-stale", Ticket, "what runs was not made from what is declared: inputs changed since the last apply, or a container's config hash is another";
    ContainersUnowned = "containers-unowned", Page, "containers of a stack run while its unit is failed, inactive or not declared";
    StackDown = "stack-down", Page, "the unit is active, and containers of the stack do not run";
    StackUnhealthy = "stack-unhealthy", Page, "the unit is active, and a container of the stack is unhealthy";
    LabelMismatch = "label-mismatch", Page, "a running container of the stack does not carry the label of the stack's unit";
    ProviderMismatch = "provider-mismatch", Page, "containers of the stack were made by another compose provider than the pinned one";
    ProjectCollision = "project-collision", Page, "two stacks share a compose project, so that one would remove the other's containers";
    SecretMissing = "secret-missing", Page, "an env file is missing, unreadable or malformed";
    SecretExposed = "secret-exposed", Page, "others can read or replace an env file";
    SecretFallback = "secret-fallback", Ticket, "the deprecated fallback of an env file is in use";
    HealthTimerMissing = "health-timer-missing", Page, "a container stays `starting`, and its health check has never run";
    InventoryUnsealed = "inventory-unsealed", Ticket, "an inventory file was edited and the units do not follow yet";
    OrphanUnit = "orphan-unit", Ticket, "a unit of ours is on disk or loaded, and is not declared";
    WatcherDead = "watcher-dead", Page, "a shipped path or timer unit is not loaded, enabled and waiting";
    LingerDisabled = "linger-disabled", Page, "the user manager does not run before login";
    UpdateOverdue = "update-overdue", Ticket, "the last finished update run is older than twice the time between two";
    WatchBudget = "watch-budget", Ticket, "there are more drop-in directories than watches";
    DriftRepeated = "drift-repeated", Ticket, "the same definition of a unit was repaired three times in seven days";
}

impl Check {
    /// The checks that decide whose definition is in force: where one of them is broken, what the manager runs, or would
    /// run after a reload, need not be what is declared. That a unit is failed or not enabled, or waits for a reload that
    /// changes nothing of it, is another matter.
    pub const DECISIVE: &[Self] = &[
        Self::DeclarationInvalid,
        Self::InventoryUnsealed,
        Self::UnitMissing,
        Self::UnitMasked,
        Self::UnitLoadError,
        Self::FragmentOwner,
        Self::FragmentReplaced,
        Self::FragmentContent,
        Self::DefinitionStale,
        Self::DropInUnexpected,
        Self::OverrideControl,
        Self::OverrideTransient,
    ];

    /// Whether it is one of [`Check::DECISIVE`].
    #[must_use]
    pub fn is_decisive(self) -> bool {
        Self::DECISIVE.contains(&self)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
