//! An error in a terminal: miette's data, drawn as compilers draw it, and narrow enough to be read and copied.
//!
//! miette's own graphical handler puts code, hint and kernel's words where a beginner does not look for them, so its
//! data is used and not its drawing.

use std::fmt::Write;

use miette::{Diagnostic, Severity};
use unicode_width::UnicodeWidthChar;

/// So many calls are shown nearest to the error, and so many farthest.
const NEAR: usize = 4;
const FAR: usize = 2;

/// Draws an error. Texts are not wrapped, since commands in them are copied; lines of the script are cut at `width`.
pub(super) fn draw(error: &dyn Diagnostic, color: bool, width: usize) -> String {
    let calls: Vec<&dyn Diagnostic> = error.related().into_iter().flatten().collect();
    let skipped = calls.len().saturating_sub(NEAR + FAR);
    let shown: Vec<Option<Snippet>> = std::iter::once(&error).chain(&calls).map(|d| Snippet::new(*d, width)).collect();
    let digits = shown.iter().flatten().map(|s| s.line.to_string().len()).max().unwrap_or(1);
    let mut page = Page { text: String::new(), color, digits, file: None };

    let code = error.code().map_or_else(String::new, |code| format!("[{code}]"));
    let (word, paint) = match error.severity() {
        Some(Severity::Warning) => ("warning", YELLOW),
        _ => ("error", RED),
    };
    page.line(&format!(
        "{}: {}",
        page.paint(&format!("{word}{code}"), paint),
        page.paint(&plain(&error.to_string()).replace('\n', "\n  "), BOLD)
    ));
    for (i, snippet) in shown.iter().enumerate() {
        if i == NEAR + 1 && skipped > 0 {
            page.gutter(&format!("… and {skipped} calls between"));
        }
        if i > NEAR && i <= NEAR + skipped {
            continue;
        }
        match (snippet, i.checked_sub(1).and_then(|i| calls.get(i))) {
            (Some(snippet), _) => page.snippet(snippet, i == 0),
            // A call whose script cannot be read is told in words.
            (None, Some(call)) => page.gutter(&plain(&call.to_string())),
            (None, None) => {}
        }
    }
    for (word, text) in
        [("help", error.help().map(|h| h.to_string())), ("kernel", error.diagnostic_source().map(|k| k.to_string()))]
    {
        if let Some(text) = text {
            let text = plain(&text).replace('\n', "\n        ");
            page.line(&format!("  {}: {text}", page.paint(word, CYAN)));
        }
    }
    page.text
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const CYAN: &str = "1;36";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

struct Page {
    text: String,
    color: bool,
    digits: usize,
    /// The file of the last snippet.
    file: Option<String>,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn gutter(&mut self, text: &str) {
        let bar = self.paint(&format!("{:>1$} |", "", self.digits), BLUE);
        self.line(&format!("{bar} {text}"));
    }

    fn snippet(&mut self, s: &Snippet, is_primary: bool) {
        if self.file.as_ref() != Some(&s.file) {
            let at = if s.line > 0 { format!("{}:{}:{}", s.file, s.line, s.column) } else { s.file.clone() };
            let arrow = self.paint(&format!("{:>1$}-->", "", self.digits), BLUE);
            self.line(&format!("{arrow} {}", plain(&at)));
            self.file = Some(s.file.clone());
        }
        if s.line == 0 {
            return;
        }
        self.gutter("");
        let number = self.paint(&format!("{:>1$} |", s.line, self.digits), BLUE);
        self.line(&format!("{number} {}", s.text));
        let mark = if is_primary { "^" } else { "-" };
        let mark = self.paint(&mark.repeat(s.marked), if is_primary { RED } else { BLUE });
        self.gutter(&format!("{}{mark} {}", " ".repeat(s.before), s.label));
    }

    fn paint(&self, text: &str, how: &str) -> String {
        if self.color { format!("\x1b[{how}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One line of a script with the word that is meant.
struct Snippet {
    file: String,
    /// From 1; 0 if the file is empty.
    line: usize,
    /// In characters, from 1.
    column: usize,
    text: String,
    /// The columns of the screen before the word, and those of the word.
    before: usize,
    marked: usize,
    label: String,
}

impl Snippet {
    fn new(error: &dyn Diagnostic, width: usize) -> Option<Self> {
        let source = error.source_code()?;
        let Some(label) = error.labels().and_then(|mut l| l.next()) else {
            let whole = source.read_span(&(0, 0).into(), 0, 0).ok()?;
            let file = whole.name()?.to_owned();
            return Some(Self {
                file,
                line: 0,
                column: 0,
                text: String::new(),
                before: 0,
                marked: 0,
                label: String::new(),
            });
        };
        let contents = source.read_span(label.inner(), 1, 1).ok()?;
        let data = String::from_utf8_lossy(contents.data());
        let at = label.offset().checked_sub(contents.span().offset())?;
        let (head, tail) = (data.get(..at)?, data.get(at..)?);
        let start = head.rfind('\n').map_or(0, |i| i + 1);
        let end = at + tail.find('\n').unwrap_or(tail.len());
        let line = contents.line() + head.matches('\n').count() + 1;
        let word = tail.get(..label.len()).unwrap_or(tail).trim_end_matches(['\n', '\r']);
        // Where the data does not begin with its line, as when nothing precedes it, miette says in which column it does.
        let column = head[start..].chars().count() + 1 + if start == 0 { contents.column() } else { 0 };
        let (text, before, marked) = cut(&data[start..at], word, &data[at + word.len()..end], width);
        let name = contents.name().unwrap_or_default().to_owned();
        Some(Self { file: name, line, column, text, before, marked, label: label.label().unwrap_or_default().into() })
    }
}

/// A line in three parts, as it fits on the screen: its text, the columns before the middle part, and those of it.
fn cut(before: &str, word: &str, after: &str, width: usize) -> (String, usize, usize) {
    let (before, word, after) = (screen(before), screen(word), screen(after.trim_end()));
    let room = width.saturating_sub(10).max(20);
    let (all, head) = (columns(&before) + columns(&word) + columns(&after), columns(&before));
    if all <= room {
        return (format!("{before}{word}{after}"), head, columns(&word).max(1));
    }
    let word: String = take(&word, room / 2);
    let before = if head > room / 3 {
        let tail: String = take(&before.chars().rev().collect::<String>(), room / 3 - 1).chars().rev().collect();
        format!("…{tail}")
    } else {
        before
    };
    let rest = room - 1 - columns(&before) - columns(&word);
    let after = if columns(&after) > rest { take(&after, rest) + "…" } else { after };
    (format!("{before}{word}{after}"), columns(&before), columns(&word).max(1))
}

/// As many characters as fit into some columns.
fn take(text: &str, room: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect()
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A line of a script without what would move the cursor.
fn screen(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, c| {
        match c {
            '\t' => line.push_str("    "),
            c if c.is_control() => line.push('\u{fffd}'),
            c => line.push(c),
        }
        line
    })
}

/// A text without what would move the cursor, except the ends of lines.
fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut line, c| {
        if c.is_control() && c != '\n' {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}
