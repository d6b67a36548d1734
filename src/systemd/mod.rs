//! The user manager: the only code that knows D-Bus, unit files and the unit search path.

pub mod bus;
pub mod disk_text;
pub mod jobs;
pub mod linger;
pub mod loaded;
pub mod manager;
mod runtime;
pub mod search_path;
pub mod settings;
mod signals;
mod startup;
pub mod unit_file;
pub mod unit_text;
pub mod value;
mod wire;
pub mod words;
