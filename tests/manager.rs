//! Against a real user manager.

mod support;
