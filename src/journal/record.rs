//! The lines of a journal.

use serde::{Deserialize, Serialize};

use crate::action::text::Guest;
use crate::action::{Action, After};
use crate::diag::{Diagnostic, Site};
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Aim, Handover};
use crate::snapshot::change::Seen;
use crate::types::name::LabName;

/// The version of the journal's form that this program writes. It reads this one and no other.
pub const VERSION: u32 = 2;

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first line.
    Open(Box<Header>),
    /// An action is about to be done. From here on it may have happened.
    Started {
        /// Its number in the lab, from 1.
        seq: u64,
        /// The place in the script.
        site: Site,
        /// The action.
        action: Box<Action>,
        /// What was there, as far as the action can reach, if it has to come back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seen: Vec<Seen>,
    },
    /// It has been done.
    Done {
        /// Its number.
        seq: u64,
        /// What became true by it.
        #[serde(default, skip_serializing_if = "is_nothing")]
        after: After,
    },
    /// It failed, and nothing of it is left.
    Failed {
        /// Its number.
        seq: u64,
        /// Why.
        error: Box<Diagnostic>,
    },
    /// A namespace is that of a container or machine, by which texts name it: it has no name of its own.
    Guest {
        /// Which.
        netns: NetnsCookie,
        /// Whose it is.
        guest: Guest,
    },
    /// What the undo of all steps from one on is going to give back. It has been decided, and what it was decided by is
    /// about to change.
    Aimed(Aimed),
    /// These are about to be undone.
    UndoStarted {
        /// Their numbers.
        seqs: Vec<u64>,
    },
    /// These have been undone, or need not be.
    UndoDone {
        /// Their numbers.
        seqs: Vec<u64>,
    },
    /// This could not be undone.
    UndoFailed {
        /// Its number.
        seq: u64,
        /// Why.
        error: Box<Diagnostic>,
    },
    /// The undo has ended, although some of it could not be undone. The next one takes it up again, that of a stretch with all
    /// that was done before.
    UndoEnded,
    /// The lab has come to rest.
    Closed {
        /// How.
        outcome: Outcome,
    },
}

/// What an undo has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aimed {
    /// The first of the steps that it takes back.
    pub from: u64,
    /// When, in nanoseconds since the boot.
    #[serde(default)]
    pub time: u64,
    /// What will be there.
    pub aims: Vec<Aim>,
    /// What other labs have to know from now on. They read it here until it lies beside their own journals, so that all of it
    /// counts from one moment on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed: Vec<Handover>,
}

/// What a journal says of its lab as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The form of what follows.
    pub version: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// The lab.
    pub lab: LabName,
    /// The boot of the machine: kernel state dies with it.
    pub boot_id: String,
    /// The namespace that the lab works in.
    pub host: NetnsCookie,
    /// The process that ran it.
    pub pid: i32,
    /// When, in seconds since 1970.
    pub time: u64,
    /// The script's path as it was given.
    pub file: String,
    /// The script's text.
    pub script: String,
    /// What followed `--`.
    pub args: Vec<String>,
    /// What the lab's random numbers come from.
    pub seed: u64,
    /// The link group that the lab's links on the host are in.
    pub group: u32,
    /// If it is the start of an exercise, the seed of that: what it made is there to be changed by others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<u64>,
}

/// How a lab came to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The script finished; all that it made is there.
    Up,
    /// The script failed, and what it made was kept because the user said so.
    Kept,
    /// All has been undone.
    Down,
    /// Something could not be undone.
    Stuck,
}

fn is_nothing(after: &After) -> bool {
    *after == After::Nothing
}
