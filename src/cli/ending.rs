//! What an undo came to, as `down`, `recover` and a failed `run` print it.

use serde_json::{Value, json};

use super::fail;
use super::out::{self, Paint};
use crate::diag::{Code, Diagnostic};
use crate::lab::rollback::{Ending, Leftover};
use crate::types::name::LabName;

/// Prints it and gives back the exit code that it stands for: 0 complete, 4 stuck, 128+N interrupted by signal N.
///
/// With `json` it is one object on one line. With `quiet` only what somebody has to know is printed.
pub fn print(lab: &LabName, ending: &Ending, quiet: bool, json: bool) -> u8 {
    let code = code(ending);
    if json {
        out::json(&value(lab, ending, code));
        return code;
    }
    let undoing = &ending.undoing;
    if !quiet {
        let steps = count(undoing.count, "step");
        out::line(format!("`{lab}`: {steps} taken back"));
    }
    for sentence in &undoing.theirs {
        out::note(format!("  left alone: {sentence}"));
    }
    for sentence in &undoing.notes {
        out::note(format!("  {sentence}"));
    }
    if ending.is_complete() {
        print_differences(ending, quiet);
    } else {
        print_incomplete(lab, ending);
    }
    code
}

/// The exit code that an ending stands for.
pub fn code(ending: &Ending) -> u8 {
    match ending.undoing.interrupted {
        Some(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        None if ending.is_complete() => 0,
        None => Code::Stuck.exit_code(),
    }
}

/// How many differences are printed: who changed more than that knows it.
const SHOWN: usize = 20;

fn print_differences(ending: &Ending, quiet: bool) {
    match ending.differences.as_deref() {
        Some([]) if quiet => {}
        Some([]) if ending.undoing.theirs.is_empty() => out::line(out::paint("host unchanged", Paint::Green)),
        Some([]) => out::line("host otherwise unchanged"),
        Some(differences) => {
            out::note("host changed since the lab began, but not by this lab:");
            for difference in differences.iter().take(SHOWN) {
                out::note(format!("  {difference}"));
            }
            if differences.len() > SHOWN {
                out::note(format!("  … and {} more; --json shows all", differences.len() - SHOWN));
            }
        }
        None if quiet => {}
        None => out::line("host not compared: there is no record of what it was before"),
    }
}

fn print_incomplete(lab: &LabName, ending: &Ending) {
    let undoing = &ending.undoing;
    for leftover in &undoing.leftovers {
        print_leftover(leftover);
    }
    if let Some(error) = &undoing.broken {
        fail::report(error, false);
    }
    let again = format!("`netlab down {lab}` takes it up again");
    let error = match undoing.interrupted {
        Some(signal) => {
            let mut error = crate::lab::interrupted(signal);
            error.message = format!("the undo of `{lab}` was {}", error.message);
            error.help(again)
        }
        None if undoing.leftovers.is_empty() => {
            Diagnostic::new(Code::Stuck, format!("the undo of `{lab}` is incomplete")).help(again)
        }
        None => {
            let left = count(undoing.leftovers.len(), "step");
            Diagnostic::new(Code::Stuck, format!("the undo of `{lab}` is incomplete: {left} could not be taken back"))
                .help(if undoing.leftovers.iter().any(|leftover| !leftover.by_hand.is_empty()) {
                    format!("type the commands above, then {again}")
                } else {
                    format!("mend what stands in the way, then {again}")
                })
        }
    };
    fail::report(&error, false);
}

fn print_leftover(leftover: &Leftover) {
    let what = leftover.what.join("; ");
    out::note(format!("{} {what}", out::paint_error("left over:", Paint::Yellow)));
    out::note(format!("  why: {}", leftover.why));
    for command in &leftover.by_hand {
        out::note(format!("  type: {command}"));
    }
}

/// The same as JSON.
pub fn value(lab: &LabName, ending: &Ending, code: u8) -> Value {
    let undoing = &ending.undoing;
    let leftovers: Vec<Value> = undoing
        .leftovers
        .iter()
        .map(|l| json!({ "what": l.what, "why": fail::value(&l.why), "by_hand": l.by_hand }))
        .collect();
    let differences: Option<Vec<Value>> = ending
        .differences
        .as_ref()
        .map(|all| all.iter().map(|d| json!({ "what": d.what, "before": d.before, "now": d.now })).collect());
    json!({
        "lab": lab,
        "complete": ending.is_complete(),
        "steps": undoing.count,
        "left_alone": undoing.theirs,
        "notes": undoing.notes,
        "differences": differences,
        "leftovers": leftovers,
        "interrupted": undoing.interrupted,
        "error": undoing.broken.as_deref().map(fail::value),
        "exit_code": code,
    })
}

/// A number with its noun.
pub fn count(number: usize, noun: &str) -> String {
    let ending = match (number, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with("ss") => "es",
        (_, noun) if noun.ends_with("ry") => return format!("{number} {}ies", noun.trim_end_matches('y')),
        _ => "s",
    };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::rollback::Undoing;

    fn ending(undoing: Undoing) -> Ending {
        Ending { undoing, differences: None }
    }

    #[test]
    fn codes() {
        let leftover = || Leftover {
            what: vec!["ip link add x".into()],
            why: Diagnostic::new(Code::Busy, "held"),
            by_hand: vec!["ip link del x".into()],
        };
        assert_eq!(code(&ending(Undoing::default())), 0);
        assert_eq!(code(&ending(Undoing { leftovers: vec![leftover()], ..Undoing::default() })), 4);
        let broken = Some(Diagnostic::new(Code::BadFile, "the disk is full"));
        assert_eq!(code(&ending(Undoing { broken, ..Undoing::default() })), 4);
        let interrupted = ending(Undoing { interrupted: Some(2), leftovers: vec![leftover()], ..Undoing::default() });
        assert_eq!(code(&interrupted), 130);
        let lab = LabName::new("demo").unwrap();
        let value = value(&lab, &interrupted, 130);
        assert_eq!(value["leftovers"][0]["by_hand"][0], "ip link del x");
        assert_eq!((&value["interrupted"], &value["complete"]), (&json!(2), &json!(false)));
    }
}
