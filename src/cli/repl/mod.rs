//! `netlab repl`: statements one by one on a live network, each of which can be taken back.

mod ask;
mod complete;
mod editor;
mod input;
mod record;
mod session;
mod values;
mod watch;
mod words;

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

use self::editor::{Prompt, Read};
use self::record::Record;
use self::session::{Leaving, Next, Session};
use super::hands::Hands;
use super::out::{self, Paint};
use super::run::{self, Found};
use super::steps::{Form, Steps};
use super::{ending, labs, place};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::record::Outcome;
use crate::journal::store::Store;
use crate::kernel::relay::Keys;
use crate::kernel::signal::{self, Stop};
use crate::lab::open::{self, NewLab, is_privileged, privileged};
use crate::lab::{Lab, Savepoint};
use crate::report::Sources;
use crate::sandbox;
use crate::script::live::Live;
use crate::types::name::LabName;

/// The arguments of `repl`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without root it works in a sandbox of its own. `help` at the prompt lists what can be typed there; a statement\n\
                  that fails leaves nothing, `undo` takes back one that did not.\n\n\
                  Examples:\n  netlab repl\n  netlab repl create-ns-bridge.rhai\n  netlab repl --lab create-ns-bridge"
)]
pub struct Args {
    /// A script to begin with: what it makes is there, and its variables too.
    #[arg(conflicts_with = "lab")]
    pub file: Option<String>,
    /// Go on with a lab that is up.
    #[arg(long, value_name = "LAB")]
    pub lab: Option<String>,
    /// Name the lab this.
    #[arg(long, value_name = "LAB", conflicts_with = "lab")]
    pub name: Option<String>,
    /// Work in a sandbox of its own, as root too.
    #[arg(long, conflicts_with_all = ["host", "lab"])]
    pub sandbox: bool,
    /// Work on this machine itself, or not at all.
    #[arg(long, conflicts_with = "lab")]
    pub host: bool,
    /// What the script may do.
    #[command(flatten)]
    pub hands: Hands,
    /// What is found in `args`.
    #[arg(last = true)]
    pub args: Vec<String>,
}

/// Reads and does what is typed, until it is left.
///
/// # Errors
/// What keeps it from being begun.
pub fn run(args: Args) -> Result<u8> {
    if let Some(lab) = &args.lab {
        let name = LabName::new(lab)?;
        let (place, _) = place::of(lab).or_else(|_| Ok::<_, Box<Diagnostic>>((place::Place::Here, lab.clone())))?;
        return place.go(Keys::Inside, false, false, || go(&args, None, name));
    }
    let found = args.file.as_deref().map(run::find).transpose()?;
    let stem = found.as_ref().map_or("repl", |found| found.stem.as_str());
    let store = Store::open()?;
    let name = match &args.name {
        Some(name) => LabName::new(name)?,
        None => labs::free_name(&store, stem)?,
    };
    if args.sandbox || (!args.host && !is_privileged()) {
        let claim = sandbox::claim(&name)?;
        return place::work_with(Keys::Inside, claim, None, false, || go(&args, found, name));
    }
    privileged()?;
    go(&args, found, name)
}

/// The session, on the machine that this process is in.
fn go(args: &Args, found: Option<Found>, name: LabName) -> Result<u8> {
    let store = Store::open()?;
    let stop = open::stop()?;
    let (file, script) =
        found.as_ref().map_or(("<repl>".to_owned(), String::new()), |f| (f.file.clone(), f.text.clone()));
    let mut lab = match &args.lab {
        Some(_) => Lab::resume(&name, store, stop.clone())?,
        None => {
            let new = NewLab {
                name: name.clone(),
                file: file.clone(),
                script: script.clone(),
                args: args.args.clone(),
                verify: false,
                exercise: None,
            };
            Lab::create(new, store, stop.clone())?
        }
    };
    args.hands.tie(&mut lab);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let steps = Steps::new(Form::Nothing);
    lab.listen(steps.listener());
    let begun = lab.savepoint();
    let record = Record::default();
    let printer = record.clone();
    let folder = found.map_or_else(|| PathBuf::from("."), |found| found.folder);
    let places: Vec<String> =
        lab.objects.named_netns().filter_map(|ns| ns.name.as_ref().map(ToString::to_string)).collect();
    let live = Live::new(lab, &stop, Path::new(&folder), &args.args, move |text| printer.say(text))?;
    let mut session = Session::new(live, record, steps, script.clone());
    if args.lab.is_some() {
        greet(&mut session, &name, &places, terminal);
    } else if !script.is_empty()
        && let Err(trace) = session.begin(&file)
    {
        session.stop().reset();
        session.tell(&trace, &Sources::new(&file, &script));
        leave(session, &name, false, begun, true)?;
        return Ok(1);
    } else if terminal {
        out::line(format!("netlab {}: `help` says what can be typed, Ctrl-D leaves", env!("CARGO_PKG_VERSION")));
    }
    if terminal {
        typed(session, &name, args.lab.is_some(), begun)
    } else {
        piped(session, &name, args.lab.is_some(), begun)
    }
}

/// A variable for each namespace of a lab that was up, where its name can be one.
fn greet(session: &mut Session, name: &LabName, places: &[String], terminal: bool) {
    let mut made = Vec::new();
    for place in places {
        if session.live.run("<prompt>", &format!("let {place} = get_netns({place:?});")).is_ok() {
            made.push(place.as_str());
        }
    }
    if terminal {
        out::line(format!("the lab `{name}`: {}; `help` says what can be typed, Ctrl-D leaves", made.join(" ")));
    }
}

