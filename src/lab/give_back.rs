//! Giving back what a lab changed of what was there before, after what it made has gone.

use std::collections::{BTreeMap, BTreeSet};

use super::Lab;
use super::rollback::{Leftover, Undoing};
use super::told::Teller;
use crate::action::{Action, After};
use crate::diag::{Code, Diagnostic, Result};
use crate::journal::record::{Aimed, Record};
use crate::journal::state::Step;
use crate::kernel::link::{self, LinkKey};
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Aim, Decision, Fates, Layer, Theirs, decide};
use crate::snapshot::change::{Seen, is_made_by_kernel};
use crate::snapshot::group::{Group, Item, Key, Snapshot, attribute};
use crate::snapshot::restore::{Lack, restore};
use crate::snapshot::scope::{Scope, Table};
use crate::snapshot::{link as links, read};

impl Lab {
    /// Decides what the undo of all steps from one on will give back, and writes it down: what it is decided by is about to
    /// change. An undo that was interrupted has decided already.
    pub(super) fn aim(&mut self, from: u64, undoing: &mut Undoing) -> Result<Vec<Aim>> {
        if let Some(aimed) = self.aimed.clone().filter(|aimed| aimed.from == from && !self.is_outdated(aimed)) {
            // It may have been killed before it had told them.
            self.hand_over(&aimed.handed)?;
            return Ok(aimed.aims);
        }
        let steps: Vec<(u64, Step)> = self.steps.iter().filter(|(seq, _)| *seq >= from).cloned().collect();
        let mut scopes: BTreeMap<NetnsCookie, Scope> = BTreeMap::new();
        let mut fresh: Vec<Layer> = Vec::new();
        for (_, step) in &steps {
            for seen in &step.seen {
                let netns = seen.scope.netns;
                let goes = self.objects.made_netns_at(netns).is_some_and(|made| made >= from);
                if !goes && self.context().exists(netns) {
                    scopes.entry(netns).or_insert_with(|| Scope::new(netns)).join(&seen.scope);
                }
            }
            if step.is_unfinished() {
                // It may have happened, and whatever has changed in its reach is taken to be its doing.
                let time = step.seen.first().map_or(0, |seen| seen.time);
                let changes = self.changes(&step.seen)?;
                fresh.extend(changes.into_iter().map(|changed| Layer { stays: None, time, changed }));
            }
        }
        for handover in self.handed().iter().filter(|h| steps.iter().any(|(seq, _)| *seq == h.to.seq)) {
            let netns = handover.changed.netns;
            let goes = self.objects.made_netns_at(netns).is_some_and(|made| made >= from);
            if !goes && self.context().exists(netns) {
                let scope = scopes.entry(netns).or_insert_with(|| Scope::new(netns));
                scope.include(&handover.changed.group, &handover.key);
            }
        }
        let mut aims = Vec::new();
        let mut handed = Vec::new();
        for (netns, scope) in scopes {
            let now = read::read(&mut self.kernel, &scope)
                .map_err(|e| crate::action::failed("read what the namespace holds", e))?;
            let mut layers = self.layers(netns, from);
            layers.extend(fresh.iter().filter(|l| l.changed.netns == netns).cloned());
            layers.sort_by_key(|layer| layer.time);
            let mut fates = self.fates(netns, &steps);
            fates.came = came(&steps, &layers, &now);
            // What another lab handed over had been there before both.
            for given in self.handed().iter().filter(|h| h.changed.netns == netns) {
                let was_there = given.changed.items.iter().any(|pair| pair.before.is_some());
                if was_there && steps.iter().any(|(seq, _)| *seq == given.to.seq) {
                    fates.came.remove(&(given.changed.group.clone(), given.key.clone()));
                }
            }
            let (aim, Decision { handovers, theirs }) = decide(&layers, &now, scope, &fates);
            let mut names = now.names.clone();
            let known = steps.iter().flat_map(|(_, step)| &step.seen).filter(|seen| seen.scope.netns == netns);
            for (index, name) in known.flat_map(|seen| &seen.names) {
                names.entry(*index).or_insert_with(|| name.clone());
            }
            for theirs in theirs.iter().filter(|theirs| matches!(theirs.group, Group::Link(_))) {
                if let Some((link, left)) =
                    theirs.group.link().zip(theirs.left.as_ref().filter(|i| i.label() == "name"))
                {
                    names.entry(link).or_insert_with(|| left.value.as_text());
                }
            }
            for theirs in theirs {
                let gone = theirs.group.link().filter(|link| !now.names.contains_key(link));
                let sentence = match gone.and_then(|link| names.get(&link)) {
                    Some(link) => format!("{link} was deleted since"),
                    None => self.sentence(netns, &names, &theirs),
                };
                if !undoing.theirs.contains(&sentence) {
                    undoing.theirs.push(sentence);
                }
            }
            handed.extend(handovers);
            aims.push(aim);
        }
        if !aims.is_empty() {
            let aimed = Aimed { from, time: process::since_boot_nanos(), aims: aims.clone(), handed };
            self.log.write(&Record::Aimed(aimed.clone()))?;
            self.hand_over(&aimed.handed)?;
            self.aimed = Some(aimed);
        }
        Ok(aims)
    }

