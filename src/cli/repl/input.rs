//! Whether what has been typed is a whole statement, or goes on in the next line.

use rhai::{Engine, LexError, ParseErrorType, Position};

/// Whether a text is whole. What is wrong in another way is whole, too: its error is told.
pub(super) fn is_whole(engine: &Engine, text: &str) -> bool {
    if text.trim().is_empty() || text.ends_with("\n\n") {
        return true;
    }
    let Err(error) = engine.compile(text) else { return !is_open_comment(text) };
    let at_end = || {
        let last = text.trim_end();
        let (lines, column) = (last.lines().count(), last.lines().last().map_or(0, |line| line.chars().count()));
        let behind = |p: Position| match (p.line(), p.position()) {
            (Some(line), at) => (line, at.unwrap_or(0)) > (lines, column),
            (None, _) => true,
        };
        behind(error.1)
    };
    match *error.0 {
        ParseErrorType::UnexpectedEOF => false,
        // Only a text in backquotes may have several lines.
        ParseErrorType::BadInput(LexError::UnterminatedString) => !is_closed_by(engine, text, '`'),
        _ => !at_end(),
    }
}

fn is_closed_by(engine: &Engine, text: &str, quote: char) -> bool {
    let closed = engine.compile(format!("{text}{quote}"));
    !closed.is_err_and(|e| matches!(*e.0, ParseErrorType::BadInput(LexError::UnterminatedString)))
}

/// Rhai takes a comment without an end for one to the end of the text.
fn is_open_comment(text: &str) -> bool {
    crate::script::parse::open_comment(text, "").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on() {
        let engine = Engine::new();
        for whole in [
            "",
            "let a = 1",
            "f(1);",
            "if true { 1 }",
            "fn f(x) { x }",
            "let a = ;",
            "1 + ) 2",
            "x /* y */",
            "let if = 1;",
            "\"abc",
        ] {
            assert!(is_whole(&engine, whole), "{whole}");
        }
        for open in [
            "if true {",
            "if true { 1 ",
            "loop { break",
            "[1,2,",
            "fn x(",
            "let",
            "`abc",
            "f(1,",
            "1 +",
            "/* x",
            "a.b(",
        ] {
            assert!(!is_whole(&engine, open), "{open}");
            assert!(is_whole(&engine, &format!("{open}\n\n")), "{open}: an empty line ends it");
        }
    }
}
