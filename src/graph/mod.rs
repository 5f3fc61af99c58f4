//! The picture of a network: namespaces as boxes, bridges, wires and tunnels as bars, what ties them as lines between.
//!
//! One model, one layout in cells, and painters for a terminal, for SVG and for the languages of other programs.

pub mod export;
pub mod layout;
pub mod list;
pub mod paint;
pub mod read;

use serde::Serialize;

/// What is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The namespaces.
    pub nodes: Vec<Node>,
    /// What carries frames between them.
    pub bars: Vec<Bar>,
    /// The links by which they hang on it.
    pub ties: Vec<Tie>,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it passes on packets for others.
    pub forwards: bool,
    /// Links that hang on nothing that is drawn, each with its addresses.
    pub others: Vec<String>,
}

/// What carries frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// What it is.
    pub kind: BarKind,
    /// Its name and what is special about it; empty for a wire.
    pub label: String,
    /// Whether nothing passes through it.
    pub down: bool,
}

/// The kinds of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum BarKind {
    Wire,
    Bridge,
    Tunnel,
}

/// A link between a namespace, or another bar, and a bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tie {
    /// Its upper end.
    pub from: From,
    /// The bar that it hangs on, by its number.
    pub bar: usize,
    /// The link's name, then its addresses and what sits on it, a line each.
    pub lines: Vec<String>,
    /// The name of the port at the bar, if it has one.
    pub port: String,
    /// Why nothing passes, if so: `down` or `no carrier`.
    pub dead: Option<&'static str>,
}

/// The upper end of a tie, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum From {
    Node(usize),
    Bar(usize),
}

/// The width that is taken where nobody says one, in columns.
pub const WIDTH: usize = 100;

/// The picture as text, or lines where it is wider than `width` columns, which is said.
pub fn text(graph: &Graph, width: usize, ascii: bool) -> String {
    if graph.nodes.is_empty() && graph.bars.is_empty() {
        return "there is nothing to draw".into();
    }
    let drawing = layout::lay(graph);
    if drawing.width <= width {
        return paint::text(&drawing, ascii);
    }
    let list = list::text(graph);
    let said = format!("{list}\n(a picture would be {} columns wide, and there are {width})", drawing.width);
    if ascii { paint::plain(&said) } else { said }
}