    /// Whether other labs have changed or left something since an undo was decided, which then got stuck.
    fn is_outdated(&self, aimed: &Aimed) -> bool {
        let others = self.others();
        let changed = |aim: &Aim| self.layers_of_others(&others, aim.scope.netns).iter().any(|l| l.time > aimed.time);
        self.handed().iter().any(|h| h.time > aimed.time) || aimed.aims.iter().any(changed)
    }

    /// Gives it back, and notes what could not be with the steps that changed it.
    pub(super) fn give_back(&mut self, aims: &[Aim], from: u64, steps: &[u64], undoing: &mut Undoing) -> Result<()> {
        self.begin_undo(steps)?;
        let lacks = match restore(aims, &mut self.kernel) {
            Ok(lacks) => lacks,
            Err(error) => {
                let error = crate::action::failed("read what the namespace holds", error);
                for seq in steps {
                    self.note(*seq, Err(error.clone()), undoing)?;
                }
                return Ok(());
            }
        };
        let mut stuck = BTreeSet::new();
        let lacks = if lacks.is_empty() { lacks } else { self.give_way(aims, from, lacks, undoing)? };
        for lack in &lacks {
            let Some(seq) = self.culprit(lack, steps) else { continue };
            let leftover = self.leftover(lack, seq);
            if stuck.insert(seq) {
                self.stick(seq, leftover.why.clone())?;
            }
            undoing.leftovers.push(leftover);
        }
        let done: Vec<u64> = steps.iter().copied().filter(|seq| !stuck.contains(seq)).collect();
        undoing.count += done.len();
        self.mark_undone(&done)
    }

    /// What becomes of the links in a namespace by the undo of some steps, beyond being given back.
    fn fates(&mut self, netns: NetnsCookie, steps: &[(u64, Step)]) -> Fates {
        let mut fates = Fates::default();
        let mut made: BTreeSet<LinkKey> = BTreeSet::new();
        for (_, step) in steps.iter().filter(|(_, s)| s.phase.is_open()) {
            match &step.action {
                Action::LinkAdd(add) => made.extend(add.ends().map(|end| end.link.key())),
                // It goes from wherever it has been moved to.
                Action::LinkMove(shift) if made.contains(&shift.from) => drop(made.insert(shift.to)),
                Action::LinkMove(shift) if shift.from.netns == netns => {
                    // It may have been moved on.
                    let now = steps.iter().fold(shift.to, |at, (_, step)| match &step.action {
                        Action::LinkMove(on) if on.from == at => on.to,
                        _ => at,
                    });
                    // One that was deleted where it had been moved to has to be made again.
                    if self.is_there(now) {
                        fates.moved.insert(shift.from.index, now);
                    }
                }
                _ => {}
            }
        }
        fates.going = made.into_iter().filter(|key| key.netns == netns).map(|key| key.index).collect();
        fates
    }

    fn is_there(&mut self, key: LinkKey) -> bool {
        let mut ctx = self.context();
        ctx.exists(key.netns) && ctx.socket(key.netns).is_ok_and(|socket| link::get(socket, key.index).is_ok())
    }

    /// The last of the steps that changed the group.
    fn culprit(&self, lack: &Lack, steps: &[u64]) -> Option<u64> {
        let reaches = |step: &Step| step.seen.iter().any(|seen| seen.scope.netns == lack.netns);
        let changed = |step: &Step| match &step.after {
            After::Changed { changes, .. } => changes.iter().any(|c| c.netns == lack.netns && c.group == lack.group),
            _ => false,
        };
        let last = |is_it: &dyn Fn(&Step) -> bool| {
            self.steps.iter().rev().find(|(seq, s)| steps.contains(seq) && is_it(s)).map(|(seq, _)| *seq)
        };
        last(&changed).or_else(|| last(&reaches)).or(steps.last().copied())
    }

    fn leftover(&mut self, lack: &Lack, seq: u64) -> Leftover {
        let names = self.link_names(lack.netns);
        let (option, exec) = self.reach(lack.netns);
        let teller = Teller { names: &names, option: &option, exec: &exec };
        let all = lack.missing.iter().map(|i| (i, true)).chain(lack.surplus.iter().map(|i| (i, false)));
        let things: Vec<String> = all
            .clone()
            .take(3)
            .map(|(item, put)| {
                let value = teller.value(&lack.group, item).map_or_else(String::new, |v| format!(" {v:?}"));
                let verb = if put { "give back" } else { "take away" };
                format!("{verb} {}{value}", teller.thing(&lack.group, item))
            })
            .collect();
        let lost = lack.group.link().filter(|link| matches!(lack.group, Group::Link(_)) && !names.contains_key(link));
        let lost = lost.and_then(|_| attribute(&lack.missing, "name"));
        let things = match &lost {
            // Of a link that is not there nothing can be set, by whatever command.
            Some(name) => format!("make the link `{name}` again"),
            None if things.is_empty() => "give back the order of what was there".into(),
            None => things.join(", "),
        };
        let mut why = Diagnostic::new(Code::Refused, format!("cannot {things}"));
        if let Some(error) = &lack.error {
            why = why.kernel(error.clone());
        }
        let all = all.filter(|_| lost.is_none());
        let by_hand = all.filter_map(|(item, put)| teller.command(&lack.group, item, put)).collect();
        let names = self.objects.names();
        let step = self.steps.iter().find(|(s, _)| *s == seq);
        let what = step.map_or_else(Vec::new, |(_, step)| step.action.change().ip(names));
        Leftover { what, why, by_hand }
    }

