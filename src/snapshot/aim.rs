//! What an undo aims at, decided from three sides: what there was, what the lab left, and what there is now.
//!
//! Each change of a thing is a layer on it, with what it found and what it left. A layer that goes from the top gives back
//! what it found, if the thing still is as it left it; one that goes from below leaves that to the layer above it, which may
//! be another lab's. What is otherwise than it was left is somebody else's by now and stays.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::{Changed, Pair, derived, is_derived, is_made_by_kernel, leads_over, needs};
use super::group::{Group, Item, Key, Snapshot, attribute};
use super::link::MCAST_SNOOPING;
use super::scope::Scope;
use super::setting::ACCEPT_DAD;
use super::verdict::{self, Verdict};
use super::{addr, link, neigh, route};
use crate::kernel::link::LinkKey;
use crate::types::name::LabName;

/// One change of one group, by this lab's undo or by somebody who stays.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Whose it is: nothing for one that is taken back now.
    pub stays: Option<Owner>,
    /// When it was made, in nanoseconds since the boot.
    pub time: u64,
    /// What it did.
    pub changed: Changed,
}

/// The step of a lab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The lab.
    pub lab: LabName,
    /// When it was begun, in seconds since 1970: another may have its name later.
    pub begun: u64,
    /// The step.
    pub seq: u64,
}

/// What is to be in one namespace after an undo, as far as the undone changes could reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aim {
    /// How far that is.
    pub scope: Scope,
    /// What has to be there.
    pub wanted: Vec<(Group, Vec<Item>)>,
    /// What has to go: what the lab made, as it made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<(Group, Vec<Key>)>,
    /// The links that were deleted and have to be made again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub made: BTreeSet<u32>,
    /// The links of which something was changed: their addresses are not back before the kernel's search for duplicates
    /// has ended.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disturbed: BTreeSet<u32>,
    /// The macvlans that sit on links which come back from another namespace: they are made anew.
    /// Each with the ifindex that its link has here. Pairs, since JSON knows no numbers as keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remade: Vec<(u32, u32)>,
}

/// What a layer that stays has to know from now on: what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The step that gets it.
    pub to: Owner,
    /// When, in nanoseconds since the boot.
    #[serde(default)]
    pub time: u64,
    /// The item.
    pub key: Key,
    /// Its namespace and group, and what it was before all that go.
    pub changed: Changed,
    /// What the step had found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Item>,
}

/// What somebody changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theirs {
    /// The group.
    pub group: Group,
    /// As the lab left it.
    pub left: Option<Item>,
    /// As it is now.
    pub now: Option<Item>,
    /// As it was before the lab.
    pub before: Option<Item>,
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Decision {
    /// For the layers of other labs or of earlier steps.
    pub handovers: Vec<Handover>,
    /// What is left to others.
    pub theirs: Vec<Theirs>,
}

impl Aim {
    /// Whether a macvlan is made anew.
    fn is_remade(&self, link: u32) -> bool {
        self.remade.iter().any(|(index, _)| *index == link)
    }

    /// Of the routes that come with addresses only those are wanted that the wanted addresses bring: another address may be the
    /// first of its network by then, and the source of all of them.
    fn leave_out_what_follows(&mut self) {
        let addrs = self.wanted.iter().filter_map(|(group, items)| match group {
            Group::Addrs { link, v6: false } => Some((*link, addr::primary(items))),
            _ => None,
        });
        let primary: BTreeMap<u32, BTreeSet<Vec<u8>>> = addrs.collect();
        for (group, wanted) in &mut self.wanted {
            wanted.retain(|item| {
                let source = route::source(item).filter(|_| is_derived(group, item));
                let first = source.and_then(|(link, address)| Some(primary.get(&link)?.contains(&address)));
                first.unwrap_or(true)
            });
        }
    }
}

/// The links that go in the same undo by themselves, and those that were only moved away.
#[derive(Debug, Default)]
pub struct Fates {
    /// They are deleted: nothing about them is wanted.
    pub going: BTreeSet<u32>,
    /// They come back by being moved, not by being made; each with where it is.
    pub moved: BTreeMap<u32, LinkKey>,
    /// What the kernel made since the first of the undone steps looked, by itself: it goes if what it was made for goes.
    pub came: BTreeSet<(Group, Key)>,
}

