//! `netlab docs`: the reference of the language, from the engine itself.

use std::path::PathBuf;

use crate::diag::{Code, Diagnostic, Result};

/// The arguments of `docs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab docs\n  netlab docs bridge\n  netlab docs --definitions .rhai")]
pub struct Args {
    /// A function, type or module; without one, all are listed.
    pub name: Option<String>,
    /// Write the definitions for editors into this folder.
    #[arg(long, value_name = "DIR")]
    pub definitions: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the reference.
///
/// # Errors
/// `NL0202` for a name that is not there.
pub fn run(_args: Args) -> Result<u8> {
    Err(Diagnostic::new(Code::Internal, "not wired yet"))
}
