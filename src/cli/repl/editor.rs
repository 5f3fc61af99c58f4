//! The line editor: completion with help, hints from what was typed before, colours, statements of several lines.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use rhai::Engine;
use rustyline::completion::{Completer, Pair};
use rustyline::config::{CompletionType, Config};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper};

use super::complete::candidates;
use super::input;
use super::session::Session;
use super::words::Line;
use crate::diag::{Code, Diagnostic, Result};

/// So many lines are remembered.
const REMEMBERED: usize = 2000;

/// What was read.
pub(super) enum Read {
    Line(String),
    /// Ctrl-C: what was being typed is dropped.
    Dropped,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// The editor of a session.
pub(super) struct Prompt {
    editor: Editor<Help, FileHistory>,
    history: Option<PathBuf>,
}

impl Prompt {
    /// One with the lines of earlier sessions.
    ///
    /// # Errors
    /// `NL0402` where the terminal cannot be used.
    pub(super) fn new(session: Rc<RefCell<Session>>) -> Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_prompt_limit(60)
            .auto_add_history(false)
            .max_history_size(REMEMBERED)
            .map_err(|e| no_terminal(&e))?
            .build();
        let mut editor = Editor::with_config(config).map_err(|e| no_terminal(&e))?;
        editor.set_helper(Some(Help { session, engine: Engine::new(), before: HistoryHinter::new() }));
        let history = history();
        if let Some(path) = &history {
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history })
    }

    /// Reads a statement or command.
    pub(super) fn read(&mut self, prompt: &str) -> Result<Read> {
        match self.editor.readline(prompt) {
            Ok(text) => {
                let _ = self.editor.add_history_entry(text.trim_end());
                // Written at once: a session that is killed is remembered, too.
                if let Some(path) = &self.history {
                    let _ = self.editor.append_history(path);
                }
                Ok(Read::Line(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Read::Dropped),
            Err(ReadlineError::Eof | ReadlineError::Io(_)) => Ok(Read::End),
            Err(e) => Err(no_terminal(&e)),
        }
    }
}

fn no_terminal(error: &ReadlineError) -> Box<Diagnostic> {
    Diagnostic::new(Code::Environment, format!("the terminal cannot be used: {error}"))
        .help("statements on standard input are read without one: netlab repl < FILE")
}

/// The file of what was typed before: `$XDG_STATE_HOME/netlab/history`.
fn history() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?.join("netlab");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

struct Help {
    session: Rc<RefCell<Session>>,
    engine: Engine,
    before: HistoryHinter,
}

impl Helper for Help {}

impl Completer for Help {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, all) = candidates(&mut self.session.borrow_mut().live, &line[..pos]);
        let pair = |c: super::complete::Candidate| Pair { display: c.shown, replacement: c.text };
        Ok((start, all.into_iter().map(pair).collect()))
    }
}

impl Hinter for Help {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, ctx: &Context<'_>) -> Option<String> {
        if line.is_empty() { None } else { self.before.hint(line, pos, ctx) }
    }
}

impl Validator for Help {
    fn validate(&self, ctx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = ctx.input();
        let is_statement = matches!(self.session.borrow().read(text), Line::Statement);
        Ok(if !is_statement || input::is_whole(&self.engine, &format!("{text}\n")) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

const BLUE: &str = "\x1b[34m";
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1;36m";
const GREY: &str = "\x1b[90m";
const OFF: &str = "\x1b[0m";

/// The words of the language that are shown as such.
const KEYWORDS: [&str; 22] = [
    "let", "const", "fn", "if", "else", "for", "in", "while", "loop", "return", "break", "continue", "try", "catch",
    "throw", "true", "false", "import", "as", "attempt", "switch", "do",
];

impl Highlighter for Help {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) {
            return line.into();
        }
        coloured(line, pair_at(line, pos)).into()
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        format!("{GREY}{hint}{OFF}").into()
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

/// A line with texts, words of the language, comments and a pair of brackets in colours; its characters stay what they are.
fn coloured(line: &str, pair: Option<(usize, usize)>) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let (length, colour) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), GREY)
        } else if c == '"' || c == '`' {
            (quoted(rest, c), GREEN)
        } else if c.is_alphabetic() || c == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            (length, if KEYWORDS.contains(&&rest[..length]) { BLUE } else { "" })
        } else {
            let at = line.len() - rest.len();
            let is_one = pair.is_some_and(|(open, close)| at == open || at == close);
            (c.len_utf8(), if is_one { BOLD } else { "" })
        };
        let (word, tail) = rest.split_at(length);
        if colour.is_empty() {
            out.push_str(word);
        } else {
            out.extend([colour, word, OFF]);
        }
        rest = tail;
    }
    out
}

/// The brackets that belong together where the cursor stands on one, or behind it.
fn pair_at(line: &str, pos: usize) -> Option<(usize, usize)> {
    let mut open = Vec::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let at = line.len() - rest.len();
        let length = match c {
            '"' | '`' => quoted(rest, c),
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        match c {
            '(' | '[' | '{' => open.push(at),
            ')' | ']' | '}' => {
                let from = open.pop()?;
                if [from, at].iter().any(|one| *one == pos || one + 1 == pos) {
                    return Some((from, at));
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    None
}

/// The length of a text with its quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_character() {
        for line in ["let a = netns(\"ns1\"); // one", "`${x}`", "\"open", "é = \"ü\"", "a\nb // c\nd", "\"a\\\"b\" if"]
        {
            let bare = coloured(line, Some((0, 1)));
            let bare = [BLUE, GREEN, GREY, BOLD, OFF].iter().fold(bare, |text, colour| text.replace(colour, ""));
            assert_eq!(bare, line);
        }
        assert_eq!(coloured("let x", None), format!("{BLUE}let{OFF} x"));
        // The cursor stands behind the last one.
        assert_eq!(pair_at("f(g(1), \")\")", 12), Some((1, 11)));
        assert_eq!(pair_at("f(g(1), \")\")", 4), Some((3, 5)));
        assert_eq!((pair_at("f(x", 2), pair_at("f)", 2), pair_at("ab", 1)), (None, None, None));
    }
}
