//! `netlab recover`: finishes the undo of runs that were killed.

use super::{down, labs, out};
use crate::diag::Result;
use crate::journal::store::{Status, Store};
use crate::types::name::LabName;

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
    let mut labs = labs::all(&store);
    for lab in &labs {
        if let Err(error) = &lab.status {
            out::note(format!("`{}` is left alone: {error}", lab.name));
        }
    }
    labs.retain(|lab| matches!(lab.status, Ok(Status::Died)));
    labs.sort_by_key(|lab| std::cmp::Reverse(lab.header.as_ref().map(|h| (h.time, h.pid))));
    if labs.is_empty() {
        if !args.json {
            out::line("nothing to recover: no run died");
        }
        return Ok(0);
    }
    let names: Vec<LabName> = labs.into_iter().map(|lab| lab.name).collect();
    down::take_all_down(&store, &names, false, args.json)
}
