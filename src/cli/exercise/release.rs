//! `netlab exercise release`: what students get.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::ending::count;
use super::super::out;
use super::current;
use super::grade::key;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::exercise::catalog::{self, Source};
use crate::exercise::{seed, text};
use crate::script::exercise::Sheet;
use crate::types::name::LabName;

/// The arguments of `exercise release`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The files lack the solution, the known mistakes and the hidden checks. With a key, each student's file has\n\
                  values that only the key can tell; keep it, `grade` needs it.\n\n\
                  Examples:\n  netlab exercise release my-exercise.rhai -o for-students/\n  \
                  netlab exercise release my-exercise.rhai --key course.key --students names.txt -o for-students/"
)]
pub struct Args {
    /// The exercise.
    pub exercise: String,
    /// A file with the course's key: any bytes, known to nobody else.
    #[arg(long, value_name = "FILE", requires = "students")]
    pub key: Option<PathBuf>,
    /// A file with the students' names, one on each line.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub students: Option<PathBuf>,
    /// Without a key: the seed of everybody's values.
    #[arg(long, default_value_t = 1, conflicts_with = "key")]
    pub seed: u64,
    /// The folder for the files.
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,
}

/// Writes them.
///
/// # Errors
/// `NL0119` for files that cannot be read or written, `NL0102` for a student's name that can be no file's, `NL0801` for what
/// cannot be taken out of the file.
pub fn run(args: Args) -> Result<u8> {
    let source = catalog::find(&args.exercise)?;
    let sheet = match current::declare(&source, args.seed) {
        Ok(book) => book.sheet,
        Err(code) => return Ok(code),
    };
    // What is to be written, before anything is.
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    match (&args.key, &args.students) {
        (Some(file), Some(students)) => {
            let key = key(file)?;
            for student in names(students)? {
                let name = LabName::new(&student)?;
                match released(&source, seed::of_student(&key, &sheet.id, &student))? {
                    Ok(text) => files.push((args.output.join(format!("{name}.rhai")), text)),
                    Err(code) => return Ok(code),
                }
            }
        }
        _ => match released(&source, args.seed)? {
            Ok(text) => files.push((args.output.join(format!("{}.rhai", sheet.id)), text)),
            Err(code) => return Ok(code),
        },
    }
    let failed = |path: &Path| {
        let shown = path.display().to_string();
        move |e: std::io::Error| {
            Diagnostic::new(Code::BadFile, format!("cannot write {shown}"))
                .kernel(KernelError::from_io(format!("write {shown}"), &e))
        }
    };
    fs::create_dir_all(&args.output).map_err(failed(&args.output))?;
    for (path, text) in &files {
        fs::write(path, text).map_err(failed(path))?;
    }
    out::line(format!("{} in {}", count(files.len(), "file"), args.output.display()));
    Ok(0)
}

/// What a student with a seed gets, or the exit code. It is read once more: nobody gets a file that does not work, or one that
/// still says what it should not.
fn released(source: &Source, seed: u64) -> Result<std::result::Result<String, u8>> {
    let sheet = match current::declare(source, seed) {
        Ok(book) => book.sheet,
        Err(code) => return Ok(Err(code)),
    };
    let text = text::release(&source.text, &sheet);
    let released = match current::declare(&Source { text: text.clone(), ..source.clone() }, seed) {
        Ok(book) => book.sheet,
        Err(code) => return Ok(Err(code)),
    };
    let other = seed.wrapping_add(1);
    let drawn = |sheet: &Sheet| sheet.params.iter().map(|p| p.literal.clone()).collect::<Vec<_>>();
    let again =
        current::declare(&Source { text: text.clone(), ..source.clone() }, other).map(|book| drawn(&book.sheet));
    let left = if released.has_solution() {
        "`solution`"
    } else if !released.wrongs.is_empty() {
        "`wrong`"
    } else if released.checks.iter().any(|c| c.hidden) {
        "a hidden `check`"
    } else if again != Ok(drawn(&sheet)) {
        "`param`"
    } else {
        return Ok(Ok(text));
    };
    Err(Diagnostic::new(Code::BadExercise, format!("{} cannot be released: {left} stands in a block", source.file))
        .help("write it at the top of the file, not in `if`, `for` or a function: only there it can be taken out"))
}

/// The names in a file.
fn names(file: &Path) -> Result<Vec<String>> {
    let text = catalog::read(file)?.text;
    let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Diagnostic::new(Code::BadFile, format!("there is no name in {}", file.display()))
            .help("write each student's name on a line of its own"));
    }
    Ok(names)
}
