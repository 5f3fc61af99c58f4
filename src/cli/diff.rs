//! `netlab diff`: what differs in the machine's network between two moments.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{out, snapshot};
use crate::diag::Result;
use crate::kernel::relay::Keys;
use crate::lab::moment::Moment;
use crate::lab::proof::Difference;

/// The arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Ends with 0 if nothing differs, and with 1 if something does, as diff(1).\n\n\
                  Example:\n  netlab snapshot before.json; ./anything.sh; netlab diff before.json")]
pub struct Args {
    /// The earlier moment, as `netlab snapshot` wrote it.
    pub before: PathBuf,
    /// The later one; otherwise the present.
    pub after: Option<PathBuf>,
    /// Look at the sandbox of this lab.
    #[arg(long, conflicts_with = "after")]
    pub lab: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Compares them.
///
/// # Errors
/// `NL0119` for a file that is no snapshot, `NL0402` if the machine was started again in between.
pub fn run(args: Args) -> Result<u8> {
    if args.after.is_some() {
        return compare(&args);
    }
    let place = snapshot::place(args.lab.as_ref(), "netlab diff --lab")?;
    place.go(Keys::Outside, args.json, false, || compare(&args))
}

fn compare(args: &Args) -> Result<u8> {
    let before = Moment::load(&args.before)?;
    let after = match &args.after {
        Some(file) => Moment::load(file)?,
        None => snapshot::now()?,
    };
    let differences = after.differences(&before)?;
    if args.json {
        let all: Vec<Value> = differences.iter().map(value).collect();
        out::json(&all);
    } else if differences.is_empty() {
        out::line("nothing differs");
    } else {
        for (netns, difference) in &differences {
            let place = if netns.is_empty() { String::new() } else { format!("{netns}: ") };
            out::line(format!("{place}{difference}"));
        }
    }
    Ok(u8::from(!differences.is_empty()))
}

fn value((netns, difference): &(String, Difference)) -> Value {
    let netns = if netns.is_empty() { Value::Null } else { netns.as_str().into() };
    json!({ "netns": netns, "what": difference.what, "before": difference.before, "now": difference.now })
}
