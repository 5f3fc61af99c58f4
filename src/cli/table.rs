//! Tables without lines: columns two spaces apart, a heading in capitals.

use comfy_table::{ContentArrangement, Table as Inner};

use super::out;

/// A table that is printed all at once.
pub struct Table {
    inner: Inner,
    rows: usize,
}

impl Table {
    /// A table with a heading.
    pub fn new(heading: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner.load_style(comfy_table::presets::NOTHING);
        // Cut or wrapped names cannot be copied, so a narrow terminal has to wrap whole lines.
        inner.set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(heading);
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { inner, rows: 0 }
    }

    /// Adds a row; an empty cell shows as `-`, so that columns can be told apart and counted.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.inner.add_row(cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }));
        self.rows += 1;
    }

    /// Whether there is nothing below the heading.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Its lines, without an end of the last.
    pub fn text(&self) -> String {
        let lines: Vec<String> = self.inner.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    /// Prints it.
    pub fn print(&self) {
        for line in self.inner.lines() {
            out::line(line.trim_end());
        }
    }
}
