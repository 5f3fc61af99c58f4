//! `netlab recover`: finishes the undo of runs that were killed.

use super::{down, labs, out};
use crate::diag::Result;
use crate::journal::store::{Status, Store};

/// The arguments of `recover`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  netlab recover")]
pub struct Args {
    /// Print JSON, one object per lab and line.
    #[arg(long)]
    pub json: bool,
}

/// Finishes them, the newest first. Labs that are up, kept or stuck are left alone: `down` is for those.
///
/// # Errors
/// `NL0402` if the folders cannot be made.
pub fn run(args: Args) -> Result<u8> {
    let store = Store::open()?;
    store.sweep()?;
    let mut labs = labs::everywhere(&store);
    for lab in &labs {
        if let Err(error) = &lab.status {
            out::note(format!("`{}` is left alone: {error}", lab.name));
        }
    }
    labs.retain(|lab| matches!(lab.status, Ok(Status::Died)));
    if labs.is_empty() {
        if !args.json {
            out::line("nothing to recover: no run died");
        }
        return Ok(0);
    }
    down::take_all_down(&store, &down::newest_first(labs), false, args.json)
}
