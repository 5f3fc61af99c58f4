//! `netlab run`: runs a script; on any failure everything is rolled back.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hands::Hands;
use super::out::{self, Paint};
use super::steps::{Form, Steps};
use super::{ending, place, warn};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::record::Outcome;
use crate::journal::store::Store;
use crate::kernel::signal::Stop;
use crate::kernel::view;
use crate::lab::open::{self, NewLab, is_privileged, privileged};
use crate::lab::{Lab, recover};
use crate::lint;
use crate::report::{self, Sources};
use crate::sandbox::{self, uplink};
use crate::script::error::Trace;
use crate::script::labs;
use crate::script::run::Script;
use crate::types::name::LabName;

/// The arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab run create-ns-bridge.rhai\n  netlab run --explain vlan.rhai -- eth0")]
pub struct Args {
    /// The script; a name that is no file is looked up among the labs that come with netlab.
    pub file: String,
    /// Name the lab this, and not after the file.
    #[arg(long, value_name = "LAB")]
    pub name: Option<String>,
    /// Take the lab of the same name down first.
    #[arg(long)]
    pub replace: bool,
    /// Leave a failed lab up, to look at it.
    #[arg(long)]
    pub keep: bool,
    /// Print the commands of iproute2 below each step, as it happens.
    #[arg(long)]
    pub explain: bool,
    /// End and roll back after this time.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// Work in a sandbox of its own, as root too.
    #[arg(long, conflicts_with = "host")]
    pub sandbox: bool,
    /// Give the sandbox a way out into the machine's network, by pasta or slirp4netns.
    #[arg(long)]
    pub uplink: bool,
    /// Work on this machine itself, or not at all.
    #[arg(long)]
    pub host: bool,
    /// What the script may do.
    #[command(flatten)]
    pub hands: Hands,
    /// Take a warning for a failure.
    #[arg(long)]
    pub deny_warnings: bool,
    /// Compare all that the host holds, after a rollback and at `down`.
    #[arg(long)]
    pub verify: bool,
    /// Print errors only.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What the script finds in `args`.
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Runs the script.
///
/// # Errors
/// What keeps it from being begun; an error of the script itself is printed here, after its rollback.
pub fn run(args: Args) -> Result<u8> {
    let found = find(&args.file)?;
    let name = LabName::new(args.name.as_deref().unwrap_or(&found.stem)).map_err(|e| match args.name {
        Some(_) => e,
        None => e.help("a lab is named after its file; give it another name with --name"),
    })?;
    let timeout = args.timeout.map(limit).transpose()?;
    let sources = Sources::new(&found.file, &found.text);
    let script = match Script::new(&found.file, &found.text, &args.args, &found.folder) {
        Ok(script) => script,
        Err(trace) => return Ok(fail(&trace, &sources, args.json)),
    };
    if args.sandbox || (!args.host && !is_privileged()) {
        // Looked for before anything is made.
        let uplink = args.uplink.then(uplink::find).transpose()?;
        let claim = sandbox::claim(&name)?;
        return place::work(claim, uplink, args.json, || go(&args, found, name, script, timeout));
    }
    if args.uplink {
        return Err(Diagnostic::new(Code::Usage, "--uplink is a way out of a sandbox, and this lab has none")
            .help("leave it out: on the machine itself the way out is the machine's; or add --sandbox"));
    }
    privileged()?;
    go(&args, found, name, script, timeout)
}

/// Runs it on the machine that this process is in.
fn go(args: &Args, found: Found, name: LabName, script: Script, timeout: Option<Duration>) -> Result<u8> {
    let sources = Sources::new(&found.file, &found.text);
    let store = Store::open()?;
    mention_dead(&store, &name);
    let stop = open::stop()?;
    if args.replace && store.journal(&name).exists() {
        let ending = Lab::resume(&name, store.clone(), stop.clone())?.undo_all();
        if !ending.is_complete() {
            return Ok(ending::print(&name, &ending, args.quiet, args.json));
        }
    }
    let begun = Instant::now();
    let new = NewLab {
        name,
        file: found.file,
        script: found.text,
        args: args.args.clone(),
        verify: args.verify,
        exercise: None,
    };
    let mut lab = Lab::create(new, store, stop.clone())?;
    args.hands.tie(&mut lab);
    lab.deadline = timeout.map(|t| begun + t);
    let form = match (args.quiet || args.json, args.explain) {
        (true, _) => Form::Nothing,
        (false, true) => Form::Both,
        (false, false) => Form::Call,
    };
    let steps = Steps::new(form);
    lab.listen(steps.listener());
    let deadline = lab.deadline;
    let (mut lab, result) = script.run(lab, &stop, deadline);
    steps.finish();
    let warnings = if result.is_ok() { lint::judge(&mut lab) } else { Vec::new() };
    if !args.json && (!args.quiet || args.deny_warnings) {
        warn::show(&warnings, &sources);
    }
    match result {
        Ok(()) if args.deny_warnings && !warnings.is_empty() => {
            Ok(roll_back(lab, &warn::denied(&warnings), &sources, args))
        }
        Ok(()) => succeed(lab, args, &warnings, begun.elapsed()),
        Err(trace) => Ok(roll_back(lab, &trace, &sources, args)),
    }
}

/// A script that was found.
pub(super) struct Found {
    /// What errors call it.
    pub(super) file: String,
    /// Its name without the ending.
    pub(super) stem: String,
    pub(super) text: String,
    /// Where it may import from.
    pub(super) folder: PathBuf,
}

/// A file, or a lab that comes with netlab.
pub(super) fn find(file: &str) -> Result<Found> {
    let path = Path::new(file);
    let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let unreadable = |e: &std::io::Error| {
        let words = match e.kind() {
            std::io::ErrorKind::IsADirectory => format!("{file} is a folder, not a script"),
            _ => format!("cannot read the script {file}"),
        };
        Diagnostic::new(Code::NoScript, words).kernel(KernelError::from_io(format!("open {file}"), e))
    };
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(Found { file: file.into(), stem, text, folder: folder.to_owned() })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let here = path.file_name().is_some_and(|name| name == path.as_os_str());
            if let Some(lab) = labs::find(file).filter(|_| here) {
                let text = lab.text.to_owned();
                return Ok(Found {
                    file: format!("{}.rhai", lab.name),
                    stem: lab.name.into(),
                    text,
                    folder: ".".into(),
                });
            }
            let names: Vec<&str> = labs::ALL.iter().map(|l| l.name).collect();
            let error = Diagnostic::new(Code::NoScript, format!("there is no script {file}"));
            Err(match crate::diag::nearest(&stem, names.iter().copied()) {
                Some(near) => error.help(format!("did you mean the lab {near}.rhai?")),
                None => error.help(format!("these labs come with netlab: {}", names.join(", "))),
            }
            .kernel(KernelError::from_io(format!("open {file}"), &e)))
        }
        Ok(Err(e)) => {
            let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            Err(Diagnostic::new(Code::NoScript, format!("{file} is no text: line {line} is not UTF-8"))
                .help("is it a script at all? If it is, save it as UTF-8"))
        }
        Err(e) => Err(unreadable(&e)),
    }
}

