//! `netlab exercise grade`: runs what students handed in again, and gives points.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::grades::{self, Format};
use super::{current, lint};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::exercise::catalog;
use crate::exercise::grade::{Rules, Submission, grade, submission};

/// The arguments of `exercise grade`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each submission is a script of netlab. It is run in a sandbox of its own, on the start that its student was\n\
                  given; then the checks are made. What a script prints does not count, and what it does to the sandbox\n\
                  goes with it. A file NAME.rhai belongs to NAME, and NAME/EXERCISE.rhai does, too.\n\
                  Ends with 0 if all are graded, with 3 if the machine kept one from it: that one has no points, not 0.\n\n\
                  Examples:\n  netlab exercise grade my-exercise.rhai handed-in/*.rhai --key course.key\n  \
                  netlab exercise grade my-exercise.rhai handed-in/ --format csv > grades.csv"
)]
pub struct Args {
    /// The exercise, with its solution and hidden checks.
    pub exercise: String,
    /// What was handed in: files, or folders of them.
    #[arg(required = true)]
    pub submissions: Vec<PathBuf>,
    /// A file with the course's key.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Without a key: the seed of everybody's values.
    #[arg(long, default_value_t = 1, conflicts_with = "key")]
    pub seed: u64,
    /// How the grades are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Seconds for each submission, if not those of the exercise.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub time: Option<u64>,
    /// The most memory of a submission's process, in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(256..=1_048_576))]
    pub memory: u64,
    /// Let submissions start no programs.
    #[arg(long)]
    pub no_exec: bool,
    /// How many are run at a time.
    #[arg(long, short)]
    pub jobs: Option<usize>,
}

/// Grades.
///
/// # Errors
/// What is wrong with the exercise, or with the files as a whole.
pub fn run(args: Args) -> Result<u8> {
    let source = catalog::find(&args.exercise)?;
    let sheet = match current::declare(&source, args.seed) {
        Ok(book) => book.sheet,
        Err(code) => return Ok(code),
    };
    sheet.require()?;
    let rules = Rules {
        key: args.key.as_deref().map(key).transpose()?,
        seed: args.seed,
        memory: args.memory,
        time: args.time,
        programs: !args.no_exec,
        at_once: args.jobs.unwrap_or_else(lint::at_once),
    };
    let submissions = submissions(&args.submissions, &sheet.id)?;
    let (count, ready) = (submissions.len(), AtomicUsize::new(0));
    let shows = std::io::stderr().is_terminal();
    let graded = grade(&source, &submissions, &rules, |_| {
        let ready = ready.fetch_add(1, Ordering::Relaxed) + 1;
        if shows {
            let _ = write!(std::io::stderr(), "\r{ready} of {count} …");
        }
    });
    if shows {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let (sheet, grades) = match graded {
        Ok(graded) => graded,
        Err(trace) => return Ok(current::show(&source, &trace)),
    };
    grades::print(&sheet, &grades, args.format);
    Ok(if grades.iter().any(|g| g.points.is_none()) { Code::Environment.exit_code() } else { 0 })
}

/// The course's key.
///
/// # Errors
/// `NL0119` for one that cannot be read or is too short to be secret.
pub fn key(file: &Path) -> Result<Vec<u8>> {
    let key = std::fs::read(file).map_err(|e| {
        Diagnostic::new(Code::BadFile, format!("cannot read the key {}", file.display()))
            .help("any secret bytes do: head -c 32 /dev/urandom > course.key")
            .kernel(KernelError::from_io(format!("open {}", file.display()), &e))
    })?;
    if key.len() < 8 {
        return Err(Diagnostic::new(
            Code::BadFile,
            format!("the key in {} has {} bytes: it can be guessed", file.display(), key.len()),
        )
        .help("make one: head -c 32 /dev/urandom > course.key"));
    }
    Ok(key)
}

/// The files, and those in folders, sorted.
fn submissions(paths: &[PathBuf], exercise: &str) -> Result<Vec<Submission>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, 0, &mut files)?;
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(Diagnostic::new(Code::NoScript, "there is nothing to grade: no .rhai file in the folder"));
    }
    Ok(files.iter().map(|file| submission(file, exercise)).collect())
}

fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    /// A folder, and one for each student in it.
    const DEEPEST: usize = 2;
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |e: std::io::Error| {
        Diagnostic::new(Code::BadFile, format!("cannot read the folder {}", path.display()))
            .kernel(KernelError::from_io(format!("open {}", path.display()), &e))
    };
    for inside in std::fs::read_dir(path).map_err(failed)?.flatten().map(|f| f.path()) {
        if inside.is_dir() && depth < DEEPEST {
            collect(&inside, depth + 1, files)?;
        } else if inside.extension().is_some_and(|e| e == "rhai") {
            files.push(inside);
        }
    }
    Ok(())
}
