//! How an error looks: with the line of the script and a caret, or as JSON.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};

use crate::diag::{Diagnostic, Site};
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

/// Writes an error for a person.
pub fn text(trace: &Trace, sources: &Sources, color: bool, width: usize) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
    let shown = Shown::new(trace, sources);
    let mut out = String::new();
    if handler.render_report(&mut out, &shown).is_err() {
        // Only a formatter that fails can cause this; the bare words must come through.
        out = format!("error[{}]: {}\n", trace.error.code, trace.error.message);
    }
    out
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

/// An error as miette takes it.
#[derive(Debug)]
struct Shown {
    code: String,
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    others: Vec<Shown>,
}

impl Shown {
    fn new(trace: &Trace, sources: &Sources) -> Self {
        let error = &trace.error;
        let mut shown = Self {
            code: error.code.to_string(),
            message: error.message.clone(),
            help: help(error),
            source: None,
            labels: Vec::new(),
            others: Vec::new(),
        };
        let Some(site) = error.site.as_ref().filter(|s| s.line > 0) else { return shown };
        let Some(text) = sources.text(&site.file) else {
            shown.message = format!("{} ({site})", shown.message);
            return shown;
        };
        shown.labels.extend(span(&text, site, "here"));
        for (at, what) in &trace.calls {
            if at.file == site.file {
                shown.labels.extend(span(&text, at, what));
            } else if let Some(text) = sources.text(&at.file) {
                shown.others.push(Self {
                    code: String::new(),
                    message: what.clone(),
                    help: None,
                    labels: span(&text, at, "here").into_iter().collect(),
                    source: Some(NamedSource::new(&at.file, text)),
                    others: Vec::new(),
                });
            }
        }
        shown.source = Some(NamedSource::new(&site.file, text));
        shown
    }
}

/// The hint, with the kernel's own words on the last line, to be searched for.
fn help(error: &Diagnostic) -> Option<String> {
    let kernel = error.kernel.as_ref().map(|k| format!("kernel: {k}"));
    match (&error.help, kernel) {
        (Some(help), Some(kernel)) => Some(format!("{help}\n{kernel}")),
        (Some(help), None) => Some(help.clone()),
        (None, kernel) => kernel,
    }
}

/// The characters that a place means: the word that begins there.
fn span(text: &str, site: &Site, label: &str) -> Option<LabeledSpan> {
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number + 1 == site.line {
            let bare = line.trim_end_matches(['\n', '\r']);
            let from = bare.char_indices().nth(site.column.saturating_sub(1)).map_or(bare.len(), |(i, _)| i);
            let rest = &bare[from..];
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1);
            // miette drops a label at the very end of a file, so it points to the last character there.
            let from = if rest.is_empty() { from.saturating_sub(1) } else { from };
            return Some(LabeledSpan::new(Some(label.into()), start + from, word));
        }
        start += line.len();
    }
    let end = text.trim_end().len();
    (end > 0).then(|| LabeledSpan::new(Some(label.into()), end - 1, 1))
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

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.labels.is_empty() { None } else { Some(Box::new(self.labels.iter().cloned())) }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        if self.others.is_empty() {
            None
        } else {
            Some(Box::new(self.others.iter().map(|o| o as &dyn miette::Diagnostic)))
        }
    }
}
