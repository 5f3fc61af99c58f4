//! `netlab plan`: what a script would do, found by running it on stand-ins in a sandbox that is thrown away.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::out::{self, Paint};
use super::run::{self, Found};
use super::{ending, settle, warn};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::journal::store::Store;
use crate::kernel::relay;
use crate::lab::Lab;
use crate::lab::open::{self, NewLab, is_privileged};
use crate::lab::plan::{How, Plan, Planned, Tell, Told};
use crate::lab::stand_in::Machine;
use crate::lint;
use crate::probe::feature::{self, Feature};
use crate::report::{self, Sources};
use crate::sandbox::{self, obstacle};
use crate::script::error::Trace;
use crate::script::run::Script;
use crate::types::name::LabName;

/// The arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing of the machine is changed. The exit code is 0 if the script would go through, or as far as a\n\
                  plan can tell; 1 if it would fail.\n\n\
                  Examples:\n  netlab plan create-ns-bridge.rhai\n  netlab plan --json vlan.rhai -- eth0"
)]
pub struct Args {
    /// The script; a name that is no file is looked up among the labs that come with netlab.
    pub file: String,
    /// End after this time.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Plan also what cannot be taken back exactly, or would cut off whoever runs it.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What the script finds in `args`.
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Plans the script.
///
/// # Errors
/// What keeps it from being begun; an error of the script itself is printed here.
pub fn run(args: Args) -> Result<u8> {
    let found = run::find(&args.file)?;
    let timeout = args.timeout.map(run::limit).transpose()?;
    let sources = Sources::new(&found.file, &found.text);
    let script = match Script::new(&found.file, &found.text, &args.args, &found.folder) {
        Ok(script) => script,
        Err(trace) => return Ok(run::fail(&trace, &sources, args.json)),
    };
    let (machine, as_root) = (Machine::look()?, is_privileged());
    let end =
        sandbox::throw_away(|_| settle(inside(&args, found, script, machine, as_root, timeout), args.json, false));
    end.map(relay::die_as).map_err(obstacle::refused)
}

/// Plans it on the machine that this process is in, which nobody else uses.
fn inside(
    args: &Args,
    found: Found,
    script: Script,
    machine: Machine,
    as_root: bool,
    timeout: Option<Duration>,
) -> Result<u8> {
    let sources = Sources::new(&found.file, &found.text);
    let stop = open::stop()?;
    let standing = machine.stand_in()?;
    // Nobody sees the lab's name, so one that a lab could not have does not matter.
    let name = LabName::new(&found.stem).or_else(|_| LabName::new("plan"))?;
    let new = NewLab {
        name,
        file: found.file.clone(),
        script: found.text,
        args: args.args.clone(),
        verify: false,
        exercise: None,
    };
    let mut lab = Lab::create(new, Store::open()?, stop.clone())?;
    let told = Rc::new(RefCell::new(Vec::new()));
    lab.plan = Some(Plan::new(&standing, as_root, listener(told.clone(), found.file.clone(), args.json)));
    lab.force = args.force;
    lab.deadline = timeout.map(|t| Instant::now() + t);
    let deadline = lab.deadline;
    let print = if args.json { |text: &str| out::note(text) } else { |text: &str| out::line(text) };
    let (mut lab, result) = script.plan(lab, &stop, deadline, print);
    let warnings = if result.is_ok() { lint::judge(&mut lab) } else { Vec::new() };
    let (mut steps, mut assumed) = (Vec::new(), Vec::new());
    for told in told.take() {
        match told {
            Told::Step(step) => steps.push(step),
            Told::Note(site, words) => assumed.push((site, words)),
        }
    }
    let notes = standing.notes.clone();
    let features = features(&lab);
    let whole = Whole { file: found.file, steps, assumed, features, notes, result, warnings, sources };
    if args.json {
        whole.json()
    } else {
        whole.text()
    }
    Ok(whole.code(&lab))
}

/// Prints what is told as it comes, and keeps it for the end.
fn listener(kept: Rc<RefCell<Vec<Told>>>, file: String, quiet: bool) -> Tell {
    Box::new(move |told| {
        match told {
            _ if quiet => {}
            Told::Step(step) => print(step, &file),
            Told::Note(site, words) => out::line(format!("{:>5}  {:>4}  {:8} {words}", "", line(site, &file), "")),
        }
        kept.borrow_mut().push(told.clone());
    })
}

/// The line of the script, or of a file that it imports.
fn line(site: &Site, file: &str) -> String {
    if site.file == file { site.line.to_string() } else { format!("{}:{}", site.file, site.line) }
}

fn print(step: &Planned, file: &str) {
    if step.number == 1 {
        out::line(" step  line  changes");
    }
    let places = step.places.join(" ");
    out::line(format!("{:>5}  {:>4}  {places:<8} {}", step.number, line(&step.site, file), step.rhai));
    for command in &step.ip {
        out::line(format!("{:24}{command}", ""));
    }
    match &step.how {
        How::Done => {}
        How::NotRun => out::line(format!("{:24}a program, not run in a plan", "")),
        How::Simulated(why) => out::line(format!("{:24}simulated: {why}", "")),
    }
}

/// The features that the plan came across, tried in the sandbox.
fn features(lab: &Lab) -> Vec<Feature> {
    lab.plan.iter().flat_map(Plan::needed).filter_map(feature::has).collect()
}

/// What a plan came to.
struct Whole {
    file: String,
    steps: Vec<Planned>,
    assumed: Vec<(Site, String)>,
    features: Vec<Feature>,
    notes: Vec<String>,
    result: std::result::Result<(), Trace>,
    warnings: Vec<Diagnostic>,
    sources: Sources,
}

impl Whole {
    /// 0 as far as the plan goes well, 1 if the script would fail.
    fn code(&self, lab: &Lab) -> u8 {
        let Err(trace) = &self.result else { return 0 };
        match (trace.error.code, trace.error.code.exit_code()) {
            (Code::Untold, _) => 0,
            (Code::Interrupted, _) => {
                lab.stop.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(u8::MAX)
            }
            (Code::Timeout, code) => code,
            // Whatever the run would end with: of the plan it says that the script fails.
            _ => 1,
        }
    }

