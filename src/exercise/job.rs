//! One run of an exercise in a sandbox that is thrown away: its start, somebody's work, and the checks.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};

use super::catalog::Source;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::record::Outcome as Rest;
use crate::journal::store::Store;
use crate::kernel::signal::Stop;
use crate::lab::Lab;
use crate::lab::moment::Moment;
use crate::lab::open::{self, NewLab};
use crate::lab::permissions::Permissions;
use crate::script::error::Trace;
use crate::script::run::Script;
use crate::script::workbook::{Outcome, Part, Workbook};
use crate::types::name::LabName;

/// What is to be run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// What errors call the exercise's file.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Where it may import from.
    pub folder: PathBuf,
    /// What its values are drawn from.
    pub seed: u64,
    /// Whose work is judged.
    pub work: Work,
    /// Whether the checks are made twice, hints are collected, and what is left behind is looked for.
    pub thorough: bool,
    /// The most memory of a process in MiB; the rest is up to the machine.
    pub memory: Option<u64>,
    /// Whether the work may start programs.
    pub programs: bool,
    /// Seconds that each stage may take.
    pub time: u64,
}

/// Whose work is judged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Work {
    /// Nobody's: the network as the learner finds it.
    Nothing,
    /// A part of the exercise.
    Part(Part),
    /// A script.
    Script {
        /// What errors call it.
        file: String,
        /// Its text.
        text: String,
    },
}

/// When something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// While the exercise was read, or the sandbox made.
    Read,
    /// While the start was made.
    Setup,
    /// Before the work was begun: it cannot be understood.
    Unfit,
    /// In the work.
    Work,
    /// In the checks as a whole.
    Checks,
    /// While all was taken back.
    Undo,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Done {
    /// What each check came to; none if it did not come that far.
    pub outcomes: Vec<Outcome>,
    /// The same a second time.
    pub again: Vec<Outcome>,
    /// What went wrong, the first first.
    pub troubles: Vec<(Stage, Box<Diagnostic>)>,
    /// What the work did, as statements and as commands.
    pub steps: Vec<String>,
    /// What each check that failed has for hints.
    pub hints: Vec<(usize, Vec<String>)>,
    /// How the sandbox differs at the end from what it was at first.
    pub left: Vec<String>,
}

impl Done {
    /// Something that kept it from being run at all.
    pub fn trouble(stage: Stage, error: Box<Diagnostic>) -> Self {
        Self { troubles: vec![(stage, error)], ..Self::default() }
    }
}

/// Runs it in the machine that this process is in, which nobody else uses.
pub fn run(job: &Job) -> Done {
    let mut done = Done::default();
    if let Err((stage, error)) = go(job, &mut done) {
        done.troubles.push((stage, error));
    }
    done
}

type Staged<T> = std::result::Result<T, (Stage, Box<Diagnostic>)>;

fn go(job: &Job, done: &mut Done) -> Staged<()> {
    let at = |stage| move |error| (stage, error);
    limit(job).map_err(at(Stage::Read))?;
    let source = Source { file: job.file.clone(), text: job.text.clone(), folder: job.folder.clone() };
    let mut exercise = source.declare(job.seed).map_err(|t| (Stage::Read, t.error))?;
    let time = Duration::from_secs(job.time);
    let stop = open::stop().map_err(at(Stage::Read))?;
    let before = if job.thorough { Some(Moment::now().map_err(at(Stage::Read))?) } else { None };

    let lab = lab(".start", &source, Some(job.seed), &stop, time).map_err(at(Stage::Setup))?;
    let (mut start, result) = run_part(&mut exercise, Part::Setup, lab, &stop);
    result.map_err(|t| (Stage::Setup, t.error))?;
    start.close(Rest::Up).map_err(at(Stage::Setup))?;

    let worked = work(job, &mut exercise, &source, &stop, done);
    let (mut work, unfit) = match worked {
        Ok(work) => (work, false),
        Err((Stage::Unfit, error)) => {
            done.troubles.push((Stage::Unfit, error));
            (None, true)
        }
        Err(trouble) => return Err(trouble),
    };
    if let Some(work) = &mut work {
        work.close(Rest::Up).map_err(at(Stage::Work))?;
    }
    if !unfit {
        let checks = lab_of_checks(&source, &stop, time).map_err(at(Stage::Checks))?;
        let checks = check(job, &mut exercise, checks, &stop, done)?;
        end(checks, done);
    }
    if let Some(before) = before {
        work.into_iter().chain([start]).for_each(|lab| end(lab, done));
        let now = Moment::now().map_err(at(Stage::Undo))?;
        let differences = now.differences(&before).map_err(at(Stage::Undo))?;
        done.left =
            differences.iter().map(|(netns, d)| format!("{netns}: {d}").trim_start_matches(": ").to_owned()).collect();
    }
    Ok(())
}

