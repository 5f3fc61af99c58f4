//! Grading: each submission is run again from the start, with its student's own values, in a sandbox of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::catalog::{self, Source};
use super::job::{Done, Job, Stage, Work};
use super::seed;
use super::worker::{self, Fate, Ran};
use crate::diag::{Code, Result};
use crate::script::error::Trace;
use crate::script::exercise::Sheet;
use crate::script::workbook::Outcome;

/// What somebody handed in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Whose it is: the file's name, or that of its folder if all files are called like the exercise.
    pub student: String,
    /// The file.
    pub file: PathBuf,
}

/// How all are graded.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The course's key, from which each student's values are drawn; otherwise all have those of `seed`.
    pub key: Option<Vec<u8>>,
    /// The seed for all.
    pub seed: u64,
    /// The most memory of a submission's process in MiB.
    pub memory: u64,
    /// Seconds that the start, the submission and the checks may take, each.
    pub time: Option<u64>,
    /// Whether submissions may start programs.
    pub programs: bool,
    /// How many are run at a time.
    pub at_once: usize,
}

/// What one came to.
#[derive(Debug, Clone)]
pub struct Grade {
    /// Whose it is.
    pub student: String,
    /// The file.
    pub file: PathBuf,
    /// The points, unless it could not be graded.
    pub points: Option<u32>,
    /// What each check came to, in their order; empty if none was made.
    pub outcomes: Vec<Outcome>,
    /// What has to be known besides, each a sentence.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Whose a file is.
pub fn submission(file: &Path, exercise: &str) -> Submission {
    let name = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let stem = name(file).unwrap_or_default();
    let folder = file.parent().and_then(name);
    let student = if stem == exercise { folder.unwrap_or(stem) } else { stem };
    Submission { student, file: file.to_owned() }
}

/// Grades all. `each` is told of every one that is done.
///
/// # Errors
/// What is wrong with the exercise itself.
pub fn grade(
    source: &Source,
    submissions: &[Submission],
    rules: &Rules,
    each: impl Fn(usize) + Sync,
) -> std::result::Result<(Sheet, Vec<Grade>), Trace> {
    let sheet = source.declare(rules.seed)?.sheet;
    let mut own: Vec<Sheet> = Vec::new();
    for submission in submissions {
        own.push(source.declare(seed_of(rules, &sheet.id, &submission.student))?.sheet);
    }
    let read: Vec<Result<Source>> = submissions.iter().map(|s| catalog::read(&s.file)).collect();
    let mut jobs = Vec::new();
    for (submission, read) in submissions.iter().zip(&read) {
        let Ok(script) = read else { continue };
        jobs.push(Job {
            file: source.file.clone(),
            text: source.text.clone(),
            folder: source.folder.clone(),
            seed: seed_of(rules, &sheet.id, &submission.student),
            work: Work::Script { file: script.file.clone(), text: script.text.clone() },
            thorough: false,
            memory: Some(rules.memory),
            programs: rules.programs,
            time: rules.time.unwrap_or(sheet.time),
        });
    }
    let mut ran = worker::run(&jobs, rules.at_once, |i, _| each(i)).into_iter();
    let mut grades = Vec::new();
    for (i, submission) in submissions.iter().enumerate() {
        let mut grade = Grade {
            student: submission.student.clone(),
            file: submission.file.clone(),
            points: None,
            outcomes: Vec::new(),
            notes: Vec::new(),
            took: Duration::ZERO,
        };
        match &read[i] {
            Err(error) if error.kernel.is_some() => grade.notes.push(error.to_string()),
            Err(error) => {
                grade.points = Some(0);
                grade.notes.push(error.to_string());
            }
            Ok(script) => {
                if let Some((fate, took)) = ran.next() {
                    grade.took = took;
                    judge(&mut grade, &sheet, (fate, took), rules);
                }
                grade.notes.extend(strangers(i, &own, submissions, &script.text));
            }
        }
        grades.push(grade);
    }
    Ok((sheet, grades))
}

fn seed_of(rules: &Rules, exercise: &str, student: &str) -> u64 {
    rules.key.as_ref().map_or(rules.seed, |key| seed::of_student(key, exercise, student))
}

fn judge(grade: &mut Grade, sheet: &Sheet, (fate, took): Ran, rules: &Rules) {
    match fate {
        Fate::Done(done) => judge_done(grade, sheet, *done),
        Fate::Died(signal) => {
            grade.points = Some(0);
            let name =
                nix::sys::signal::Signal::try_from(signal).map_or_else(|_| signal.to_string(), |s| s.to_string());
            grade.notes.push(format!(
                "its process was ended by {name}: it ended itself, or needed more than {} MiB of memory",
                rules.memory
            ));
        }
        Fate::Late => {
            grade.points = Some(0);
            grade.notes.push(format!("it had not ended after {} s and was killed", took.as_secs()));
        }
        Fate::Unrun(error) => grade.notes.push(format!("not graded: {error}")),
    }
}

fn judge_done(grade: &mut Grade, sheet: &Sheet, done: Done) {
    let mut graded = true;
    for (stage, error) in &done.troubles {
        let site = error.site.as_ref().map_or_else(String::new, |site| format!(" (line {})", site.line));
        // A machine that lacks something has no right to take points away.
        graded &=
            matches!(stage, Stage::Work | Stage::Unfit) && error.code.exit_code() != 3 && error.code != Code::Internal;
        let what = match stage {
            Stage::Unfit => "it cannot be understood",
            Stage::Work => "it ended with an error",
            Stage::Read | Stage::Setup | Stage::Checks | Stage::Undo => "not graded",
        };
        grade.notes.push(format!("{what}: {error}{site}"));
    }
    for (check, outcome) in sheet.checks.iter().zip(&done.outcomes) {
        if let Outcome::Broken { error } = outcome {
            graded = false;
            grade.notes.push(format!("not graded: the check {:?} could not be made: {error}", check.text));
        }
    }
    let passed = sheet.checks.iter().zip(&done.outcomes).filter(|(_, outcome)| **outcome == Outcome::Passed);
    let points = passed.map(|(check, _)| check.points).sum();
    grade.points = graded.then_some(points);
    grade.outcomes = done.outcomes;
}

/// Values in a script that are another student's and not this one's.
fn strangers(student: usize, own: &[Sheet], submissions: &[Submission], script: &str) -> Vec<String> {
    /// Shorter ones, and words, can stand there for other reasons.
    const LEAST: usize = 4;
    let values = |sheet: &Sheet| -> Vec<String> {
        let bare = |literal: &str| {
            let text = literal.strip_prefix("subnet(").and_then(|l| l.strip_suffix(')')).unwrap_or(literal);
            text.trim_matches('"').split('/').next().unwrap_or_default().trim_end_matches(".0").to_owned()
        };
        sheet
            .params
            .iter()
            .map(|p| bare(&p.literal))
            .filter(|v| v.len() >= LEAST && v.contains(|c: char| c.is_ascii_digit()))
            .collect()
    };
    let mine = values(&own[student]);
    let mut notes: Vec<String> = Vec::new();
    for (i, sheet) in own.iter().enumerate() {
        let theirs = values(sheet);
        let found = theirs
            .iter()
            .find(|v| holds(script, v) && !mine.iter().any(|m| m.starts_with(v.as_str()) || v.starts_with(m)));
        if let Some(value) = found.filter(|_| i != student && notes.len() < 3) {
            notes.push(format!("it has a value of {}: {value}", submissions[i].student));
        }
    }
    notes
}

/// Whether a text holds a value that does not go on to the left or right.
fn holds(text: &str, value: &str) -> bool {
    text.match_indices(value).any(|(at, _)| {
        let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        !goes_on(text[..at].chars().next_back()) && !goes_on(text[at + value.len()..].chars().next())
    })
}
