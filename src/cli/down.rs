//! `netlab down`: undoes a finished run, exactly.

use super::{ending, fail, out};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::store::Store;
use crate::kernel::signal::Stop;
use crate::lab::Lab;
use crate::lab::open::no_such_lab;
use crate::types::name::LabName;

/// The arguments of `down`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab down\n  netlab down create-ns-bridge\n  netlab down --all --quiet")]
pub struct Args {
    /// The lab; without one, the only lab there is.
    pub lab: Option<String>,
    /// Take all labs down, the newest first.
    #[arg(long, conflicts_with = "lab")]
    pub all: bool,
    /// Print JSON, one object per lab and line.
    #[arg(long)]
    pub json: bool,
    /// Print only what somebody has to know.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Takes labs down.
///
/// # Errors
/// `NL0502` for a lab that is not there, `NL0210` if it is not clear which is meant, and those of taking up a lab.
pub fn run(args: Args) -> Result<u8> {
    let store = Store::open()?;
    let labs = match &args.lab {
        Some(name) => vec![find(&store, name)?],
        None if args.all => newest_first(&store),
        None => only(&store)?,
    };
    if labs.is_empty() {
        if !args.json && !args.quiet {
            out::line("no lab is up");
        }
        return Ok(0);
    }
    if let [lab] = &labs[..] {
        let stop = stop()?;
        return take_down(&store, &stop, lab, args.quiet, args.json);
    }
    take_all_down(&store, &labs, args.quiet, args.json)
}

/// Takes up a lab's undo and prints how it ended.
///
/// # Errors
/// Those of taking it up.
pub(super) fn take_down(store: &Store, stop: &Stop, lab: &LabName, quiet: bool, json: bool) -> Result<u8> {
    let resumed = Lab::resume(lab, store.clone(), stop.clone()).map_err(|e| match e.code {
        Code::LabBusy => e.help("wait until it has ended, or end it with Ctrl-C where it runs"),
        _ => e,
    })?;
    Ok(ending::print(lab, &resumed.undo_all(), quiet, json))
}

/// Takes several labs down. One that fails does not keep the others up; a signal does. The worst code is the whole's.
pub(super) fn take_all_down(store: &Store, labs: &[LabName], quiet: bool, json: bool) -> Result<u8> {
    let stop = stop()?;
    let mut worst = 0;
    for lab in labs {
        let code = take_down(store, &stop, lab, quiet, json).unwrap_or_else(|error| {
            fail::report(&error, json);
            error.code.exit_code()
        });
        worst = worst.max(code);
        if code > 128 {
            break;
        }
    }
    Ok(worst)
}

/// Catches the signals that end an undo between two steps.
pub(super) fn stop() -> Result<Stop> {
    Stop::on_signals().map_err(|e| {
        Diagnostic::new(Code::Environment, "cannot catch signals").kernel(KernelError::from_io("sigaction", &e))
    })
}

fn find(store: &Store, name: &str) -> Result<LabName> {
    let lab = LabName::new(name)?;
    if store.journal(&lab).exists() { Ok(lab) } else { Err(no_such_lab(store, &lab)) }
}

fn only(store: &Store) -> Result<Vec<LabName>> {
    let labs = store.labs();
    if labs.len() < 2 {
        return Ok(labs);
    }
    let names: Vec<String> = labs.iter().map(LabName::to_string).collect();
    Err(Diagnostic::new(Code::Usage, format!("there are {} labs: {}", names.len(), names.join(", ")))
        .help("say which: `netlab down LAB`, or take all of them down with `netlab down --all`"))
}

/// A lab may stand on what an older one made. Of those begun in the same second the higher PID is the newer one.
fn newest_first(store: &Store) -> Vec<LabName> {
    let age = |lab: &LabName| store.status(lab).ok().and_then(|(_, state)| state.header).map(|h| (h.time, h.pid));
    let mut labs = store.labs();
    labs.sort_by_cached_key(|lab| std::cmp::Reverse(age(lab)));
    labs
}
