//! How an error looks: with the line of the script and a caret, or as JSON.

mod drawing;

use std::fmt;

use miette::{LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};

use crate::diag::{KernelError, Site};
use crate::script::error::Trace;

/// The texts that errors point into.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<(String, String)>);

impl Sources {
    /// The main script.
    pub fn new(file: &str, text: &str) -> Self {
        Self(vec![(file.to_owned(), text.to_owned())])
    }

    /// A file's text; one that was imported is read again.
    fn text(&self, file: &str) -> Option<String> {
        let known = self.0.iter().find(|(name, _)| name == file).map(|(_, text)| text.clone());
        known.or_else(|| std::fs::read_to_string(file).ok())
    }
}

/// Writes an error for a person: what happened, the line of the script, the calls that led there, what to type next, and
/// the kernel's own words last.
pub fn text(trace: &Trace, sources: &Sources, color: bool, width: usize) -> String {
    drawing::draw(&Shown::new(trace, sources), color, width)
}

/// Writes an error for a program.
pub fn json(trace: &Trace) -> Value {
    let error = &trace.error;
    let kernel = error.kernel.as_ref().map(|k| json!({ "request": k.request, "errno": k.errno, "text": k.text }));
    let site = |site: &Site| json!({ "file": site.file, "line": site.line, "column": site.column });
    let calls: Vec<Value> = trace
        .calls
        .iter()
        .map(|(at, what)| {
            let mut call = site(at);
            call["what"] = what.clone().into();
            call
        })
        .collect();
    json!({
        "code": error.code.to_string(),
        "message": error.message,
        "help": error.help,
        "kernel": kernel,
        "file": error.site.as_ref().map(|s| s.file.clone()),
        "line": error.site.as_ref().map(|s| s.line),
        "column": error.site.as_ref().map(|s| s.column),
        "calls": calls,
    })
}

/// An error as miette takes it. The calls that led to it are its related ones, the kernel's words its cause.
#[derive(Debug, Default)]
struct Shown {
    code: String,
    is_warning: bool,
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    label: Option<LabeledSpan>,
    calls: Vec<Shown>,
    kernel: Option<Box<Shown>>,
}

impl Shown {
    fn new(trace: &Trace, sources: &Sources) -> Self {
        let error = &trace.error;
        let words = |k: &KernelError| Box::new(Self { message: k.to_string(), ..Self::default() });
        let mut shown = Self {
            code: error.code.to_string(),
            is_warning: error.code.is_warning(),
            message: error.message.clone(),
            help: error.help.clone(),
            kernel: error.kernel.as_ref().map(words),
            ..Self::default()
        };
        shown.point(error.site.as_ref(), None, sources);
        for (at, what) in &trace.calls {
            let mut call = Self { message: what.clone(), ..Self::default() };
            call.point(Some(at), Some(what), sources);
            shown.calls.push(call);
        }
        shown
    }

    /// Points to a place. One whose text cannot be had is put into words.
    fn point(&mut self, site: Option<&Site>, label: Option<&str>, sources: &Sources) {
        let Some(site) = site.filter(|s| s.line > 0) else { return };
        if site.line >= LAST_LINE {
            // Rhai counts no farther.
            self.message = format!("{} (in line {LAST_LINE} of {} or after it)", self.message, site.file);
            return;
        }
        match sources.text(&site.file) {
            Some(text) => {
                self.label = span(&text, site, label);
                self.source = Some(NamedSource::new(&site.file, text));
            }
            None => self.message = format!("{} ({site})", self.message),
        }
    }
}

/// The last line that Rhai can tell from others.
const LAST_LINE: usize = u16::MAX as usize;

/// The characters that a place means: the word, string or operator that begins there.
fn span(text: &str, site: &Site, label: Option<&str>) -> Option<LabeledSpan> {
    let label = label.map(str::to_owned);
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number + 1 == site.line {
            let bare = line.trim_end_matches(['\n', '\r']);
            let from = bare.char_indices().nth(site.column.saturating_sub(1)).map_or(bare.len(), |(i, _)| i);
            // Of `a.b` and `a[b]` what follows the dot or bracket is what is meant.
            let is_index = bare[..from].ends_with(|c: char| c.is_alphanumeric() || "_])\"".contains(c));
            let skip = if is_index && bare[from..].starts_with(['.', '[']) {
                bare[from + 1..].find(is_meant).map(|n| n + 1)
            } else {
                None
            };
            let from = from + skip.filter(|n| *n == 1 || bare[from + 1..from + n].trim().is_empty()).unwrap_or(0);
            let rest = &bare[from..];
            return Some(LabeledSpan::new(label, start + from, word(rest).max(1).min(text.len() - start - from)));
        }
        start += line.len();
    }
    // Rhai reports what is missing at the end on the line after the last.
    let last = text.trim_end().char_indices().last()?;
    Some(LabeledSpan::new(label, last.0, last.1.len_utf8()))
}

