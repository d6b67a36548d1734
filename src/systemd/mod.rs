//! The user manager: the only code that knows D-Bus, unit files and the unit search path.
