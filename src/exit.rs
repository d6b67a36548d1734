//! The exit codes: one table, shared by the programs, `--help`, the man pages and the README.

use std::process::ExitCode;

macro_rules! exit_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $meaning:literal;)*) => {
        /// How a program ends. The numbers follow sysexits(3) where it has a word for the case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number that the process exits with.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The code with this number, if it is one of ours.
            #[must_use]
            pub fn of(number: impl Into<u64>) -> Option<Self> {
                let number = number.into();
                Self::ALL.iter().copied().find(|code| u64::from(code.number()) == number)
            }

            /// The meaning in a line.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }

            /// The meaning where it is not the auditor that ended so.
            #[must_use]
            pub fn meaning_of_a_verb(self) -> &'static str {
                self.meaning().split("; for the auditor").next().unwrap_or_default()
            }
        }
    };
}

exit_codes! {
    Done = 0, "done; for the auditor: no page (with --strict: no ticket and no unknown either)";
    Unexpected = 1, "unexpected";
    Usage = 64, "usage";
    Unreachable = 69, "user manager, bus or podman not reachable";
    Internal = 70, "internal error";
    CannotWrite = 73, "cannot write state";
    Io = 74, "input or output error";
    TryLater = 75, "try later, nothing changed: lock held, registry unreachable or limiting the rate";
    Refused = 76, "podman, compose, the registry or the manager refused or was not understood; nothing changed unless it says so; for the auditor: unknowns and no page";
    SecretPermissions = 77, "a secret's permissions";
    Configuration = 78, "the inventory, or preflight, refused; for the auditor: a part of the declaration cannot be read, and no page";
    Page = 79, "findings of severity page";
    NotUp = 80, "verify: the stack is not up";
    RolledBack = 81, "update failed, rolled back, the stack is up";
    NotRolledBack = 82, "update failed and so did the rollback, or it was not allowed";
    SomeUpdatesFailed = 83, "orchestrator: some updates failed";
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// The table as plain text, for `--help` and the man pages.
#[must_use]
pub fn table() -> String {
    let rows: Vec<String> =
        Code::ALL.iter().map(|code| format!("  {:<3} {}", code.number(), code.meaning())).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distinct_and_ascending() {
        let numbers: Vec<u8> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert_eq!(numbers.len(), 16);
    }

    #[test]
    fn the_table_has_a_row_per_code() {
        for code in Code::ALL {
            assert!(table().contains(&format!("  {:<3} {}", code.number(), code.meaning())));
        }
    }
}