/// A time limit.
pub(super) fn limit(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|t| !t.is_zero()).ok_or_else(|| {
        Diagnostic::new(Code::Usage, format!("--timeout {seconds} is no time: give seconds, more than 0"))
    })
}

/// A run that was killed left things behind, which may be in the way of this one.
fn mention_dead(store: &Store, name: &LabName) {
    let dead: Vec<String> = recover::dead(store).iter().filter(|l| *l != name).map(|l| format!("`{l}`")).collect();
    if !dead.is_empty() {
        let runs = if dead.len() == 1 { "a run was" } else { "some runs were" };
        out::note(format!(
            "{}: {runs} killed and left things behind: {}; `netlab recover` takes them back",
            out::paint_error("note", Paint::Yellow),
            dead.join(", ")
        ));
    }
}

fn succeed(mut lab: Lab, args: &Args, warnings: &[Diagnostic], took: Duration) -> Result<u8> {
    lab.close(Outcome::Up)?;
    lab.finished().into_iter().for_each(out::note);
    let name = lab.name().clone();
    let spaces: Vec<String> =
        lab.objects.named_netns().filter_map(|n| n.name.as_ref().map(ToString::to_string)).collect();
    let links = lab.objects.made_links().count();
    let containers = lab.objects.containers();
    if args.json {
        out::json(&json!({
            "lab": name, "outcome": "up", "steps": lab.step_count(), "namespaces": spaces, "links": links,
            "containers": containers, "warnings": warn::value(warnings), "seconds": took.as_secs_f64(), "sandbox": view::is_inside(),
        }));
        return Ok(0);
    }
    if args.quiet {
        return Ok(0);
    }
    let mut parts = vec![format!("{}{}", ending::count(spaces.len(), "namespace"), in_brackets(&spaces))];
    if !containers.is_empty() {
        parts.push(format!("{}{}", ending::count(containers.len(), "container"), in_brackets(containers)));
    }
    out::line(format!(
        "{}{}: {}, {}, {} in {:.0} ms",
        out::paint(&format!("`{name}` is up"), Paint::Green),
        if view::is_inside() { " in a sandbox" } else { "" },
        parts.join(", "),
        ending::count(links, "link"),
        ending::count(lab.step_count(), "step"),
        took.as_secs_f64() * 1000.0,
    ));
    let inside = spaces.first().or(containers.first());
    let inside = inside.map_or_else(String::new, |ns| format!("netlab show {ns} · netlab shell {ns} · "));
    out::line(format!("  look: {inside}netlab list    end: netlab down {name}"));
    Ok(0)
}

