//! `netlab exercise reset`: the exercise just as it was at the start.

use super::{current, start};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::view;
use crate::sandbox;

/// The arguments of `exercise reset`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The exercise; without one, the only one that has been started.
    pub exercise: Option<String>,
    /// Open no shell.
    #[arg(long)]
    pub no_shell: bool,
}

/// Ends the sandbox with all that is in it, and begins again with the same values.
///
/// # Errors
/// `NL0802` if none has been started; `NL0210` in a shell of the sandbox, which would end with it.
pub fn run(args: Args) -> Result<u8> {
    if view::is_inside() {
        return Err(Diagnostic::new(Code::Usage, "this shell would end with the sandbox that it is in")
            .help("leave it with `exit`, then: netlab exercise reset"));
    }
    let current = current::find(args.exercise.as_deref())?;
    if let Some(claim) = current.place.lab().map(sandbox::claim_existing).transpose()?.flatten() {
        claim.end()?;
    }
    start::begin(&current.source, current.seed, args.no_shell)
}