/// Decides for one namespace. `layers` are in the order in which they were made.
pub fn decide(layers: &[Layer], now: &Snapshot, scope: Scope, fates: &Fates) -> (Aim, Decision) {
    let mut decision = Decision::default();
    let mut aim = Aim {
        scope,
        wanted: Vec::new(),
        gone: Vec::new(),
        made: BTreeSet::new(),
        disturbed: BTreeSet::new(),
        remade: macvlans_on(&fates.moved, now),
    };
    let own_groups = layers.iter().filter(|l| l.stays.is_none()).map(|l| &l.changed.group);
    let is_lasting = |group: &&Group| matches!(group, Group::Link(_) | Group::Addrs { v6: true, .. });
    aim.disturbed = own_groups.filter(is_lasting).filter_map(Group::link).collect();
    let mut groups: BTreeSet<&Group> = now.groups.keys().collect();
    groups.extend(layers.iter().filter(|l| l.stays.is_none()).map(|l| &l.changed.group));
    for group in groups {
        if group.link().is_some_and(|l| fates.going.contains(&l)) {
            continue;
        }
        let own: Vec<&Layer> = layers.iter().filter(|l| l.changed.group == *group).collect();
        let heir = |item: &Item| needs(group, item).into_iter().find_map(|link| taken_by(link, layers, now));
        let mut verdicts = verdict::of(&own, heir, now, group, &mut decision);
        for (key, verdict) in &mut verdicts {
            if fates.came.contains(&(group.clone(), key.clone())) {
                *verdict = Verdict::Drop;
            }
        }
        // The kernel made the route to a network anew with the next address in it, until the first comes back.
        let comes_back: Vec<BTreeSet<u32>> = verdicts
            .values()
            .filter_map(|verdict| match verdict {
                Verdict::Want(item) if matches!(group, Group::Routes(_)) && is_made_by_kernel(group, item) => {
                    Some(leads_over(group, item))
                }
                _ => None,
            })
            .collect();
        let mut wanted: Vec<Item> = Vec::new();
        let mut gone = Vec::new();
        let order = order(&own);
        for key in &order {
            match verdicts.remove(key) {
                Some(Verdict::Want(item)) => wanted.push(item),
                Some(Verdict::Drop) => gone.push(key.clone()),
                // Its place is kept for what comes back with an address; but not for what came in the place of another.
                None if now.item(group, key).is_none() => {
                    wanted.extend(derived(group, key).filter(|_| !came_by(&own, key)));
                }
                None => wanted.extend(now.item(group, key).cloned()),
            }
        }
        for item in now.items(group) {
            match verdicts.remove(item.key()) {
                Some(Verdict::Want(item)) => wanted.push(item),
                Some(Verdict::Drop) => gone.push(item.key().clone()),
                None if order.contains(item.key()) => {}
                None if fates.came.contains(&(group.clone(), item.key().clone())) => {}
                None if is_made_by_kernel(group, item) && comes_back.contains(&leads_over(group, item)) => {}
                // The undo may set a link down for a moment to change it.
                None if item.label() == "up" && own.iter().any(|l| l.stays.is_none()) => wanted.push(item.clone()),
                None if follows(group, item, now) && !group.link().is_some_and(|l| aim.is_remade(l)) => {}
                None => wanted.push(item.clone()),
            }
        }
        for (key, verdict) in verdicts {
            match verdict {
                Verdict::Want(item) => wanted.push(item),
                Verdict::Drop => gone.push(key),
            }
        }
        let is_there = |link: &u32| {
            !fates.going.contains(link)
                && (now.names.contains_key(link) || aim.made.contains(link) || fates.moved.contains_key(link))
        };
        wanted.retain(|item| leads_over(group, item).iter().all(is_there));
        if let Group::Addrs { link, v6: false } = group
            && let Some((from, to)) = renamed(*link, layers, &aim)
        {
            // An address is labelled with the name that its link had when it was put there.
            let is_labs = |item: &Item| own.iter().flat_map(|l| &l.changed.items).any(|p| p.key() == Some(item.key()));
            wanted.iter_mut().filter(|i| !is_labs(i)).for_each(|item| addr::relabel(item, &from, &to));
        }
        if let Group::Fdb(index) = group
            && !aim.made.contains(index)
            && !fates.moved.contains_key(index)
        {
            // It came and went with a macvlan, unless the link was emptied by leaving its namespace.
            wanted.retain(|item| !neigh::is_filter(item));
        }
        if let Group::Link(index) = group
            && now.items(group).is_empty()
            && !fates.moved.contains_key(index)
        {
            // Of one that the lab deleted everything is wanted; what is wanted of one that somebody else deleted went with it.
            if wanted.iter().any(|item| item.label() == "name") {
                aim.made.insert(*index);
            } else {
                wanted.clear();
            }
        }
        if !wanted.is_empty() {
            aim.wanted.push((group.clone(), wanted));
        }
        if !gone.is_empty() {
            aim.gone.push((group.clone(), gone));
        }
    }
    aim.leave_out_what_follows();
    aim.made.extend(aim.remade.iter().map(|(index, _)| *index));
    let remade = aim.remade.clone();
    for (group, wanted) in &mut aim.wanted {
        if let Some(below) = remade.iter().find(|(l, _)| *group == Group::Link(*l)).map(|(_, below)| *below) {
            // As it will be when that link is back.
            wanted.retain(|item| !matches!(item.label().as_str(), "~link" | "~netnsid"));
            wanted.push(Item::named("~link", below.to_string()));
        }
    }
    (aim, decision)
}

