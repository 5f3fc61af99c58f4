//! `netlab graph`: the picture of a network.

use std::io::IsTerminal;

use super::netns::HOST;
use super::{labs, out, place};
use crate::diag::{Code, Diagnostic, Result};
use crate::graph::{self, Graph, export, layout, paint, read};
use crate::journal::store::Store;
use crate::kernel::process::raise_file_limit;
use crate::kernel::relay::Keys;
use crate::lab::open::{self, privileged};
use crate::why::world::World;

/// The arguments of `graph`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  netlab graph\n  netlab graph create-ns-bridge --ascii\n  netlab graph --format svg > lab.svg"
)]
pub struct Args {
    /// A lab, or a namespace; all that have a name, without one.
    #[arg(value_name = "LAB|NS")]
    pub target: Option<String>,
    /// How it is drawn.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Take only characters that every terminal has.
    #[arg(long)]
    pub ascii: bool,
    /// The columns that a text may take; those of the terminal otherwise.
    #[arg(long, value_name = "COLUMNS")]
    pub width: Option<usize>,
}

/// How a picture is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// In characters.
    Text,
    /// As a picture for browsers and texts.
    Svg,
    /// For Graphviz.
    Dot,
    /// For Mermaid, as in Markdown.
    Mermaid,
    /// As data.
    Json,
}

/// Draws it.
///
/// # Errors
/// `NL0108` and `NL0502` for what is not there, `NL0109` without the privilege to look.
pub fn run(args: Args) -> Result<u8> {
    let json = args.format == Format::Json;
    let (place, name) = match &args.target {
        None => (place::only("netlab graph")?, None),
        Some(target) => {
            let (place, name) = place::of(target).or_else(|error| lab_here(target, error))?;
            (place, Some(name))
        }
    };
    place.go(Keys::Outside, json, false, || draw(&args, name.as_deref()))
}

/// A lab on this machine has no place of its own.
pub(super) fn lab_here(target: &str, error: Box<Diagnostic>) -> Result<(place::Place, String)> {
    let is_it = Store::open().is_ok_and(|store| labs::all(&store).iter().any(|lab| lab.name.as_str() == target));
    if is_it { Ok((place::Place::Here, target.to_owned())) } else { Err(error) }
}

fn draw(args: &Args, name: Option<&str>) -> Result<u8> {
    privileged()?;
    raise_file_limit();
    let labs = labs::all(&Store::open()?);
    let mut kernel = open::kernel()?;
    let mut world = World::read(&mut kernel, &[])?;
    let wanted = match name {
        None => Vec::new(),
        // Of a sandbox, all that is in it.
        Some(HOST) => Vec::new(),
        Some(name) => match labs.iter().find(|lab| lab.name.as_str() == name) {
            Some(lab) => lab.namespaces(),
            None if world.find(name).is_some() => vec![name.to_owned()],
            None => {
                return Err(Diagnostic::new(Code::NoSuchNetns, format!("there is no lab and no namespace `{name}`"))
                    .help("`netlab list` has the labs, `netlab show` the namespaces"));
            }
        },
    };
    let graph = read::read(&mut world, &wanted);
    out::line(shown(&graph, args).trim_end());
    Ok(0)
}

fn shown(graph: &Graph, args: &Args) -> String {
    match args.format {
        Format::Text => graph::text(graph, args.width.unwrap_or_else(columns), args.ascii),
        Format::Svg => paint::svg(&layout::lay(graph)),
        Format::Dot => export::dot(graph),
        Format::Mermaid => export::mermaid(graph),
        Format::Json => serde_json::to_string(graph).unwrap_or_default(),
    }
}

/// The columns of the terminal.
fn columns() -> usize {
    let of_terminal = || comfy_table::Table::new().width().map(usize::from).filter(|_| std::io::stdout().is_terminal());
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    set.or_else(of_terminal).unwrap_or(graph::WIDTH)
}
