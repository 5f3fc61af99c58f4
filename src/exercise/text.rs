//! An exercise's file as text: where its parts stand, what the solution says, and what a learner gets.

use std::ops::Range;

use crate::diag::Site;
use crate::script::exercise::Sheet;

/// The words whose calls are looked for.
const WORDS: [&str; 4] = ["check", "param", "solution", "wrong"];

/// A call at the top of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    word: &'static str,
    /// From the word to the closing parenthesis.
    span: Range<usize>,
    /// What stands between the parentheses.
    inside: Range<usize>,
}

/// What a student gets: what was drawn is all there is to draw from, and the solution, the known mistakes and the hidden
/// checks are not there. Only what stands at the top of the file is found: who calls this has to look at what came of it.
pub fn release(text: &str, sheet: &Sheet) -> String {
    let mut out = String::new();
    let mut at = 0;
    for call in calls(text) {
        let is_here = |site: &Site| (site.line, site.column) == place(text, call.span.start);
        let is_hidden = match call.word {
            "solution" | "wrong" => true,
            "check" => sheet.checks.iter().any(|c| c.hidden && is_here(&c.site)),
            _ => false,
        };
        if is_hidden {
            out.push_str(&text[at..with_comment(text, call.span.start)]);
            at = end_of_line(text, call.span.end);
        } else if let Some(param) = sheet.params.iter().find(|p| call.word == "param" && is_here(&p.site)) {
            out.push_str(&text[at..call.inside.start]);
            out.push_str(&format!("{:?}, [{}]", param.name, param.literal));
            at = call.inside.end;
        }
    }
    out.push_str(&text[at..]);
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out.trim_end().to_owned() + "\n"
}

/// The line and the column of a place in a text, both from 1, as the language counts them.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The statements of the solution, without the closure around them and what they are indented by.
pub fn solution(text: &str) -> Option<String> {
    let call = calls(text).into_iter().find(|c| c.word == "solution")?;
    let inside = text[call.inside].trim();
    let body = inside.trim_start_matches('|').trim();
    let body = body.strip_prefix('{').and_then(|b| b.strip_suffix('}')).unwrap_or(body);
    let lines: Vec<&str> = body.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = lines.iter().skip(1).filter(|l| !l.trim().is_empty()).map(|l| indent(l)).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|l| l.get(least.min(indent(l))..).unwrap_or(l).trim_end()).collect();
    Some(lines.join("\n").trim().to_owned())
}

/// The calls of our words that stand in no bracket, in order.
fn calls(text: &str) -> Vec<Call> {
    let bytes = text.as_bytes();
    let mut calls = Vec::new();
    let (mut at, mut depth) = (0, 0_usize);
    let mut open: Option<(&'static str, usize, usize)> = None;
    while at < bytes.len() {
        if let Some(end) = skipped(text, at) {
            at = end;
            continue;
        }
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0
                    && let Some((word, start, inside)) = open.take()
                {
                    calls.push(Call { word, span: start..at + 1, inside: inside..at });
                }
            }
            c if is_word(c) => {
                let end = at + bytes[at..].iter().take_while(|c| is_word(**c)).count();
                let word = WORDS.into_iter().find(|w| *w == &text[at..end]);
                let after = end + bytes[end..].iter().take_while(|c| c.is_ascii_whitespace()).count();
                if let (Some(word), 0, Some(b'(')) = (word, depth, bytes.get(after)) {
                    open = Some((word, at, after + 1));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    calls
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// The end of the comment or string that begins here.
fn skipped(text: &str, at: usize) -> Option<usize> {
    let rest = &text.as_bytes()[at..];
    let end_of = |mark: &str, from: usize| text[at + from..].find(mark).map_or(text.len(), |i| at + from + i);
    match rest {
        [b'/', b'/', ..] => Some(end_of("\n", 2)),
        [b'/', b'*', ..] => Some(end_of_comment(text, at)),
        [b'"', ..] => Some(end_of_string(text, at, b'"')),
        [b'`', ..] => Some(end_of_string(text, at, b'`')),
        // A character; in Rhai nothing else begins so.
        [b'\'', ..] => Some(end_of_string(text, at, b'\'')),
        _ => None,
    }
}

/// Comments of this kind may stand in each other.
fn end_of_comment(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0_usize);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth.saturating_sub(1), at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// A string between backticks holds statements in `${…}`, and those hold strings.
fn end_of_string(text: &str, start: usize, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while at < bytes.len() {
        match &bytes[at..] {
            [c, ..] if *c == quote => return at + 1,
            [b'\\', ..] if quote != b'`' => at += 2,
            [b'$', b'{', ..] if quote == b'`' => at = end_of_block(text, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

fn end_of_block(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 1_usize);
    while at < bytes.len() {
        if let Some(end) = skipped(text, at) {
            at = end;
            continue;
        }
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Where the comment above a statement begins, which is about it.
fn with_comment(text: &str, statement: usize) -> usize {
    let mut start = text[..statement].rfind('\n').map_or(0, |i| i + 1);
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |i| i + 1);
        if !text[above..start].trim_start().starts_with("//") {
            break;
        }
        start = above;
    }
    start
}

/// Behind the semicolon and the end of the line.
fn end_of_line(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let rest = rest.strip_prefix(';').unwrap_or(rest);
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let rest = &rest[blank..];
    let end = text.len() - rest.len();
    if rest.starts_with('\n') { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "exercise(\"x\", \"X\");\nlet net = param(\"net\", [\"a)\", `b${\"}\"}`]);\ncheck(\"one (1)\", || ns.param(\"x\") /* ) */);\n\n// How it is done.\nsolution(|| {\n    veth(\"a\", \"b\");\n    if x {\n        y(')');\n    }\n});\nwrong(\"w\", [\"one\"], || 1);\n// The end.\n";

    #[test]
    fn parts_are_found_whatever_stands_in_strings() {
        let found: Vec<&str> = calls(TEXT).into_iter().map(|c| &TEXT[c.span]).collect();
        assert_eq!(found[0], "param(\"net\", [\"a)\", `b${\"}\"}`])");
        assert_eq!(found[1], "check(\"one (1)\", || ns.param(\"x\") /* ) */)");
        assert_eq!(found.len(), 4);
        assert_eq!(solution(TEXT).unwrap(), "veth(\"a\", \"b\");\nif x {\n    y(')');\n}");
    }

    #[test]
    fn what_a_student_gets() {
        let params = vec![crate::script::exercise::Param {
            name: "net".into(),
            literal: "\"a)\"".into(),
            site: Site { file: "x.rhai".into(), line: 2, column: 11 },
        }];
        let mut sheet = Sheet::new(1);
        sheet.params = params;
        let released = release(TEXT, &sheet);
        assert_eq!(
            released,
            "exercise(\"x\", \"X\");\nlet net = param(\"net\", [\"a)\"]);\ncheck(\"one (1)\", || ns.param(\"x\") /* ) */);\n\n// The end.\n"
        );
    }

    #[test]
    fn no_text_is_too_broken() {
        for text in ["solution(", "check(\"", "`${`${", "/* /*", "'", ")))]", "param(\"x\", [1]", "wrong(`${\"}"] {
            calls(text);
            solution(text);
            release(text, &Sheet::new(1));
        }
    }
}
