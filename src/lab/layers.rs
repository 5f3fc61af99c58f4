//! The layers on things that were there before: what this lab changed, and what other labs changed under or over it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::Lab;
use super::proof::Picture;
use crate::action::After;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::journal::log;
use crate::journal::record::Header;
use crate::journal::state::{State, Step};
use crate::kernel::effect;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Handover, Layer, Owner};
use crate::snapshot::change::Changed;
use crate::snapshot::group::Key;
use crate::types::name::LabName;

/// The file beside a journal in which other labs that went left what they had found; a line each.
const HANDED: &str = "handed.jsonl";

/// The journals of the other labs of this boot, read at one moment.
pub(super) struct Others(Vec<(Header, State)>);

impl Lab {
    /// All layers on things in a namespace: those of the steps from `from` on go, the others stay.
    pub(super) fn layers(&self, netns: NetnsCookie, from: u64) -> Vec<Layer> {
        let others = self.others();
        let own_handed = self.handed();
        let mut layers = self.layers_of_others(&others, netns);
        for (seq, step) in self.steps.iter().filter(|(_, s)| s.phase.is_open()) {
            let stays = (*seq < from).then(|| owner(&self.header, *seq));
            layers.extend(of_step(*seq, step, netns, &own_handed, stays));
        }
        layers
    }

    /// The other labs.
    pub(super) fn others(&self) -> Others {
        let others = self.store.labs().into_iter().filter(|l| *l != self.header.lab);
        let states = others.filter_map(|lab| {
            let mut state = log::read(&self.store.journal(&lab)).ok()?;
            let header = state.header.take().filter(|h| h.boot_id == self.header.boot_id)?;
            Some((header, state))
        });
        Others(states.collect())
    }

    /// Their layers, the oldest first.
    pub(super) fn layers_of_others(&self, others: &Others, netns: NetnsCookie) -> Vec<Layer> {
        let mut layers = Vec::new();
        for (header, state) in &others.0 {
            let handed = handed(&self.store.dir(&header.lab), header);
            for (seq, step) in state.steps.iter().filter(|(_, s)| s.phase.is_open()) {
                layers.extend(of_step(*seq, step, netns, &handed, Some(owner(header, *seq))));
            }
        }
        layers.sort_by_key(|layer| layer.time);
        layers
    }

    /// What other labs handed to this one.
    pub(super) fn handed(&self) -> Vec<Handover> {
        handed(&self.store.dir(&self.header.lab), &self.header)
    }

    /// Tells other labs, and the steps of this one that stay, what was there before them.
    pub(super) fn hand_over(&self, handovers: &[Handover]) -> Result<()> {
        let labs: BTreeSet<(&LabName, u64)> = handovers.iter().map(|h| (&h.to.lab, h.to.begun)).collect();
        for (lab, begun) in labs {
            let dir = self.store.dir(lab);
            let is_up = |state: State| state.header.is_some_and(|h| h.time == begun);
            if !log::read(&self.store.journal(lab)).is_ok_and(is_up) {
                continue;
            }
            let own = || handovers.iter().filter(|h| h.to.lab == *lab && h.to.begun == begun);
            // It is to find at its end what was there before both.
            if let Some(mut picture) = Picture::load(&dir)
                && own().filter(|handover| picture.inherit(handover)).count() > 0
            {
                picture.save(&dir)?;
            }
            // A kill may have cut off the last line that was written.
            let mut lines = vec![b'\n'];
            for handover in own() {
                lines.extend(serde_json::to_vec(handover).unwrap_or_default());
                lines.push(b'\n');
            }
            effect::here();
            let path = dir.join(HANDED);
            let written =
                OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(&lines));
            written.map_err(|e| {
                Diagnostic::new(Code::BadFile, format!("cannot tell the lab `{lab}` what was there before it"))
                    .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
            })?;
        }
        Ok(())
    }
}

impl Others {
    /// Those that were killed in the middle of a change of what was there before, or of its undo.
    pub(super) fn half_done(&self) -> Vec<LabName> {
        let is_unfinished = |step: &Step| step.is_unfinished() && step.phase.is_open() && !step.seen.is_empty();
        let is_half_done = |state: &State| state.is_half_done || state.steps.values().any(is_unfinished);
        self.0.iter().filter(|(_, state)| is_half_done(state)).map(|(header, _)| header.lab.clone()).collect()
    }
}

/// What was handed to a lab.
fn handed(dir: &Path, header: &Header) -> Vec<Handover> {
    let text = fs::read_to_string(dir.join(HANDED)).unwrap_or_default();
    // A line that a kill cut off is written again by whoever finishes that undo.
    let handed = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    handed.filter(|h: &Handover| h.to.lab == header.lab && h.to.begun == header.time).collect()
}

fn owner(header: &Header, seq: u64) -> Owner {
    Owner { lab: header.lab.clone(), begun: header.time, seq }
}

/// The layers of one step, with what was handed over to it in the place of what it found.
fn of_step(seq: u64, step: &Step, netns: NetnsCookie, handed: &[Handover], stays: Option<Owner>) -> Vec<Layer> {
    let After::Changed { time, changes } = &step.after else { return Vec::new() };
    let layer = |changed| Layer { stays: stays.clone(), time: *time, changed };
    let mut layers: Vec<Layer> = changes.iter().filter(|c| c.netns == netns).cloned().map(layer).collect();
    // By the keys as they were: a thing that neither was there before nor is left has none any more.
    let keys_of = |changed: &Changed| changed.items.iter().map(|pair| pair.key().cloned()).collect();
    let mut keys: Vec<Vec<Option<Key>>> = layers.iter().map(|l| keys_of(&l.changed)).collect();
    for given in handed.iter().filter(|h| h.to.seq == seq && h.changed.netns == netns) {
        let Some(pair) = given.changed.items.first() else { continue };
        let is_it = |key: &Option<Key>| key.as_ref() == Some(&given.key);
        let own = layers.iter().zip(&keys).enumerate().find_map(|(at, (layer, keys))| {
            let is_in = layer.changed.group == given.changed.group;
            Some((at, keys.iter().position(is_it).filter(|_| is_in)?))
        });
        match own {
            Some((at, item)) => layers[at].changed.items[item].before.clone_from(&pair.before),
            // It did not touch it, but stood in its way.
            None => {
                keys.push(vec![Some(given.key.clone())]);
                layers.push(layer(given.changed.clone()));
            }
        }
    }
    layers
}
