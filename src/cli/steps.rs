//! The lines that `run` prints as it goes: one per step, a counter when there are hundreds.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use super::{ending, out};
use crate::action::Action;
use crate::action::text::Names;
use crate::diag::Site;
use crate::lab::Listener;
use crate::lab::losses::Loss;

/// How many steps are shown one by one; after that a counter tells that it goes on.
const SHOWN: usize = 60;

/// The lines of one run.
#[derive(Clone)]
pub struct Steps(Rc<RefCell<Shown>>);

/// What is shown of each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    Nothing,
    /// The call of the script.
    Call,
    /// The same as commands of iproute2.
    Commands,
    /// The commands below the call.
    Both,
}

struct Shown {
    form: Form,
    terminal: bool,
    count: usize,
}

impl Steps {
    /// Lines for a run.
    pub fn new(form: Form) -> Self {
        Self(Rc::new(RefCell::new(Shown { form, terminal: out::is_terminal(), count: 0 })))
    }

    /// What the lab calls after each step.
    pub fn listener(&self) -> Listener {
        let shown = self.0.clone();
        Box::new(move |site, action, losses, names| shown.borrow_mut().step(site, action, losses, names))
    }

    /// Shows steps otherwise from here on.
    pub fn set(&self, form: Form) {
        let mut shown = self.0.borrow_mut();
        (shown.form, shown.count) = (form, 0);
    }

    /// Ends the counter's line.
    pub fn finish(&self) {
        let shown = self.0.borrow();
        if shown.form == Form::Call && shown.count > SHOWN {
            let rest = shown.count - SHOWN;
            let clear = if shown.terminal { "\r" } else { "" };
            out::line(format!("{clear}  … and {rest} more steps"));
        }
    }
}

impl Shown {
    fn step(&mut self, site: &Site, action: &Action, losses: &[Loss], names: &Names) {
        self.count += 1;
        let change = action.change();
        let shows_call = self.form == Form::Both || (self.form == Form::Call && self.count <= SHOWN);
        if shows_call {
            out::line(format!("{:>5}  {}", site.line, change.rhai(names)));
        }
        let indent = match self.form {
            Form::Commands => "",
            Form::Both => "         ",
            Form::Nothing | Form::Call => return self.rest(shows_call, losses),
        };
        change.ip(names).iter().for_each(|command| out::line(format!("{indent}{command}")));
        self.rest(shows_call, losses);
    }

    /// What the kernel dropped with a step that is shown; that it goes on for one that is not.
    fn rest(&self, is_shown: bool, losses: &[Loss]) {
        if is_shown {
            let lost: Vec<String> = losses.iter().map(|l| ending::count(l.count, l.noun)).collect();
            if !lost.is_empty() {
                out::line(format!(
                    "{:>5}  the kernel dropped {} with that; the undo gives it back",
                    "",
                    lost.join(", ")
                ));
            }
        } else if self.form == Form::Call && self.terminal && self.count.is_multiple_of(25) {
            let _ = write!(std::io::stdout(), "\r  … {} steps", self.count);
            let _ = std::io::stdout().flush();
        }
    }
}
