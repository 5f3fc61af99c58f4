//! `netlab exercise list`: the exercises, and which of them are passed.

use std::path::PathBuf;

use serde_json::json;

use super::super::out;
use super::super::table::Table;
use super::current;
use crate::diag::Result;
use crate::exercise::catalog;
use crate::exercise::progress::Progress;

/// The arguments of `exercise list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  netlab exercise list\n  netlab exercise list my-course/")]
pub struct Args {
    /// A folder with exercises of your own, or a file; otherwise those that come with netlab.
    pub folder: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints them.
///
/// # Errors
/// Those of reading the folder.
pub fn run(args: Args) -> Result<u8> {
    let sources = match &args.folder {
        Some(folder) => catalog::below(folder)?,
        None => catalog::all(),
    };
    let progress = Progress::load();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut worst = 0;
    for source in sources {
        let sheet = match current::declare(&source, 1) {
            Ok(book) => book.sheet,
            Err(code) => {
                worst = code;
                continue;
            }
        };
        let known = progress.get(&sheet.id);
        let state = match known {
            Some(entry) if entry.passed => "passed",
            Some(_) => "begun",
            None => "",
        };
        let lacks = sheet.missing();
        let name = if args.folder.is_some() { source.file.clone() } else { sheet.id.clone() };
        values.push(json!({
            "name": name, "id": sheet.id, "title": sheet.title, "level": sheet.level, "after": sheet.after,
            "needs": sheet.needs, "missing": lacks, "state": state, "points": sheet.points(),
        }));
        let title = match lacks.is_empty() {
            true => sheet.title,
            false => format!("{} (not here: the kernel lacks {})", sheet.title, lacks.join(", ")),
        };
        rows.push([name, sheet.level.to_string(), state.to_owned(), title]);
    }
    if args.json {
        out::json(&values);
        return Ok(worst);
    }
    let mut table = Table::new(&["EXERCISE", "LEVEL", "YOURS", "WHAT IT IS ABOUT"]);
    rows.into_iter().for_each(|row| table.row(row));
    out::line(table.text());
    out::line("\nbegin one: netlab exercise start NAME");
    Ok(worst)
}
