//! What Rhai says went wrong at run time, as a diagnostic with its place and the calls that led there.

use std::collections::HashMap;

use rhai::{AST, ASTNode, Dynamic, EvalAltResult, Expr, FnCallExpr, Map, Position, Stmt};

use super::function;
use super::function::Function;
use super::parse::parse;
use super::raise::lower;
use super::session::Session;
use super::values::{Of, kind};
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

/// The place of something in a file.
pub fn site_at(file: &str, position: Position) -> Site {
    Site { file: file.to_owned(), line: position.line().unwrap_or(0), column: position.position().unwrap_or(1) }
}

/// Reads an error that ended a script.
pub fn trace(session: &Session, error: &EvalAltResult, file: &str, ast: &AST) -> Trace {
    let mut calls: Vec<(Site, String)> = Vec::new();
    let (inner, inner_file) = unwrap(error, file, &session.homes, &mut calls);
    calls.reverse();
    // `list.map(|x| …)` is two calls at one place.
    calls.dedup_by(|outer, inner| {
        let same = outer.0 == inner.0;
        if same {
            inner.1.clone_from(&outer.1);
        }
        same
    });
    let here = site_at(&inner_file, inner.position());
    let error = match inner {
        EvalAltResult::ErrorParsing(kind, position) => {
            return parse(kind, *position, &inner_file, "");
        }
        EvalAltResult::ErrorRuntime(thrown, _) => match lower(session, thrown) {
            // It knows its own place, also after it was caught and thrown again; only the file may be wrong.
            Some(mut raised) => {
                if let Some(site) = &mut raised.site
                    && (site.line == 0 || (site.line, site.column) == (here.line, here.column))
                {
                    site.clone_from(&here);
                }
                Box::new(raised)
            }
            None => of_the_script(thrown),
        },
        EvalAltResult::ErrorDataRace(..) if here.line == 0 => {
            let error = runtime(inner, &session.homes, file);
            match raced(ast, inner) {
                Some(position) => error.at(site_at(file, position)),
                None => error,
            }
        }
        other => runtime(other, &session.homes, file),
    };
    Trace { error: if here.line > 0 { error.at(here) } else { error }, calls }
}

/// Goes down to the innermost error and notes the calls on the way.
fn unwrap<'a>(
    error: &'a EvalAltResult,
    file: &str,
    homes: &Homes,
    calls: &mut Vec<(Site, String)>,
) -> (&'a EvalAltResult, String) {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
            let shown = if name.starts_with("anon$") { "a closure".to_owned() } else { format!("`{name}`") };
            calls.push((site_at(file, *position), format!("in the call of {shown}")));
            // The source is right but for closures, the names are right but where two files have a function of one name.
            let home = if name.starts_with("anon$") { homes.get(name.as_str()).cloned() } else { None };
            let inner_file = home.unwrap_or_else(|| if source.is_empty() { file.to_owned() } else { source.clone() });
            unwrap(inner, &inner_file, homes, calls)
        }
        EvalAltResult::ErrorInModule(path, inner, position) => {
            calls.push((site_at(file, *position), format!("while importing \"{path}\"")));
            unwrap(inner, homes.get(&format!("import {path}")).map_or(path.as_str(), String::as_str), homes, calls)
        }
        other => (other, file.to_owned()),
    }
}

/// What happened, in one sentence, for an error that tells of another.
pub fn words(session: &Session, error: &EvalAltResult) -> String {
    let (inner, _) = unwrap(error, "", &session.homes, &mut Vec::new());
    match inner {
        EvalAltResult::ErrorRuntime(thrown, _) => match lower(session, thrown) {
            Some(raised) => raised.message,
            None => of_the_script(thrown).message,
        },
        other => runtime(other, &session.homes, "").message,
    }
}