/// Has somebody work on what was set up. What fails there is noted, and what it did stays: part of it may be right.
fn work(job: &Job, exercise: &mut Workbook, source: &Source, stop: &Stop, done: &mut Done) -> Staged<Option<Lab>> {
    let at = |stage| move |error| (stage, error);
    let time = Duration::from_secs(job.time);
    let (mut lab, script) = match &job.work {
        Work::Nothing => return Ok(None),
        Work::Part(part) => {
            let lab = lab(".work", source, None, stop, time).map_err(at(Stage::Work))?;
            (lab, Err(*part))
        }
        Work::Script { file, text } => {
            // It may import nothing: it was handed in alone.
            let nowhere = PathBuf::from("/nonexistent");
            let script = Script::new(file, text, &[], &nowhere).map_err(|t| (Stage::Unfit, t.error))?;
            let source = Source { file: file.clone(), text: text.clone(), folder: nowhere };
            let mut lab = lab(".work", &source, None, stop, time).map_err(at(Stage::Work))?;
            lab.permissions = Permissions { programs: job.programs, ..Permissions::default() };
            (lab, Ok(script))
        }
    };
    let steps = Rc::new(RefCell::new(Vec::new()));
    let kept = steps.clone();
    lab.listen(Box::new(move |_, action, _, names| {
        let change = action.change();
        kept.borrow_mut().push(change.rhai(names));
        kept.borrow_mut().extend(change.ip(names));
    }));
    let deadline = lab.deadline;
    let (lab, result): (Lab, std::result::Result<(), Trace>) = match script {
        Ok(script) => script.run(lab, stop, deadline),
        Err(part) => run_part(exercise, part, lab, stop),
    };
    if let Err(trace) = result {
        done.troubles.push((Stage::Work, trace.error));
    }
    done.steps = steps.take();
    Ok(Some(lab))
}

fn check(job: &Job, exercise: &mut Workbook, lab: Lab, stop: &Stop, done: &mut Done) -> Staged<Lab> {
    let deadline = lab.deadline;
    let (mut lab, outcomes) = exercise.check(lab, stop, deadline);
    done.outcomes = outcomes.map_err(|t| (Stage::Checks, t.error))?;
    if !job.thorough {
        return Ok(lab);
    }
    let (next, again) = exercise.check(lab, stop, deadline);
    lab = next;
    done.again = again.map_err(|t| (Stage::Checks, t.error))?;
    let failed = |o: &Outcome| matches!(o, Outcome::Failed { .. });
    for i in (0..done.outcomes.len()).filter(|i| failed(&done.outcomes[*i])) {
        let (next, hints) = exercise.hints(i, lab, stop, deadline);
        lab = next;
        done.hints.push((i, hints.map_err(|t| (Stage::Checks, t.error))?));
    }
    Ok(lab)
}

fn run_part(exercise: &mut Workbook, part: Part, lab: Lab, stop: &Stop) -> (Lab, std::result::Result<(), Trace>) {
    let deadline = lab.deadline;
    exercise.make(part, lab, stop, deadline)
}

/// Takes a lab back.
fn end(lab: Lab, done: &mut Done) {
    let ending = lab.undo_all();
    for leftover in ending.undoing.leftovers {
        done.left.push(leftover.what.join("; "));
    }
    if let Some(error) = ending.undoing.broken {
        done.troubles.push((Stage::Undo, error));
    }
}

/// A lab for the checks of an exercise: what they change is taken back one by one, and the rest with the lab.
///
/// # Errors
/// As those of any lab.
pub fn lab_of_checks(source: &Source, stop: &Stop, time: Duration) -> Result<Lab> {
    lab(".checks", source, None, stop, time)
}

fn lab(name: &str, source: &Source, exercise: Option<u64>, stop: &Stop, time: Duration) -> Result<Lab> {
    let new = NewLab {
        // Nobody looks for it by its name.
        name: LabName::new(&format!("netlab{name}.{}", std::process::id()))?,
        file: source.file.clone(),
        script: source.text.clone(),
        args: Vec::new(),
        verify: false,
        exercise,
    };
    let mut lab = Lab::create(new, Store::open()?, stop.clone())?;
    lab.deadline = Some(Instant::now() + time);
    Ok(lab)
}

/// So much memory and no more: a process that asks for more is ended by its own allocator.
fn limit(job: &Job) -> Result<()> {
    let Some(memory) = job.memory else { return Ok(()) };
    let bytes = memory << 20;
    setrlimit(Resource::RLIMIT_AS, bytes, bytes).map_err(|e| {
        Diagnostic::new(Code::Environment, format!("cannot limit the memory to {memory} MiB"))
            .kernel(KernelError::from_io("setrlimit RLIMIT_AS", &e.into()))
    })
}
