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

struct Shown {
    quiet: bool,
    explain: bool,
    terminal: bool,
    count: usize,
}

impl Steps {
    /// Lines for a run; none at all if it is to be quiet.
    pub fn new(quiet: bool, explain: bool) -> Self {
        Self(Rc::new(RefCell::new(Shown { quiet, explain, terminal: out::is_terminal(), count: 0 })))
    }

    /// What the lab calls after each step.
    pub fn listener(&self) -> Listener {
        let shown = self.0.clone();
        Box::new(move |site, action, losses, names| shown.borrow_mut().step(site, action, losses, names))
    }

    /// Shows steps otherwise from here on.
    pub fn set(&self, quiet: bool, explain: bool) {
        let mut shown = self.0.borrow_mut();
        (shown.quiet, shown.explain, shown.count) = (quiet, explain, 0);
    }

    /// Ends the counter's line.
    pub fn finish(&self) {
        let shown = self.0.borrow();
        if !shown.quiet && !shown.explain && shown.count > SHOWN {
            let rest = shown.count - SHOWN;
            let clear = if shown.terminal { "\r" } else { "" };
            out::line(format!("{clear}  … and {rest} more steps"));
        }
    }
}

impl Shown {
    fn step(&mut self, site: &Site, action: &Action, losses: &[Loss], names: &Names) {
        self.count += 1;
        if self.quiet {
            return;
        }
        let change = action.change();
        if self.explain {
            for line in change.ip(names) {
                out::line(line);
            }
        } else if self.count <= SHOWN {
            out::line(format!("{:>5}  {}", site.line, change.rhai(names)));
            let lost: Vec<String> = losses.iter().map(|l| ending::count(l.count, l.noun)).collect();
            if !lost.is_empty() {
                out::line(format!(
                    "{:>5}  the kernel dropped {} with that; the undo gives it back",
                    "",
                    lost.join(", ")
                ));
            }
        } else if self.terminal && self.count.is_multiple_of(25) {
            let _ = write!(std::io::stdout(), "\r  … {} steps", self.count);
            let _ = std::io::stdout().flush();
        }
    }
}
