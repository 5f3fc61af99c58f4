//! The exercise that a command is about: the one that is named, or the only one that has been started.

use std::path::Path;
use std::time::Duration;

use super::super::labs::{self, LabInfo};
use super::super::place::{self, Place};
use super::super::run;
use crate::diag::{Code, Diagnostic, Result};
use crate::exercise::catalog::Source;
use crate::exercise::job;
use crate::journal::store::Store;
use crate::kernel::relay::Keys;
use crate::kernel::signal::Stop;
use crate::lab::{Lab, open};
use crate::report::Sources;
use crate::script::error::Trace;
use crate::script::workbook::{Outcome, Workbook};
use crate::types::name::LabName;

/// An exercise that has been started.
pub struct Current {
    /// The lab that holds its start.
    pub lab: LabName,
    /// Where that is.
    pub place: Place,
    /// Its file, as it was at the start.
    pub source: Source,
    /// What its values are drawn from.
    pub seed: u64,
}

impl Current {
    /// Calls `f` where it is, with what its file says, and what asks for the end.
    ///
    /// # Errors
    /// `f`'s own, and those of entering a sandbox.
    pub fn go(&self, json: bool, f: impl FnOnce(&mut Workbook, &Stop) -> Result<u8>) -> Result<u8> {
        self.place.go(Keys::Outside, json, false, || match declare(&self.source, self.seed) {
            Ok(mut book) => f(&mut book, &open::stop()?),
            Err(code) => Ok(code),
        })
    }
}

/// Finds it.
///
/// # Errors
/// `NL0802` if none has been started, or not this one; `NL0210` if it is not clear which is meant.
pub fn find(name: Option<&str>) -> Result<Current> {
    let store = Store::open()?;
    let mut all: Vec<Current> = Vec::new();
    for lab in labs::everywhere(&store) {
        all.extend(current(&lab)?);
    }
    let names: Vec<String> = all.iter().map(|c| format!("`{}`", c.lab)).collect();
    let Some(name) = name else {
        return match all.len() {
            0 => Err(Diagnostic::new(Code::NoSuchExercise, "no exercise has been started")
                .help("`netlab exercise list` shows them, `netlab exercise start NAME` begins one")),
            1 => Ok(all.swap_remove(0)),
            _ => {
                Err(Diagnostic::new(Code::Usage, format!("several exercises have been started: {}", names.join(", ")))
                    .help("say which is meant"))
            }
        };
    };
    // Who learns from a file of her own may name that.
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let found = all.iter().position(|c| c.lab.as_str() == name || c.source.file == name || c.lab.as_str() == stem);
    match found {
        Some(i) => Ok(all.swap_remove(i)),
        None => {
            let error = Diagnostic::new(Code::NoSuchExercise, format!("the exercise `{name}` has not been started"));
            Err(if names.is_empty() {
                error.help(format!("begin it: netlab exercise start {name}"))
            } else {
                error.help(format!("started is {}", names.join(", ")))
            })
        }
    }
}

fn current(lab: &LabInfo) -> Result<Option<Current>> {
    let Some(header) = &lab.header else { return Ok(None) };
    let Some(seed) = header.exercise else { return Ok(None) };
    let place = match &lab.sandbox {
        Some(sandbox) => place::of_lab(sandbox)?,
        None => Place::Here,
    };
    let folder = Path::new(&header.file).parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let source = Source { file: header.file.clone(), text: header.script.clone(), folder: folder.to_owned() };
    Ok(Some(Current { lab: lab.name.clone(), place, source, seed }))
}

/// Reads an exercise, or prints what is wrong with it and gives the exit code.
pub fn declare(source: &Source, seed: u64) -> std::result::Result<Workbook, u8> {
    source.declare(seed).map_err(|trace| show(source, &trace))
}

/// Prints what is wrong with an exercise.
pub fn show(source: &Source, trace: &Trace) -> u8 {
    run::fail(trace, &Sources::new(&source.file, &source.text), false)
}

/// Makes all checks in the machine that this process is in. What they change is taken back.
///
/// # Errors
/// What keeps them from being made.
pub fn check(book: &mut Workbook, source: &Source, stop: &Stop) -> Result<std::result::Result<Vec<Outcome>, Trace>> {
    let lab = job::lab_of_checks(source, stop, time(book))?;
    let deadline = lab.deadline;
    let (lab, outcomes) = book.check(lab, stop, deadline);
    end(lab)?;
    Ok(outcomes)
}

/// The hints of a check, as things are.
///
/// # Errors
/// As [`check`].
pub fn hints(
    book: &mut Workbook,
    source: &Source,
    check: usize,
    stop: &Stop,
) -> Result<std::result::Result<Vec<String>, Trace>> {
    let lab = job::lab_of_checks(source, stop, time(book))?;
    let deadline = lab.deadline;
    let (lab, hints) = book.hints(check, lab, stop, deadline);
    end(lab)?;
    Ok(hints)
}

fn time(book: &Workbook) -> Duration {
    Duration::from_secs(book.sheet.time)
}

fn end(lab: Lab) -> Result<()> {
    // What ended the checks must not end their undo.
    lab.stop.reset();
    let ending = lab.undo_all();
    match ending.undoing.leftovers.into_iter().next() {
        Some(left) => Err(left.why),
        None => Ok(()),
    }
}
