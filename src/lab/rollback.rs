//! Taking back what a lab did: from the end to the beginning, going on after errors.
//!
//! What is on a link or in a namespace that goes too need not be undone by itself; and links that go are deleted together,
//! since the kernel waits for RCU once per message.

use std::collections::{HashMap, HashSet};

use super::objects::{LinkObject, Objects};
use super::proof::{Difference, Picture};
use super::{Lab, Savepoint};
use crate::action::link_del::{Doomed, delete_all};
use crate::action::{Action, Subject, Undone};
use crate::diag::{Code, Diagnostic, Result};
use crate::journal::record::{Outcome, Record};
use crate::journal::state::Phase;
use crate::kernel::link::LinkKey;
use crate::kernel::netns::{self, Removed};
use crate::kernel::space::NetnsCookie;
use crate::types::name::NsName;

/// What an undo came to.
#[derive(Debug, Default)]
pub struct Undoing {
    /// How many steps were taken back.
    pub count: usize,
    /// What could not be taken back.
    pub leftovers: Vec<Leftover>,
    /// What somebody changed since, which was left alone: one sentence each.
    pub theirs: Vec<String>,
    /// What else has to be known: one sentence each.
    pub notes: Vec<String>,
    /// The signal that ended it before its end.
    pub interrupted: Option<i32>,
    /// Why the journal could not be written any more.
    pub broken: Option<Box<Diagnostic>>,
}

impl Undoing {
    /// Adds what another undo came to, which went on where this one ended.
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.leftovers = other.leftovers;
        self.theirs.extend(other.theirs);
        self.notes.extend(other.notes);
        self.interrupted = other.interrupted;
        self.broken = other.broken;
    }
}

/// Something that could not be taken back.
#[derive(Debug)]
pub struct Leftover {
    /// The action, as the iproute2 commands that it stands for.
    pub what: Vec<String>,
    /// Why.
    pub why: Box<Diagnostic>,
    /// The commands by which a person can take it back.
    pub by_hand: Vec<String>,
}

/// What a whole undo ends with.
#[derive(Debug)]
pub struct Ending {
    /// The undo.
    pub undoing: Undoing,
    /// How the host differs from before, as far as no lab that is up explains it; `None` if it cannot be told.
    pub differences: Option<Vec<Difference>>,
}

impl Ending {
    /// Whether all has been taken back.
    pub fn is_complete(&self) -> bool {
        self.undoing.leftovers.is_empty() && self.undoing.interrupted.is_none() && self.undoing.broken.is_none()
    }
}

impl Lab {
    /// Takes back everything and, if nothing is left, removes the lab's folder.
    pub fn undo_all(mut self) -> Ending {
        self.savepoints.clear();
        let before = Picture::load(&self.store.dir(&self.header.lab));
        let others = self.pictures_of_others();
        // What other labs remember of the host has to follow what this undo does to it.
        let begun = others.first().and_then(|(_, picture)| picture.now(&mut self.kernel).ok());
        let mut undoing = Undoing::default();
        if let Some(from) = self.aimed.as_ref().map(|aimed| aimed.from).filter(|from| *from > 0) {
            // A stretch was being taken back when netlab was killed.
            undoing = self.rollback(Savepoint(from));
        }
        if undoing.interrupted.is_none() && undoing.broken.is_none() {
            undoing.join(self.rollback(Savepoint(0)));
        }
        if let Some(begun) = begun {
            self.have_others_follow(others, &begun);
        }
        let now = before.as_ref().and_then(|before| before.now(&mut self.kernel).ok());
        let mut differences = before.zip(now).map(|(before, now)| self.unexplained(now.changes(&before)));
        if let Some(all) = &mut differences {
            all.extend(self.differences_elsewhere());
        }
        let mut ending = Ending { undoing, differences };
        let result = if ending.is_complete() {
            self.close(Outcome::Down).and_then(|()| self.forget())
        } else {
            self.close(Outcome::Stuck)
        };
        if let Err(error) = result {
            ending.undoing.broken.get_or_insert(error);
        }
        ending
    }

