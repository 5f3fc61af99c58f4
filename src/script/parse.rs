//! Why a script cannot be understood, in words for those who do not know how languages are read.

use rhai::{LexError, ParseErrorType, Position};

use super::error::{Trace, count, site_at};
use super::function;
use super::values::Of;
use crate::diag::{Code, Diagnostic, Site, nearest};

/// Reads an error that kept a script from being understood. `text` is the script.
pub fn parse(error: &ParseErrorType, position: Position, file: &str, text: &str) -> Trace {
    let mut site = site_at(file, position);
    let brackets = Brackets::read(text);
    let mut calls = Vec::new();
    let rest = from(text, &site);
    let diagnostic = match error {
        ParseErrorType::Reserved(word) => reserved(word),
        ParseErrorType::BadInput(error) => bad_input(error, rest, &brackets, &site),
        ParseErrorType::VariableUndefined(name) => undefined(name, rest, text, &site),
        ParseErrorType::VariableExpected | ParseErrorType::PropertyExpected | ParseErrorType::FnMissingName
            if is_word(rest) =>
        {
            reserved(word(rest))
        }
        ParseErrorType::MissingToken(token, why) => {
            if let Some(open) = brackets.unclosed.filter(|_| brackets.explains(token, why, &site, text)) {
                // What helps is where it was opened; where Rhai gave up is the second place to look at.
                let side = if rest.trim().is_empty() { "after" } else { "before" };
                calls.push((site, format!("`{}` is expected {side} this", open.closing())));
                site = Site { file: file.to_owned(), line: open.line, column: open.column };
                wrong(format!("this `{}` is never closed", open.bracket))
            } else {
                missing(token, why, rest, text, &mut site)
            }
        }
        ParseErrorType::VariableExpected if rest.starts_with(['(', '[']) => {
            wrong("`let` makes one variable at a time".into()).help("let a = …; let b = …;")
        }
        ParseErrorType::UnexpectedEOF => wrong("the script ends in the middle of something".into()),
        other => plain(other),
    };
    Trace { error: diagnostic.at(site), calls }
}

fn wrong(words: String) -> Box<Diagnostic> {
    Diagnostic::new(Code::Parse, words)
}

/// Rhai takes a comment without an end for one to the end of the script, which then does nothing, silently.
pub fn open_comment(text: &str, file: &str) -> Option<Box<Diagnostic>> {
    let (line, column) = Brackets::read(text).comment?;
    Some(wrong("this comment is never closed".into()).help("close it with */").at(Site {
        file: file.to_owned(),
        line,
        column,
    }))
}

/// The error for a word of the language in the place of a name.
pub fn reserved(word: &str) -> Box<Diagnostic> {
    if !is_word(word) {
        let error = wrong(format!("`{word}` means nothing here"));
        return if word.starts_with('#') { error.help("a comment begins with //, a map with #{") } else { error };
    }
    let error =
        Diagnostic::new(Code::ReservedWord, format!("`{word}` is a word of the language and cannot be used as a name"));
    match word {
        "spawn" => error.help("a program is started with `start`"),
        "switch" => error.help("call a switch `sw`, `lan` or `br0`"),
        "default" => error.help("choose another name; as a route's destination \"default\" stands in quotes"),
        "var" => error.help("a variable is made with `let`"),
        "null" | "nil" | "void" => error.help("nothing is written ()"),
        "eval" => error.help("a text cannot be run as a script here; write a function"),
        "host" => error.help("`host` is always the namespace that the script runs in"),
        "args" => error.help("`args` always holds what followed -- on the command line"),
        _ => error.help("choose another name"),
    }
}

