//! Where everything stands, in cells: boxes side by side, below them a bar each for what they hang on, and lines down to it. So
//! nothing can overlap, whatever the network is like; a line that crosses a bar interrupts it.

use unicode_width::UnicodeWidthStr;

use super::{BarKind, From, Graph, Tie};

/// A picture in cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    /// Its size.
    pub width: usize,
    /// Its size.
    pub height: usize,
    /// What is on it, the lowest first.
    pub shapes: Vec<Shape>,
}

/// Something on a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Cells.
pub enum Shape {
    /// A bar.
    Bar { kind: BarKind, from: usize, to: usize, y: usize, down: bool },
    /// A box with its title.
    Box { x: usize, y: usize, width: usize, height: usize, title: String },
    /// A line down. Its upper end is at a box or a bar, its lower one at a bar of this kind.
    Line { x: usize, top: usize, bottom: usize, dead: bool, from_bar: Option<BarKind>, bar: BarKind },
    /// A text.
    Text { x: usize, y: usize, text: String, dead: bool },
}

/// The space between two boxes.
const GAP: usize = 1;

/// Lays a picture out.
pub fn lay(graph: &Graph) -> Drawing {
    let columns = order(graph);
    let gutter = graph.bars.iter().map(|bar| bar_label(bar).width()).max().unwrap_or(0);
    let left = if gutter > 0 { gutter + 2 } else { 0 };
    let mut drawing = Drawing::default();
    // The rows of bars, in the order in which the boxes meet them.
    let mut rows: Vec<usize> = Vec::new();
    for node in &columns {
        for tie in graph.ties.iter().filter(|tie| tie.from == From::Node(*node)) {
            if !rows.contains(&tie.bar) {
                rows.push(tie.bar);
            }
        }
    }
    rows.extend((0..graph.bars.len()).filter(|bar| !rows.contains(bar)).collect::<Vec<_>>());
    let row_of = |bar: usize| rows.iter().position(|b| *b == bar).unwrap_or_default();

    let tallest = columns.iter().map(|node| graph.nodes[*node].others.len()).max().unwrap_or(0);
    let box_height = if columns.is_empty() { 0 } else { tallest + 2 };
    let most_lines =
        graph.ties.iter().filter(|t| matches!(t.from, From::Node(_))).map(|t| lines(t).len()).max().unwrap_or(0);
    let first_bar = box_height + most_lines;
    let has_ports = |bar: usize| graph.ties.iter().any(|t| t.bar == bar && !t.port.is_empty() && !is_between(t));
    let goes_on = |bar: usize| {
        let upper = |t: &Tie| match t.from {
            From::Bar(other) => Some(if row_of(other) < row_of(t.bar) { other } else { t.bar }),
            From::Node(_) => None,
        };
        graph.ties.iter().any(|t| upper(t) == Some(bar))
    };
    let mut y = first_bar;
    let mut bar_y = vec![0; graph.bars.len()];
    for bar in &rows {
        y += usize::from(has_ports(*bar));
        bar_y[*bar] = y;
        y += 1;
        // Room for the names of what goes on from here.
        y += usize::from(goes_on(*bar));
    }
    drawing.height = y.max(box_height);

    let mut x = left;
    let mut at: Vec<(usize, usize)> = Vec::new();
    for node in &columns {
        let mut own: Vec<usize> = (0..graph.ties.len()).filter(|t| graph.ties[*t].from == From::Node(*node)).collect();
        own.sort_by_key(|t| row_of(graph.ties[*t].bar));
        let widths: Vec<usize> = own.iter().map(|t| width_of(graph, *t)).collect();
        let title = title(&graph.nodes[*node]);
        let others = graph.nodes[*node].others.iter().map(|o| o.width() + 4).max().unwrap_or(0);
        let width = (widths.iter().sum::<usize>() + 2).max(title.width() + 6).max(others);
        drawing.shapes.push(Shape::Box { x, y: 0, width, height: box_height, title });
        for (n, other) in graph.nodes[*node].others.iter().enumerate() {
            drawing.shapes.push(Shape::Text { x: x + 2, y: 1 + n, text: other.clone(), dead: other.contains('✗') });
        }
        let mut tie_x = x + 2;
        for (t, width) in own.iter().zip(&widths) {
            at.push((*t, tie_x));
            tie_x += width;
        }
        x += width + GAP;
    }
    for t in (0..graph.ties.len()).filter(|t| matches!(graph.ties[*t].from, From::Bar(_))) {
        at.push((t, x));
        x += width_of(graph, t);
    }
    drawing.width = x.saturating_sub(if columns.is_empty() { 0 } else { GAP }).max(left);

    for (number, bar) in graph.bars.iter().enumerate() {
        let own = || {
            at.iter()
                .filter(|(t, _)| graph.ties[*t].bar == number || graph.ties[*t].from == From::Bar(number))
                .map(|(_, x)| *x)
        };
        let (from, to) = (own().min().unwrap_or(left), own().max().unwrap_or(left + 8));
        let (from, to) = (from.saturating_sub(1).max(left.saturating_sub(1)), to + 1);
        drawing.width = drawing.width.max(to + 1);
        drawing.shapes.insert(0, Shape::Bar { kind: bar.kind, from, to, y: bar_y[number], down: bar.down });
        let text = bar_label(bar);
        let indent = gutter - text.width();
        drawing.shapes.push(Shape::Text { x: indent, y: bar_y[number], text, dead: bar.down });
    }
    for (t, x) in at {
        let tie = &graph.ties[t];
        let (mut top, mut bottom) = (box_height.saturating_sub(1), bar_y[tie.bar]);
        let (mut from_bar, mut bar) = (None, graph.bars[tie.bar].kind);
        if let From::Bar(upper) = tie.from {
            (top, from_bar) = (bar_y[upper], Some(graph.bars[upper].kind));
            if top > bottom {
                (top, bottom) = (bottom, top);
                (from_bar, bar) = (Some(bar), graph.bars[upper].kind);
            }
        }
        drawing.shapes.push(Shape::Line { x, top, bottom, dead: tie.dead.is_some(), from_bar, bar });
        for (n, line) in lines(tie).into_iter().enumerate() {
            drawing.shapes.push(Shape::Text { x: x + 2, y: top + 1 + n, dead: line.contains('✗'), text: line });
        }
        if !tie.port.is_empty() && !is_between(tie) {
            drawing.shapes.push(Shape::Text { x: x + 2, y: bottom - 1, text: tie.port.clone(), dead: false });
        }
    }
    drawing
}