/// What a script threw itself: a text, a map like ours, or an error of the language that it caught before.
fn of_the_script(thrown: &Dynamic) -> Box<Diagnostic> {
    let Some(map) = thrown.read_lock::<Map>() else {
        let words = match thrown {
            text if text.is_string() => text.to_string(),
            nothing if nothing.is_unit() => "the script threw an error without a word about it".into(),
            plain if plain.is_int() || plain.is_bool() || plain.is_float() || plain.is_array() => {
                format!("the script threw {plain}")
            }
            other => format!("the script threw {}", kind(other)),
        };
        return Diagnostic::new(Code::Thrown, words);
    };
    let text = |key: &str| map.get(key).filter(|v| v.is_string()).map(ToString::to_string);
    let number = |key: &str| map.get(key).and_then(|v| v.as_int().ok()).and_then(|n| usize::try_from(n).ok());
    let Some(message) = text("message") else {
        return Diagnostic::new(Code::Thrown, format!("the script threw {}", thrown.clone()));
    };
    let error = match (text("error"), number("line")) {
        // Rhai gives its own errors to `catch` as such a map.
        (Some(_), Some(line)) => Diagnostic::new(Code::Runtime, lower_case(&message)).at(Site {
            file: text("source").unwrap_or_default(),
            line,
            column: number("position").unwrap_or(1),
        }),
        _ => Diagnostic::new(Code::Thrown, message),
    };
    match text("help") {
        Some(help) => error.help(help),
        None => error,
    }
}

/// An error of the language itself, in words that say what to do.
fn runtime(error: &EvalAltResult, homes: &Homes, file: &str) -> Box<Diagnostic> {
    use EvalAltResult as E;
    let wrong = |words: String| Diagnostic::new(Code::WrongArguments, words);
    let language = |words: String| Diagnostic::new(Code::Runtime, words);
    match error {
        E::ErrorFunctionNotFound(signature, _) => not_found(signature, homes, file),
        E::ErrorVariableNotFound(name, _) => {
            Diagnostic::new(Code::UnknownVariable, format!("there is no variable `{name}`"))
                .help("a function does not see the variables around it: pass it what it needs")
        }
        E::ErrorPropertyNotFound(name, _) => no_key(name),
        E::ErrorIndexNotFound(index, _) => no_key(&index.to_string()),
        E::ErrorArrayBounds(0, ..) => language("the array is empty".into()),
        E::ErrorArrayBounds(len, index, _) => {
            language(format!("the array has {}, there is none at {index}", count(*len, "element")))
                .help(format!("positions count from 0, so the last is {}", len - 1))
        }
        E::ErrorStringBounds(0, ..) => language("the string is empty".into()),
        E::ErrorStringBounds(len, index, _) => {
            language(format!("the string has {}, there is none at {index}", count(*len, "character")))
                .help(format!("positions count from 0, so the last is {}", len - 1))
        }
        E::ErrorMismatchDataType(wanted, is, _) if wanted == "bool" && is == "map" => {
            wrong("a map stands where a bool is wanted".into()).help("a probe is a map: ask for its `.ok`")
        }
        E::ErrorMismatchDataType(wanted, is, _) | E::ErrorMismatchOutputType(wanted, is, _) => {
            wrong(format!("{} stands where {} is wanted", of_type(is), of_type(wanted)))
        }
        E::ErrorFor(_) => wrong("this cannot be gone through with `for`".into())
            .help("`for` takes a range such as 1..=3, an array, a string, or the keys() of a map"),
        E::ErrorDotExpr(words, _) => property(words),
        E::ErrorIndexingType(words, _) => indexing(words),
        E::ErrorAssignmentToConstant(name, _) => {
            language(format!("`{name}` is a constant and keeps its value")).help("take another name for yours")
        }
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            language(format!("`{name}` would change a constant")).help("copy it first: let copy = …")
        }
        E::ErrorTooManyOperations(_) => Diagnostic::new(Code::Limit, "the script computes without end")
            .help("is there a loop that never ends? --timeout SECONDS ends such a run sooner"),
        E::ErrorStackOverflow(_) => {
            Diagnostic::new(Code::Limit, format!("more than {} calls inside of each other", super::engine::MAX_CALLS))
                .help("does a function call itself without end?")
        }
        E::ErrorDataTooLarge(what, _) => too_large(what),
        E::ErrorDataRace(name, _) => {
            let method = name.split('\'').nth(1).unwrap_or("this method");
            language(format!("`{method}` and the closure in its parentheses use the same variable")).help(
                "the closure cannot see what the method is working on: let copy = …, and use the copy in the closure",
            )
        }
        other => language(lower_case(&without_position(other))),
    }
}