fn bad_input(error: &LexError, rest: &str, brackets: &Brackets, site: &Site) -> Box<Diagnostic> {
    match error {
        LexError::UnterminatedString => {
            let quote = rest.chars().next().filter(|c| *c == '`').unwrap_or('"');
            wrong("this string has no end".into()).help(format!("close it with {quote}"))
        }
        LexError::UnexpectedInput(what) => match what.as_str() {
            "}" | ")" | "]" if brackets.extra == Some((site.line, site.column)) => {
                wrong(format!("there is a `{what}` too many: nothing is open that it could close"))
            }
            "“" | "”" | "„" | "‘" | "’" => {
                wrong(format!("`{what}` is the quote of a word processor")).help("a string stands between \" and \"")
            }
            _ => wrong(format!("`{what}` is not expected here")),
        },
        LexError::MalformedEscapeSequence(what) => {
            wrong(format!("`{what}` is no escape in a string")).help("a backslash itself is written \\\\")
        }
        LexError::MalformedNumber(what) => wrong(format!("`{what}` is no number")),
        LexError::MalformedChar(what) => wrong(format!("'{what}' is not one character"))
            .help(format!("a string stands in double quotes: \"{what}\"")),
        LexError::MalformedIdentifier(what) => wrong(format!("`{what}` cannot be a name")),
        LexError::ImproperSymbol(word, _) if is_word(word) => reserved(word),
        LexError::ImproperSymbol(word, _) => match word.as_str() {
            "=" => wrong("`=` gives a variable its value".into()).help("to compare, write =="),
            "===" => wrong("`===` means nothing here".into()).help("to compare, write =="),
            "!==" => wrong("`!==` means nothing here".into()).help("to compare, write !="),
            ":=" => wrong("`:=` means nothing here".into()).help("a variable is made with `let a = …`"),
            _ => reserved(word),
        },
        other => wrong(lower_case(&other.to_string())),
    }
}

/// A variable that does not exist: often it is no variable that was meant.
fn undefined(name: &str, rest: &str, text: &str, site: &Site) -> Box<Diagnostic> {
    let error = Diagnostic::new(Code::UnknownVariable, format!("there is no variable `{name}`"));
    let after = rest.get(name.len()..).unwrap_or_default().trim_start_matches([' ', '\t']);
    if after.starts_with(':') && !after.starts_with("::") {
        return wrong(format!("`{name}:` begins an option, but this is no map"))
            .help("a map is written #{ … }, with a # before its brace");
    }
    if SHELL.contains(&name) && is_word(after) {
        return wrong("this is a line of shell, not of this language".into())
            .help("`netlab docs` shows how it is said here, for example bridge(\"br0\")");
    }
    if let Some(f) = function::named(name).find(|f| f.of == Of::Free) {
        return error.help(format!("`{name}` is a function: {}", f.signature()));
    }
    if let Some((line, _)) = declared(text).find(|(_, n)| *n == name) {
        return if line > site.line {
            error.help(format!("it is made further down, in line {line}"))
        } else {
            error.help(format!(
                "it is made in line {line}, but is not seen here: a function sees only what it is given, a block keeps its own"
            ))
        };
    }
    if is_word(after) {
        return error.help(format!("a function is called with parentheses: {name}(…)"));
    }
    let names = declared(text).map(|(_, name)| name).chain(["host", "args"]);
    match nearest(name, names) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(format!("make it first: let {name} = …")),
    }
}

/// The first words of what people copy from a terminal.
const SHELL: &[&str] = &[
    "ip", "sudo", "ping", "bridge", "brctl", "ifconfig", "route", "sysctl", "echo", "export", "iptables", "nft", "tc",
    "modprobe", "vconfig", "set", "cd",
];

/// Something is not there that would have to be.
fn missing(token: &str, why: &str, rest: &str, text: &str, site: &mut Site) -> Box<Diagnostic> {
    let next = rest.chars().next();
    match token {
        ";" if next.is_some_and(|c| ")]}".contains(c)) => {
            wrong(format!("there is a `{}` too many: nothing is open that it could close", next.unwrap_or(')')))
        }
        ";" => {
            // The end of the line before is where it is missing, not the beginning of the next statement.
            if let Some(end) = before(text, site) {
                (site.line, site.column) = end;
                return wrong("a `;` is missing after this".into());
            }
            wrong("a `;` is missing before this".into())
        }
        "," => wrong("a `,` is missing before this".into()),
        ":" => {
            let key = why.split('\'').nth(1).unwrap_or("the key");
            wrong(format!("`{key}` needs a `:` before its value")).help(format!("#{{ {key}: … }}"))
        }
        "in" => wrong("`in` is missing before this".into()).help("for i in 1..=3 { … }"),
        "{" => wrong("a `{` is missing before this".into()),
        "(" => wrong("a `(` is missing before this".into()),
        _ => wrong(format!("`{token}` is missing {why}")),
    }
}

