//! `netlab docs`: the reference of the language, from the engine's own table.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::out;
use crate::diag::{Code, Diagnostic, KernelError, Result, nearest};
use crate::script::codes::{self, Explained};
use crate::script::reference::{self, Entry};

/// The arguments of `docs`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  netlab docs\n  netlab docs veth\n  netlab docs NL0101\n  netlab docs --definitions ~/labs"
)]
pub struct Args {
    /// A function, what it belongs to (ns, link, wire, net, program), the code of an error, or `codes` for a list of these.
    pub name: Option<String>,
    /// Write definitions for editors (netlab.d.rhai) into this folder.
    #[arg(long, value_name = "DIR")]
    pub definitions: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the reference.
///
/// # Errors
/// `NL0210` for a name that is none, `NL0119` if the definitions cannot be written.
pub fn run(args: Args) -> Result<u8> {
    let entries = reference::entries();
    if let Some(dir) = &args.definitions {
        return write_definitions(dir, &entries);
    }
    if let Some(wanted) = args.name.as_deref().and_then(explained) {
        return Ok(explain(&wanted, args.json));
    }
    let wanted: Vec<&Entry> = match &args.name {
        None => entries.iter().collect(),
        Some(name) => {
            let found: Vec<&Entry> = entries.iter().filter(|e| e.name == name || e.of == name).collect();
            if found.is_empty() {
                let names = entries.iter().map(|e| e.name);
                let error = Diagnostic::new(Code::Usage, format!("there is no function `{name}`"));
                return Err(match nearest(name, names) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`netlab docs` lists all, and `netlab docs codes` those of errors"),
                });
            }
            found
        }
    };
    if args.json {
        let all: Vec<Value> = wanted
            .iter()
            .map(|e| json!({ "name": e.name, "of": e.of, "signature": e.signature, "gives": e.gives, "doc": e.doc }))
            .collect();
        out::json(&all);
    } else if args.name.is_some() {
        for entry in wanted {
            out::line(whole(entry));
        }
    } else {
        for entry in wanted {
            out::line(format!("{}\n    {}", entry.signature, entry.first_line()));
        }
    }
    Ok(0)
}

/// The codes that a name means: one, or all of them.
fn explained(name: &str) -> Option<Vec<Explained>> {
    if name == "codes" { Some(codes::all()) } else { codes::find(name).map(|one| vec![one]) }
}

fn explain(wanted: &[Explained], json: bool) -> u8 {
    if json {
        let all: Vec<Value> =
            wanted.iter().map(|e| json!({ "code": e.code, "title": e.title, "text": e.text })).collect();
        out::json(&all);
    } else if let [one] = wanted {
        out::line(format!("{}  {}\n\n{}", one.code, one.title, one.text));
    } else {
        wanted.iter().for_each(|e| out::line(format!("{}  {}", e.code, e.title)));
    }
    0
}

fn whole(entry: &Entry) -> String {
    format!("{}  →  {}\n\n{}\n", entry.signature, entry.gives, entry.doc)
}

/// Writes what editors with a Rhai language server read.
fn write_definitions(dir: &Path, entries: &[Entry]) -> Result<u8> {
    let mut text = String::from(
        "module static;\n\n/// The namespace that the script runs in.\nlet host;\n\n/// What followed `--` on the command line.\nlet args;\n",
    );
    for entry in entries {
        text.push('\n');
        for line in entry.doc.lines() {
            let _ = writeln!(text, "/// {line}");
        }
        let _ = writeln!(text, "{}", entry.definition());
    }
    let path = dir.join("netlab.d.rhai");
    std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, text)).map_err(|e| {
        Diagnostic::new(Code::BadFile, format!("cannot write {}", path.display()))
            .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
    })?;
    out::line(format!("wrote {}", path.display()));
    Ok(0)
}