    /// What is somebody else's by now, in a sentence.
    fn sentence(&self, netns: NetnsCookie, names: &BTreeMap<u32, String>, theirs: &Theirs) -> String {
        let (option, exec) = self.reach(netns);
        let teller = Teller { names, option: &option, exec: &exec };
        let group = &theirs.group;
        let Some(item) = theirs.now.as_ref().or(theirs.left.as_ref()).or(theirs.before.as_ref()) else {
            return String::new();
        };
        let thing = self.thing(netns, names, group, item);
        let value = |i: &Option<_>| i.as_ref().and_then(|i| teller.value(group, i));
        match (value(&theirs.left), value(&theirs.now)) {
            (Some(left), Some(now)) => match value(&theirs.before) {
                Some(before) => format!(
                    "{thing} was set to {left:?} by the lab and is {now:?} now; before the lab it was {before:?}"
                ),
                None => format!("{thing} was set to {left:?} by the lab and is {now:?} now"),
            },
            _ if theirs.now.is_none() => format!("{thing} was taken away since"),
            _ if theirs.left.is_none() => match &theirs.before {
                Some(before) if before.key() != item.key() => {
                    format!("{} was replaced by {thing} since", self.thing(netns, names, group, before))
                }
                _ => format!("{thing} was put back by somebody since"),
            },
            _ => format!("{thing} was changed since"),
        }
    }

    /// What a thing is called, with the namespace that it is in.
    pub(super) fn thing(
        &self,
        netns: NetnsCookie,
        names: &BTreeMap<u32, String>,
        group: &Group,
        item: &Item,
    ) -> String {
        let (option, exec) = self.reach(netns);
        let thing = Teller { names, option: &option, exec: &exec }.thing(group, item);
        match self.objects.names().netns(netns) {
            "host" => thing,
            name => format!("{thing} in `{name}`"),
        }
    }

    /// How a command reaches a namespace: the option for ip(8), and what goes before another program.
    fn reach(&self, netns: NetnsCookie) -> (String, String) {
        let names = self.objects.names();
        (names.ip(netns).trim_start_matches("ip").to_owned(), names.exec(netns))
    }

    fn link_names(&mut self, netns: NetnsCookie) -> BTreeMap<u32, String> {
        let mut ctx = self.context();
        ctx.exists(netns);
        let links = ctx.socket(netns).ok().and_then(|s| crate::snapshot::link::dump(s).ok());
        crate::snapshot::link::names(&links.unwrap_or_default())
    }
}

/// What the kernel made by itself since the first step looked that reaches it: it may take a second for that, and so seem to
/// have been there before a later step.
fn came(steps: &[(u64, Step)], layers: &[Layer], now: &Snapshot) -> BTreeSet<(Group, Key)> {
    let seen = |group: &Group| {
        let table = match group {
            Group::Addrs { v6: true, .. } => Table::Addrs,
            Group::Maddrs(_) => Table::Routes,
            _ => return None,
        };
        let reaches = |seen: &&Seen| {
            seen.scope.netns == now.netns
                && seen.scope.tables.contains(&table)
                && seen.scope.tables.contains(&Table::Links)
                && group.link().is_some_and(|link| seen.scope.links.contains(&link))
        };
        steps.iter().flat_map(|(_, step)| &step.seen).find(reaches)
    };
    let there = now.groups.iter().flat_map(|(group, items)| items.iter().map(move |item| (group, item)));
    let found = layers.iter().flat_map(|layer| {
        layer.changed.items.iter().filter_map(|pair| Some((&layer.changed.group, pair.before.as_ref()?)))
    });
    let is_kernels = |(group, item): &(&Group, &Item)| match group {
        Group::Maddrs(_) => links::is_echo(item),
        _ => is_made_by_kernel(group, item),
    };
    let is_new = |(group, item): &(&Group, &Item)| {
        seen(group).is_some_and(|seen| {
            let had = seen.groups.iter().find(|(g, _)| g == *group).map_or(&[][..], |(_, items)| items);
            !had.iter().any(|h| h.key() == item.key())
        })
    };
    let all = there.chain(found).filter(is_kernels).filter(is_new);
    all.map(|(group, item)| (group.clone(), item.key().clone())).collect()
}
