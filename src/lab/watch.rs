//! Looking before and after a change of what was there before, and of what has to come back by itself.

use std::collections::{BTreeMap, BTreeSet};

use netlink_packet_route::link::LinkAttribute;

use super::Lab;
use crate::action::{Action, After, Subject};
use crate::diag::Result;
use crate::journal::store::Turn;
use crate::kernel::link::{self, LinkKey};
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Fates, Layer, decide};
use crate::snapshot::change::{Changed, Seen, between};
use crate::snapshot::group::{Group, Snapshot};
use crate::snapshot::restore::restore;
use crate::snapshot::scope::{Scope, Touch};
use crate::snapshot::{neigh, peer, read};

/// What was looked at before an action, and the right to change it.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) seen: Vec<Seen>,
    _turn: Option<Turn>,
}

impl Lab {
    /// Looks at all that an action may change of what has to come back. While it is done no other lab changes such things,
    /// or each would take the other's doing for its own.
    pub(super) fn watch(&mut self, action: &Action) -> Result<Watch> {
        if !self.is_watched_subject(action.change().subject()) {
            return Ok(Watch::default());
        }
        let touches = action.change().touches(&mut self.context())?;
        if !touches.iter().any(|touch| self.is_watched(touch)) {
            return Ok(Watch::default());
        }
        let turn = self.turn()?;
        let seen = self.look(&touches)?;
        Ok(Watch { seen, _turn: Some(turn) })
    }

    fn look(&mut self, touches: &[Touch]) -> Result<Vec<Seen>> {
        let mut scopes: BTreeMap<NetnsCookie, Scope> = BTreeMap::new();
        for touch in touches {
            let mut add =
                |touch: &Touch| scopes.entry(touch.netns()).or_insert_with(|| Scope::new(touch.netns())).add(touch);
            if self.is_watched(touch) {
                add(touch);
            }
            // The other end of a wire loses its carrier, and with a deleted link it goes too.
            if let Touch::Link(key, _) = touch
                && let Some(other) = peer::find(&mut self.kernel, *key)
            {
                let touch = Touch::Link(other, Vec::new());
                if self.is_watched(&touch) {
                    add(&touch);
                }
            }
        }
        let mut seen = Vec::new();
        for mut scope in scopes.into_values() {
            self.context().exists(scope.netns);
            let mut snapshot = read::read_around(&mut self.kernel, &mut scope).map_err(cannot_look)?;
            self.forget_own_filters(&mut snapshot);
            seen.push(Seen::new(scope, snapshot));
        }
        Ok(seen)
    }

    /// Leaves out that a link listens to the MACs of this lab's own macvlans on it, which comes and goes with them.
    fn forget_own_filters(&mut self, snapshot: &mut Snapshot) {
        let own = self.objects.made_links().filter(|l| l.kind.starts_with("macv"));
        let keys: Vec<LinkKey> = own.filter_map(|l| l.spots.last()).map(|spot| spot.key).collect();
        let mut macs: BTreeSet<Vec<u8>> = BTreeSet::new();
        for key in keys {
            let mut ctx = self.context();
            if ctx.exists(key.netns)
                && let Some(found) = ctx.socket(key.netns).ok().and_then(|s| link::get(s, key.index).ok())
            {
                macs.extend(found.attributes.into_iter().find_map(|a| match a {
                    LinkAttribute::Address(mac) => Some(mac),
                    _ => None,
                }));
            }
        }
        if macs.is_empty() {
            return;
        }
        for (_, items) in snapshot.groups.iter_mut().filter(|(group, _)| matches!(group, Group::Fdb(_))) {
            items.retain(|item| !(neigh::is_filter(item) && neigh::mac(item).is_some_and(|mac| macs.contains(&mac))));
        }
        snapshot.groups.retain(|_, items| !items.is_empty());
    }

    /// What has changed since it was looked at.
    pub(super) fn changes(&mut self, seen: &[Seen]) -> Result<Vec<Changed>> {
        let mut changes = Vec::new();
        for seen in seen {
            if !self.context().exists(seen.scope.netns) {
                continue;
            }
            let mut after = read::read(&mut self.kernel, &seen.scope).map_err(cannot_look)?;
            self.forget_own_filters(&mut after);
            let changed = between(&seen.snapshot(), &after, &seen.scope.holds);
            changes.extend(changed.into_iter().map(Changed::in_place));
        }
        Ok(changes)
    }

    /// The same as what an action left.
    pub(super) fn left(&mut self, after: After, seen: &[Seen]) -> Result<After> {
        if seen.is_empty() {
            return Ok(after);
        }
        Ok(After::Changed { changes: self.changes(seen)?, time: process::since_boot_nanos() })
    }

    /// Gives back at once what an action changed that failed half-way. Whether all of it came back.
    pub(super) fn give_back_at_once(&mut self, seen: &[Seen]) -> bool {
        let Ok(changes) = self.changes(seen) else { return false };
        if changes.is_empty() {
            return true;
        }
        let mut aims = Vec::new();
        for seen in seen {
            let Ok(now) = read::read(&mut self.kernel, &seen.scope) else { return false };
            let own = changes.iter().filter(|c| c.netns == seen.scope.netns);
            let layers: Vec<Layer> =
                own.map(|changed| Layer { stays: None, time: 0, changed: changed.clone() }).collect();
            aims.push(decide(&layers, &now, seen.scope.clone(), &Fates::default()).0);
        }
        restore(&aims, &mut self.kernel).is_ok_and(|lacks| lacks.is_empty())
    }

    /// Whether what an action is about has to come back by itself.
    fn is_watched_subject(&self, subject: Subject) -> bool {
        match subject {
            Subject::Link(link) => self.must_come_back(link.netns, Some(link)),
            Subject::Netns(netns, link) => self.must_come_back(netns, link),
            // A new port changes its bridge.
            Subject::MakesLink(_) => true,
            Subject::MakesNetns(_) | Subject::Machine => false,
        }
    }

    fn is_watched(&self, touch: &Touch) -> bool {
        self.must_come_back(touch.netns(), touch.link())
    }

    /// Whether something was there before the lab, or before a stretch that can be taken back by itself. All else goes with
    /// the link or the namespace that it is on.
    fn must_come_back(&self, netns: NetnsCookie, link: Option<LinkKey>) -> bool {
        self.must_keep(match link {
            Some(key) => self.objects.made_link_at(key),
            None => self.objects.made_netns_at(netns),
        })
    }
}

fn cannot_look(error: crate::diag::KernelError) -> Box<crate::diag::Diagnostic> {
    crate::action::failed("read what the namespace holds", error)
}
