//! `netlab exercise new`: a whole exercise to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::super::out;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::types::name::LabName;

/// The arguments of `exercise new`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  netlab exercise new my-exercise.rhai")]
pub struct Args {
    /// The file, which must not be there yet.
    pub file: PathBuf,
}

const TEMPLATE: &str = include_str!("../../../stdlib/exercise-template.rhai");

/// Writes it.
///
/// # Errors
/// `NL0119` if the file is there or cannot be written, `NL0102` if its name is none for an exercise.
pub fn run(args: Args) -> Result<u8> {
    let stem = args.file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = LabName::new(&stem)?;
    let text = TEMPLATE.replace("NAME", name.as_str());
    let written = OpenOptions::new().write(true).create_new(true).open(&args.file);
    let shown = args.file.display();
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| {
        let error = Diagnostic::new(Code::BadFile, format!("cannot write the new exercise {shown}"));
        let error = match e.kind() {
            std::io::ErrorKind::AlreadyExists => error.help("there is such a file: take another name"),
            _ => error,
        };
        error.kernel(KernelError::from_io(format!("open {shown}"), &e))
    })?;
    out::line(format!("{shown} is a whole exercise; change it to yours"));
    out::line(format!(
        "  what its words mean: netlab docs exercise · check    is it right: netlab exercise lint {shown}"
    ));
    out::line(format!("  try it: netlab exercise start {shown}    for students: netlab exercise release {shown}"));
    Ok(0)
}
