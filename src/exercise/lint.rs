//! What an exercise's author has to know before anybody learns from it: that the start fails, the solution passes, and each
//! known mistake is caught by just the checks that are named for it.

use std::collections::BTreeSet;

use super::catalog::Source;
use super::job::{Done, Job, Stage, Work};
use super::text;
use super::worker::{Fate, Ran};
use crate::diag::{Code, Diagnostic, Site};
use crate::script::error::Trace;
use crate::script::exercise::Sheet;
use crate::script::workbook::{Outcome, Part};

/// An exercise that is looked at.
pub struct Lint {
    source: Source,
    sheet: Sheet,
    jobs: Vec<(u64, Work)>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub site: Site,
    /// What.
    pub words: String,
    /// What might be done.
    pub help: Option<String>,
}

impl Finding {
    /// As an error, to be shown like one.
    pub fn error(&self) -> Box<Diagnostic> {
        let error = Diagnostic::new(Code::BadExercise, self.words.clone()).at(self.site.clone());
        match &self.help {
            Some(help) => error.help(help.clone()),
            None => error,
        }
    }
}

impl Lint {
    /// Reads an exercise, and what can be said about it without running it.
    ///
    /// # Errors
    /// `NL0801`, and those of any script: it is no exercise at all.
    pub fn new(source: Source, seeds: &[u64]) -> std::result::Result<Self, Trace> {
        let first = seeds.first().copied().unwrap_or(1);
        let sheet = source.declare(first)?.sheet;
        let mut lint = Self { source, sheet, jobs: Vec::new(), findings: Vec::new() };
        lint.read();
        for seed in seeds {
            lint.jobs.push((*seed, Work::Nothing));
            if lint.sheet.has_solution() {
                lint.jobs.push((*seed, Work::Part(Part::Solution)));
            }
            lint.jobs.extend((0..lint.sheet.wrongs.len()).map(|i| (*seed, Work::Part(Part::Wrong(i)))));
        }
        Ok(lint)
    }

    /// The exercise's name.
    pub fn id(&self) -> &str {
        &self.sheet.id
    }

    /// The exercise's file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What it needs and this machine does not have.
    pub fn lacks(&self) -> Vec<String> {
        self.sheet.missing()
    }

    /// The runs that show the rest.
    pub fn jobs(&self) -> Vec<Job> {
        let job = |(seed, work): &(u64, Work)| Job {
            file: self.source.file.clone(),
            text: self.source.text.clone(),
            folder: self.source.folder.clone(),
            seed: *seed,
            work: work.clone(),
            thorough: true,
            memory: None,
            programs: true,
            time: self.sheet.time,
        };
        self.jobs.iter().map(job).collect()
    }

