//! How one setting is compared.

/// How a setting is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A text with specifiers.
    Text,
    /// A truth value.
    Flag,
    /// A truth value or a word, reported as a word.
    FlagOrWord,
    /// A time span, reported in microseconds.
    Span {
        /// Whether 0 switches the limit off.
        zero_is_infinite: bool,
    },
    /// A whole number.
    Number,
    /// An access mode.
    Octal,
    /// A size.
    Bytes,
    /// A number of tasks.
    Tasks,
    /// A share of processor time.
    Quota,
    /// A signal.
    Signal,
    /// A set of kinds of namespaces.
    Namespaces,
    /// A set of address families.
    AddressFamilies,
    /// Where output goes: a word, which may be followed by a path.
    Output,
    /// The working directory, with `-` and `~`.
    WorkingDirectory,
    /// Units of which each must be there.
    Units,
    /// Units of which each must be there, and none but those that systemd adds by itself.
    ExactUnits,
    /// Paths of which each must be there.
    Paths,
    /// URLs, in order.
    Links,
    /// Words in any order.
    Names,
    /// Paths separated by colons, in order.
    SearchPath,
    /// Commands, in order.
    Commands,
    /// `NAME=value`, of which the last of a name wins.
    Environment,
    /// Paths in order, each with or without `-`.
    EnvironmentFiles,
    /// Exit statuses and signals.
    ExitStatuses,
    /// Conditions, in any order.
    Conditions,
    /// What a path unit watches, in any order.
    Watches,
    /// Spans of a timer, in any order.
    Monotonic,
    /// Calendar events of a timer, in any order.
    Calendar,
    /// A list whose content is reported in another form: only whether there is any.
    Present,
}

/// What is expected of a setting that is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeclared {
    /// Whatever the manager's default is: it does not make the unit run something else.
    Anything,
    /// An empty list.
    Nothing,
    /// This text.
    Text(&'static str),
    /// This truth value.
    Flag(bool),
    /// The user's home directory.
    HomeDirectory,
    /// The service that is called like the unit.
    ServiceOfTheSameName,
}

impl Rule {
    /// Whether several assignments add up, so that an empty one takes back those before.
    pub(super) fn is_list(self) -> bool {
        match self {
            Self::Units
            | Self::ExactUnits
            | Self::Paths
            | Self::Links
            | Self::Names
            | Self::SearchPath
            | Self::Commands
            | Self::Environment
            | Self::EnvironmentFiles
            | Self::ExitStatuses
            | Self::Conditions
            | Self::Watches
            | Self::Monotonic
            | Self::Calendar
            | Self::Present
            | Self::AddressFamilies => true,
            Self::Text
            | Self::Flag
            | Self::FlagOrWord
            | Self::Span { .. }
            | Self::Number
            | Self::Octal
            | Self::Bytes
            | Self::Tasks
            | Self::Quota
            | Self::Signal
            | Self::Namespaces
            | Self::Output
            | Self::WorkingDirectory => false,
        }
    }

    /// Whether the order of a list means something. (A variable's later assignment wins when it is read.)
    pub(super) fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Links | Self::SearchPath | Self::Commands | Self::EnvironmentFiles | Self::AddressFamilies
        )
    }

    /// Whether it is a list of units.
    pub(super) fn is_units(self) -> bool {
        matches!(self, Self::Units | Self::ExactUnits)
    }

    /// Whether the manager adds to the list by itself; see [`Rule::may_be_added`].
    pub(super) fn may_have_more(self) -> bool {
        self.is_units() || self == Self::Paths
    }

    /// Whether the manager adds `value` to the list by itself, so that it need not be declared.
    pub(super) fn may_be_added(self, value: &str) -> bool {
        match self {
            Self::Units | Self::Paths => true,
            Self::ExactUnits => {
                let of_systemd = ["basic.target", "sysinit.target", "shutdown.target", "dbus.socket"];
                of_systemd.contains(&value)
                    || value.rsplit_once('.').is_some_and(|(_, kind)| matches!(kind, "slice" | "mount"))
            }
            _ => false,
        }
    }
}