fn bar_label(bar: &super::Bar) -> String {
    if bar.down { format!("{} ✗ down", bar.label) } else { bar.label.clone() }
}

fn title(node: &super::Node) -> String {
    if node.forwards { format!("{} (forwards)", node.name) } else { node.name.clone() }
}

/// Whether it ties two bars.
fn is_between(tie: &Tie) -> bool {
    matches!(tie.from, From::Bar(_))
}

/// The texts beside a line, at its upper end.
fn lines(tie: &super::Tie) -> Vec<String> {
    let ports = || [tie.lines.join(" "), tie.port.clone()];
    let between = || ports().into_iter().filter(|port| !port.is_empty()).collect::<Vec<_>>().join(" ── ");
    let mut lines = if is_between(tie) { vec![between()] } else { tie.lines.clone() };
    if let (Some(dead), Some(last)) = (tie.dead, lines.first_mut()) {
        last.push_str(&format!(" ✗ {dead}"));
    }
    lines
}

fn width_of(graph: &Graph, tie: usize) -> usize {
    let tie = &graph.ties[tie];
    let texts = lines(tie).into_iter().chain([tie.port.clone()]);
    texts.map(|text| text.width()).max().unwrap_or(0) + 3
}

/// Names in the order in which people count: h2 before h10.
fn natural(name: &str) -> (&str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or(0), name)
}

