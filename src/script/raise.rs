//! The one place where an error goes into a script, and the one where it comes out again.

use rhai::{Dynamic, EvalAltResult, Map, NativeCallContext, Position};

use super::session::Session;
use crate::diag::{Code, Diagnostic, Site};

/// An error as Rhai takes it.
pub type ScriptError = Box<EvalAltResult>;

/// So many errors are kept for the case that the script throws them again: a script may catch them for ever.
const REMEMBERED: usize = 4096;

/// Turns an error into one that scripts can catch: a map that always has all keys, at the place of the call.
pub fn raise(session: &mut Session, error: Box<Diagnostic>, site: Site, position: Position) -> ScriptError {
    let error = error.at(site);
    let map = to_map(&error);
    if session.raised.len() >= REMEMBERED {
        session.raised.drain(..REMEMBERED / 2);
    }
    session.raised.push(*error);
    Box::new(EvalAltResult::ErrorRuntime(map.into(), position))
}

/// The error that a map thrown by [`raise`] stands for; `None` for what the script threw itself. A script that caught it
/// may have put its own words in.
pub fn lower(session: &Session, thrown: &Dynamic) -> Option<Diagnostic> {
    let map = thrown.read_lock::<Map>()?;
    let text = |key: &str| map.get(key).and_then(|v| v.clone().into_string().ok());
    let number = |key: &str| map.get(key).and_then(|v| v.as_int().ok()).and_then(|n| usize::try_from(n).ok());
    let (code, message) = (text("code")?, text("message")?);
    let raised = || session.raised.iter().rev().filter(|d| d.code.to_string() == code);
    if let Some(same) = raised().find(|d| d.message == message) {
        return Some(same.clone());
    }
    let at = Site { file: text("file")?, line: number("line")?, column: number("column")? };
    let changed = raised().find(|d| d.site.as_ref() == Some(&at))?;
    Some(Diagnostic { message, help: text("help"), ..changed.clone() })
}

/// The place of a call: the user's own call while a function of the standard library runs.
pub fn site(session: &Session, ctx: &NativeCallContext<'_>) -> Site {
    session.outer.clone().unwrap_or_else(|| Site {
        file: ctx.call_source().unwrap_or("<script>").to_owned(),
        line: ctx.call_position().line().unwrap_or(0),
        column: ctx.call_position().position().unwrap_or(1),
    })
}

fn to_map(error: &Diagnostic) -> Map {
    let text = |value: &Option<String>| value.clone().map_or(Dynamic::UNIT, Dynamic::from);
    let site = error.site.as_ref();
    let number = |n: usize| Dynamic::from(i64::try_from(n).unwrap_or(0));
    let errno = error.kernel.as_ref().map_or(Dynamic::UNIT, |k| Dynamic::from(i64::from(k.errno)));
    let kernel = error.kernel.as_ref().map_or(Dynamic::UNIT, |k| Dynamic::from(k.to_string()));
    [
        ("code", error.code.to_string().into()),
        ("message", error.message.clone().into()),
        ("help", text(&error.help)),
        ("errno", errno),
        ("kernel", kernel),
        ("file", site.map_or(Dynamic::UNIT, |s| s.file.clone().into())),
        ("line", site.map_or(Dynamic::UNIT, |s| number(s.line))),
        ("column", site.map_or(Dynamic::UNIT, |s| number(s.column))),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value))
    .collect()
}

/// A short-cut for errors that are the script's own fault.
pub fn wrong(message: impl Into<String>) -> Box<Diagnostic> {
    Diagnostic::new(Code::WrongArguments, message)
}
