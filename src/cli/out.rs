//! Printing that outlives a closed pipe, and what is known of where it goes.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use serde::Serialize;

use crate::diag::{Code, Diagnostic, KernelError, Result};

/// Why standard output could not be written, if it could not.
static BROKEN: OnceLock<KernelError> = OnceLock::new();

/// Prints a line on standard output. `println!` would panic once the reader has gone, as in `netlab list | head -1`, and an
/// undo must not end because nobody listens.
pub fn line(text: impl Display) {
    if BROKEN.get().is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        let _ = BROKEN.set(KernelError::from_io("write stdout", &error));
    }
}

/// Prints a value as JSON on one line.
pub fn json(value: &impl Serialize) {
    // Maps with other keys than strings are the one thing that cannot be written, and there are none.
    line(serde_json::to_string(value).unwrap_or_default());
}

/// Prints a line on standard error.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says whether all that was printed could be written. A reader who left early wanted no more; a full disk is an error.
///
/// # Errors
/// `NL0402`.
pub fn finish() -> Result<()> {
    match BROKEN.get() {
        Some(error) if error.errno != libc::EPIPE => {
            Err(Diagnostic::new(Code::Environment, "the output could not be written").kernel(error.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The colours that are used, as terminals number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// For errors.
    Red,
    /// For what is well.
    Green,
    /// For warnings.
    Yellow,
}

/// Colours a text that goes to standard output, if that shows colours.
pub fn paint(text: &str, colour: Paint) -> String {
    painted(text, colour, is_terminal())
}

/// Colours a text that goes to standard error, if that shows colours.
pub fn paint_error(text: &str, colour: Paint) -> String {
    painted(text, colour, io::stderr().is_terminal())
}

fn painted(text: &str, colour: Paint, terminal: bool) -> String {
    // https://no-color.org: set and not empty.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    if refused || !terminal || std::env::var_os("TERM").is_some_and(|t| t == "dumb") {
        return text.to_owned();
    }
    let number = match colour {
        Paint::Red => 31,
        Paint::Green => 32,
        Paint::Yellow => 33,
    };
    format!("\x1b[1;{number}m{text}\x1b[0m")
}
