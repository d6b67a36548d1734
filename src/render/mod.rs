//! Unit texts: the templates in `units/`, filled. Nix fills the same files, so the rules are simple on purpose:
//! `@name@` is replaced by a value that is already escaped for its place, and a line that sets nothing but an empty
//! value is left out.

mod bounds;
mod escape;
mod programs;
mod template;
mod units;

pub(crate) use bounds::update_bound;
pub use escape::documentation;
pub use programs::{Programs, ProgramsError};
pub use units::{RenderedUnit, marker, names_of, shipped, shipped_names, stack, watchers};
