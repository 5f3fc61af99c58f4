//! The same in the languages of Graphviz and Mermaid, which lay it out themselves.

use super::{BarKind, From, Graph};

/// For Graphviz.
pub fn dot(graph: &Graph) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let mut out = String::from("graph netlab {\n  node [shape=box];\n");
    for (n, node) in graph.nodes.iter().enumerate() {
        let mut label = vec![node.name.clone()];
        label.extend(node.forwards.then(|| "forwards".to_owned()));
        label.extend(node.others.clone());
        out.push_str(&format!("  n{n} [label={}];\n", quote(&label.join("\n"))));
    }
    for (b, bar) in graph.bars.iter().enumerate() {
        let (shape, label) = match bar.kind {
            BarKind::Wire => ("point", String::new()),
            BarKind::Bridge => ("box3d", bar.label.clone()),
            BarKind::Tunnel => ("ellipse", bar.label.clone()),
        };
        let colour = if bar.down { ", color=red, style=dashed" } else { "" };
        out.push_str(&format!("  b{b} [shape={shape}, label={}{colour}];\n", quote(&label)));
    }
    for tie in &graph.ties {
        let style =
            tie.dead.map(|dead| format!(", style=dashed, color=red, label={}", quote(dead))).unwrap_or_default();
        out.push_str(&format!(
            "  {} -- b{} [taillabel={}, headlabel={}{style}];\n",
            name(tie.from),
            tie.bar,
            quote(&tie.lines.join("\n")),
            quote(&tie.port)
        ));
    }
    out.push_str("}\n");
    out
}

/// For Mermaid.
pub fn mermaid(graph: &Graph) -> String {
    let quote = |text: &str| {
        let clean = text
            .replace('&', "#amp;")
            .replace('"', "#quot;")
            .replace('<', "#lt;")
            .replace('>', "#gt;")
            .replace('`', "'");
        format!("\"{}\"", clean.replace('\n', "<br/>"))
    };
    let mut out = String::from("graph LR\n");
    for (n, node) in graph.nodes.iter().enumerate() {
        let mut label = vec![node.name.clone()];
        label.extend(node.forwards.then(|| "forwards".to_owned()));
        label.extend(node.others.clone());
        out.push_str(&format!("  n{n}[{}]\n", quote(&label.join("\n"))));
    }
    for (b, bar) in graph.bars.iter().enumerate() {
        let down = if bar.down { "\ndown" } else { "" };
        out.push_str(&match bar.kind {
            BarKind::Wire => format!("  b{b}(( ))\n"),
            BarKind::Bridge => format!("  b{b}[[{}]]\n", quote(&format!("{}{down}", bar.label))),
            BarKind::Tunnel => format!("  b{b}([{}])\n", quote(&format!("{}{down}", bar.label))),
        });
    }
    for tie in &graph.ties {
        let mut label = tie.lines.clone();
        label.extend(Some(tie.port.clone()).filter(|port| !port.is_empty()));
        label.extend(tie.dead.map(str::to_owned));
        let line = if tie.dead.is_some() { "-.-" } else { "---" };
        out.push_str(&format!("  {} {line}|{}| b{}\n", name(tie.from), quote(&label.join("\n")), tie.bar));
    }
    out
}

fn name(from: From) -> String {
    match from {
        From::Node(node) => format!("n{node}"),
        From::Bar(bar) => format!("b{bar}"),
    }
}