    /// Takes back what was done since a savepoint: what the lab made goes, and then what was there before is given back.
    pub fn rollback(&mut self, to: Savepoint) -> Undoing {
        let mut undoing = Undoing::default();
        if let Err(error) = self.take_back(to, &mut undoing) {
            // Without its journal an undo must not go on: a later one could not tell what was done.
            undoing.broken = Some(error);
        }
        undoing
    }

    fn take_back(&mut self, to: Savepoint, undoing: &mut Undoing) -> Result<()> {
        let open = || self.steps.iter().filter(|(seq, s)| *seq >= to.0 && s.phase.is_open());
        let watched: Vec<u64> = open().filter(|(_, s)| !s.seen.is_empty()).map(|(seq, _)| *seq).collect();
        let _turn = if watched.is_empty() { None } else { Some(self.turn()?) };
        undoing.notes.append(&mut self.finished());
        let plan = plan(&self.steps[self.steps.partition_point(|(seq, _)| *seq < to.0)..], &self.objects);
        if !watched.is_empty() {
            // Before other labs are told what was there before them: a lab that was killed after that is not up any more.
            self.begin_undo(&watched)?;
        }
        let aims = self.aim(to.0, undoing)?;
        let (mut covered, mut changed) = (Vec::new(), Vec::new());
        for piece in plan {
            if let Some(signal) = self.stop.signal() {
                undoing.interrupted = Some(signal);
                return Ok(());
            }
            match piece {
                Piece::Covered(seq) => covered.push(seq),
                Piece::One(seq) if self.was_watched(seq) => {
                    if self.undo_made(seq, undoing)? {
                        changed.push(seq);
                    }
                }
                Piece::One(seq) => self.undo_one(seq, undoing)?,
                Piece::Removals(links, spaces) => {
                    let removed = self.remove(&links, &spaces, undoing)?;
                    changed.extend(removed.into_iter().filter(|seq| self.was_watched(*seq)));
                }
            }
        }
        // What was changed in a namespace that goes is not given back, but what that did elsewhere is.
        let (mut beyond, covered): (Vec<u64>, Vec<u64>) = covered.into_iter().partition(|seq| self.was_watched(*seq));
        changed.append(&mut beyond);
        if !changed.is_empty() {
            changed.sort_unstable();
            self.give_back(&aims, to.0, &changed, undoing)?;
        }
        let is_stuck = self.steps.iter().any(|(_, s)| s.phase == Phase::Stuck);
        if !is_stuck {
            undoing.count += covered.len();
            self.mark_undone(&covered)?;
            self.aimed = None;
        } else if let Some(aimed) = self.aimed.take() {
            self.log.write(&Record::UndoEnded)?;
            self.aimed = Some(aimed).filter(|aimed| aimed.from == 0);
        }
        self.savepoints.retain(|p| *p <= to.0);
        self.steps.retain(|(_, s)| s.phase.is_open());
        Ok(())
    }

    fn was_watched(&self, seq: u64) -> bool {
        self.steps.iter().any(|(s, step)| *s == seq && !step.seen.is_empty())
    }

