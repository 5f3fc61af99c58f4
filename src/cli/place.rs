//! Which machine a command is about: the one that it is started on, or one of the caller's sandboxes.

use super::netns::{self, HOST};
use super::settle;
use crate::diag::{Code, Diagnostic, Result, nearest};
use crate::kernel::relay::{self, Keys};
use crate::lab::open::{as_root, is_privileged};
use crate::sandbox::uplink::Program;
use crate::sandbox::{self, Claim, Sandbox};
use crate::types::name::LabName;

/// A machine.
pub enum Place {
    /// The one that netlab is started on.
    Here,
    /// A sandbox.
    In(Sandbox),
}

impl Place {
    /// Calls `f` there; gives back the code it came to.
    ///
    /// # Errors
    /// `f`'s own here, and those of entering a sandbox.
    pub fn go(&self, keys: Keys, json: bool, starts_program: bool, f: impl FnOnce() -> Result<u8>) -> Result<u8> {
        match self {
            Place::Here => f(),
            Place::In(sandbox) => inside(sandbox, keys, json, starts_program, f),
        }
    }

    /// The lab whose sandbox it is.
    pub fn lab(&self) -> Option<&LabName> {
        match self {
            Place::Here => None,
            Place::In(sandbox) => Some(&sandbox.name),
        }
    }
}

/// Calls `f` in a sandbox, where its error is printed as well, and ends as it ends.
fn inside(
    sandbox: &Sandbox,
    keys: Keys,
    json: bool,
    starts_program: bool,
    f: impl FnOnce() -> Result<u8>,
) -> Result<u8> {
    sandbox.inside(keys, || settle(f(), json, starts_program)).map(relay::die_as)
}

/// Calls `f`, which changes a lab, in the sandbox of a name, with a way out of a new one if there is to be one, and ends the sandbox when nothing is in it any more.
///
/// # Errors
/// Those of making and entering it.
pub fn work(claim: Claim, uplink: Option<Program>, json: bool, f: impl FnOnce() -> Result<u8>) -> Result<u8> {
    work_with(Keys::Outside, claim, uplink, json, f)
}

/// The same, where `keys` says who gets the signals of the keyboard.
///
/// # Errors
/// As [`work`].
pub fn work_with(
    keys: Keys,
    mut claim: Claim,
    uplink: Option<Program>,
    json: bool,
    f: impl FnOnce() -> Result<u8>,
) -> Result<u8> {
    let is_new = claim.is_new();
    let end = claim.open().and_then(|sandbox| {
        // One that was up already has the way out that it was given, if any.
        uplink.filter(|_| is_new).map_or(Ok(()), |program| program.start(sandbox))?;
        sandbox.inside(keys, || settle(f(), json, false))
    });
    let ended = claim.end_if_empty();
    let end = end?;
    ended?;
    Ok(relay::die_as(end))
}

/// The place of what a command names: a namespace, the lab that a sandbox belongs to, or LAB/NAMESPACE. The second is the
/// namespace's name there.
///
/// # Errors
/// `NL0210` if several sandboxes have such a namespace; `NL0108` and `NL0502` if there is nothing of that name.
pub fn of(target: &str) -> Result<(Place, String)> {
    let here = || Ok((Place::Here, target.to_owned()));
    if target == HOST {
        return here();
    }
    if let Some((lab, name)) = target.split_once('/') {
        return Ok((of_lab(&LabName::new(lab)?)?, name.to_owned()));
    }
    if is_privileged() && netns::names().iter().any(|name| name == target) {
        return here();
    }
    let mut all = sandbox::all();
    let has = |sandbox: &Sandbox| sandbox.namespaces().iter().any(|name| name.as_str() == target);
    let with: Vec<usize> = (0..all.len()).filter(|i| has(&all[*i])).collect();
    if let [first, second, ..] = with[..] {
        let (first, second) = (&all[first].name, &all[second].name);
        return Err(Diagnostic::new(
            Code::Usage,
            format!("`{target}` is in the sandboxes of `{first}` and of `{second}`"),
        )
        .help(format!("say which: `{first}/{target}`")));
    }
    if let Some(index) = with.first() {
        return Ok((Place::In(all.swap_remove(*index)), target.to_owned()));
    }
    if let Some(index) = all.iter().position(|sandbox| sandbox.name.as_str() == target) {
        return Ok((Place::In(all.swap_remove(index)), HOST.to_owned()));
    }
    // Of a name that root has given, it is said that it is root's.
    if is_privileged() || netns::names().iter().any(|name| name == target) {
        return here();
    }
    if all.is_empty() {
        return Err(none(&format!("there is no namespace `{target}`"), Code::NoSuchNetns));
    }
    Err(missing(target, &all))
}

/// The sandbox of a lab.
///
/// # Errors
/// `NL0502`, with the names that there are.
pub fn of_lab(lab: &LabName) -> Result<Place> {
    sandbox::find(lab).map(Place::In).ok_or_else(|| no_such_sandbox(lab))
}

/// The place of a command that names nothing: here, or for who can do nothing here, his only sandbox.
///
/// # Errors
/// `NL0210` if there are several, `NL0502` if there is none.
pub fn only(command: &str) -> Result<Place> {
    if is_privileged() {
        return Ok(Place::Here);
    }
    let mut all = sandbox::all();
    match all.len() {
        0 => Err(none("no lab of yours is up", Code::NoSuchLab)),
        1 => Ok(Place::In(all.swap_remove(0))),
        n => {
            let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
            Err(Diagnostic::new(Code::Usage, format!("there are {n} sandboxes: {}", names.join(", ")))
                .help(format!("say which: `{command} {}`", names[0])))
        }
    }
}

/// The error for somebody without privilege who has no sandbox.
fn none(what: &str, code: Code) -> Box<Diagnostic> {
    Diagnostic::new(code, what).help(format!(
        "`netlab run FILE` starts a lab in a sandbox of its own; what root started, root sees: {}",
        as_root()
    ))
}

fn no_such_sandbox(lab: &LabName) -> Box<Diagnostic> {
    let all: Vec<String> = sandbox::all().iter().map(|s| format!("`{}`", s.name)).collect();
    let help = if all.is_empty() { "there is none at all".into() } else { format!("there is {}", all.join(", ")) };
    Diagnostic::new(Code::NoSuchLab, format!("there is no sandbox `{lab}`")).help(help)
}

fn missing(target: &str, all: &[Sandbox]) -> Box<Diagnostic> {
    let names: Vec<String> = all.iter().flat_map(Sandbox::namespaces).map(|name| name.to_string()).collect();
    let error = Diagnostic::new(Code::NoSuchNetns, format!("there is no namespace `{target}`"));
    match nearest(target, names.iter().map(String::as_str).chain(all.iter().map(|s| s.name.as_str()))) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(netns::which(&names)),
    }
}
