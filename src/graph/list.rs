//! The same in lines, for what is too wide for a picture: each bar with what hangs on it.

use super::{BarKind, From, Graph, Tie};

/// Lists it.
pub fn text(graph: &Graph) -> String {
    let mut lines = Vec::new();
    for (number, bar) in graph.bars.iter().enumerate() {
        let own: Vec<&Tie> = graph.ties.iter().filter(|t| t.bar == number || t.from == From::Bar(number)).collect();
        let what = match bar.kind {
            BarKind::Wire => "wire".to_owned(),
            BarKind::Bridge => format!("bridge {}", bar.label),
            BarKind::Tunnel => format!("tunnel {}", bar.label),
        };
        lines.push(if bar.down { format!("{what} ✗ down") } else { what });
        for (n, tie) in own.iter().enumerate() {
            let branch = if n + 1 == own.len() { "└─" } else { "├─" };
            let far = match tie.from {
                From::Node(node) => graph.nodes[node].name.clone(),
                From::Bar(bar) if bar == number => graph.bars[tie.bar].label.clone(),
                From::Bar(bar) => graph.bars[bar].label.clone(),
            };
            let port = if tie.port.is_empty() { String::new() } else { format!("{} ── ", tie.port) };
            let dead = tie.dead.map(|dead| format!(" ✗ {dead}")).unwrap_or_default();
            lines.push(format!("  {branch} {port}{far} {}{dead}", tie.lines.join(" ")));
        }
    }
    for node in graph.nodes.iter().filter(|node| !node.others.is_empty()) {
        lines.push(node.name.clone());
        lines.extend(node.others.iter().map(|other| format!("  {other}")));
    }
    let forwards: Vec<&str> = graph.nodes.iter().filter(|n| n.forwards).map(|n| n.name.as_str()).collect();
    if !forwards.is_empty() {
        lines.push(format!("forwards: {}", forwards.join(", ")));
    }
    lines.join("\n")
}
