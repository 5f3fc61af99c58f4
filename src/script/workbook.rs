//! An exercise at work: its parts, each run on a lab when its turn comes.

use std::time::Instant;

use rhai::{Dynamic, EvalAltResult, FnPtr};
use serde::{Deserialize, Serialize};

use super::error::{Trace, trace};
use super::exercise::Sheet;
use super::expect::judge;
use super::probe::await_addresses;
use super::run::{Script, is_ended};
use super::values::kind;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::netns;
use crate::kernel::signal::Stop;
use crate::lab::Lab;

/// An exercise whose file has said what it consists of.
pub struct Workbook {
    script: Script,
    /// That.
    pub sheet: Sheet,
}

/// A part that changes the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// What the learner finds.
    Setup,
    /// The solution.
    Solution,
    /// A known mistake, by its number from 0.
    Wrong(usize),
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed {
        /// Why, if that can be told.
        why: Option<String>,
    },
    /// It was not made, since it would say nothing: a check that it builds on, by its number from 0, did not pass.
    Skipped {
        /// That check.
        after: usize,
    },
    /// It could not be made: that says nothing about the learner.
    Broken {
        /// What was in the way.
        error: Box<Diagnostic>,
    },
}

impl Script {
    /// Reads an exercise: runs the file's own statements, which touch nothing. What it draws comes from `seed`.
    ///
    /// # Errors
    /// `NL0801` for what is no exercise, and those of any script.
    pub fn declare(self, seed: u64) -> std::result::Result<Workbook, Trace> {
        self.session.borrow_mut().sheet = Some(Sheet::new(seed));
        let result = self.guarded(Self::evaluate);
        let mut session = self.session.borrow_mut();
        let sheet = session.sheet.take();
        if let Err(error) = result {
            return Err(trace(&session, &error, &self.file, &self.ast));
        }
        drop(session);
        let mut sheet = sheet.unwrap_or_default();
        sheet.finish().map_err(|e| e.at(Site { file: self.file.clone(), line: 1, column: 1 }))?;
        // What is a word of exercises is none in a closure, and says so.
        self.session.borrow_mut().sheet = Some(sheet.clone());
        Ok(Workbook { script: self, sheet })
    }
}

impl Workbook {
    /// Runs a part on a lab, which comes back in any case. What the exercise does not have changes nothing.
    pub fn make(
        &mut self,
        part: Part,
        lab: Lab,
        stop: &Stop,
        deadline: Option<Instant>,
    ) -> (Lab, std::result::Result<(), Trace>) {
        let closure = match part {
            Part::Setup => self.sheet.setup.as_ref(),
            Part::Solution => self.sheet.solution.as_ref(),
            Part::Wrong(i) => self.sheet.wrongs.get(i).map(|w| &w.run),
        };
        let closure = closure.cloned();
        self.script.on_lab(lab, stop, deadline, |script| closure.map_or(Ok(()), |f| call(script, &f).map(|_| ())))
    }

    /// Makes all checks on a lab of their own, each of which finds what the one before found.
    pub fn check(
        &mut self,
        lab: Lab,
        stop: &Stop,
        deadline: Option<Instant>,
    ) -> (Lab, std::result::Result<Vec<Outcome>, Trace>) {
        let (checks, explain) = (self.sheet.checks.clone(), self.sheet.explains);
        self.script.on_lab(lab, stop, deadline, |script| {
            wait_until_settled(script)?;
            let mut outcomes: Vec<Outcome> = Vec::new();
            for check in &checks {
                let missed = check.after.iter().find(|i| outcomes.get(**i) != Some(&Outcome::Passed));
                outcomes.push(match missed {
                    Some(after) => Outcome::Skipped { after: *after },
                    None => one(script, &check.run, explain)?,
                });
            }
            Ok(outcomes)
        })
    }

