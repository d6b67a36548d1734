//! What a person or Home Manager declared: one JSON file per stack, and one for the host.

mod entry;
mod host;
mod load;
mod timespan;

pub use entry::{Compose, Entry, EnvFile, Update, Verify, VerifyMode};
pub use host::{Alert, Heal, Host, Provider, ProviderKind};
pub use load::{Declared, Inventory, InventoryError, NotAStack, json_files, stack_of_file};
pub use timespan::Timespan;
