//! How an error looks on standard error.

use std::panic::PanicHookInfo;

use serde_json::{Value, json};

use super::out::{self, Paint};
use crate::diag::{Code, Diagnostic};

/// Prints an error.
pub fn report(error: &Diagnostic, json: bool) {
    if json {
        return out::note(value(error));
    }
    out::note(format!("{}: {}", out::paint_error(&format!("error[{}]", error.code), Paint::Red), error.message));
    if let Some(site) = &error.site {
        out::note(format!("  at {site}"));
    }
    if let Some(help) = &error.help {
        out::note(format!("  help: {help}"));
    }
    if let Some(kernel) = &error.kernel {
        out::note(format!("  kernel: {kernel}"));
    }
}

/// An error as JSON; what is not known is null.
pub fn value(error: &Diagnostic) -> Value {
    let kernel = error.kernel.as_ref().map(|k| json!({ "request": k.request, "errno": k.errno, "text": k.text }));
    let site = error.site.as_ref();
    json!({
        "code": error.code.to_string(),
        "message": error.message,
        "help": error.help,
        "kernel": kernel,
        "file": site.map(|s| &s.file),
        "line": site.map(|s| s.line),
        "column": site.map(|s| s.column),
    })
}

/// What a panic prints: every panic is a mistake of ours, never the user's.
pub fn bug(info: &PanicHookInfo<'_>) {
    let why = info.payload_as_str().unwrap_or("no reason given");
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    report(
        &Diagnostic::new(Code::Internal, format!("this is a bug in netlab: {why}{place}"))
            .help("please report this line and your script; `netlab list` shows whether anything was left behind"),
        false,
    );
}
