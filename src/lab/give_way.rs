//! Giving way: what cannot be given back while somebody else's change stands is left to that, or told.

use std::collections::BTreeMap;

use super::Lab;
use super::rollback::Undoing;
use crate::diag::Result;
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;
use crate::snapshot::aim::{Aim, Handover, Layer};
use crate::snapshot::change::{Changed, Pair, is_made_by_kernel, needs};
use crate::snapshot::group::{Group, Item, Of, Snapshot};
use crate::snapshot::read;
use crate::snapshot::restore::Lack;
use crate::types::name::LabName;

impl Lab {
    /// Leaves what the kernel did not take to the steps of other labs that stand in its way (and to earlier ones of this
    /// lab), which give it back when they go; and tells what others have put on a link that is off now, as it was before them.
    /// Gives back what is lacking for no such reason.
    pub(super) fn give_way(
        &mut self,
        aims: &[Aim],
        from: u64,
        lacks: Vec<Lack>,
        undoing: &mut Undoing,
    ) -> Result<Vec<Lack>> {
        let mut places: BTreeMap<NetnsCookie, Place> = BTreeMap::new();
        let mut handovers = Vec::new();
        let mut rest = Vec::new();
        for mut lack in lacks {
            let netns = lack.netns;
            let aim = aims.iter().find(|aim| aim.scope.netns == netns);
            if !places.contains_key(&netns)
                && let Some(now) = aim.and_then(|aim| read::read(&mut self.kernel, &aim.scope).ok())
            {
                places.insert(netns, Place { layers: self.layers(netns, from), now });
            }
            // What cannot be looked at is not given back, whoever stands in the way.
            let Some((aim, place)) = aim.zip(places.get(&netns)) else {
                rest.push(lack);
                continue;
            };
            let order = aim.wanted.iter().find(|(group, _)| *group == lack.group);
            let order = order.map_or_else(Vec::new, |(_, items)| items.iter().map(|i| i.key().clone()).collect());
            let was_bare = lack.missing.is_empty() && lack.surplus.is_empty();
            let mut way = |item: &Item, is_missing: bool| {
                let Some(to) = place.in_the_way(&lack.group, item).and_then(|layer| layer.stays.clone()) else {
                    return false;
                };
                let there = place.now.item(&lack.group, item.key()).cloned();
                let pair = Pair { before: is_missing.then(|| item.clone()), after: there.clone() };
                let changed = Changed { netns, group: lack.group.clone(), order: order.clone(), items: vec![pair] };
                handovers.push(Handover {
                    to,
                    time: process::since_boot_nanos(),
                    key: item.key().clone(),
                    changed,
                    found: there,
                });
                true
            };
            lack.surplus.retain(|item| !way(item, false));
            lack.missing.retain(|item| !way(item, true));
            let (lost, missing) = std::mem::take(&mut lack.missing)
                .into_iter()
                .partition(|item| !place.is_own(&lack.group, item) && place.is_off(&lack.group, item));
            lack.missing = missing;
            let lost: Vec<Item> = lost;
            undoing.notes.extend(lost.iter().filter_map(|item| self.lost(netns, &place.now, &lack.group, item)));
            if was_bare || !lack.missing.is_empty() || !lack.surplus.is_empty() {
                rest.push(lack);
            }
        }
        undoing.notes.extend(self.left_to(&handovers, &places));
        self.hand_over(&handovers)?;
        Ok(rest)
    }

    /// A sentence for each step of another lab that something was left to.
    fn left_to(&self, handovers: &[Handover], places: &BTreeMap<NetnsCookie, Place>) -> Vec<String> {
        let mut things: BTreeMap<&LabName, Vec<String>> = BTreeMap::new();
        for handover in handovers.iter().filter(|h| h.to.lab != self.header.lab) {
            let Changed { netns, group, items, .. } = &handover.changed;
            let item = items.first().and_then(|pair| pair.before.as_ref());
            if let Some((item, place)) = item.zip(places.get(netns)) {
                things.entry(&handover.to.lab).or_default().push(self.thing(*netns, &place.now.names, group, item));
            }
        }
        let sentence = |(lab, things): (&LabName, Vec<String>)| {
            let more = if things.len() > 3 { format!(" and {} more", things.len() - 3) } else { String::new() };
            let things: Vec<String> = things.into_iter().take(3).collect();
            format!(
                "{}{more} cannot be while `{lab}` is up, and will come back with `netlab down {lab}`",
                things.join(", ")
            )
        };
        things.into_iter().map(sentence).collect()
    }

    /// What somebody put there since and cannot be any more; nothing for what the kernel makes by itself.
    fn lost(&self, netns: NetnsCookie, now: &Snapshot, group: &Group, item: &Item) -> Option<String> {
        if is_made_by_kernel(group, item) {
            return None;
        }
        let thing = self.thing(netns, &now.names, group, item);
        Some(format!("{thing} came since and is gone: its link is off again, as it was before the lab"))
    }
}

/// Whether a link was not there before.
fn is_birth(pair: &Pair) -> bool {
    pair.before.is_none() && pair.after.as_ref().is_some_and(|item| item.label() == "name")
}

/// A namespace as it has become, and the layers in it.
struct Place {
    layers: Vec<Layer>,
    now: Snapshot,
}

impl Place {
    /// The last change by somebody who stays of a link that the thing needs.
    fn in_the_way(&self, group: &Group, item: &Item) -> Option<&Layer> {
        let links = needs(group, item);
        let is_route = matches!(group, Group::Routes(_) | Group::Nexthops);
        let touches = |layer: &&Layer| match layer.changed.group {
            Group::Link(link) | Group::Settings(Of::Link(link)) => links.contains(&link),
            Group::Addrs { link, .. } => is_route && links.contains(&link),
            _ => false,
        };
        // The step that brought the link here is not in the way of what is on it.
        let brings = |layer: &&Layer| match layer.changed.group {
            Group::Link(link) => links.contains(&link) && layer.changed.items.iter().any(is_birth),
            _ => false,
        };
        let brought: Vec<u64> = self.layers.iter().filter(brings).map(|layer| layer.time).collect();
        let stays = |layer: &&Layer| layer.stays.is_some() && !brought.contains(&layer.time);
        self.layers.iter().rev().filter(stays).find(touches)
    }

    /// Whether it was there before what is undone.
    fn is_own(&self, group: &Group, item: &Item) -> bool {
        let own = self.layers.iter().filter(|layer| layer.stays.is_none() && layer.changed.group == *group);
        own.flat_map(|layer| &layer.changed.items).any(|p| p.before.as_ref().is_some_and(|before| before.is_like(item)))
    }

    /// Whether a link that it needs is down.
    fn is_off(&self, group: &Group, item: &Item) -> bool {
        needs(group, item).into_iter().any(|link| self.now.attribute(link, "up").is_some_and(|up| up == "0"))
    }
}