    /// The hints of a check that have something to say about what is there now.
    pub fn hints(
        &mut self,
        check: usize,
        lab: Lab,
        stop: &Stop,
        deadline: Option<Instant>,
    ) -> (Lab, std::result::Result<Vec<String>, Trace>) {
        let hints = self.sheet.checks.get(check).map(|c| c.hints.clone()).unwrap_or_default();
        self.script.on_lab(lab, stop, deadline, |script| {
            let mut texts = Vec::new();
            for hint in hints {
                let said = match hint.clone().try_cast::<FnPtr>() {
                    Some(closure) => taken_back(script, || call(script, &closure))?.unwrap_or(Dynamic::UNIT),
                    None => hint,
                };
                if said.is_string() {
                    texts.push(said.to_string());
                }
            }
            Ok(texts)
        })
    }
}

/// Whatever the learner did a moment ago, carriers may still be coming, and new addresses of IPv6 be looked for elsewhere.
fn wait_until_settled(script: &Script) -> std::result::Result<(), Box<EvalAltResult>> {
    let changed = Instant::now();
    let mut session = script.session.borrow_mut();
    session.changed = Some(changed);
    let waited = session.lab().and_then(|lab| {
        let mut spaces = vec![lab.header.host];
        spaces.extend(netns::names().iter().filter_map(|name| lab.kernel().adopt_name(name).ok().flatten()));
        await_addresses(lab, spaces, changed)
    });
    waited.map_err(|error| EvalAltResult::ErrorTerminated(error.message.into(), rhai::Position::NONE).into())
}

/// Makes one check, and a second time if it fails: on a machine with much to do, a packet that is late says nothing.
///
/// Only the end of the whole is an error.
fn one(script: &Script, check: &FnPtr, explain: bool) -> std::result::Result<Outcome, Box<EvalAltResult>> {
    match once(script, check, explain)? {
        Outcome::Failed { .. } => once(script, check, explain),
        other => Ok(other),
    }
}

fn once(script: &Script, check: &FnPtr, explain: bool) -> std::result::Result<Outcome, Box<EvalAltResult>> {
    let value = match taken_back(script, || call(script, check))? {
        Ok(value) => value,
        Err(error) => return Ok(without_value(error)),
    };
    let verdict = judge(&mut script.session.borrow_mut(), &value, explain);
    Ok(match verdict {
        Some(verdict) if verdict.holds => Outcome::Passed,
        Some(verdict) => Outcome::Failed { why: verdict.why },
        None => Outcome::Broken {
            error: Diagnostic::new(
                Code::BadExercise,
                format!("a check gives a bool or a probe, and this one gives {}", kind(&value)),
            ),
        },
    })
}

/// A check that was ended by an error: what is not there is the learner's affair, what is wrong with the check is not.
fn without_value(error: Box<Diagnostic>) -> Outcome {
    let of_the_network = matches!(error.code as u16, 101..=199 | 206 | 209 | 301);
    if of_the_network && !matches!(error.code, Code::NotPermitted | Code::Forbidden | Code::BadOption) {
        Outcome::Failed { why: Some(error.message) }
    } else {
        Outcome::Broken { error }
    }
}

/// Calls `f` and takes back what it changed. The inner error is the script's; the outer one ends everything.
fn taken_back(
    script: &Script,
    f: impl FnOnce() -> std::result::Result<Dynamic, Box<EvalAltResult>>,
) -> std::result::Result<Result<Dynamic>, Box<EvalAltResult>> {
    let point = {
        let mut session = script.session.borrow_mut();
        match session.lab().map(Lab::savepoint) {
            Ok(point) => point,
            Err(error) => return Ok(Err(error)),
        }
    };
    let result = f();
    let mut session = script.session.borrow_mut();
    session.servers.clear();
    let left = session.lab().ok().and_then(|lab| {
        let undoing = lab.rollback(point);
        lab.release(point);
        undoing.leftovers.into_iter().next()
    });
    match (result, left) {
        (Err(error), _) if is_ended(&error) => Err(error),
        (_, Some(left)) => {
            let why = left.why;
            Ok(Err(Diagnostic::new(Code::Stuck, format!("what the check did cannot all be taken back: {why}"))))
        }
        (Err(error), None) => Ok(Err(trace(&session, &error, &script.file, &script.ast).error)),
        (Ok(value), None) => Ok(Ok(value)),
    }
}

fn call(script: &Script, closure: &FnPtr) -> std::result::Result<Dynamic, Box<EvalAltResult>> {
    closure.call::<Dynamic>(&script.engine, &script.ast, ())
}
