//! `netlab down`: undoes a finished run, exactly.

use serde_json::json;

use super::labs::{self, LabInfo};
use super::{ending, fail, out, place};
use crate::diag::{Code, Diagnostic, Result};
use crate::journal::store::Store;
use crate::kernel::signal::Stop;
use crate::lab::Lab;
use crate::lab::open::{no_such_lab, stop};
use crate::sandbox;
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
        None if args.all => newest_first(labs::everywhere(&store)),
        None => only(labs::everywhere(&store))?,
    };
    if labs.is_empty() {
        if !args.json && !args.quiet {
            out::line("no lab is up");
        }
        return Ok(0);
    }
    if let [lab] = &labs[..] {
        return lab.take_down(&store, &stop()?, args.quiet, args.json);
    }
    take_all_down(&store, &labs, args.quiet, args.json)
}

/// A lab that is to go, and the sandbox that it is in.
pub(super) struct Target {
    name: LabName,
    sandbox: Option<LabName>,
}

impl From<LabInfo> for Target {
    fn from(lab: LabInfo) -> Self {
        Self { name: lab.name, sandbox: lab.sandbox }
    }
}

impl Target {
    /// Takes it down, where it is.
    fn take_down(&self, store: &Store, stop: &Stop, quiet: bool, json: bool) -> Result<u8> {
        let Some(sandbox) = &self.sandbox else { return take_down(store, stop, &self.name, quiet, json) };
        match sandbox::claim_existing(sandbox)? {
            // What a learner did there is nobody's lab, and goes with the sandbox.
            Some(claim) if *sandbox == self.name && is_exercise(&self.name) => {
                claim.end()?;
                if json {
                    out::json(&json!({ "lab": self.name, "complete": true, "exit_code": 0 }));
                } else if !quiet {
                    out::line(format!("`{}` has ended, with its sandbox and all that was in it", self.name));
                }
                Ok(0)
            }
            Some(claim) => place::work(claim, None, json, || take_down(&Store::open()?, stop, &self.name, quiet, json)),
            // It has ended meanwhile, with all that was in it.
            None => Err(no_such_lab(store, &self.name)),
        }
    }
}

/// Whether the sandbox of a lab is that of an exercise.
fn is_exercise(lab: &LabName) -> bool {
    let state = sandbox::find(lab).and_then(|sandbox| sandbox.store().status(lab).ok());
    state.and_then(|(_, state)| state.header).is_some_and(|header| header.exercise.is_some())
}

/// Takes up a lab's undo and prints how it ended.
fn take_down(store: &Store, stop: &Stop, lab: &LabName, quiet: bool, json: bool) -> Result<u8> {
    let resumed = Lab::resume(lab, store.clone(), stop.clone()).map_err(|e| match e.code {
        Code::LabBusy => e.help("wait until it has ended, or end it with Ctrl-C where it runs"),
        _ => e,
    })?;
    Ok(ending::print(lab, &resumed.undo_all(), quiet, json))
}

/// Takes several labs down. One that fails does not keep the others up; a signal does. The worst code is the whole's.
pub(super) fn take_all_down(store: &Store, labs: &[Target], quiet: bool, json: bool) -> Result<u8> {
    let stop = stop()?;
    let mut worst = 0;
    for lab in labs {
        let code = lab.take_down(store, &stop, quiet, json).unwrap_or_else(|error| {
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

/// A lab of a name: here, or in the sandbox of the same name, or in another's.
fn find(store: &Store, name: &str) -> Result<Target> {
    let lab = LabName::new(name)?;
    if store.journal(&lab).exists() {
        return Ok(Target { name: lab, sandbox: None });
    }
    let mut sandboxes = sandbox::all();
    sandboxes.sort_by_key(|sandbox| sandbox.name != lab);
    match sandboxes.iter().find(|sandbox| sandbox.store().journal(&lab).exists()) {
        Some(sandbox) => Ok(Target { name: lab, sandbox: Some(sandbox.name.clone()) }),
        None => Err(no_such_lab(store, &lab)),
    }
}

fn only(labs: Vec<LabInfo>) -> Result<Vec<Target>> {
    if labs.len() < 2 {
        return Ok(labs.into_iter().map(Target::from).collect());
    }
    let names: Vec<String> = labs.iter().map(|lab| lab.name.to_string()).collect();
    Err(Diagnostic::new(Code::Usage, format!("there are {} labs: {}", names.len(), names.join(", ")))
        .help("say which: `netlab down LAB`, or take all of them down with `netlab down --all`"))
}

/// A lab may stand on what an older one made. Of those begun in the same second the higher PID is the newer one.
pub(super) fn newest_first(mut labs: Vec<LabInfo>) -> Vec<Target> {
    labs.sort_by_key(|lab| std::cmp::Reverse(lab.header.as_ref().map(|h| (h.time, h.pid))));
    labs.into_iter().map(Target::from).collect()
}