/// The rest of Rhai's errors.
fn plain(error: &ParseErrorType) -> Box<Diagnostic> {
    use ParseErrorType as P;
    match error {
        P::MismatchedType(wanted, is) if wanted.contains("boolean") => {
            wrong(format!("{is} stands where a bool is wanted: true or false"))
                .help("compare it with something: a == 1")
        }
        P::MismatchedType(wanted, is) if wanted.contains("iterable") => {
            wrong(format!("{is} cannot be gone through with `for`")).help("write a range: 0..5")
        }
        P::MismatchedType(wanted, is) => wrong(format!("{is} stands where {wanted} is wanted")),
        P::DuplicatedProperty(key) => wrong(format!("the map has the key `{key}` twice")),
        P::DuplicatedVariable(name) => wrong(format!("the name `{name}` stands here twice")),
        P::VariableExpected => wrong("a name is missing before this".into()).help("let name = …"),
        P::PropertyExpected => wrong("a name is missing before this".into()),
        P::ForbiddenVariable(name) => reserved(name),
        P::FnMissingName => wrong("a function needs a name before its parentheses".into())
            .help("fn name(a) { … }; without a name it is a closure: |a| …"),
        P::FnMissingParams(name) => {
            wrong(format!("the function `{name}` has no parentheses")).help(format!("fn {name}() {{ … }}"))
        }
        P::FnMissingBody(name) => {
            wrong(format!("the function `{name}` has no body")).help(format!("fn {name}() {{ … }}"))
        }
        P::FnDuplicatedParam(name, param) => wrong(format!("the function `{name}` takes `{param}` twice")),
        P::FnDuplicatedDefinition(name, n) => {
            wrong(format!("there is a function `{name}` that takes {} already", count(*n, "argument")))
        }
        P::WrongFnDefinition => wrong("a function cannot be made inside of a block or another function".into())
            .help("move it out, or write a closure: let f = |a| …"),
        P::AssignmentToConstant(name) => {
            wrong(format!("`{name}` is a constant and keeps its value")).help("make it with `let` if it is to change")
        }
        P::AssignmentToInvalidLHS(_) => wrong("nothing can be put into this with `=`".into()),
        P::ModuleUndefined(name) => Diagnostic::new(Code::BadImport, format!("there is no module `{name}`"))
            .help(format!("import it first: import \"{name}\" as {name};")),
        P::ExprTooDeep => {
            wrong("too many parentheses or operators inside of each other".into()).help("take it apart: let part = …")
        }
        P::LoopBreak => wrong("this stands outside of a loop".into()),
        P::LiteralTooLarge(what, most) => {
            Diagnostic::new(Code::Limit, format!("{} is over the limit of {most}", what.to_lowercase()))
        }
        other => wrong(lower_case(&other.to_string())),
    }
}

/// The brackets of a script, as far as they do not match.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brackets {
    /// The innermost that is open at the end, or that a closing one of another kind found open.
    unclosed: Option<Open>,
    /// A closing one with nothing open, by line and column.
    extra: Option<(usize, usize)>,
    /// A comment without an end.
    comment: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    bracket: char,
    line: usize,
    column: usize,
}

impl Open {
    fn closing(self) -> char {
        match self.bracket {
            '(' => ')',
            '[' => ']',
            _ => '}',
        }
    }
}

