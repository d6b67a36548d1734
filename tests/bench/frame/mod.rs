//! What benchmarks are made with: a private user manager with any number of stacks, or a machine of the lab with real
//! podman; whole processes measured; and tables in Markdown.

mod host;
pub mod lab;
mod measure;
mod table;

#[path = "../../support/manager.rs"]
#[expect(dead_code, reason = "the tests use the rest of it")]
mod manager;

pub use host::Host;
pub use measure::{instructions, measure, measure_child_if_asked, measure_side_by_side, median};
pub use table::{Table, bytes, count, ratio, time};

/// The sizes to measure at, from the command line (`cargo bench --bench NAME -- 10 100`), or `default`.
pub fn sizes(default: &[usize]) -> Vec<usize> {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if asked.is_empty() { default.to_vec() } else { asked }
}
