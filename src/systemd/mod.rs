//! The user manager: the only code that knows D-Bus, unit files and the unit search path.

pub mod search_path;
pub mod unit_file;
