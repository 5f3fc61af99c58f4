//! `netlab list`: the labs that are up, and runs that died.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::ending::count;
use super::labs::{self, LabInfo};
use super::table::Table;
use super::{fail, out};
use crate::diag::Result;
use crate::journal::store::{Status, Store};

/// The arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A lab is `up`, or `kept` after a failure, `died` with its netlab, `stuck` in\n\
                        its undo, `busy` now, or `void` since the machine was started anew.\n\nExample:\n  netlab list --json")]
pub struct Args {
    /// Print JSON, an array of labs.
    #[arg(long)]
    pub json: bool,
}

/// Prints the list. A journal that cannot be read is a row that says so.
///
/// # Errors
/// `NL0402` if the folders cannot be made.
pub fn run(args: Args) -> Result<u8> {
    let labs = labs::everywhere(&Store::open()?);
    if args.json {
        out::json(&labs.iter().map(value).collect::<Vec<Value>>());
        return Ok(0);
    }
    if labs.is_empty() {
        out::line("no lab is up");
        if !nix::unistd::geteuid().is_root() {
            out::note("labs that root started are listed by `sudo netlab list`");
        }
        return Ok(0);
    }
    let mut heads = vec!["LAB", "STATUS", "SINCE", "NAMESPACES", "LINKS", "STEPS", "FILE"];
    // Where none is in a sandbox, it goes without saying.
    let is_said = labs.iter().any(|lab| lab.sandbox.is_some());
    heads.extend(is_said.then_some("WHERE"));
    let mut table = Table::new(&heads);
    for lab in &labs {
        let header = lab.header.as_ref();
        let mut row = vec![
            lab.name.to_string(),
            lab.word().into(),
            header.map_or_else(String::new, |h| ago(h.time)),
            lab.namespaces().len().to_string(),
            lab.objects.made_links().count().to_string(),
            lab.steps.to_string(),
            header.map_or_else(String::new, |h| h.file.clone()),
        ];
        row.extend(is_said.then(|| lab.place()));
        table.row(row);
    }
    table.print();
    hints(&labs);
    Ok(0)
}

/// What to do about labs that are not simply up.
fn hints(labs: &[LabInfo]) {
    for lab in labs {
        let name = &lab.name;
        match &lab.status {
            Err(error) => out::note(format!("`{name}`: {error}")),
            Ok(_) if lab.is_void => {
                out::note(format!(
                    "`{name}` ended when the machine was started anew; `netlab down {name}` clears it away"
                ));
            }
            Ok(Status::Died) => {
                out::note(format!("`{name}` was left behind by a run that was killed; `netlab recover` takes it back"))
            }
            Ok(Status::Stuck) => out::note(format!("`{name}` is stuck in its undo; `netlab down {name}` tries again")),
            Ok(Status::Up | Status::Kept | Status::Busy) => {}
        }
    }
}

fn value(lab: &LabInfo) -> Value {
    let header = lab.header.as_ref();
    json!({
        "lab": lab.name,
        "sandbox": lab.sandbox,
        "status": lab.word(),
        "since": header.map(|h| h.time),
        "file": header.map(|h| &h.file),
        "args": header.map(|h| &h.args),
        "namespaces": lab.namespaces(),
        "links": lab.objects.made_links().map(|l| l.name()).collect::<Vec<_>>(),
        "containers": lab.objects.containers(),
        "steps": lab.steps,
        "error": lab.status.as_ref().err().map(|e| fail::value(e)),
    })
}

/// How long ago a second since 1970 was, in one unit.
fn ago(time: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(time, |d| d.as_secs());
    age(now.saturating_sub(time))
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} ago", count(usize::try_from(seconds / 86400).unwrap_or(usize::MAX), "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, text) in [
            (0, "0 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7200, "2 h ago"),
            (86400, "1 day ago"),
            (500_000, "5 days ago"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}