    fn text(&self) {
        if let Err(trace) = &self.result {
            if !matches!(trace.error.code, Code::Untold | Code::Interrupted | Code::Timeout) {
                out::note(format!("{} the script would fail here", out::paint_error("plan:", Paint::Yellow)));
            }
            run::show(trace, &self.sources, false);
        }
        warn::show(&self.warnings, &self.sources);
        let how = match &self.result {
            Ok(()) => "",
            Err(trace) if trace.error.code == Code::Untold => ", as far as a plan can tell",
            Err(_) => " up to the error",
        };
        let steps = ending::count(self.steps.len(), "step");
        out::line(format!("plan of {}: {steps}{how}, nothing was changed", self.file));
        let on_host: Vec<&Planned> = self.steps.iter().filter(|s| !s.places.is_empty()).collect();
        if !on_host.is_empty() {
            let (noun, verb) = if on_host.len() == 1 { ("step", "changes") } else { ("steps", "change") };
            let numbers: Vec<usize> = on_host.iter().map(|s| s.number).collect();
            let places: BTreeSet<&String> = on_host.iter().flat_map(|s| &s.places).collect();
            let word = |place: &&String| if *place == "host" { "the host".into() } else { format!("`{place}`") };
            let places: Vec<String> = places.iter().map(word).collect();
            out::line(format!(
                "  needs root: {noun} {} {verb} {}; without root a run changes a sandbox of its own",
                ranges(&numbers),
                places.join(", "),
            ));
        }
        let is_missing = |f: &&Feature| f.works == Some(false);
        let names: Vec<&str> = self.features.iter().filter(|f| !is_missing(f)).map(|f| f.name).collect();
        if !names.is_empty() {
            out::line(format!("  needs the kernel's {}, which is here", names.join(", ")));
        }
        for missing in self.features.iter().filter(is_missing) {
            out::line(format!("  needs the kernel's {}, which is missing here ({})", missing.name, missing.needs));
        }
        for note in &self.notes {
            out::line(format!("  otherwise than on this machine: {note}"));
        }
    }

    fn json(&self) {
        let steps: Vec<Value> = self.steps.iter().map(value).collect();
        let assumed: Vec<Value> = self
            .assumed
            .iter()
            .map(|(site, words)| json!({ "file": site.file, "line": site.line, "what": words }))
            .collect();
        let features: Vec<Value> =
            self.features.iter().map(|f| json!({ "name": f.name, "needs": f.needs, "here": f.works })).collect();
        let end = match &self.result {
            Ok(()) => json!("complete"),
            Err(trace) if trace.error.code == Code::Untold => json!({ "unknown": report::json(trace) }),
            Err(trace) => json!({ "error": report::json(trace) }),
        };
        out::json(
            &json!({ "plan": self.file, "steps": steps, "assumed": assumed, "features": features, "notes": self.notes,
                "warnings": warn::value(&self.warnings), "end": end }),
        );
    }
}

fn value(step: &Planned) -> Value {
    let simulated = match &step.how {
        How::Simulated(why) => json!(why),
        _ => Value::Null,
    };
    json!({
        "step": step.number,
        "file": step.site.file,
        "line": step.site.line,
        "rhai": step.rhai,
        "ip": step.ip,
        "host": !step.places.is_empty(),
        "places": step.places,
        "features": step.needs,
        "run": step.how != How::NotRun,
        "simulated": simulated != Value::Null,
        "why": simulated,
    })
}

/// Numbers in order, with what follows on each other drawn together: `1, 3-5`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let words = ranges.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_drawn_together() {
        assert_eq!(super::ranges(&[1, 3, 4, 5, 7, 8]), "1, 3-5, 7-8");
    }
}