/// The boxes from left to right: those that are tied stand together.
fn order(graph: &Graph) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let bars_of = |node: usize| graph.ties.iter().filter(move |t| t.from == From::Node(node)).map(|t| t.bar);
    let nodes_of = |bar: usize| {
        graph.ties.iter().filter(move |t| t.bar == bar).filter_map(|t| match t.from {
            From::Node(node) => Some(node),
            From::Bar(_) => None,
        })
    };
    // An end of a chain first.
    let degree = |node: usize| bars_of(node).count();
    let mut starts: Vec<usize> = (0..graph.nodes.len()).collect();
    starts.sort_by_key(|node| (degree(*node) != 1, natural(&graph.nodes[*node].name)));
    for start in starts {
        let mut todo = vec![start];
        while let Some(node) = todo.pop() {
            if order.contains(&node) {
                continue;
            }
            order.push(node);
            let mut next: Vec<usize> = bars_of(node).flat_map(nodes_of).filter(|n| !order.contains(n)).collect();
            next.sort_by_key(|node| natural(&graph.nodes[*node].name));
            next.dedup();
            todo.extend(next.into_iter().rev());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::{Bar, Node, paint};
    use super::*;

    /// Numbers that are the same each time.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % most.max(1)
        }
    }

    fn random(dice: &mut Dice) -> Graph {
        let mut graph = Graph::default();
        for n in 0..dice.below(7) {
            let others = (0..dice.below(3)).map(|o| format!("x{n}o{o} 10.0.0.{o}/32")).collect();
            graph.nodes.push(Node { name: format!("node{n}"), forwards: dice.below(3) == 0, others });
        }
        for b in 0..dice.below(7) {
            let kind = [BarKind::Wire, BarKind::Bridge, BarKind::Tunnel][dice.below(3)];
            graph.bars.push(Bar { kind, label: format!("bar{b}"), down: dice.below(5) == 0 });
        }
        for t in 0..dice.below(14) {
            if graph.bars.is_empty() || graph.nodes.is_empty() {
                break;
            }
            let bar = dice.below(graph.bars.len());
            let upper = dice.below(graph.bars.len());
            let from = if dice.below(5) == 0 && upper != bar {
                From::Bar(upper)
            } else {
                From::Node(dice.below(graph.nodes.len()))
            };
            let lines = (0..=dice.below(3)).map(|l| format!("t{t}l{l}")).collect();
            let port = if dice.below(2) == 0 { format!("p{t}") } else { String::new() };
            graph.ties.push(Tie { from, bar, lines, port, dead: [None, Some("down")][dice.below(2)] });
        }
        graph
    }

    /// Whatever the network: all texts stand there, whole, and within the width that is told.
    #[test]
    fn nothing_overlaps() {
        let mut dice = Dice(7);
        for round in 0..3000 {
            let graph = random(&mut dice);
            let drawing = lay(&graph);
            let text = paint::text(&drawing, false);
            let mut wanted: Vec<String> = graph.nodes.iter().map(|n| format!(" {} ", title(n))).collect();
            wanted.extend(graph.nodes.iter().flat_map(|n| n.others.clone()));
            wanted.extend(graph.bars.iter().map(bar_label));
            for tie in &graph.ties {
                wanted.extend(lines(tie));
                wanted.extend(Some(tie.port.clone()).filter(|_| !is_between(tie)));
            }
            for word in wanted {
                assert!(text.contains(&word), "round {round}: {word:?} is not whole in\n{text}\n{graph:#?}");
            }
            let widest = text.lines().map(|line| line.width()).max().unwrap_or(0);
            assert!(widest <= drawing.width, "round {round}: {widest} > {}\n{text}", drawing.width);
            // Each tie reaches its bar.
            let ends = text.matches(['╧', '┴']).count();
            assert!(ends >= graph.ties.len(), "round {round}: {ends} ends for {} ties\n{text}", graph.ties.len());
        }
    }
}