fn is_meant(c: char) -> bool {
    c.is_alphanumeric() || "_\"`".contains(c)
}

/// The length of the word that a text begins with.
fn word(rest: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    match rest.chars().next() {
        Some(quote @ ('"' | '`')) => rest[1..].find(quote).map_or(rest.trim_end().len(), |end| end + 2),
        Some(c) if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
        Some(c) if "=!<>&|+-*/%^".contains(c) => rest.find(|c| !"=!<>&|+-*/%^".contains(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
        None => 0,
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        if self.code.is_empty() { None } else { Some(Box::new(&self.code)) }
    }

    fn severity(&self) -> Option<miette::Severity> {
        self.is_warning.then_some(miette::Severity::Warning)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.label.as_ref().map(|label| Box::new(std::iter::once(label.clone())) as Box<_>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.calls.iter().map(|o| o as &dyn miette::Diagnostic)))
    }

    fn diagnostic_source(&self) -> Option<&dyn miette::Diagnostic> {
        self.kernel.as_deref().map(|k| k as &dyn miette::Diagnostic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Diagnostic};

    fn site(file: &str, line: usize, column: usize) -> Site {
        Site { file: file.into(), line, column }
    }

    fn drawn(text: &str, at: (usize, usize), calls: &[(usize, usize)]) -> String {
        let error = Diagnostic::new(Code::NoSuchLink, "there is no link `x`").help("did you mean `y`?");
        let kernel = KernelError::new("RTM_GETLINK", libc::ENODEV);
        let calls = calls.iter().map(|(l, c)| (site("a.rhai", *l, *c), "in the call of `f`".into())).collect();
        let trace = Trace { error: error.kernel(kernel).at(site("a.rhai", at.0, at.1)), calls };
        super::text(&trace, &Sources::new("a.rhai", text), false, 60)
    }

    #[test]
    fn an_error_with_its_call() {
        assert_eq!(
            drawn("fn f(x) {\n\thost[x]\n}\n\n\n\n\n\n\nf(\"x\");\n", (2, 2), &[(10, 1)]),
            "error[NL0105]: there is no link `x`\n  --> a.rhai:2:2\n   |\n 2 |     host[x]\n   |     ^^^^\n   |\n10 | f(\"x\");\n   \
             | - in the call of `f`\n  help: did you mean `y`?\n  kernel: RTM_GETLINK → ENODEV: No such device\n"
        );
    }

    #[test]
    fn odd_places() {
        let tail = "  help: did you mean `y`?\n  kernel: RTM_GETLINK → ENODEV: No such device\n";
        let head = "error[NL0105]: there is no link `x`\n";
        // Past the end, past the line, wide characters, and a line that is far too long.
        let body = |text: &str| text.strip_prefix(head).and_then(|t| t.strip_suffix(tail)).unwrap_or(text).to_owned();
        assert_eq!(body(&drawn("if a {\n", (2, 1), &[])), " --> a.rhai:1:6\n  |\n1 | if a {\n  |      ^\n");
        assert_eq!(body(&drawn("ab\ncd\n", (1, 9), &[])), " --> a.rhai:1:3\n  |\n1 | ab\n  |   ^\n");
        assert_eq!(body(&drawn("/*網*/ up()", (1, 7), &[])), " --> a.rhai:1:7\n  |\n1 | /*網*/ up()\n  |        ^^\n");
        assert_eq!(body(&drawn("", (1, 1), &[])), " --> a.rhai\n");
        let long = format!("{}up(){}", "x ".repeat(5000), " y".repeat(5000));
        let lines = body(&drawn(&long, (1, 10001), &[]));
        assert!(lines.lines().all(|l| l.chars().count() <= 60), "{lines}");
        assert!(lines.contains("… ") && lines.contains("up()") && lines.contains("^^"), "{lines}");
    }
}
