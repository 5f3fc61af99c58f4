//! Where all goes that a session prints: the terminal, and a file of Markdown while it is recorded.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::Instant;

use crate::cli::out;
use crate::diag::{Code, Diagnostic, KernelError, Result};

/// The printer of a session.
#[derive(Clone, Default)]
pub(super) struct Record(Rc<RefCell<Option<Tape>>>);

struct Tape {
    file: File,
    /// What was printed since the last statement.
    printed: String,
    begun: Instant,
}

impl Record {
    /// Prints a text.
    pub(super) fn say(&self, text: &str) {
        out::line(text);
        self.keep(text);
    }

    /// Prints a text on standard error.
    pub(super) fn note(&self, text: &str) {
        out::note(text);
        self.keep(text);
    }

    /// The same where the terminal shows it otherwise.
    pub(super) fn note_as(&self, shown: &str, kept: &str) {
        out::note(shown);
        self.keep(kept);
    }

    /// Whether something is recorded.
    pub(super) fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn keep(&self, text: &str) {
        if let Some(tape) = self.0.borrow_mut().as_mut() {
            tape.printed.push_str(text);
            tape.printed.push('\n');
        }
    }

    /// Begins a recording. A file that is there is not written over.
    pub(super) fn begin(&self, path: &str) -> Result<()> {
        let file = File::options().write(true).create_new(true).open(path).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot record into {path}"))
                .kernel(KernelError::from_io(format!("open {path}"), &e))
        })?;
        *self.0.borrow_mut() = Some(Tape { file, printed: String::new(), begun: Instant::now() });
        Ok(())
    }

    /// Ends it.
    pub(super) fn end(&self) -> bool {
        self.0.borrow_mut().take().is_some()
    }

    /// A line was typed.
    pub(super) fn typed(&self) {
        if let Some(tape) = self.0.borrow_mut().as_mut() {
            tape.printed.clear();
        }
    }

    /// What was typed has been done: it is written down with what it printed, and when.
    pub(super) fn done(&self, text: &str) {
        if let Some(tape) = self.0.borrow_mut().as_mut() {
            let seconds = tape.begun.elapsed().as_secs();
            let printed = std::mem::take(&mut tape.printed);
            let answer = if printed.is_empty() { String::new() } else { format!("```text\n{printed}```\n\n") };
            // A disk that is full must not end the session.
            let _ = write!(tape.file, "`{:02}:{:02}`\n\n```rhai\n{text}\n```\n\n{answer}", seconds / 60, seconds % 60);
        }
    }
}