fn no_key(key: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::UnknownVariable, format!("the map has no key `{key}`"))
        .help("its keys() are an array of those that it has")
}

fn too_large(what: &str) -> Box<Diagnostic> {
    let (string, array, map) = super::engine::MAX_SIZES;
    let (what, most) = match what {
        w if w.contains("string") => ("a string", format!("{} MiB", string >> 20)),
        w if w.contains("array") || w.contains("BLOB") => ("an array", format!("{array} elements")),
        w if w.contains("map") => ("a map", format!("{map} keys")),
        other => return Diagnostic::new(Code::Limit, format!("{} is too large", other.to_lowercase())),
    };
    Diagnostic::new(Code::Limit, format!("{what} grew too large: it may have {most}"))
        .help("is there a loop that never ends?")
}

/// Rhai's words are "unknown property 'x' - a getter is not registered for type 'port'", and the same with a setter.
fn property(words: &str) -> Box<Diagnostic> {
    let mut quoted = words.split('\'').skip(1).step_by(2);
    let (Some(name), Some(is)) = (quoted.next(), quoted.next()) else {
        return Diagnostic::new(Code::Runtime, lower_case(words));
    };
    let receiver = of_type(is);
    if !words.contains("setter") {
        let error = Diagnostic::new(Code::UnknownFunction, format!("{receiver} has no property `{name}`"));
        return match function::named(name).next() {
            Some(f) => error.help(format!("`{name}` belongs to something else: {}", f.signature())),
            None => error,
        };
    }
    let error = Diagnostic::new(Code::WrongArguments, format!("`{name}` of {receiver} cannot be set with `=`"));
    match Of::named(is).and_then(|of| function::find(of, name)) {
        Some(f) => error.help(format!("call it: {}", f.signature())),
        None => error,
    }
}

/// Rhai's words are "namespace [i64]", and "namespace [string] = i64" for setting.
fn indexing(words: &str) -> Box<Diagnostic> {
    let (is, rest) = words.split_once(" [").unwrap_or((words, ""));
    let receiver = of_type(is);
    let (index, set) = rest.split_once(']').unwrap_or((rest, ""));
    if set.contains('=') {
        return Diagnostic::new(Code::WrongArguments, format!("nothing can be put into {receiver} with `[…] =`"));
    }
    let error = Diagnostic::new(Code::WrongArguments, format!("{receiver} cannot be indexed with {}", of_type(index)));
    match Of::named(is) {
        Some(Of::Netns) => error.help("its links are found by their names: ns[\"eth0\"]"),
        _ => error,
    }
}

