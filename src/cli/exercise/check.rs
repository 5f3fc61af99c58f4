//! `netlab exercise check`: which tasks are done.

use serde_json::{Value, json};

use super::super::out;
use super::{current, screen};
use crate::diag::Result;
use crate::exercise::progress::Progress;
use crate::script::exercise::{Check, Sheet};
use crate::script::workbook::Outcome;

/// The arguments of `exercise check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 if all checks pass, and with 1 if not.")]
pub struct Args {
    /// The exercise; without one, the only one that has been started.
    pub exercise: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Makes the checks.
///
/// # Errors
/// `NL0802` if none has been started.
pub fn run(args: Args) -> Result<u8> {
    let current = current::find(args.exercise.as_deref())?;
    current.go(args.json, |book, stop| {
        let outcomes = match current::check(book, &current.source, stop)? {
            Ok(outcomes) => outcomes,
            Err(trace) => return Ok(current::show(&current.source, &trace)),
        };
        if args.json {
            out::json(&value(&book.sheet, &outcomes));
        } else {
            out::line(screen::checked(&book.sheet, &outcomes));
        }
        done(&book.sheet, &outcomes, args.json)?;
        if outcomes.iter().any(|o| matches!(o, Outcome::Broken { .. })) {
            return Ok(3);
        }
        Ok(u8::from(!screen::is_passed(&outcomes)))
    })
}

/// Writes down that it is passed, and says what comes next.
///
/// # Errors
/// `NL0119`.
pub fn done(sheet: &Sheet, outcomes: &[Outcome], quiet: bool) -> Result<()> {
    if !screen::is_passed(outcomes) {
        if !quiet {
            out::line("  get on: netlab exercise hint");
        }
        return Ok(());
    }
    Progress::change(&sheet.id, |entry| entry.passed = true)?;
    if !quiet {
        out::line(format!(
            "  compare: netlab exercise solution    end it: netlab down {}    next: netlab exercise list",
            sheet.id
        ));
    }
    Ok(())
}

/// As JSON.
fn value(sheet: &Sheet, outcomes: &[Outcome]) -> Value {
    json!({
        "exercise": sheet.id, "passed": screen::is_passed(outcomes), "tasks": sheet.tasks, "checks": values(sheet, outcomes),
    })
}

/// What each check came to, as JSON.
pub fn values(sheet: &Sheet, outcomes: &[Outcome]) -> Vec<Value> {
    let one = |(check, outcome): (&Check, &Outcome)| {
        let (state, why) = word(outcome);
        json!({ "task": check.task + 1, "check": check.text, "points": check.points, "state": state, "why": why })
    };
    sheet.checks.iter().zip(outcomes).map(one).collect()
}

/// An outcome as one word, and why.
pub fn word(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Passed => ("passed", None),
        Outcome::Failed { why } => ("failed", why.clone()),
        Outcome::Skipped { .. } => ("skipped", None),
        Outcome::Broken { error } => ("broken", Some(error.to_string())),
    }
}
