//! The layers on things that were there before: what this lab changed, and what other labs changed under or over it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::Lab;
use super::proof::Picture;
use crate::action::After;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::log;
use crate::journal::state::{State, Step};
use crate::journal::store::Store;
use crate::kernel::effect;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Aim, Handover, Layer, Owner};
use crate::snapshot::change::Changed;
use crate::snapshot::group::Key;
use crate::types::name::LabName;

/// The file beside a journal in which other labs that went left what they had found; a line each.
const HANDED: &str = "handed.jsonl";

impl Lab {
    /// All layers on things in a namespace: those of the steps from `from` on go, the others stay.
    pub(super) fn layers(&self, netns: NetnsCookie, from: u64) -> Vec<Layer> {
        let own_name = &self.header.lab;
        let own_handed = handed(&self.store, own_name);
        let mut layers = self.layers_of_others(netns);
        for (seq, step) in self.steps.iter().filter(|(_, s)| s.phase.is_open()) {
            let stays = (*seq < from).then(|| Owner { lab: own_name.clone(), seq: *seq });
            layers.extend(of_step(*seq, step, netns, &own_handed, stays));
        }
        layers
    }

    /// Those of other labs, the oldest first.
    pub(super) fn layers_of_others(&self, netns: NetnsCookie) -> Vec<Layer> {
        let mut layers = Vec::new();
        for lab in self.store.labs().into_iter().filter(|l| *l != self.header.lab) {
            let Ok(state) = log::read(&self.store.journal(&lab)) else { continue };
            // One that is being undone has decided already what it gives back.
            if state.aimed.is_some() || state.header.is_none_or(|h| h.boot_id != self.header.boot_id) {
                continue;
            }
            let handed = handed(&self.store, &lab);
            for (seq, step) in state.steps.iter().filter(|(_, s)| s.phase.is_open()) {
                let stays = Some(Owner { lab: lab.clone(), seq: *seq });
                layers.extend(of_step(*seq, step, netns, &handed, stays));
            }
        }
        layers.sort_by_key(|layer| layer.time);
        layers
    }

    /// Tells the labs whose layers lie above those that go what was there before.
    pub(super) fn hand_over(&self, handovers: Vec<(Owner, Handover)>) -> Result<()> {
        for (owner, handover) in handovers {
            let dir = self.store.dir(&owner.lab);
            let path = dir.join(HANDED);
            // It is to find at its end what was there before both.
            if let Some(mut picture) = Picture::load(&dir)
                && picture.inherit(&handover)
            {
                picture.save(&dir)?;
            }
            let mut line = serde_json::to_vec(&handover).unwrap_or_default();
            line.push(b'\n');
            effect::here();
            let written = OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(&line));
            written.map_err(|e| {
                Diagnostic::new(Code::BadFile, format!("cannot tell the lab `{}` what was there before it", owner.lab))
                    .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
            })?;
        }
        Ok(())
    }
}

impl Lab {
    /// Tells the labs that cannot know it otherwise what this lab gives back: those whose undo was interrupted after they had
    /// decided what they give back, and those that were killed in the middle of a change and have seen what was before it.
    pub(super) fn tell_interrupted(&self, given_back: Vec<Changed>) -> Result<()> {
        let mut tells = Vec::new();
        for lab in self.store.labs().into_iter().filter(|l| *l != self.header.lab) {
            let is_unfinished = |step: &Step| step.is_unfinished() && step.phase.is_open();
            let has_to_know = |state: &State| state.aimed.is_some() || state.steps.values().any(is_unfinished);
            if log::read(&self.store.journal(&lab)).is_ok_and(|state| has_to_know(&state)) {
                let owner = Owner { lab, seq: AIMED };
                let line = |changed: &Changed| {
                    let key = changed.items.first().and_then(|pair| pair.key()).cloned().unwrap_or_default();
                    Handover { seq: AIMED, key, changed: changed.clone(), found: None }
                };
                tells.extend(given_back.iter().map(|changed| (owner.clone(), line(changed))));
            }
        }
        self.hand_over(tells)
    }

    /// What the undos of other labs aim at in a namespace that were interrupted.
    pub(super) fn pending(&self, netns: NetnsCookie) -> Vec<Aim> {
        let others = self.store.labs().into_iter().filter(|l| *l != self.header.lab);
        let aims = others.filter_map(|lab| log::read(&self.store.journal(&lab)).ok()?.aimed).flat_map(|(_, aims)| aims);
        aims.filter(|aim| aim.scope.netns == netns).collect()
    }

    /// What was decided, with what other labs have given back otherwise since.
    pub(super) fn followed(&self, mut aims: Vec<Aim>) -> Vec<Aim> {
        for told in self.told() {
            aims.iter_mut().for_each(|aim| aim.follow(&told));
        }
        aims
    }

    /// What other labs told that they have given back.
    pub(super) fn told(&self) -> Vec<Changed> {
        let all = handed(&self.store, &self.header.lab).into_iter();
        all.filter(|h| h.seq == AIMED).map(|h| h.changed).collect()
    }
}

/// The number of no step: what is handed over is for the undo as a whole.
const AIMED: u64 = 0;

/// The layers of one step, with what was handed over to it in the place of what it found.
fn of_step(seq: u64, step: &Step, netns: NetnsCookie, handed: &[Handover], stays: Option<Owner>) -> Vec<Layer> {
    let After::Changed { time, changes } = &step.after else { return Vec::new() };
    let layer = |changed: &Changed| {
        let mut changed = changed.clone();
        // By the keys as they were: a thing that neither was there before nor is left has none any more.
        let keys: Vec<Option<Key>> = changed.items.iter().map(|pair| pair.key().cloned()).collect();
        for given in
            handed.iter().filter(|h| h.seq == seq && h.changed.group == changed.group && h.changed.netns == netns)
        {
            let own = keys.iter().position(|key| key.as_ref() == Some(&given.key));
            if let (Some(own), Some(pair)) = (own, given.changed.items.first()) {
                changed.items[own].before.clone_from(&pair.before);
            }
        }
        Layer { stays: stays.clone(), time: *time, changed }
    };
    changes.iter().filter(|c| c.netns == netns).map(layer).collect()
}

fn handed(store: &Store, lab: &LabName) -> Vec<Handover> {
    let text = fs::read_to_string(store.dir(lab).join(HANDED)).unwrap_or_default();
    // A line that a kill cut off is written again by whoever finishes that undo.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