impl Brackets {
    fn read(text: &str) -> Self {
        let mut open: Vec<Open> = Vec::new();
        let (mut line, mut column) = (1, 0);
        let indent = |line: usize| {
            let text = text.lines().nth(line - 1).unwrap_or_default();
            (text.len() - text.trim_start().len(), text.trim_start().starts_with('}'))
        };
        // The innermost block whose `}` stands farther left than its own line: that one was meant for an outer block.
        let mut outdented: Option<Open> = None;
        let mut chars = text.chars().peekable();
        // What is being skipped: a comment to the end of the line, one to `*/`, or a string to its quote.
        let mut skip: Option<char> = None;
        let mut comments: Vec<(usize, usize)> = Vec::new();
        while let Some(c) = chars.next() {
            column += 1;
            if c == '\n' {
                (line, column) = (line + 1, 0);
            }
            match (skip, c) {
                (Some('\n'), '\n') => skip = None,
                (Some('*'), '*') if chars.peek() == Some(&'/') => {
                    comments.pop();
                    skip = (!comments.is_empty()).then_some('*');
                    chars.next();
                    column += 1;
                }
                (None | Some('*'), '/') if chars.peek() == Some(&'*') => {
                    comments.push((line, column));
                    skip = Some('*');
                    chars.next();
                    column += 1;
                }
                (Some('"'), '\\') => {
                    chars.next();
                    column += 1;
                }
                (Some(quote @ ('"' | '`')), c) if c == quote => skip = None,
                (Some(_), _) => {}
                (None, '/') if chars.peek() == Some(&'/') => skip = Some('\n'),
                (None, '"' | '`') => skip = Some(c),
                (None, '(' | '[' | '{') => open.push(Open { bracket: c, line, column }),
                (None, ')' | ']' | '}') => match open.pop() {
                    Some(last) if last.closing() == c => {
                        let (far, is_first) = indent(line);
                        if c == '}' && is_first && outdented.is_none() && far < indent(last.line).0 {
                            outdented = Some(last);
                        }
                    }
                    Some(last) => return Self { unclosed: Some(last), ..Self::default() },
                    None => return Self { extra: Some((line, column)), ..Self::default() },
                },
                (None, _) => {}
            }
        }
        let unclosed = open.pop();
        Self { unclosed: unclosed.map(|u| outdented.unwrap_or(u)), extra: None, comment: comments.pop() }
    }

    /// Whether the missing token is missing because of the open bracket: at a `;`, another bracket or the end.
    fn explains(&self, token: &str, why: &str, site: &Site, text: &str) -> bool {
        let next = from(text, site).chars().next();
        let stops = next.is_none_or(|c| ";)]}".contains(c)) || why.contains("terminate this block");
        self.unclosed.is_some() && stops && matches!(token, "," | ")" | "]" | "}" | ";")
    }
}

/// The script from a place on.
fn from<'a>(text: &'a str, site: &Site) -> &'a str {
    let Some(line) = text.split_inclusive('\n').nth(site.line.wrapping_sub(1)) else { return "" };
    let at = line.char_indices().nth(site.column.saturating_sub(1)).map_or(line.len(), |(i, _)| i);
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    &text[start + at..]
}

/// The last character before a place, if that is on an earlier line without a comment.
fn before(text: &str, site: &Site) -> Option<(usize, usize)> {
    let end = text.len() - from(text, site).len();
    let last = text.get(..end)?.trim_end();
    let line = last.matches('\n').count() + 1;
    let shown = last.lines().last()?;
    (line < site.line && !shown.contains("//") && !shown.ends_with("*/")).then(|| (line, shown.chars().count()))
}

/// The variables that a script makes, with their lines.
fn declared(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().zip(1..).filter_map(|(line, number)| {
        let at = line.find("let ").map(|i| i + 4).or_else(|| line.find("const ").map(|i| i + 6))?;
        let name = word(line[at..].trim_start());
        (!name.is_empty()).then_some((number, name))
    })
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn lower_case(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_that_do_not_match() {
        let open =
            |bracket, line, column| Brackets { unclosed: Some(Open { bracket, line, column }), ..Brackets::default() };
        assert_eq!(Brackets::read("a(b[1], #{ c: \"(\" }); // ((\n/* { */ `{`"), Brackets::default());
        assert_eq!(Brackets::read("if true {\n  f(1);\n"), open('{', 1, 9));
        assert_eq!(Brackets::read("f(1;\n}"), open('(', 1, 2));
        assert_eq!(Brackets::read("f(\"\\\"(\");\n)"), Brackets { extra: Some((2, 1)), ..Brackets::default() });
        assert_eq!(Brackets::read("a /* /* ( */ b"), Brackets { comment: Some((1, 3)), ..Brackets::default() });
    }
}
