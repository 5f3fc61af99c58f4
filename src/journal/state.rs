//! The legal order of a journal's lines: one match.

use std::collections::BTreeMap;

use super::record::{Aimed, Header, Outcome, Record};
use crate::action::text::Guest;
use crate::action::{Action, After};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::space::NetnsCookie;
use crate::snapshot::change::Seen;

/// A journal read to some line.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The first line.
    pub header: Option<Header>,
    /// What was begun, by number.
    pub steps: BTreeMap<u64, Step>,
    /// Whose the namespaces are that have no name of their own.
    pub guests: Vec<(NetnsCookie, Guest)>,
    /// What an undo that was begun is going to give back, and from which step on it undoes.
    pub aimed: Option<Aimed>,
    /// Whether that undo was neither finished nor given up.
    pub is_half_done: bool,
    /// How the lab came to rest, if it did and nothing was done since.
    pub outcome: Option<Outcome>,
}

/// One action of a lab.
#[derive(Debug, Clone)]
pub struct Step {
    /// The place in the script.
    pub site: Site,
    /// The action.
    pub action: Action,
    /// What was there before it, as far as it can reach.
    pub seen: Vec<Seen>,
    /// What became true by it.
    pub after: After,
    /// How far it got.
    pub phase: Phase,
}

impl Step {
    /// Whether it was looked at what was there before it, and not what became of that: it was killed in between.
    pub fn is_unfinished(&self) -> bool {
        !self.seen.is_empty() && !matches!(self.after, After::Changed { .. })
    }
}

/// How far an action got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It may have happened.
    Started,
    /// It has happened.
    Done,
    /// It has not happened.
    Failed,
    /// It may have been undone.
    Undoing,
    /// It has been undone.
    Undone,
    /// It could not be undone.
    Stuck,
}

impl Phase {
    /// Whether there may be something to undo.
    pub fn is_open(self) -> bool {
        !matches!(self, Phase::Failed | Phase::Undone)
    }
}

impl State {
    /// Takes one more line.
    ///
    /// # Errors
    /// `NL0504` if that line cannot follow what came before.
    pub fn step(&mut self, record: Record) -> Result<()> {
        use Phase::{Done, Failed, Started, Stuck, Undoing, Undone};
        if !matches!(record, Record::Open(_)) && self.header.is_none() {
            return Err(illegal("a line before the header"));
        }
        match record {
            Record::Open(header) => match self.header {
                None => self.header = Some(*header),
                Some(_) => return Err(illegal("a second header")),
            },
            Record::Started { seq, site, action, seen } => {
                self.outcome = None;
                let step = Step { site, action: *action, seen, after: After::Nothing, phase: Started };
                if self.steps.insert(seq, step).is_some() {
                    return Err(illegal(&format!("step {seq} twice")));
                }
            }
            Record::Done { seq, after } => {
                self.turn(seq, |p| p == Started, Done)?.after = after;
            }
            Record::Failed { seq, .. } => {
                self.turn(seq, |p| p == Started, Failed)?;
            }
            Record::Guest { netns, guest } => self.guests.push((netns, guest)),
            Record::Aimed(aimed) => {
                self.is_half_done = true;
                self.aimed = Some(aimed);
            }
            Record::UndoStarted { seqs } => {
                self.outcome = None;
                for seq in seqs {
                    self.turn(seq, |p| matches!(p, Started | Done | Undoing | Stuck), Undoing)?;
                }
            }
            Record::UndoDone { seqs } => {
                for seq in seqs {
                    self.turn(seq, |p| matches!(p, Undoing | Undone), Undone)?;
                }
                let is_left = |from: u64| self.steps.range(from..).any(|(_, step)| step.phase.is_open());
                self.aimed = self.aimed.take().filter(|aimed| is_left(aimed.from));
                self.is_half_done &= self.aimed.is_some();
            }
            Record::UndoFailed { seq, .. } => {
                self.turn(seq, |p| p == Undoing, Stuck)?;
            }
            Record::UndoEnded => {
                self.is_half_done = false;
                self.aimed = self.aimed.take().filter(|aimed| aimed.from == 0);
            }
            Record::Closed { outcome } => self.outcome = Some(outcome),
        }
        Ok(())
    }

    fn turn(&mut self, seq: u64, from: impl Fn(Phase) -> bool, to: Phase) -> Result<&mut Step> {
        match self.steps.get_mut(&seq) {
            Some(step) if from(step.phase) => {
                step.phase = to;
                Ok(step)
            }
            Some(step) => Err(illegal(&format!("step {seq} from {:?} to {to:?}", step.phase))),
            None => Err(illegal(&format!("step {seq} that was never started"))),
        }
    }
}

fn illegal(what: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::BadJournal, format!("the journal holds {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::netns::NetnsAdd;
    use crate::types::name::{LabName, NsName};

    fn open() -> Record {
        Record::Open(Box::new(Header {
            version: super::super::record::VERSION,
            program: "0".into(),
            lab: LabName::new("t").unwrap(),
            boot_id: "b".into(),
            host: NetnsCookie(1),
            pid: 1,
            time: 0,
            file: "t.rhai".into(),
            script: String::new(),
            args: vec![],
            seed: 0,
            group: 1,
            exercise: None,
        }))
    }

    fn started(seq: u64) -> Record {
        let add = NetnsAdd { name: NsName::new("ns1").unwrap(), cookie: NetnsCookie(7), lo: true };
        let site = Site { file: "t.rhai".into(), line: 1, column: 1 };
        Record::Started { seq, site, action: Box::new(Action::NetnsAdd(add)), seen: vec![] }
    }

    fn read(records: Vec<Record>) -> Result<State> {
        let mut state = State::default();
        for record in records {
            state.step(record)?;
        }
        Ok(state)
    }

    #[test]
    fn legal_orders() {
        let done = Record::Done { seq: 1, after: After::Nothing };
        let undo = |seq| Record::UndoStarted { seqs: vec![seq] };
        let undone = |seq| Record::UndoDone { seqs: vec![seq] };
        let state = read(vec![open(), started(1), done.clone(), undo(1), undo(1), undone(1)]).unwrap();
        assert_eq!(state.steps[&1].phase, Phase::Undone);
        // Killed before `done`: undone all the same.
        assert!(read(vec![open(), started(1), undo(1), undone(1)]).is_ok());
        for (bad, why) in [
            (vec![started(1)], "the journal holds a line before the header"),
            (vec![open(), open()], "the journal holds a second header"),
            (vec![open(), started(1), started(1)], "the journal holds step 1 twice"),
            (vec![open(), done], "the journal holds step 1 that was never started"),
            (vec![open(), started(1), undone(1)], "the journal holds step 1 from Started to Undone"),
        ] {
            assert_eq!(read(bad).unwrap_err().message, why);
        }
    }
}
