//! `netlab exercise hint`: the next hint for the first check that fails.

use super::super::out;
use super::current;
use crate::diag::Result;
use crate::exercise::progress::Progress;
use crate::script::workbook::Outcome;

/// The arguments of `exercise hint`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Hints come one at a time: ask again for the next one.")]
pub struct Args {
    /// The exercise; without one, the only one that has been started.
    pub exercise: Option<String>,
}

/// Shows it.
///
/// # Errors
/// `NL0802` if none has been started.
pub fn run(args: Args) -> Result<u8> {
    let current = current::find(args.exercise.as_deref())?;
    current.go(false, |book, stop| {
        let outcomes = match current::check(book, &current.source, stop)? {
            Ok(outcomes) => outcomes,
            Err(trace) => return Ok(current::show(&current.source, &trace)),
        };
        let Some(check) = outcomes.iter().position(|o| matches!(o, Outcome::Failed { .. } | Outcome::Broken { .. }))
        else {
            out::line("all checks pass: there is nothing to hint at");
            return Ok(0);
        };
        let hints = match current::hints(book, &current.source, check, stop)? {
            Ok(hints) => hints,
            Err(trace) => return Ok(current::show(&current.source, &trace)),
        };
        let (id, number) = (book.sheet.id.clone(), check + 1);
        let shown = Progress::load().get(&id).and_then(|e| e.hints.get(&number)).copied().unwrap_or(0);
        out::line(format!("✗ {}", book.sheet.checks[check].text));
        match hints.get(shown.min(hints.len().saturating_sub(1))) {
            None => out::line("  there is no hint for this one; what the check found out is all that helps"),
            Some(hint) => {
                let at = (shown + 1).min(hints.len());
                out::line(format!("  hint {at} of {}: {hint}", hints.len()));
                Progress::change(&id, |entry| {
                    entry.seed = current.seed;
                    entry.hints.insert(number, at);
                })?;
            }
        }
        Ok(0)
    })
}
