//! What Rhai says went wrong, as a diagnostic with its place and the calls that led there.

use std::collections::HashMap;

use rhai::{AST, EvalAltResult, LexError, ParseError, ParseErrorType, Position};

use super::function;
use super::raise::{lower, thrown_text};
use super::session::Session;
use crate::diag::{Code, Diagnostic, Site, nearest};

/// An error with the calls that led to it, innermost first.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The error; its site is the innermost place.
    pub error: Box<Diagnostic>,
    /// The places of the calls on the way out, each with what was called there.
    pub calls: Vec<(Site, String)>,
}

impl From<Box<Diagnostic>> for Trace {
    fn from(error: Box<Diagnostic>) -> Self {
        Self { error, calls: Vec::new() }
    }
}

/// Which file each function of a script stands in. Rhai gets it wrong for closures that are called in another file.
pub type Homes = HashMap<String, String>;

/// The functions of a script.
pub fn homes(ast: &AST, file: &str) -> Homes {
    ast.iter_functions().map(|f| (f.name.to_string(), file.to_owned())).collect()
}

/// Reads an error that ended a script.
pub fn trace(session: &Session, error: &EvalAltResult, file: &str, homes: &Homes) -> Trace {
    let mut calls = Vec::new();
    let (inner, inner_file) = unwrap(error, file, homes, &mut calls);
    calls.reverse();
    let at = |position: Position| Site {
        file: inner_file.clone(),
        line: position.line().unwrap_or(0),
        column: position.position().unwrap_or(1),
    };
    if let EvalAltResult::ErrorParsing(kind, position) = inner {
        return parse(&ParseError(Box::new(kind.clone()), *position), &inner_file, &[]).into();
    }
    let diagnostic = match inner {
        EvalAltResult::ErrorRuntime(thrown, _) => match lower(session, thrown) {
            // It knows its own place, also after it was caught and thrown again.
            Some(raised) => Box::new(raised),
            None => Diagnostic::new(Code::Thrown, thrown_text(thrown)),
        },
        other => runtime(other),
    };
    Trace { error: diagnostic.at(at(inner.position())), calls }
}

/// Goes down to the innermost error and notes the calls on the way.
fn unwrap<'a>(
    error: &'a EvalAltResult,
    file: &str,
    homes: &Homes,
    calls: &mut Vec<(Site, String)>,
) -> (&'a EvalAltResult, String) {
    let here = |position: &Position| Site {
        file: file.to_owned(),
        line: position.line().unwrap_or(0),
        column: position.position().unwrap_or(1),
    };
    match error {
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
            let shown = if name.starts_with("anon$") { "a closure".to_owned() } else { format!("`{name}`") };
            calls.push((here(position), format!("in the call of {shown}")));
            let inner_file = homes.get(name.as_str()).cloned();
            let inner_file =
                inner_file.unwrap_or_else(|| if source.is_empty() { file.to_owned() } else { source.clone() });
            unwrap(inner, &inner_file, homes, calls)
        }
        EvalAltResult::ErrorInModule(path, inner, position) => {
            calls.push((here(position), format!("while importing \"{path}\"")));
            unwrap(inner, path, homes, calls)
        }
        other => (other, file.to_owned()),
    }
}

