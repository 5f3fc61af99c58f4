//! The result as a plain table: every cell, and netlab's ratio to each other column.

use std::fmt::Write as _;

use crate::contestant::Contestant;

/// All timings of one lab in one direction, a list for each contestant.
pub(crate) struct Row {
    pub(crate) lab: String,
    pub(crate) direction: &'static str,
    pub(crate) cells: [Cell; 4],
}

/// What is known of one contestant.
#[derive(Default, Clone)]
pub(crate) struct Cell {
    /// Milliseconds, one for each round.
    pub(crate) times: Vec<f64>,
    /// It failed, or made something else than the others.
    pub(crate) suspect: bool,
}

/// Draws the table.
pub(crate) fn draw(rows: &[Row]) -> String {
    let mut lines = vec![heading()];
    lines.extend(rows.iter().map(line));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        for (column, (text, width)) in line.iter().zip(&widths).enumerate() {
            // Words to the left, numbers to the right.
            let _ = if column < 2 { write!(out, "{text:<width$}  ") } else { write!(out, "{text:>width$}  ") };
        }
        out = out.trim_end().to_owned() + "\n";
    }
    out
}

fn heading() -> Vec<String> {
    let mut heading = vec!["lab".to_owned(), String::new()];
    heading.extend(Contestant::ALL.map(|one| one.name().to_owned()));
    heading.extend(Contestant::ALL[1..].iter().map(|one| format!("/{}", one.name())));
    heading
}

fn line(row: &Row) -> Vec<String> {
    let mut line = vec![row.lab.clone(), row.direction.to_owned()];
    line.extend(row.cells.iter().map(show));
    let netlab = median(&row.cells[0].times);
    line.extend(row.cells[1..].iter().map(|other| match (netlab, median(&other.times)) {
        (Some(netlab), Some(other)) => format!("{:.2}", netlab / other),
        _ => "-".to_owned(),
    }));
    line
}

fn show(cell: &Cell) -> String {
    let mark = if cell.suspect { " !" } else { "" };
    let Some(middle) = median(&cell.times) else {
        return if cell.suspect { "FAILED !".to_owned() } else { "-".to_owned() };
    };
    if cell.times.len() == 1 {
        return format!("{} (one run){mark}", number(middle));
    }
    let low = cell.times.iter().copied().fold(f64::INFINITY, f64::min);
    let high = cell.times.iter().copied().fold(0.0, f64::max);
    format!("{} ({}–{}){mark}", number(middle), number(low), number(high))
}

/// Three digits are more than the noise leaves.
fn number(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2}")
    } else if ms < 100.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}
