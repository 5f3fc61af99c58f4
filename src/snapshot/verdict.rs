//! What becomes of each thing that was changed, by the pile of layers on it.

use std::collections::BTreeMap;

use super::addr;
use super::aim::{Decision, Handover, Layer, Owner, Theirs};
use super::change::{Changed, Pair, is_made_by_kernel};
use super::group::{Group, Item, Key, Of, Snapshot};
use crate::kernel::process;

/// What becomes of an item.
pub(super) enum Verdict {
    Want(Item),
    Drop,
}

/// The layers on one thing, from the bottom to the top.
type Pile<'a> = Vec<(&'a Layer, &'a Pair)>;

/// Judges the things of one group. `heir` tells who took away a link that a thing needs and stays: that one gives it back
/// with the link.
pub(super) fn of<'a>(
    layers: &[&'a Layer],
    heir: impl Fn(&Item) -> Option<&'a Layer>,
    now: &Snapshot,
    group: &Group,
    decision: &mut Decision,
) -> BTreeMap<Key, Verdict> {
    let mut verdicts = BTreeMap::new();
    for pile in piles(layers) {
        // What the layers that go found, for the one that stays above them.
        let mut found: Option<&Pair> = None;
        for (layer, pair) in &pile {
            match (&layer.stays, found) {
                (None, _) => found = found.or(Some(pair)),
                (Some(owner), Some(lowest)) => {
                    decision.handovers.push(hand_over(owner, layer, lowest, pair));
                    found = None;
                }
                (Some(_), None) => {}
            }
        }
        let (Some(lowest), Some((top_layer, top))) = (found, pile.last()) else { continue };
        if let Some((heir, owner)) =
            lowest.before.as_ref().and_then(&heir).and_then(|heir| Some((heir, heir.stays.as_ref()?)))
            && heir.time > top_layer.time
        {
            let above = Layer { changed: Changed { group: group.clone(), ..heir.changed.clone() }, ..heir.clone() };
            let pair = Pair { before: top.after.clone(), after: None };
            decision.handovers.push(hand_over(owner, &above, lowest, &pair));
            continue;
        }
        let (left, before) = (top.after.as_ref(), lowest.before.as_ref());
        let Some(key) = left.or(before).map(Item::key) else { continue };
        let there = now.item(group, key);
        let is_told = before.or(left).or(there).is_some_and(Item::is_told);
        let is_back = before.is_some_and(|before| now.item(group, before.key()).is_some_and(|i| i.is_like(before)));
        let usurper = usurper(layers, group, now, left).filter(|_| !is_back);
        if let (Some(usurper), Some(before)) = (usurper, before) {
            decision.theirs.push(Theirs {
                group: group.clone(),
                left: None,
                now: Some(usurper.clone()),
                before: Some(before.clone()),
            });
            continue;
        }
        let is_ours = is_told
            || is_like(there, left)
            || is_like(there, before)
            || is_back
            || is_kernels(group, before, there)
            || (is_fresh(group, left) && !follows_mtu(key));
        let verdict = if is_ours {
            before
        } else {
            // That one follows the MTU of its link, which is told.
            if !follows_mtu(key) {
                decision.theirs.push(Theirs {
                    group: group.clone(),
                    left: left.cloned(),
                    now: there.cloned(),
                    before: before.cloned(),
                });
            }
            there
        };
        // One that was put in the place of another goes when that comes back.
        if verdict.is_none_or(|item| item.key() != key) {
            verdicts.insert(key.clone(), Verdict::Drop);
        }
        if let Some(item) = verdict {
            verdicts.insert(item.key().clone(), Verdict::Want(item.clone()));
        }
    }
    verdicts
}

/// The layers by the thing that they are on: what has the same key, or was put in the place of what an earlier one left.
fn piles<'a>(layers: &[&'a Layer]) -> Vec<Pile<'a>> {
    let mut piles: Vec<Pile<'a>> = Vec::new();
    for layer in layers {
        for pair in &layer.changed.items {
            let Some(key) = pair.key() else { continue };
            let top = |pile: &Pile<'a>| pile.last().map(|(_, pair)| *pair);
            let is_it = |pile: &Pile<'a>| {
                top(pile).is_some_and(|top| top.after.as_ref().or(top.before.as_ref()).map(Item::key) == Some(key))
            };
            // A route where one was taken away is in the place of that.
            let is_free = |pile: &Pile<'a>| top(pile).is_some_and(|top| top.after.is_none() && top.before.is_some());
            let fills = pair.before.is_none() && is_place(&layer.changed.group);
            let pile = piles.iter().position(is_it).or_else(|| piles.iter().position(is_free).filter(|_| fills));
            match pile {
                Some(pile) => piles[pile].push((layer, pair)),
                None => piles.push(vec![(layer, pair)]),
            }
        }
    }
    piles
}

fn is_like(a: Option<&Item>, b: Option<&Item>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.is_like(b),
        (None, None) => true,
        _ => false,
    }
}

fn hand_over(owner: &Owner, above: &Layer, lowest: &Pair, pair: &Pair) -> Handover {
    let items = vec![Pair { before: lowest.before.clone(), after: pair.after.clone() }];
    let found = pair.before.clone();
    let key = pair.key().or(lowest.key()).cloned().unwrap_or_default();
    let time = process::since_boot_nanos();
    Handover {
        to: owner.clone(),
        time,
        key,
        found,
        changed: Changed { items, order: Vec::new(), ..above.changed.clone() },
    }
}

/// The route that somebody put where the lab had taken one away; one that a lab put in the place of another is not that.
fn usurper<'a>(layers: &[&Layer], group: &Group, now: &'a Snapshot, left: Option<&Item>) -> Option<&'a Item> {
    if !is_place(group) || left.is_some() {
        return None;
    }
    let was_there = |item: &&Item| {
        let own = |layer: &Layer| {
            let mut items = layer.changed.items.iter().flat_map(|pair| pair.before.iter().chain(&pair.after));
            layer.changed.order.contains(item.key()) || items.any(|own| own.key() == item.key())
        };
        layers.iter().any(|layer| own(layer))
    };
    now.items(group).iter().find(|item| !was_there(item) && !is_made_by_kernel(group, item))
}

/// Whether there is place for one thing only in a group, unless others are put beside it on purpose: IPv4 routes.
fn is_place(group: &Group) -> bool {
    matches!(group, Group::Routes(route) if !route.v6)
}

/// A setting that went with the IPv6 of its link and came back with it is as the kernel makes it, and nobody's wish.
fn is_fresh(group: &Group, left: Option<&Item>) -> bool {
    matches!(group, Group::Settings(Of::Link(_))) && left.is_none()
}

fn follows_mtu(key: &Key) -> bool {
    key.0 == b"ipv6/conf/mtu"
}

/// What the kernel makes by itself, in its own time, is no decision of somebody's.
fn is_kernels(group: &Group, before: Option<&Item>, now: Option<&Item>) -> bool {
    matches!(group, Group::Addrs { v6: true, .. }) && before.or(now).is_some_and(addr::is_kernels)
}
