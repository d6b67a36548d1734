//! Tables in Markdown, and how numbers are written in them.

use std::fmt;
use std::time::Duration;

/// Rows under a heading.
#[derive(Debug)]
pub struct Table {
    columns: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Self { columns: columns.len(), rows: Vec::new() };
        table.row(columns);
        table.rows.push(columns.iter().map(|_| "---".to_owned()).collect());
        table
    }

    /// One more row.
    pub fn row(&mut self, cells: &[impl AsRef<str>]) {
        assert_eq!(cells.len(), self.columns);
        self.rows.push(cells.iter().map(|cell| cell.as_ref().to_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// `1.25 ms`, `58 ms`, `11.7 s`.
pub fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

/// `5.2×`: how much more `than` is.
pub fn ratio(than: Duration, this: Duration) -> String {
    format!("{:.1}×", than.as_secs_f64() / this.as_secs_f64())
}

/// `12.3 MiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// `1.5 million`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn count(count: Option<u64>) -> String {
    count.map_or_else(|| "not counted".to_owned(), |count| format!("{:.1} million", count as f64 / 1e6))
}
