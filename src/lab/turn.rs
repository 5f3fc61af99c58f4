//! The turn: whoever changes what was there before all labs does it alone, and finishes first what a killed one left half done.
//!
//! Two changes that are half done at the same time could not be told apart any more.

use std::time::{Duration, Instant};

use super::Lab;
use super::rollback::Ending;
use crate::diag::{Code, Result};
use crate::journal::store::Turn;
use crate::types::name::LabName;

/// How long a netlab is waited for that has taken up what a killed one left.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

impl Lab {
    /// Waits until no other netlab changes what was there before the labs.
    pub(super) fn turn(&mut self) -> Result<Turn> {
        let start = Instant::now();
        loop {
            let turn = self.store.turn()?;
            let half_done = self.others().half_done().into_iter().find(|lab| !self.passed.contains(lab));
            let Some(lab) = half_done else { return Ok(turn) };
            // Its undo needs the turn.
            drop(turn);
            match self.finish(&lab) {
                Ok(ending) => {
                    self.finished.extend(ending.as_ref().map(|ending| sentence(&lab, ending)));
                    // Another lab may have its name later, and be killed, too.
                    if ending.is_none_or(|ending| ending.is_complete()) {
                        continue;
                    }
                }
                Err(error) if error.code == Code::LabBusy && start.elapsed() < PATIENCE => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(error) => {
                    self.finished
                        .push(format!("the undo of `{lab}` was interrupted and could not be finished: {error}"));
                }
            }
            self.passed.insert(lab);
        }
    }

    /// What was finished for labs whose netlab was killed, a sentence each.
    pub fn finished(&mut self) -> Vec<String> {
        std::mem::take(&mut self.finished)
    }

    fn finish(&self, name: &LabName) -> Result<Option<Ending>> {
        let mut lab = match Lab::resume(name, self.store.clone(), self.stop.clone()) {
            Ok(lab) => lab,
            // Somebody else has finished it.
            Err(error) if error.code == Code::NoSuchLab => return Ok(None),
            Err(error) => return Err(error),
        };
        lab.passed.clone_from(&self.passed);
        lab.passed.insert(self.header.lab.clone());
        Ok(Some(lab.undo_all()))
    }
}

fn sentence(lab: &LabName, ending: &Ending) -> String {
    let said = if ending.is_complete() {
        "it was finished first".to_owned()
    } else {
        format!("some of it is left: `netlab down {lab}` says what")
    };
    format!("netlab was killed while it changed things for `{lab}`; {said}")
}