/// An error of the language itself, in words that say what to do.
fn runtime(error: &EvalAltResult) -> Box<Diagnostic> {
    use EvalAltResult as E;
    let words = |error: &E| {
        let mut bare = error.clone_without_position();
        bare.truncate(400);
        bare
    };
    match error {
        E::ErrorFunctionNotFound(signature, _) => not_found(signature),
        E::ErrorVariableNotFound(name, _) => {
            Diagnostic::new(Code::UnknownVariable, format!("there is no variable `{name}`"))
                .help("a function does not see the variables around it: pass it what it needs")
        }
        E::ErrorPropertyNotFound(name, _) => {
            Diagnostic::new(Code::UnknownVariable, format!("the map has no key `{name}`"))
        }
        E::ErrorIndexNotFound(index, _) => {
            Diagnostic::new(Code::UnknownVariable, format!("the map has no key `{index}`"))
        }
        E::ErrorArrayBounds(len, index, _) => {
            Diagnostic::new(Code::Runtime, format!("the array has {len} elements, there is none at {index}"))
        }
        E::ErrorMismatchDataType(wanted, is, _) if wanted == "bool" && is == "map" => {
            Diagnostic::new(Code::WrongArguments, "a map stands where a bool is wanted")
                .help("a probe is a map: ask for its `.ok`")
        }
        E::ErrorMismatchDataType(wanted, is, _) | E::ErrorMismatchOutputType(wanted, is, _) => {
            Diagnostic::new(Code::WrongArguments, format!("{is} stands where {wanted} is wanted"))
        }
        E::ErrorTooManyOperations(_) => Diagnostic::new(Code::Limit, "the script computes without end")
            .help("is there a loop that never ends? --timeout SECONDS ends such a run sooner"),
        E::ErrorStackOverflow(_) => Diagnostic::new(Code::Limit, "too many calls inside of each other")
            .help("does a function call itself without end?"),
        E::ErrorDataTooLarge(what, _) => Diagnostic::new(Code::Limit, format!("{} is too large", what.to_lowercase())),
        E::ErrorModuleNotFound(what, _) => Diagnostic::new(Code::BadImport, format!("cannot import {what}"))
            .help("an import is relative to the script, and stays in its folder"),
        E::ErrorDataRace(name, _) => {
            Diagnostic::new(Code::Runtime, format!("`{name}` is used by a call and inside of it at once"))
                .help("a closure cannot use the variable on which a method was called: copy it first, let copy = …")
        }
        other => Diagnostic::new(Code::Runtime, words(other)),
    }
}

/// A call that no function takes. Rhai shows the types of the call; the signatures that there are help more.
fn not_found(signature: &str) -> Box<Diagnostic> {
    let name = signature.split([' ', '(']).next().unwrap_or(signature);
    let ours: Vec<String> = function::named(name).map(function::Function::signature).collect();
    if !ours.is_empty() {
        return Diagnostic::new(Code::WrongArguments, format!("`{name}` does not take these: {signature}"))
            .help(format!("it is called like this: {}", ours.join(", or ")));
    }
    let operator = !name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    if operator {
        return Diagnostic::new(Code::WrongArguments, format!("`{name}` does not work between these: {signature}"));
    }
    let error = Diagnostic::new(Code::UnknownFunction, format!("there is no function `{signature}`"));
    match nearest(name, function::all().map(|f| f.name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// Reads an error that kept a script from being understood. `names` are those that a variable may have been meant for.
pub fn parse(error: &ParseError, file: &str, names: &[&str]) -> Box<Diagnostic> {
    let site =
        Site { file: file.to_owned(), line: error.1.line().unwrap_or(0), column: error.1.position().unwrap_or(1) };
    let reserved = |word: &str| {
        Diagnostic::new(Code::ReservedWord, format!("`{word}` is a word of the language and cannot be used as a name"))
            .help(match word {
                "spawn" | "go" | "thread" => "a program is started with `start`",
                "switch" => "call a switch `sw`, `lan` or `br0`",
                "default" => "as a route's destination, write \"default\" in quotes",
                _ => "choose another name",
            })
    };
    let diagnostic = match &*error.0 {
        ParseErrorType::Reserved(word) => reserved(word),
        ParseErrorType::BadInput(LexError::ImproperSymbol(word, _))
            if word.starts_with(|c: char| c.is_alphabetic()) =>
        {
            reserved(word)
        }
        ParseErrorType::VariableUndefined(name) => {
            let error = Diagnostic::new(Code::UnknownVariable, format!("there is no variable `{name}`"));
            match nearest(name, names.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("make it first: let {name} = …")),
            }
        }
        other => {
            let mut words = other.to_string();
            if let Some(first) = words.get_mut(0..1) {
                first.make_ascii_lowercase();
            }
            Diagnostic::new(Code::Parse, words)
        }
    };
    diagnostic.at(site)
}

/// Rhai's words for an error, without the place, which is shown otherwise.
trait Bare {
    fn clone_without_position(&self) -> String;
}

impl Bare for EvalAltResult {
    fn clone_without_position(&self) -> String {
        let text = self.to_string();
        let at = format!(" ({})", self.position());
        let text = text.strip_suffix(&at).unwrap_or(&text);
        let mut text = text.to_owned();
        if let Some(first) = text.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
        text
    }
}