/// At a terminal.
fn typed(session: Session, name: &LabName, is_up: bool, begun: Savepoint) -> Result<u8> {
    let waiting = Arc::new(AtomicBool::new(false));
    end_on_signals(session.stop().clone(), waiting.clone());
    let session = Rc::new(RefCell::new(session));
    let mut prompt = Prompt::new(session.clone())?;
    loop {
        waiting.store(true, Ordering::SeqCst);
        let read = prompt.read("netlab> ");
        waiting.store(false, Ordering::SeqCst);
        let mut is_gone = false;
        let next = match read? {
            Read::Line(text) => session.borrow_mut().take(&text),
            Read::Dropped => Next::Go,
            Read::End => {
                is_gone = !std::io::stdin().is_terminal();
                Next::Leave(Leaving::Ask)
            }
        };
        let Next::Leave(how) = next else { continue };
        let keep = match how {
            Leaving::Keep => true,
            Leaving::RollBack => false,
            Leaving::Ask if is_gone || !session.borrow_mut().stands() => is_up && !is_gone,
            Leaving::Ask => match ask(&mut prompt, &session, is_up)? {
                Some(keep) => keep,
                None => continue,
            },
        };
        drop(prompt);
        let Ok(session) = Rc::try_unwrap(session) else { return Ok(0) };
        return leave(session.into_inner(), name, is_up, begun, !keep);
    }
}

/// Asks what is to become of it; nothing if the session goes on.
fn ask(prompt: &mut Prompt, session: &RefCell<Session>, is_up: bool) -> Result<Option<bool>> {
    let keep = if is_up { "keep what was changed" } else { "keep it as a lab" };
    loop {
        let answer =
            match prompt.read(&format!("roll back (r), {keep} (k), save as a script (s FILE), or go on (g)? "))? {
                Read::Line(answer) => answer,
                Read::Dropped => return Ok(None),
                Read::End => return Ok(Some(false)),
            };
        if let Some(file) = answer.trim().strip_prefix("s ").or(answer.trim().strip_prefix("save ")) {
            session.borrow_mut().take(&format!("save {}", file.trim()));
            continue;
        }
        match answer.trim() {
            "r" | "roll back" | "rollback" => return Ok(Some(false)),
            "k" | "keep" => return Ok(Some(true)),
            "g" | "go on" => return Ok(None),
            _ => out::line("r, k, g, or s and the name of a file"),
        }
    }
}

/// Statements on standard input, without an editor.
fn piped(mut session: Session, name: &LabName, is_up: bool, begun: Savepoint) -> Result<u8> {
    let engine = rhai::Engine::new();
    let (mut text, mut failed, mut keep) = (String::new(), false, false);
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let line = lines.next().transpose().map_err(|e| {
            Diagnostic::new(Code::BadFile, "cannot read standard input").kernel(KernelError::from_io("read", &e))
        })?;
        let ends = line.is_none();
        if let Some(line) = line {
            text.push_str(&line);
            text.push('\n');
        }
        let is_statement = matches!(session.read(&text), words::Line::Statement);
        if !ends && is_statement && !input::is_whole(&engine, &text) {
            continue;
        }
        let next = session.take(std::mem::take(&mut text).trim_end());
        failed |= session.failed;
        if session.stop().signal().is_some_and(|signal| signal != Signal::SIGINT as i32) {
            break;
        }
        match next {
            Next::Leave(how) => {
                keep = how == Leaving::Keep;
                break;
            }
            Next::Go if ends => break,
            Next::Go => {}
        }
    }
    let signal = session.stop().signal();
    session.stop().reset();
    let code = leave(session, name, is_up, begun, !keep)?;
    Ok(match signal {
        Some(signal) if code == 0 => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        _ if code == 0 && failed => 1,
        _ => code,
    })
}

/// Ends the session: what it did is taken back, or stays as a lab.
fn leave(session: Session, name: &LabName, was_up: bool, begun: Savepoint, back: bool) -> Result<u8> {
    session.stop().reset();
    session.record.end();
    let Some(mut lab) = session.live.into_lab() else { return Ok(0) };
    if back && !was_up {
        let is_empty = lab.step_count() == 0;
        let ending = lab.undo_all();
        return Ok(ending::print(name, &ending, is_empty, false));
    }
    let mut code = 0;
    if back {
        let undoing = lab.rollback(begun);
        if undoing.count > 0 {
            out::line(format!("`{name}` is up, as it was: {} taken back", ending::count(undoing.count, "step")));
        }
        for leftover in &undoing.leftovers {
            out::note(format!("left over: {}\n  why: {}", leftover.what.join("; "), leftover.why));
            code = Code::Stuck.exit_code();
        }
    }
    lab.release(begun);
    lab.close(Outcome::Up)?;
    if !back && !was_up {
        out::line(out::paint(&format!("`{name}` is up"), Paint::Green));
        out::line(format!("  look: netlab list    end: netlab down {name}"));
    }
    Ok(code)
}

/// A signal that means the end, and not the running statement, while the prompt waits: the editor reads on after it, so the
/// process ends as one that was killed, and `netlab recover` takes back what it did.
fn end_on_signals(stop: Stop, waiting: Arc<AtomicBool>) {
    let modes = tcgetattr(std::io::stdin()).ok();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(50));
            let Some(signal) = stop.signal().filter(|signal| *signal != Signal::SIGINT as i32) else { continue };
            if waiting.load(Ordering::SeqCst) {
                if let Some(modes) = &modes {
                    let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, modes);
                }
                let _ = writeln!(
                    std::io::stderr(),
                    "\nended by signal {signal}; `netlab recover` takes back what was done"
                );
                signal::die_of(signal);
            }
        }
    });
}
