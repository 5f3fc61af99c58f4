//! `netlab exercise start`: builds an exercise's network in a sandbox, and opens a shell in it.

use std::io::IsTerminal;

use super::super::{netns, out, place, run, shell};
use super::{current, screen};
use crate::diag::{Code, Diagnostic, Result};
use crate::exercise::catalog::{self, Source};
use crate::exercise::progress::Progress;
use crate::exercise::seed;
use crate::journal::record::Outcome;
use crate::journal::store::Store;
use crate::kernel::relay::Keys;
use crate::kernel::view;
use crate::lab::Lab;
use crate::lab::open::{self, NewLab};
use crate::report::Sources;
use crate::sandbox;
use crate::script::workbook::{Part, Workbook};
use crate::types::name::LabName;

/// The arguments of `exercise start`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  netlab exercise start two-namespaces\n  netlab exercise start ./my-exercise.rhai --no-shell"
)]
pub struct Args {
    /// An exercise that comes with netlab, or a file.
    #[arg(value_name = "EXERCISE")]
    pub exercise: String,
    /// Draw the values from this seed, as somebody else has them.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Open no shell: `netlab shell EXERCISE` does later, and `netlab repl` works too.
    #[arg(long)]
    pub no_shell: bool,
}

/// Starts it.
///
/// # Errors
/// `NL0802` for what is no exercise, `NL0501` for one that has been started already, and those of making a sandbox.
pub fn run(args: Args) -> Result<u8> {
    let source = catalog::find(&args.exercise)?;
    let book = match current::declare(&source, 1) {
        Ok(book) => book,
        Err(code) => return Ok(code),
    };
    let id = book.sheet.id.clone();
    // Who begins again has the values that she had.
    let before = Progress::load().get(&id).map(|entry| entry.seed);
    begin(&source, args.seed.or(before).unwrap_or_else(seed::any), args.no_shell)
}

/// Builds it anew, and opens a shell in it.
///
/// # Errors
/// As [`run`].
pub fn begin(source: &Source, seed: u64, no_shell: bool) -> Result<u8> {
    let mut book = match current::declare(source, seed) {
        Ok(book) => book,
        Err(code) => return Ok(code),
    };
    let sheet = book.sheet.clone();
    sheet.require()?;
    if view::is_inside() {
        return Err(Diagnostic::new(Code::Usage, "this is the shell of a sandbox already")
            .help("leave it with `exit`, and start the exercise from outside"));
    }
    let name = LabName::new(&sheet.id)?;
    let claim = sandbox::claim(&name)?;
    if !claim.is_new() {
        return Err(Diagnostic::new(Code::LabExists, format!("the exercise `{name}` has been started already"))
            .help(format!("go on with `netlab shell {name}`, or begin again with `netlab exercise reset {name}`")));
    }
    let code = place::work(claim, None, false, || set_up(&mut book, source, &name, seed))?;
    if code != 0 {
        return Ok(code);
    }
    Progress::change(&sheet.id, |entry| {
        entry.seed = seed;
        entry.hints.clear();
    })?;
    out::line(screen::tasks(&sheet));
    let opens = !no_shell && std::io::stdin().is_terminal();
    let next = if opens { "leave: exit".to_owned() } else { format!("work in it: netlab shell {name}") };
    out::line(format!("look what is done: netlab exercise check · watch    get on: netlab exercise hint    {next}"));
    out::finish()?;
    if opens {
        // What the learner typed last is not what became of the exercise.
        let _ = place::of_lab(&name)?.go(Keys::Inside, false, true, || shell::open(netns::HOST, Some(&name)))?;
        out::line(format!(
            "`{name}` goes on: netlab exercise check · netlab shell {name}    end it: netlab down {name}"
        ));
    }
    Ok(0)
}

/// Makes the start, in the sandbox that this process is in.
fn set_up(book: &mut Workbook, source: &Source, name: &LabName, seed: u64) -> Result<u8> {
    let stop = open::stop()?;
    let new = NewLab {
        name: name.clone(),
        file: source.file.clone(),
        script: source.text.clone(),
        args: Vec::new(),
        verify: false,
        exercise: Some(seed),
    };
    let mut lab = Lab::create(new, Store::open()?, stop.clone())?;
    lab.deadline = Some(std::time::Instant::now() + std::time::Duration::from_secs(book.sheet.time));
    let deadline = lab.deadline;
    let (mut lab, result) = book.make(Part::Setup, lab, &stop, deadline);
    match result {
        Ok(()) => {
            lab.close(Outcome::Up)?;
            Ok(0)
        }
        Err(trace) => {
            run::show(&trace, &Sources::new(&source.file, &source.text), false);
            let failed = run::code_of(&trace, &stop);
            stop.reset();
            let ending = lab.undo_all();
            Ok(match super::super::ending::print(name, &ending, true, false) {
                0 => failed,
                code => code,
            })
        }
    }
}
