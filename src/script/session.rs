//! What a running script and its functions share.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::error::Homes;
use super::exercise::Sheet;
use super::unknown::Unknowns;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::lab::Lab;

/// The session of one script: the lab that it works on, and what errors need to know.
pub struct Session {
    /// The lab; none when the engine is only asked what it knows.
    pub lab: Option<Lab>,
    /// Errors that were raised into the script, to be found again if it does not catch them.
    pub raised: Vec<Diagnostic>,
    /// While a function of the standard library runs: the place in the user's script that called it.
    pub outer: Option<Site>,
    /// When the last change was made, after which links may need a moment.
    pub changed: Option<Instant>,
    /// Which file each function of the script and of what it imports stands in.
    pub homes: Homes,
    /// What only a run can tell, if this is a plan.
    pub unknowns: Option<Unknowns>,
    /// Servers that run as long as the script.
    pub servers: Vec<Box<dyn std::any::Any>>,
    /// What the exercise consists of, while its file says so.
    pub sheet: Option<Sheet>,
}

/// A session as the functions hold it.
pub type Shared = Rc<RefCell<Session>>;

impl Session {
    /// A session that works on a lab.
    pub fn new(lab: Option<Lab>) -> Shared {
        Rc::new(RefCell::new(Self {
            lab,
            raised: Vec::new(),
            outer: None,
            changed: None,
            homes: Homes::new(),
            unknowns: None,
            servers: Vec::new(),
            sheet: None,
        }))
    }

    /// The lab.
    ///
    /// # Errors
    /// `NL0801` while an exercise's file says what it consists of; `NL0901` when there is none otherwise, which is a bug:
    /// nothing runs scripts without one.
    pub fn lab(&mut self) -> Result<&mut Lab> {
        let sheet = self.sheet.is_some();
        self.lab.as_mut().ok_or_else(|| match sheet {
            true => Diagnostic::new(
                Code::BadExercise,
                "an exercise's file only says what it consists of, and this works on a network",
            )
            .help("write it in setup(|| { … }), in a check, in solution or in wrong"),
            false => Diagnostic::new(Code::Internal, "there is no lab to work on"),
        })
    }
}
