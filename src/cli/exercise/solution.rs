//! `netlab exercise solution`: how it is done.

use super::super::out;
use super::current;
use crate::diag::{Code, Diagnostic, Result};
use crate::exercise::progress::Progress;
use crate::exercise::{catalog, text};

/// The arguments of `exercise solution`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The exercise; without one, the only one that has been started.
    pub exercise: Option<String>,
    /// Show it though you have not passed.
    #[arg(long)]
    pub give_up: bool,
}

/// Shows it.
///
/// # Errors
/// `NL0802` for what is no exercise, `NL0210` before it is passed.
pub fn run(args: Args) -> Result<u8> {
    let (source, seed) = match (current::find(args.exercise.as_deref()), &args.exercise) {
        (Ok(current), _) => (current.source, current.seed),
        (Err(_), Some(name)) => (catalog::find(name)?, 1),
        (Err(error), None) => return Err(error),
    };
    let sheet = match current::declare(&source, seed) {
        Ok(book) => book.sheet,
        Err(code) => return Ok(code),
    };
    let passed = Progress::load().get(&sheet.id).is_some_and(|entry| entry.passed);
    if !passed && !args.give_up {
        return Err(Diagnostic::new(Code::Usage, format!("the solution of `{}` is for who has passed", sheet.id))
            .help("`netlab exercise hint` helps on; --give-up shows it all the same"));
    }
    let Some(solution) = text::solution(&source.text) else {
        return Err(Diagnostic::new(Code::NoSuchExercise, format!("the file of `{}` has no solution", sheet.id))
            .help("a course keeps it back: ask whoever gave you the file"));
    };
    for param in &sheet.params {
        out::line(format!("let {} = {};", param.name, param.literal));
    }
    out::line(solution);
    Ok(0)
}
