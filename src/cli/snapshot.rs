//! `netlab snapshot`: writes down what the machine's network holds, for `netlab diff`.

use std::path::PathBuf;

use super::place::{self, Place};
use super::{ending, out};
use crate::diag::Result;
use crate::kernel::relay::Keys;
use crate::lab::moment::Moment;
use crate::lab::open::privileged;
use crate::types::name::LabName;

/// The arguments of `snapshot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  netlab snapshot before.json; ./anything.sh; netlab diff before.json")]
pub struct Args {
    /// The file that it is written to.
    pub file: PathBuf,
    /// Look at the sandbox of this lab.
    #[arg(long)]
    pub lab: Option<String>,
    /// Print nothing.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Looks at the host and at all namespaces that have names.
///
/// # Errors
/// `NL0109` without privilege, `NL0119` if the file cannot be written.
pub fn run(args: Args) -> Result<u8> {
    let place = place(args.lab.as_ref(), "netlab snapshot --lab")?;
    place.go(Keys::Outside, false, false, || save(&args))
}

/// The sandbox of a lab, or if none is named, the place that goes without saying.
pub(super) fn place(lab: Option<&String>, command: &str) -> Result<Place> {
    match lab {
        None => place::only(command),
        Some(lab) => {
            let lab = LabName::new(lab)?;
            place::of_lab(&lab)
        }
    }
}

fn save(args: &Args) -> Result<u8> {
    let moment = now()?;
    moment.save(&args.file)?;
    if !args.quiet {
        let (spaces, links, settings) = moment.counts();
        out::line(format!(
            "{}: the host and {}, {}, {}",
            args.file.display(),
            ending::count(spaces, "namespace"),
            ending::count(links, "link"),
            ending::count(settings, "setting"),
        ));
    }
    Ok(0)
}

/// The present moment.
///
/// # Errors
/// `NL0109` without privilege, and what the kernel said.
pub(super) fn now() -> Result<Moment> {
    privileged()?;
    Moment::now()
}