/// Whether one of the undone steps made a thing.
fn came_by(layers: &[&Layer], key: &Key) -> bool {
    let is_it = |item: &Option<Item>| item.as_ref().is_some_and(|item| item.key() == key);
    let mut own = layers.iter().filter(|l| l.stays.is_none()).flat_map(|l| &l.changed.items);
    own.any(|pair| is_it(&pair.after) && !is_it(&pair.before))
}

/// The macvlans on links that were moved away, each with the ifindex that its link had and will have.
fn macvlans_on(moved: &BTreeMap<u32, LinkKey>, now: &Snapshot) -> Vec<(u32, u32)> {
    let below = |items: &[Item]| {
        let below: u32 = attribute(items, "~link")?.parse().ok()?;
        let is_macvlan = attribute(items, "~kind")?.starts_with("macv");
        // It is told by the ifindex that its link has where it is, which may be here again.
        let is_far = attribute(items, "~netnsid").is_some();
        let found = moved.iter().find(|(_, to)| to.index == below && (to.netns != now.netns) == is_far);
        found.filter(|_| is_macvlan).map(|(from, _)| *from)
    };
    let links = now.groups.iter().filter(|(group, _)| matches!(group, Group::Link(_)));
    links.filter_map(|(group, items)| Some((group.link()?, below(items)?))).collect()
}

/// The order of a group before the undone steps: as the first of them found it, and among that what only later ones saw.
fn order(layers: &[&Layer]) -> Vec<Key> {
    let mut order: Vec<Key> = Vec::new();
    for layer in layers.iter().filter(|layer| layer.stays.is_none()) {
        let mut at = 0;
        for key in &layer.changed.order {
            match order.iter().position(|k| k == key) {
                Some(found) => at = found + 1,
                None => {
                    order.insert(at, key.clone());
                    at += 1;
                }
            }
        }
    }
    order
}

/// What the undone steps called a link, and what it will be called.
fn renamed(link: u32, layers: &[Layer], aim: &Aim) -> Option<(String, String)> {
    let own = layers.iter().rev().filter(|l| l.stays.is_none() && l.changed.group == Group::Link(link));
    let name = own.flat_map(|l| &l.changed.items).find(|pair| pair.key().is_some_and(|key| key.0 == b"name"));
    let left = name?.after.as_ref()?.value.as_text();
    let (_, wanted) = aim.wanted.iter().find(|(group, _)| *group == Group::Link(link))?;
    attribute(wanted, "name").map(|name| (left, name))
}

/// Who deleted a link or moved it away and stays.
fn taken_by<'a>(link: u32, layers: &'a [Layer], now: &Snapshot) -> Option<&'a Layer> {
    let takes = |layer: &&Layer| {
        let is_name = |pair: &Pair| pair.after.is_none() && pair.before.as_ref().is_some_and(|i| i.label() == "name");
        layer.stays.is_some() && layer.changed.group == Group::Link(link) && layer.changed.items.iter().any(is_name)
    };
    layers.iter().rev().find(takes).filter(|_| !now.names.contains_key(&link))
}

