//! What the daemon refuses, in words for whoever wrote the script.

use crate::diag::{Code, Diagnostic};

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// There is no answer.
    NoAnswer(Box<Diagnostic>),
    /// It said no.
    Refused(Refusal),
}

/// A no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status, for example 404.
    pub status: u16,
    /// Its own words.
    pub words: String,
}

impl Trouble {
    /// The error if nothing better can be said: the daemon's own words have to do.
    pub fn into_error(self, what: &str) -> Box<Diagnostic> {
        match self {
            Trouble::NoAnswer(error) => error,
            Trouble::Refused(refusal) => refusal.into_error(what),
        }
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Trouble::Refused(refusal) => Some(refusal.status),
            Trouble::NoAnswer(_) => None,
        }
    }
}

impl Refusal {
    /// The error for a refusal that nobody foresaw.
    pub fn into_error(self, what: &str) -> Box<Diagnostic> {
        let words = self.words.trim_end_matches('.');
        // The daemon names itself and each of its parts in turn; the last one knows.
        let words = words.strip_prefix("Error response from daemon: ").unwrap_or(words);
        Diagnostic::new(Code::DaemonRefused, format!("cannot {what}: {words}"))
    }

    /// Whether its words hold one of these, whatever the case.
    pub fn says(&self, any: &[&str]) -> bool {
        let words = self.words.to_lowercase();
        any.iter().any(|part| words.contains(part))
    }
}