/// A call that no function takes. Rhai shows the types of the call; how it is called right helps more.
fn not_found(signature: &str, homes: &Homes, file: &str) -> Box<Diagnostic> {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ")"));
    let types: Vec<String> = types.trim_end_matches(')').split(", ").filter(|t| !t.is_empty()).map(of_type).collect();
    let wrong = |words: String| Diagnostic::new(Code::WrongArguments, words);
    let given = if types.is_empty() { "no arguments".into() } else { types.join(" and ") };
    if name.starts_with("anon$") {
        return if homes.get(name).is_some_and(|home| home != file) {
            wrong("a closure that an imported function made cannot be called here".into())
                .help("give the function what the closure should work on, or write the closure in this file")
        } else {
            wrong(format!("this closure does not take {given}"))
                .help("between its bars stand what it takes: |a, b| takes two")
        };
    }
    let all: Vec<&Function> = function::named(name).collect();
    if !all.is_empty() {
        return misfit(name, &all, &types);
    }
    if !name.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return match &types[..] {
            [one] => wrong(format!("`{name}` cannot be applied to {one}")),
            _ => wrong(format!("`{name}` does not work between {given}")),
        };
    }
    if homes.contains_key(name) {
        return wrong(format!("the function `{name}` of this script does not take {given}"));
    }
    if super::check::names_of_the_language().contains(name) {
        return wrong(format!("`{name}` does not take {given}"));
    }
    let error = Diagnostic::new(Code::UnknownFunction, format!("there is no function `{name}` that takes {given}"));
    match nearest(name, function::all().map(|f| f.name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// One of our functions, with arguments that it never takes.
fn misfit(name: &str, all: &[&Function], types: &[String]) -> Box<Diagnostic> {
    let receiver = types.first().and_then(|t| all.iter().find(|f| of_type(f.of.type_name()) == *t));
    let message = match receiver {
        Some(f) if f.is_property() => format!("`{name}` is a property: read it without parentheses"),
        Some(f) => f.wants(types.len() - 1),
        None => format!(
            "`{name}` does not take {}",
            if types.is_empty() { "no arguments".into() } else { types.join(" and ") }
        ),
    };
    let shown: Vec<String> = match receiver {
        Some(f) => vec![f.signature()],
        None => all.iter().map(|f| f.signature()).collect(),
    };
    Diagnostic::new(Code::WrongArguments, message).help(format!("it is used like this: {}", shown.join(", or ")))
}

/// Rhai's name for a type, in words.
pub fn of_type(name: &str) -> String {
    let name = name.trim();
    match name {
        "i64" | "INT" => "an integer".into(),
        "f64" | "FLOAT" => "a float".into(),
        "()" => "nothing: ()".into(),
        "Fn" => "a function".into(),
        "?" | "Dynamic" => "something".into(),
        n if n.contains("String") || n == "&str" || n == "string" => "a string".into(),
        n if n.starts_with("range") => "a range".into(),
        n if n.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {n}"),
        n => format!("a {n}"),
    }
}

/// Where a method is called with a closure that holds the variable of the call: Rhai reports this without its place.
fn raced(ast: &AST, error: &EvalAltResult) -> Option<Position> {
    let EvalAltResult::ErrorDataRace(words, _) = error else { return None };
    let method = words.split('\'').nth(1)?;
    let holds = |call: &FnCallExpr, name: &str| {
        call.args.iter().any(|arg| match arg {
            // What a closure takes from around it is shared with it first, by a statement of Rhai's own.
            Expr::Stmt(block) => {
                block.iter().any(|s| matches!(s, Stmt::Share(names) if names.iter().any(|n| n.0.name == name)))
            }
            _ => false,
        })
    };
    let mut found = None;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(Expr::Dot(pair, ..))) = path.last()
            && let Expr::Variable(variable, ..) = &pair.lhs
        {
            let call = match &pair.rhs {
                Expr::Dot(inner, ..) => &inner.lhs,
                other => other,
            };
            if let Expr::MethodCall(call, position) = call
                && call.name == method
                && holds(call, &variable.1)
            {
                found = Some(*position);
            }
        }
        found.is_none()
    });
    found
}

/// A number with its noun.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Rhai begins its sentences with a capital, we do not.
fn lower_case(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// Rhai's words for an error, without the place, which is shown otherwise.
fn without_position(error: &EvalAltResult) -> String {
    let text = error.to_string();
    let at = format!(" ({})", error.position());
    let text = text.strip_suffix(&at).unwrap_or(&text);
    text.chars().take(400).collect()
}