    /// Takes back what a step made or moved, whose changes are given back later. Whether it could.
    fn undo_made(&mut self, seq: u64, undoing: &mut Undoing) -> Result<bool> {
        let Some((_, step)) = self.steps.iter().find(|(s, _)| *s == seq) else { return Ok(false) };
        let (action, after) = (step.action.clone(), step.after.clone());
        self.begin_undo(&[seq])?;
        match action.change().undo(&after, &mut self.context()) {
            Ok(Undone::Theirs(sentence)) => undoing.theirs.push(sentence),
            Ok(_) => {}
            Err(error) => {
                self.note(seq, Err(error), undoing)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn undo_one(&mut self, seq: u64, undoing: &mut Undoing) -> Result<()> {
        let Some((_, step)) = self.steps.iter().find(|(s, _)| *s == seq) else { return Ok(()) };
        let (action, after) = (step.action.clone(), step.after.clone());
        self.begin_undo(&[seq])?;
        let result = action.change().undo(&after, &mut self.context());
        self.note(seq, result, undoing)
    }

    /// Deletes links and then namespaces that go in one sweep.
    ///
    /// Gives back those that are gone; of these, what they changed elsewhere may still have to be given back.
    fn remove(&mut self, links: &[u64], spaces: &[u64], undoing: &mut Undoing) -> Result<Vec<u64>> {
        let seqs: Vec<u64> = links.iter().chain(spaces).copied().collect();
        self.begin_undo(&seqs)?;
        let mut undone = Vec::new();
        for (netns, group) in self.doomed(links) {
            let (numbers, doomed): (Vec<u64>, Vec<Doomed>) = group.into_iter().unzip();
            match delete_all(netns, &doomed, &mut self.context()) {
                Ok(results) => {
                    for (seq, result) in numbers.into_iter().zip(results) {
                        if matches!(result, Ok(Undone::Yes | Undone::Already)) {
                            undone.push(seq);
                        } else {
                            self.note(seq, result, undoing)?;
                        }
                    }
                }
                // Its namespace is gone; the other ends, elsewhere, go a moment later, unless they are looked for now.
                Err(e) if e.code == Code::NoSuchNetns => {}
                Err(error) => {
                    for seq in numbers {
                        self.note(seq, Err(error.clone()), undoing)?;
                    }
                }
            }
        }
        // Links that may be in one of two places, since a kill came between, or whose one end is: looked for in all of them.
        let rest: Vec<u64> = links
            .iter()
            .filter(|s| !undone.contains(s) && self.phase(**s).is_some_and(Phase::is_open))
            .copied()
            .collect();
        for seq in rest {
            if self.phase(seq) == Some(Phase::Stuck) {
                continue;
            }
            let result = self.hunt(seq);
            self.note(seq, result, undoing)?;
        }
        let names: Vec<(u64, NsName, NetnsCookie)> = spaces
            .iter()
            .filter_map(|seq| match self.steps.iter().find(|(s, _)| s == seq).map(|(_, step)| &step.action) {
                Some(Action::NetnsAdd(a)) => Some((*seq, a.name.clone(), a.cookie)),
                _ => None,
            })
            .collect();
        for (_, _, cookie) in &names {
            self.kernel.close(*cookie);
        }
        let pairs: Vec<(NsName, NetnsCookie)> = names.iter().map(|(_, n, c)| (n.clone(), *c)).collect();
        for ((seq, name, _), result) in names.iter().zip(netns::remove_names(&pairs, &self.header.lab)) {
            match result {
                Ok(Removed::Yes | Removed::Missing) => undone.push(*seq),
                Ok(Removed::NotOurs) => {
                    let theirs = format!("the name `{name}` stands for another namespace now");
                    self.note(*seq, Ok(Undone::Theirs(theirs)), undoing)?;
                }
                Err(e) => {
                    self.note(*seq, Err(crate::action::netns::broken(name, "remove the name of", &e)), undoing)?
                }
            }
        }
        let whole: Vec<u64> = undone.iter().copied().filter(|seq| !self.was_watched(*seq)).collect();
        undoing.count += whole.len();
        self.mark_undone(&whole)?;
        Ok(undone)
    }

    /// The links to be deleted by namespace. A link with an end outside of the namespaces that go is deleted by that end.
    fn doomed(&self, links: &[u64]) -> Vec<(NetnsCookie, Vec<(u64, Doomed)>)> {
        let mut by_netns: Vec<(NetnsCookie, Vec<(u64, Doomed)>)> = Vec::new();
        for seq in links {
            let Some(add) = self.link_add(*seq) else { continue };
            let ends: Vec<&LinkObject> = add.ends().filter_map(|e| self.objects.link_by_birth(e.link.key())).collect();
            if ends.iter().any(|e| e.spots.len() > 1) {
                continue;
            }
            let Some(end) = ends.iter().find(|e| !self.objects.is_own_netns(e.key().netns)).or(ends.first()) else {
                continue;
            };
            let doomed = Doomed { key: end.key(), name: end.name().into(), kind: add.kind.name(), group: end.group };
            match by_netns.iter_mut().find(|(netns, _)| *netns == end.key().netns) {
                Some((_, group)) => group.push((*seq, doomed)),
                None => by_netns.push((end.key().netns, vec![(*seq, doomed)])),
            }
        }
        by_netns
    }

    fn hunt(&mut self, seq: u64) -> Result<Undone> {
        let Some(add) = self.link_add(seq).cloned() else { return Ok(Undone::Already) };
        let spots: Vec<(LinkKey, String)> = add
            .ends()
            .filter_map(|e| self.objects.link_by_birth(e.link.key()))
            .flat_map(|l| l.spots.iter().map(|s| (s.key, s.name.clone())))
            .collect();
        let mut found = Undone::Already;
        for (key, name) in spots {
            let mut ctx = self.context();
            if !ctx.exists(key.netns) {
                continue;
            }
            match crate::action::link_del::delete(key, &name, add.kind.name(), &mut ctx)? {
                Undone::Yes => return Ok(Undone::Yes),
                // At one ifindex under two names: the other spot may be the right one.
                theirs @ Undone::Theirs(_) => found = theirs,
                Undone::Already => {}
            }
        }
        Ok(found)
    }

    fn link_add(&self, seq: u64) -> Option<&crate::action::link_add::LinkAdd> {
        match self.steps.iter().find(|(s, _)| *s == seq).map(|(_, step)| &step.action) {
            Some(Action::LinkAdd(add)) => Some(add),
            _ => None,
        }
    }

    pub(super) fn note(&mut self, seq: u64, result: Result<Undone>, undoing: &mut Undoing) -> Result<()> {
        match result {
            Ok(undone) => {
                undoing.count += 1;
                if let Undone::Theirs(sentence) = undone {
                    undoing.theirs.push(sentence);
                }
                self.mark_undone(&[seq])
            }
            Err(error) => {
                let Some((_, step)) = self.steps.iter().find(|(s, _)| *s == seq) else { return Ok(()) };
                let names = self.objects.names();
                undoing.leftovers.push(Leftover {
                    what: step.action.change().ip(names),
                    why: error.clone(),
                    by_hand: step.action.change().by_hand(names),
                });
                self.stick(seq, error)
            }
        }
    }

    /// Marks a step as one that could not be taken back.
    pub(super) fn stick(&mut self, seq: u64, error: Box<Diagnostic>) -> Result<()> {
        if let Some((_, step)) = self.steps.iter_mut().find(|(s, _)| *s == seq) {
            step.phase = Phase::Stuck;
        }
        self.log.write(&Record::UndoFailed { seq, error })
    }

    pub(super) fn mark_undone(&mut self, seqs: &[u64]) -> Result<()> {
        if seqs.is_empty() {
            return Ok(());
        }
        let wanted: HashSet<u64> = seqs.iter().copied().collect();
        let not_begun: Vec<u64> = self
            .steps
            .iter()
            .filter(|(s, step)| wanted.contains(s) && matches!(step.phase, Phase::Started | Phase::Done))
            .map(|(s, _)| *s)
            .collect();
        if !not_begun.is_empty() {
            self.begin_undo(&not_begun)?;
        }
        self.log.write(&Record::UndoDone { seqs: seqs.to_vec() })?;
        // Last first: a link is back from its deletion before it is back from where it had been moved to.
        for (seq, step) in self.steps.iter_mut().rev() {
            if wanted.contains(seq) {
                step.phase = Phase::Undone;
                self.objects.failed(&step.action);
            }
        }
        Ok(())
    }

    pub(super) fn begin_undo(&mut self, seqs: &[u64]) -> Result<()> {
        self.log.write(&Record::UndoStarted { seqs: seqs.to_vec() })?;
        let wanted: HashSet<u64> = seqs.iter().copied().collect();
        for (_, step) in self.steps.iter_mut().filter(|(seq, _)| wanted.contains(seq)) {
            step.phase = Phase::Undoing;
        }
        Ok(())
    }

    fn phase(&self, seq: u64) -> Option<Phase> {
        self.steps.iter().find(|(s, _)| *s == seq).map(|(_, step)| step.phase)
    }
}

/// One piece of an undo.
enum Piece {
    /// It goes with something else.
    Covered(u64),
    /// It is undone by itself.
    One(u64),
    /// Links and namespaces that are removed together.
    Removals(Vec<u64>, Vec<u64>),
}

/// Sorts the steps into pieces, last first.
fn plan(steps: &[(u64, crate::journal::state::Step)], objects: &Objects) -> Vec<Piece> {
    let open = || steps.iter().filter(|(_, s)| s.phase.is_open());
    let spaces: HashSet<NetnsCookie> = open()
        .filter_map(|(_, s)| match s.action.change().subject() {
            Subject::MakesNetns(cookie) => Some(cookie),
            _ => None,
        })
        .collect();
    // A link made in this stretch is known by the key it was born with, and by those it had since.
    let mut links: HashMap<LinkKey, bool> = HashMap::new();
    for (_, step) in open() {
        if let Action::LinkAdd(add) = &step.action {
            let goes_along = goes_along(add, objects, &spaces);
            for end in add.ends() {
                links.insert(end.link.key(), goes_along);
                for spot in objects.link_by_birth(end.link.key()).iter().flat_map(|l| &l.spots) {
                    links.insert(spot.key, goes_along);
                }
            }
        }
        if let Action::LinkMove(shift) = &step.action
            && let Some(goes) = links.get(&shift.from).copied()
        {
            links.insert(shift.to, goes);
        }
    }
    let dying = |netns: &NetnsCookie| spaces.contains(netns);
    let mut pieces = Vec::new();
    for (seq, step) in steps.iter().rev().filter(|(_, s)| s.phase.is_open()) {
        let (mut goes_links, mut goes_spaces) = (Vec::new(), Vec::new());
        match step.action.change().subject() {
            Subject::MakesNetns(_) => goes_spaces.push(*seq),
            Subject::MakesLink(key) if links.get(&key) != Some(&true) => goes_links.push(*seq),
            Subject::MakesLink(_) => {}
            Subject::Link(key) if links.contains_key(&key) => {}
            // One that was there before is moved back out of a namespace that goes, by the whole way that it came.
            Subject::Link(key) if dying(&key.netns) && !matches!(step.action, Action::LinkMove(_)) => {}
            Subject::Netns(netns, link) if dying(&netns) || link.is_some_and(|l| links.contains_key(&l)) => {}
            _ => {
                pieces.push(Piece::One(*seq));
                continue;
            }
        }
        if goes_links.is_empty() && goes_spaces.is_empty() {
            pieces.push(Piece::Covered(*seq));
            continue;
        }
        // Removals with nothing but covered steps between them are one sweep.
        match pieces.iter_mut().rev().find(|p| !matches!(p, Piece::Covered(_))) {
            Some(Piece::Removals(more_links, more_spaces)) => {
                more_links.extend(goes_links);
                more_spaces.extend(goes_spaces);
            }
            _ => pieces.push(Piece::Removals(goes_links, goes_spaces)),
        }
    }
    pieces
}

/// Whether a link dies with the namespaces that go: if neither its ends nor the link below it are anywhere else. Otherwise it
/// would be seen on the host for some 40 ms more, until the kernel has cleaned up behind the namespace.
fn goes_along(add: &crate::action::link_add::LinkAdd, objects: &Objects, spaces: &HashSet<NetnsCookie>) -> bool {
    add.ends().all(|end| {
        let Some(link) = objects.link_by_birth(end.link.key()) else { return false };
        link.spots.iter().all(|spot| spaces.contains(&spot.key.netns))
            && link.parent.is_none_or(|parent| spaces.contains(&parent.netns))
    })
}
