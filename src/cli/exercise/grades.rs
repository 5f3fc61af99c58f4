//! Grades as they are printed: for people, for tables, and for the programs of schools.

use serde_json::{Value, json};

use super::super::out;
use super::super::table::Table;
use super::check::{values, word};
use crate::exercise::grade::Grade;
use crate::script::exercise::Sheet;

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// Comma-separated values (RFC 4180), a row for each submission.
    Csv,
    /// JSON, with each check and why it failed.
    Json,
    /// JUnit's XML: a suite for each submission, a case for each check.
    Junit,
}

/// Prints them.
pub fn print(sheet: &Sheet, grades: &[Grade], format: Format) {
    match format {
        Format::Table => table(sheet, grades),
        Format::Csv => csv(sheet, grades),
        Format::Json => out::json(&value(sheet, grades)),
        Format::Junit => junit(sheet, grades),
    }
}

fn table(sheet: &Sheet, grades: &[Grade]) {
    let mut table = Table::new(&["STUDENT", "POINTS", "CHECKS", "NOTES"]);
    for grade in grades {
        let marks: String = grade.outcomes.iter().map(|o| if word(o).0 == "passed" { '✓' } else { '✗' }).collect();
        table.row([grade.student.clone(), points(grade, sheet), marks, grade.notes.join("; ")]);
    }
    out::line(table.text());
    out::line("");
    for (i, check) in sheet.checks.iter().enumerate() {
        out::line(format!("check {}: {} ({})", i + 1, check.text, check.points));
    }
}

fn points(grade: &Grade, sheet: &Sheet) -> String {
    grade.points.map_or_else(|| "not graded".to_owned(), |points| format!("{points}/{}", sheet.points()))
}

fn csv(sheet: &Sheet, grades: &[Grade]) {
    let cell = |text: &str| {
        // A table program would take it for a formula.
        let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let mut head: Vec<String> = ["student", "points", "of"].map(str::to_owned).into();
    head.extend(sheet.checks.iter().map(|c| cell(&c.text)));
    head.extend(["notes", "file"].map(str::to_owned));
    out::line(head.join(","));
    for grade in grades {
        let given = grade.points.map_or_else(String::new, |p| p.to_string());
        let mut row = vec![cell(&grade.student), given, sheet.points().to_string()];
        row.extend((0..sheet.checks.len()).map(|i| grade.outcomes.get(i).map_or("", |o| word(o).0).to_owned()));
        row.extend([cell(&grade.notes.join("; ")), cell(&grade.file.display().to_string())]);
        out::line(row.join(","));
    }
}

fn value(sheet: &Sheet, grades: &[Grade]) -> Value {
    let one = |grade: &Grade| {
        json!({
            "student": grade.student, "file": grade.file, "points": grade.points, "of": sheet.points(),
            "checks": values(sheet, &grade.outcomes), "notes": grade.notes, "seconds": grade.took.as_secs_f64(),
        })
    };
    json!({ "exercise": sheet.id, "title": sheet.title, "grades": grades.iter().map(one).collect::<Vec<_>>() })
}

fn junit(sheet: &Sheet, grades: &[Grade]) {
    out::line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out::line(format!("<testsuites name=\"{}\">", xml(&sheet.id)));
    for grade in grades {
        let is = |what: &str| grade.outcomes.iter().filter(|o| word(o).0 == what).count();
        let none = grade.outcomes.is_empty();
        let errors = is("broken") + usize::from(none && grade.points.is_none());
        let failures = is("failed") + usize::from(none && grade.points.is_some());
        out::line(format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{}\" time=\"{:.3}\">",
            xml(&grade.student),
            grade.outcomes.len().max(1),
            is("skipped"),
            grade.took.as_secs_f64(),
        ));
        if none {
            let tag = if grade.points.is_none() { "error" } else { "failure" };
            let notes = xml(&grade.notes.join("; "));
            out::line(format!("    <testcase name=\"all\"><{tag} message=\"{notes}\"/></testcase>"));
        }
        for (check, outcome) in sheet.checks.iter().zip(&grade.outcomes) {
            let (state, why) = word(outcome);
            let why = xml(&why.unwrap_or_default());
            let inside = match state {
                "passed" => String::new(),
                "skipped" => "<skipped/>".into(),
                "broken" => format!("<error message=\"{why}\"/>"),
                _ => format!("<failure message=\"{why}\"/>"),
            };
            out::line(format!("    <testcase name=\"{}\">{inside}</testcase>", xml(&check.text)));
        }
        if !grade.notes.is_empty() {
            out::line(format!("    <system-out>{}</system-out>", xml(&grade.notes.join("\n"))));
        }
        out::line("  </testsuite>");
    }
    out::line("</testsuites>");
}

/// A text in XML, without the characters that XML 1.0 cannot have.
fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
