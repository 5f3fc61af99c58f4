//! A picture in characters, and as SVG.

use unicode_width::UnicodeWidthChar;

use super::BarKind;
use super::layout::{Drawing, Shape};

/// The characters of a terminal that has no others.
const PLAIN: [(char, char); 18] = [
    ('─', '-'),
    ('│', '|'),
    ('┌', '+'),
    ('┐', '+'),
    ('└', '+'),
    ('┘', '+'),
    ('┬', '+'),
    ('┴', '+'),
    ('═', '='),
    ('╧', '+'),
    ('╤', '+'),
    ('╎', ':'),
    ('┄', '.'),
    ('┼', '+'),
    ('╪', '+'),
    ('✗', 'x'),
    ('✓', 'v'),
    ('├', '|'),
];

/// Draws it in characters; `ascii` takes only those that every terminal has.
pub fn text(drawing: &Drawing, ascii: bool) -> String {
    let mut cells = vec![vec![' '; drawing.width + 1]; drawing.height];
    let mut put = |x: usize, y: usize, c: char| {
        if let Some(cell) = cells.get_mut(y).and_then(|row| row.get_mut(x)) {
            *cell = c;
        }
    };
    for shape in &drawing.shapes {
        match shape {
            Shape::Bar { kind, from, to, y, .. } => (*from..=*to).for_each(|x| put(x, *y, stroke(*kind))),
            Shape::Box { x, y, width, height, title } => {
                let (right, bottom) = (x + width - 1, y + height - 1);
                for edge in *x..=right {
                    put(edge, *y, '─');
                    put(edge, bottom, '─');
                }
                for row in y + 1..bottom {
                    put(*x, row, '│');
                    put(right, row, '│');
                }
                for (cx, cy, c) in [(*x, *y, '┌'), (right, *y, '┐'), (*x, bottom, '└'), (right, bottom, '┘')] {
                    put(cx, cy, c);
                }
                write(&mut put, x + 2, *y, &format!(" {title} "));
            }
            Shape::Line { x, top, bottom, dead, from_bar, bar } => {
                for y in top + 1..*bottom {
                    put(*x, y, if *dead { '╎' } else { '│' });
                }
                put(*x, *top, if *from_bar == Some(BarKind::Bridge) { '╤' } else { '┬' });
                put(*x, *bottom, if *bar == BarKind::Bridge { '╧' } else { '┴' });
            }
            Shape::Text { x, y, text, .. } => write(&mut put, *x, *y, text),
        }
    }
    let lines =
        cells.into_iter().map(|row| row.into_iter().filter(|c| *c != WIDE).collect::<String>().trim_end().to_owned());
    let text = lines.collect::<Vec<_>>().join("\n");
    if ascii { plain(&text) } else { text }
}

/// A text in characters that every terminal has.
pub fn plain(text: &str) -> String {
    let known = |c: char| PLAIN.iter().find(|(from, _)| *from == c).map(|(_, to)| *to);
    text.chars().map(|c| known(c).unwrap_or(if c.is_ascii() { c } else { '?' })).collect()
}

/// The second cell of a character that takes two.
const WIDE: char = '\u{0}';

fn write(put: &mut impl FnMut(usize, usize, char), x: usize, y: usize, text: &str) {
    let mut at = x;
    for c in text.chars().filter(|c| !c.is_control()) {
        put(at, y, c);
        let width = c.width().unwrap_or(1);
        (1..width).for_each(|n| put(at + n, y, WIDE));
        at += width;
    }
}

fn stroke(kind: BarKind) -> char {
    match kind {
        BarKind::Wire => '─',
        BarKind::Bridge => '═',
        BarKind::Tunnel => '┄',
    }
}

/// A cell in the units of SVG.
const CELL: (usize, usize) = (9, 20);

/// Draws it as SVG.
pub fn svg(drawing: &Drawing) -> String {
    let (width, height) = ((drawing.width + 2) * CELL.0, (drawing.height + 1) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let x_of = |x: usize| CELL.0 + x * CELL.0 + CELL.0 / 2;
    let y_of = |y: usize| CELL.1 / 2 + y * CELL.1 + CELL.1 / 2;
    let colour = |dead: bool| if dead { "#c0392b" } else { "#222222" };
    for shape in &drawing.shapes {
        out.push_str(&match shape {
            Shape::Bar { kind, from, to, y, down } => {
                let style = match kind {
                    BarKind::Wire => "stroke-width=\"2\"",
                    BarKind::Bridge => "stroke-width=\"6\"",
                    BarKind::Tunnel => "stroke-width=\"2\" stroke-dasharray=\"3 5\"",
                };
                let (y, ink) = (y_of(*y), if *down { "#c0392b" } else { "#2c6fbb" });
                format!("<line x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{ink}\" {style}/>\n", x_of(*from), x_of(*to))
            }
            Shape::Box { x, y, width, height, title } => {
                let (left, top) = (x_of(*x), y_of(*y));
                let (w, h) = ((width - 1) * CELL.0, (height - 1) * CELL.1);
                format!(
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{w}\" height=\"{h}\" rx=\"5\" fill=\"#f4f7fb\" stroke=\"#222222\"/>\n\
                     <rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n{}",
                    left + CELL.0 + CELL.0 / 2,
                    top - CELL.1 / 2 + 2,
                    (title.chars().count() + 2) * CELL.0,
                    CELL.1 - 4,
                    text_at(left + 2 * CELL.0, top + 5, title, "#222222", true),
                )
            }
            Shape::Line { x, top, bottom, dead, .. } => {
                let dash = if *dead { " stroke-dasharray=\"4 4\"" } else { "" };
                format!(
                    "<line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"#ffffff\" stroke-width=\"5\"/>\n\
                     <line x1=\"{0}\" y1=\"{1}\" x2=\"{0}\" y2=\"{2}\" stroke=\"{3}\" stroke-width=\"1.5\"{dash}/>\n\
                     <circle cx=\"{0}\" cy=\"{2}\" r=\"4\" fill=\"{3}\"/>\n",
                    x_of(*x), y_of(*top), y_of(*bottom), colour(*dead),
                )
            }
            Shape::Text { x, y, text, dead } => text_at(x_of(*x) - CELL.0 / 2, y_of(*y) + 5, text, colour(*dead), false),
        });
    }
    out.push_str("</svg>\n");
    out
}

fn text_at(x: usize, y: usize, text: &str, colour: &str, bold: bool) -> String {
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    // Whatever the font is, a text is as wide as its cells.
    let length = text.chars().count() * CELL.0;
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    format!(
        "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{weight}>{clean}</text>\n"
    )
}
