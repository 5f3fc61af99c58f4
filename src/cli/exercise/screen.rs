//! What a learner sees of an exercise: the tasks, and what of each is done.

use super::super::ending::count;
use super::super::out::{self, Paint};
use crate::script::exercise::Sheet;
use crate::script::workbook::Outcome;

/// The title and the tasks, before anything is done.
pub fn tasks(sheet: &Sheet) -> String {
    let mut text = format!("{}\n", sheet.title);
    for (i, task) in sheet.tasks.iter().enumerate() {
        text.push_str(&numbered(i, task));
    }
    text
}

/// The tasks with their checks.
pub fn checked(sheet: &Sheet, outcomes: &[Outcome]) -> String {
    let mut text = format!("{}\n", sheet.title);
    for (i, task) in sheet.tasks.iter().enumerate() {
        text.push_str(&numbered(i, task));
        let of_task = sheet.checks.iter().zip(outcomes).filter(|(check, _)| check.task == i);
        for (check, outcome) in of_task {
            let (mark, paint) = mark(outcome);
            text.push_str(&format!("     {} {}\n", out::paint(mark, paint), check.text));
            match outcome {
                Outcome::Failed { why: Some(why) } => text.push_str(&indented(7, why)),
                Outcome::Broken { error } => text.push_str(&indented(7, &format!("could not be looked at: {error}"))),
                Outcome::Skipped { after } => {
                    let before = sheet.checks.get(*after).map_or("", |c| c.text.as_str());
                    text.push_str(&indented(7, &format!("waits for: {before}")));
                }
                _ => {}
            }
        }
    }
    text.push('\n');
    text.push_str(&sum(sheet, outcomes));
    text
}

/// How far it is.
pub fn sum(sheet: &Sheet, outcomes: &[Outcome]) -> String {
    let passed = outcomes.iter().filter(|o| **o == Outcome::Passed).count();
    if is_passed(outcomes) {
        return out::paint(&format!("✓ all {} pass", count(outcomes.len(), "check")), Paint::Green);
    }
    let points = sheet.checks.iter().zip(outcomes).filter(|(_, o)| **o == Outcome::Passed).map(|(c, _)| c.points);
    format!(
        "{passed} of {} pass, {} of {}",
        count(outcomes.len(), "check"),
        points.sum::<u32>(),
        count(usize::try_from(sheet.points()).unwrap_or(0), "point")
    )
}

/// Whether all is done.
pub fn is_passed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|o| *o == Outcome::Passed)
}

fn mark(outcome: &Outcome) -> (&'static str, Paint) {
    match outcome {
        Outcome::Passed => ("✓", Paint::Green),
        Outcome::Failed { .. } => ("✗", Paint::Red),
        Outcome::Skipped { .. } => ("·", Paint::Yellow),
        Outcome::Broken { .. } => ("!", Paint::Yellow),
    }
}

fn numbered(i: usize, task: &str) -> String {
    let text = indented(5, task);
    format!("{:>3}  {}", i + 1, text.trim_start())
}

/// A text that is broken into lines of a width that can be read.
fn indented(by: usize, text: &str) -> String {
    const WIDTH: usize = 96;
    let mut lines = String::new();
    for paragraph in text.lines() {
        let mut line = " ".repeat(by);
        let lead = paragraph.len() - paragraph.trim_start().len();
        line.push_str(&" ".repeat(lead));
        let mut is_first = true;
        for word in paragraph.split_whitespace() {
            if !is_first && line.chars().count() + word.chars().count() + 1 > WIDTH {
                lines.push_str(line.trim_end());
                lines.push('\n');
                line = " ".repeat(by + lead);
                is_first = true;
            }
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
            is_first = false;
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
