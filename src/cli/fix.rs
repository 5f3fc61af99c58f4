//! `why --try-fix` and `--fix`: what would mend it is done as a lab, asked again, and taken back or kept.

use std::path::Path;

use rhai::Map;
use serde_json::{Value, json};

use super::out::{self, Paint};
use super::{ending, labs};
use crate::diag::Result;
use crate::journal::record::Outcome;
use crate::journal::store::Store;
use crate::lab::Lab;
use crate::lab::open::{self, NewLab};
use crate::script::error::Trace;
use crate::script::live::Live;
use crate::why::cause::Break;
use crate::why::repair::Repair;

/// So many breaks behind each other are mended.
const MOST: usize = 8;

/// What it came to.
pub(super) struct Tried {
    /// Whether it gets there with all of that.
    pub(super) ok: bool,
    /// What was done, as statements.
    statements: Vec<String>,
    /// What stops it now, or why a fix could not be made.
    left: Option<String>,
    /// The lab that it was kept as.
    lab: Option<String>,
    /// The exit code of the undo.
    undo: u8,
}

impl Tried {
    /// For a program.
    pub(super) fn value(&self) -> Value {
        json!({ "ok": self.ok, "fix": self.statements, "left": self.left, "lab": self.lab, "undone": self.lab.is_none() && self.undo == 0 })
    }
}

/// Mends the first break and those that show behind it, until it gets there or nothing more can be done. `question` asks again,
/// as an expression of a script.
///
/// # Errors
/// Those of making a lab.
pub(super) fn go(first: &Break, question: &str, keep: bool, json: bool) -> Result<Tried> {
    let stop = open::stop()?;
    let store = Store::open()?;
    let name = labs::free_name(&store, "why-fix")?;
    let (file, script, args) = ("<why>".to_owned(), question.to_owned(), Vec::new());
    let lab = Lab::create(
        NewLab { name: name.clone(), file, script, args, verify: false, exercise: None },
        store,
        stop.clone(),
    )?;
    let mut live = Live::new(lab, &stop, Path::new("."), &[], |_| {})?;
    let mut tried = Tried { ok: false, statements: Vec::new(), left: None, lab: None, undo: 0 };
    let say = |text: &str| {
        if !json {
            out::line(text);
        }
    };
    say("");
    if first.repairs.iter().any(Repair::needs_program) {
        tried.left = Some("a program does this fix, whose doing could not be taken back: type it".into());
    } else if first.repairs.is_empty() {
        tried.left = Some("there is no fix that could be tried".into());
    }
    let mut statements: Vec<String> = first.repairs.iter().map(Repair::rhai).collect();
    while tried.left.is_none() {
        for statement in &statements {
            say(&format!("tried: {statement}"));
            if let Err(trace) = live.run("<fix>", statement) {
                tried.left = Some(trace.error.to_string());
                break;
            }
            tried.statements.push(statement.clone());
        }
        if tried.left.is_some() {
            break;
        }
        live.changed();
        let found = Found::new(live.run("<why>", question));
        if found.ok {
            tried.ok = true;
            break;
        }
        let is_new = |statement: &String| !tried.statements.contains(statement);
        if found.fix.is_empty()
            || !found.fix.iter().all(is_new)
            || found.needs_program
            || tried.statements.len() >= MOST
        {
            tried.left = Some(found.why);
        } else {
            say(&format!("  with it the packet gets further: {}", found.why));
            statements = found.fix;
        }
    }
    match &tried.left {
        None => say(&format!("  {}", out::paint("with it, it gets there", Paint::Green))),
        Some(left) => say(&format!("  {}: {left}", out::paint("it does not get there", Paint::Red))),
    }
    let Some(mut lab) = live.into_lab() else { return Ok(tried) };
    if keep && tried.ok {
        lab.close(Outcome::Up)?;
        say(&format!("  kept as the lab `{name}`; `netlab down {name}` takes it back"));
        tried.lab = Some(name.to_string());
        return Ok(tried);
    }
    lab.stop.reset();
    let ending = lab.undo_all();
    tried.undo = ending::code(&ending);
    if json && ending.is_complete() {
        return Ok(tried);
    }
    ending::print(&name, &ending, json, false);
    Ok(tried)
}

/// What asking again came to.
struct Found {
    ok: bool,
    why: String,
    fix: Vec<String>,
    needs_program: bool,
}

impl Found {
    fn new(answer: std::result::Result<rhai::Dynamic, Trace>) -> Self {
        let nothing = |why: String| Self { ok: false, why, fix: Vec::new(), needs_program: false };
        let map = match answer {
            Ok(value) => value.try_cast::<Map>().unwrap_or_default(),
            Err(trace) => return nothing(trace.error.to_string()),
        };
        let ok = map.get("ok").and_then(|ok| ok.as_bool().ok()).unwrap_or(false);
        let text = |map: &Map, key: &str| map.get(key).map(ToString::to_string).unwrap_or_default();
        let cause = map.get("cause").and_then(|cause| cause.clone().try_cast::<Map>());
        let Some(cause) = cause else { return Self { ok, ..nothing("the cause was not found".into()) } };
        let fix = cause.get("fix").and_then(|fix| fix.clone().try_cast::<rhai::Array>()).unwrap_or_default();
        let fix: Vec<String> = fix.iter().map(ToString::to_string).collect();
        let needs_program = cause.get("program").and_then(|p| p.as_bool().ok()).unwrap_or(false);
        Self { ok, why: format!("{} ({})", text(&cause, "message"), text(&cause, "code")), fix, needs_program }
    }
}
