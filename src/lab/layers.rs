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
use crate::journal::record::{Aimed, Header};
use crate::journal::state::{State, Step};
use crate::kernel::effect;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Aim, Handover, Layer, Owner};
use crate::snapshot::change::{Changed, Pair};
use crate::snapshot::group::Key;

/// The file beside a journal in which other labs that went left what they had found; a line each.
const HANDED: &str = "handed.jsonl";

/// The number of no step: what is handed over is for the undo as a whole.
const AIMED: u64 = 0;

/// The same, for what that undo has to give back besides.
const BESIDES: u64 = u64::MAX;

/// The journals of the other labs of this boot, read at one moment.
pub(super) struct Others(Vec<(Header, State)>);

impl Lab {
    /// All layers on things in a namespace: those of the steps from `from` on go, the others stay.
    pub(super) fn layers(&self, netns: NetnsCookie, from: u64) -> Vec<Layer> {
        let others = self.others();
        let own_handed = self.handed(&others);
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
        // One that is being undone has decided already what it gives back.
        for (header, state) in others.0.iter().filter(|(_, state)| state.aimed.is_none()) {
            let handed = others.handed(&self.store.dir(&header.lab), header);
            for (seq, step) in state.steps.iter().filter(|(_, s)| s.phase.is_open()) {
                layers.extend(of_step(*seq, step, netns, &handed, Some(owner(header, *seq))));
            }
        }
        layers.sort_by_key(|layer| layer.time);
        layers
    }

    /// What other labs handed to this one.
    pub(super) fn handed(&self, others: &Others) -> Vec<Handover> {
        others.handed(&self.store.dir(&self.header.lab), &self.header)
    }

    /// Tells other labs, and the steps of this one that stay, what was there before them.
    pub(super) fn hand_over(&self, handovers: &[Handover]) -> Result<()> {
        for handover in handovers {
            let lab = &handover.to.lab;
            let dir = self.store.dir(lab);
            let is_up = |state: State| state.header.is_some_and(|h| h.time == handover.to.begun);
            if !log::read(&self.store.journal(lab)).is_ok_and(is_up) {
                continue;
            }
            // It is to find at its end what was there before both.
            if let Some(mut picture) = Picture::load(&dir)
                && picture.inherit(handover)
            {
                picture.save(&dir)?;
            }
            let mut line = serde_json::to_vec(handover).unwrap_or_default();
            line.push(b'\n');
            effect::here();
            let path = dir.join(HANDED);
            let written = OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(&line));
            written.map_err(|e| {
                Diagnostic::new(Code::BadFile, format!("cannot tell the lab `{lab}` what was there before it"))
                    .kernel(KernelError::from_io(format!("write {}", path.display()), &e))
            })?;
        }
        Ok(())
    }

    /// What the labs have to be told that cannot know otherwise what this lab gives back: those whose undo was interrupted
    /// after they had decided what they give back, and those that were killed in the middle of a change and have seen what was
    /// before it.
    pub(super) fn tells(&self, others: &Others, given_back: &[Changed]) -> Vec<Handover> {
        let is_unfinished = |step: &Step| step.is_unfinished() && step.phase.is_open();
        let has_to_know = |state: &State| state.aimed.is_some() || state.steps.values().any(is_unfinished);
        let told = others.0.iter().filter(|(_, state)| has_to_know(state));
        told.flat_map(|(header, _)| {
            given_back.iter().map(|changed| {
                let key = changed.items.first().and_then(Pair::key).cloned().unwrap_or_default();
                Handover { to: owner(header, AIMED), key, changed: changed.clone(), found: None }
            })
        })
        .collect()
    }

    /// What was decided, with what other labs have given back otherwise since.
    pub(super) fn followed(&self, others: &Others, mut aims: Vec<Aim>) -> Vec<Aim> {
        for handed in self.handed(others) {
            match handed.to.seq {
                AIMED => aims.iter_mut().for_each(|aim| aim.follow(&handed.changed)),
                BESIDES => aims.iter_mut().for_each(|aim| aim.want(&handed.changed)),
                _ => {}
            }
        }
        aims
    }

    /// What other labs told that they have given back.
    pub(super) fn told(&self, others: &Others) -> Vec<Changed> {
        let all = self.handed(others).into_iter();
        all.filter(|h| h.to.seq == AIMED).map(|h| h.changed).collect()
    }
}

impl Others {
    /// What their undos aim at in a namespace that were interrupted.
    pub(super) fn pending(&self, netns: NetnsCookie) -> Vec<Aim> {
        let aims = self.aimed().flat_map(|aimed| &aimed.aims);
        aims.filter(|aim| aim.scope.netns == netns).cloned().collect()
    }

    /// The last lab with an undo that was interrupted and that will change one of these links.
    pub(super) fn pending_at(&self, netns: NetnsCookie, links: &BTreeSet<u32>) -> Option<Owner> {
        let reaches = |aim: &Aim| aim.scope.netns == netns && !aim.scope.links.is_disjoint(links);
        let is_it = |state: &State| state.aimed.as_ref().is_some_and(|aimed| aimed.aims.iter().any(reaches));
        self.0.iter().rev().find(|(_, state)| is_it(state)).map(|(header, _)| owner(header, BESIDES))
    }

    fn aimed(&self) -> impl Iterator<Item = &Aimed> {
        self.0.iter().filter_map(|(_, state)| state.aimed.as_ref())
    }

    /// What was handed to a lab: what lies beside its journal, and what those have decided that were killed before it lay there.
    fn handed(&self, dir: &Path, header: &Header) -> Vec<Handover> {
        let text = fs::read_to_string(dir.join(HANDED)).unwrap_or_default();
        // A line that a kill cut off is written again by whoever finishes that undo.
        let mut handed: Vec<Handover> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        handed.extend(self.aimed().flat_map(|aimed| &aimed.handed).cloned());
        handed.retain(|h| h.to.lab == header.lab && h.to.begun == header.time);
        handed
    }
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