/// What nobody has to give back because an undo does not take it away, and which may change or follow from what goes: a bridge has the
/// MAC of one of its ports.
fn follows(group: &Group, item: &Item, now: &Snapshot) -> bool {
    match group {
        // The undo switches the snooping of bridges off for a moment.
        Group::Link(_) => !item.is_told() && item.label() != MCAST_SNOOPING,
        Group::Maddrs(_) => link::is_echo(item),
        // It changes these, too: the one for a while, the other with each carrier and each MTU, unless that is what it is.
        Group::Settings(_) => match (item.label().as_str(), group.link()) {
            (ACCEPT_DAD, _) => false,
            ("ipv6/conf/mtu", Some(link)) => {
                let mtu = now.attribute(link, "mtu").or_else(|| now.attribute(link, "~mtu"));
                mtu.is_some_and(|mtu| mtu == item.value.as_text())
            }
            ("ipv6/conf/mtu", None) => false,
            _ => true,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::raw::Bytes;
    use crate::kernel::space::NetnsCookie;

    const NETNS: NetnsCookie = NetnsCookie(1);

    fn mtu(value: &str) -> Item {
        Item::named("mtu", value)
    }

    fn layer(stays: Option<&str>, time: u64, before: &str, after: &str) -> Layer {
        let pair = Pair { before: Some(mtu(before)), after: Some(mtu(after)) };
        let changed = Changed { netns: NETNS, group: Group::Link(2), order: vec![], items: vec![pair] };
        Layer { stays: stays.map(|lab| Owner { lab: LabName::new(lab).unwrap(), begun: 0, seq: time }), time, changed }
    }

    fn decide_mtu(layers: &[Layer], now: &str) -> (String, usize, Vec<(u64, String)>) {
        let now = Snapshot { netns: NETNS, names: BTreeMap::new(), groups: [(Group::Link(2), vec![mtu(now)])].into() };
        let (aim, decision) = decide(layers, &now, Scope::new(NETNS), &Fates::default());
        let handed = decision.handovers.iter().map(|h| (h.to.seq, h.changed.items[0].before.clone().unwrap().value));
        let handed = handed.map(|(seq, value)| (seq, value.as_text())).collect();
        let wanted = aim.wanted.first().map_or_else(String::new, |(_, items)| items[0].value.as_text());
        (wanted, decision.theirs.len(), handed)
    }

    #[test]
    fn from_three_sides() {
        // As it was left: what was before comes back. Changed since: it stays.
        assert_eq!(decide_mtu(&[layer(None, 1, "1500", "1400")], "1400"), ("1500".into(), 0, vec![]));
        assert_eq!(decide_mtu(&[layer(None, 1, "1500", "1400")], "1300"), ("1300".into(), 1, vec![]));
        // Two steps of one lab.
        let twice = [layer(None, 1, "1500", "1400"), layer(None, 2, "1400", "1300")];
        assert_eq!(decide_mtu(&twice, "1300"), ("1500".into(), 0, vec![]));
        // Below another lab: it is left alone, and that one gets what was before. Above it: what the other left comes back.
        let below = [layer(None, 1, "1500", "1400"), layer(Some("b"), 2, "1400", "1300")];
        assert_eq!(decide_mtu(&below, "1300"), (String::new(), 0, vec![(2, "1500".into())]));
        let above = [layer(Some("b"), 1, "1500", "1400"), layer(None, 2, "1400", "1300")];
        assert_eq!(decide_mtu(&above, "1300"), ("1400".into(), 0, vec![]));
        // Around another lab, both at once.
        let around = [layer(None, 1, "9", "8"), layer(Some("b"), 2, "8", "7"), layer(None, 3, "7", "6")];
        assert_eq!(decide_mtu(&around, "6"), ("7".into(), 0, vec![(2, "9".into())]));
    }

    #[test]
    fn the_number_of_a_link_here_is_not_that_of_one_elsewhere() {
        let macvlan = |far: bool| {
            let mut items = vec![Item::named("~kind", "macvlan"), Item::named("~link", "2")];
            items.extend(far.then(|| Item::named("~netnsid", "0")));
            let groups = [(Group::Link(3), items)].into();
            Snapshot { netns: NETNS, names: BTreeMap::new(), groups }
        };
        // Link 7 was moved to where it is number 2; the macvlan sits on it, or on number 2 here.
        let moved = |to: NetnsCookie| BTreeMap::from([(7, LinkKey { netns: to, index: 2 })]);
        assert_eq!(macvlans_on(&moved(NetnsCookie(8)), &macvlan(true)), [(3, 7)]);
        assert_eq!(macvlans_on(&moved(NetnsCookie(8)), &macvlan(false)), []);
        // And one that is back already, as number 2.
        assert_eq!(macvlans_on(&moved(NETNS), &macvlan(false)), [(3, 7)]);
    }

    #[test]
    fn what_came_meanwhile_stays_behind_what_comes_back() {
        let group = Group::Rules { v6: false, priority: 10 };
        let item = |text: &str| Item { name: None, value: Bytes::text(text), life: None };
        let changed = Changed {
            netns: NETNS,
            group: group.clone(),
            order: vec![Bytes::text("a"), Bytes::text("b")],
            items: vec![
                Pair { before: Some(item("a")), after: None },
                Pair { before: None, after: Some(item("ours")) },
            ],
        };
        let now = Snapshot {
            netns: NETNS,
            names: BTreeMap::new(),
            groups: [(group, vec![item("b"), item("ours"), item("users")])].into(),
        };
        let layers = [Layer { stays: None, time: 1, changed }];
        let (aim, _) = decide(&layers, &now, Scope::new(NETNS), &Fates::default());
        let wanted: Vec<String> = aim.wanted[0].1.iter().map(|i| i.value.as_text()).collect();
        assert_eq!(wanted, ["a", "b", "users"]);
        assert_eq!(aim.gone[0].1, [Bytes::text("ours")]);
    }
}