    fn find(&mut self, site: Option<Site>, words: String, help: Option<&str>) {
        let site = site.unwrap_or(Site { file: self.source.file.clone(), line: 1, column: 1 });
        let finding = Finding { site, words, help: help.map(str::to_owned) };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn read(&mut self) {
        if !self.sheet.has_solution() {
            self.find(
                None,
                "the exercise has no solution".into(),
                Some("solution(|| { … }) shows that it can be solved"),
            );
        }
        if self.sheet.wrongs.is_empty() {
            let help = "wrong(text, [checks], || { … }) shows that the checks catch a mistake";
            self.find(None, "the exercise names no known mistake".into(), Some(help));
        }
        if self.sheet.checks.iter().all(|c| c.hint_count() == 0) {
            self.find(None, "the exercise has no hint".into(), Some("check(text, #{ hint: [\"…\"] }, || …) gives one"));
        }
        let with_check: BTreeSet<usize> = self.sheet.checks.iter().map(|c| c.task).collect();
        for (i, task) in self.sheet.tasks.clone().iter().enumerate() {
            if !with_check.contains(&i) {
                self.find(None, format!("no check belongs to the task {task:?}"), None);
            }
        }
    }

    /// Judges the runs, in the order of the jobs.
    pub fn judge(&mut self, ran: &[Ran]) {
        let mut failed: BTreeSet<usize> = BTreeSet::new();
        let mut complete = true;
        for ((seed, work), (fate, took)) in self.jobs.clone().iter().zip(ran) {
            let what = self.named(work, *seed);
            match fate {
                Fate::Done(done) => {
                    failed.extend(numbers(&done.outcomes, |o| matches!(o, Outcome::Failed { .. })));
                    complete &= self.judge_one(work, *seed, done);
                }
                Fate::Died(signal) => {
                    complete = false;
                    self.find(None, format!("{what}: its process was ended by signal {signal}"), None);
                }
                Fate::Late => {
                    complete = false;
                    self.find(None, format!("{what}: it had not ended after {} s", took.as_secs()), None);
                }
                Fate::Unrun(error) => {
                    complete = false;
                    self.find(None, format!("{what}: {error}"), error.help.as_deref());
                }
            }
        }
        if complete {
            for i in (0..self.sheet.checks.len()).filter(|i| !failed.contains(i)) {
                let check = &self.sheet.checks[i];
                let (site, words) = (check.site.clone(), format!("nothing fails the check {:?}", check.text));
                self.find(Some(site), words, Some("add the mistake that it is there for: wrong(…)"));
            }
        }
    }

    fn named(&self, work: &Work, seed: u64) -> String {
        match work {
            Work::Part(Part::Solution) => format!("the solution, seed {seed}"),
            Work::Part(Part::Wrong(i)) => format!("the mistake {:?}, seed {seed}", self.sheet.wrongs[*i].text),
            _ => format!("the start, seed {seed}"),
        }
    }

    /// Whether the run says anything about the checks.
    fn judge_one(&mut self, work: &Work, seed: u64, done: &Done) -> bool {
        let what = &self.named(work, seed);
        for (stage, error) in &done.troubles {
            let what = match stage {
                // Whatever comes after it.
                Stage::Setup => format!("setup, seed {seed}"),
                Stage::Checks => format!("{what}: the checks were ended"),
                Stage::Undo => format!("{what}: the undo failed"),
                Stage::Read | Stage::Unfit | Stage::Work => what.clone(),
            };
            self.find(error.site.clone(), format!("{what}: {error}"), error.help.as_deref());
        }
        for (i, outcome) in done.outcomes.iter().enumerate() {
            if let Outcome::Broken { error } = outcome {
                let site = error.site.clone().unwrap_or_else(|| self.sheet.checks[i].site.clone());
                self.find(Some(site), format!("{what}: {error}"), error.help.as_deref());
            }
        }
        let is_broken = done.outcomes.iter().any(|o| matches!(o, Outcome::Broken { .. }));
        for left in &done.left {
            self.find(None, format!("{what}: it leaves something behind: {left}"), None);
        }
        if done.outcomes.is_empty() || is_broken {
            return false;
        }
        let kinds = |outcomes: &[Outcome]| outcomes.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        if kinds(&done.outcomes) != kinds(&done.again) {
            let of = |outcomes: &[Outcome]| self.list(numbers(outcomes, |o| *o != Outcome::Passed));
            let (first, second) = (of(&done.outcomes), of(&done.again));
            self.find(
                None,
                format!("{what}: the checks say one thing and then another: first {first} failed, then {second}"),
                None,
            );
        }
        let fails = numbers(&done.outcomes, |o| matches!(o, Outcome::Failed { .. }));
        match work {
            Work::Part(Part::Wrong(i)) => self.judge_mistake(*i, what, &fails, &done.outcomes),
            Work::Part(_) => {
                for i in &fails {
                    let why = why(&done.outcomes[*i]);
                    let (site, text) = (self.sheet.checks[*i].site.clone(), &self.sheet.checks[*i].text);
                    let words = format!("{what}: it does not pass the check {text:?}{why}");
                    self.find(Some(site), words, None);
                }
                self.give_away(done);
            }
            _ if fails.is_empty() => {
                let words = format!("{what}: all checks pass before anything was done");
                self.find(None, words, Some("setup must leave something to do"));
            }
            _ => {}
        }
        true
    }

    fn judge_mistake(&mut self, mistake: usize, what: &str, fails: &[usize], outcomes: &[Outcome]) {
        let wrong = self.sheet.wrongs[mistake].clone();
        for i in wrong.fails.iter().filter(|i| !fails.contains(i)) {
            let how = if matches!(outcomes.get(*i), Some(Outcome::Skipped { .. })) { "is skipped" } else { "passes" };
            let words = format!("{what}: the check {:?} {how}, and was to fail", self.sheet.checks[*i].text);
            self.find(Some(wrong.site.clone()), words, None);
        }
        for i in fails.iter().filter(|i| !wrong.fails.contains(i)) {
            let words =
                format!("{what}: the check {:?} fails as well{}", self.sheet.checks[*i].text, why(&outcomes[*i]));
            let help = "name it there, or let it wait for the check that it builds on: after";
            self.find(Some(wrong.site.clone()), words, Some(help));
        }
    }

    /// Hints that are the solution.
    fn give_away(&mut self, solved: &Done) {
        /// Shorter ones are words of the trade.
        const LEAST: usize = 12;
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let written = text::solution(&self.source.text).unwrap_or_default();
        let lines = written.lines().map(str::to_owned).chain(solved.steps.iter().cloned());
        let lines: BTreeSet<String> =
            lines.map(|l| plain(l.trim().trim_end_matches(';'))).filter(|l| l.len() >= LEAST).collect();
        for i in 0..self.sheet.checks.len() {
            let hints = self.sheet.checks[i].plain_hints();
            let given = hints.iter().find_map(|hint| {
                let hint = plain(hint);
                lines.iter().find(|line| hint.contains(line.as_str())).cloned()
            });
            if let Some(line) = given {
                let site = self.sheet.checks[i].site.clone();
                self.find(
                    Some(site),
                    format!("a hint gives the solution away: {line}"),
                    Some("say where to look, not what to type"),
                );
            }
        }
    }

    fn list(&self, checks: Vec<usize>) -> String {
        let texts: Vec<String> = checks.into_iter().map(|i| format!("{:?}", self.sheet.checks[i].text)).collect();
        if texts.is_empty() { "nothing".into() } else { texts.join(", ") }
    }
}

fn numbers(outcomes: &[Outcome], is: impl Fn(&Outcome) -> bool) -> Vec<usize> {
    (0..outcomes.len()).filter(|i| is(&outcomes[*i])).collect()
}

fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { why: Some(why) } => format!(": {why}"),
        _ => String::new(),
    }
}