/// Names after their number, the middle ones left out if there are many.
fn in_brackets(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [a, b, c, .., last] if names.len() > 8 => format!(" ({a} {b} {c} … {last})"),
        _ => format!(" ({})", names.join(" ")),
    }
}

fn roll_back(mut lab: Lab, trace: &Trace, sources: &Sources, args: &Args) -> u8 {
    let interrupted = trace.error.code == Code::Interrupted;
    let failed = code_of(trace, &lab.stop);
    if !args.json {
        show(trace, sources, false);
    }
    let name = lab.name().clone();
    if args.keep && !interrupted {
        return match lab.close(Outcome::Kept) {
            Ok(()) if args.json => {
                out::json(&json!({ "lab": name, "outcome": "kept", "error": report::json(trace) }));
                failed
            }
            Ok(()) => {
                out::note(format!("`{name}` is kept as it failed; `netlab down {name}` takes it back"));
                failed
            }
            Err(error) => {
                let code = error.code.exit_code();
                show(&Trace::from(error), sources, args.json);
                code
            }
        };
    }
    // What ended the run must not end its undo at once; who asks again means the undo.
    lab.stop.reset();
    let ending = lab.undo_all();
    if args.json {
        let mut value: Value = json!({ "lab": name, "outcome": "rolled back", "error": report::json(trace) });
        value["undo"] = ending::value(&name, &ending, ending::code(&ending));
        out::json(&value);
    } else {
        ending::print(&name, &ending, args.quiet, false);
    }
    match ending::code(&ending) {
        0 => failed,
        code => code,
    }
}

/// The exit code of a run that ended with an error.
pub(super) fn code_of(trace: &Trace, stop: &Stop) -> u8 {
    let signal = (trace.error.code == Code::Interrupted).then(|| stop.signal()).flatten();
    match (signal, trace.error.code.exit_code()) {
        (Some(signal), _) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        // What was only found when it was reached is a failure of the run, not of its beginning.
        (None, 2) => 1,
        (None, code) => code,
    }
}

/// A script that cannot be begun: whatever is wrong with it, nothing has been touched.
pub(super) fn fail(trace: &Trace, sources: &Sources, json: bool) -> u8 {
    show(trace, sources, json);
    match trace.error.code.exit_code() {
        1 => 2,
        code => code,
    }
}

/// Prints an error with the line of the script that it is about.
pub fn show(trace: &Trace, sources: &Sources, json: bool) {
    if json {
        return out::note(report::json(trace));
    }
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    out::note(report::text(trace, sources, color, 110).trim_end());
}
