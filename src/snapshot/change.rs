//! What a change did: the items that differ between two looks, each as it was before and after.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::group::{Group, Item, Key, Of, Snapshot};
use super::scope::Scope;
use super::{addr, nexthop, route, vlan};
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;

/// What was seen before a change, as far as the change can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When, in nanoseconds since the boot.
    #[serde(default)]
    pub time: u64,
    /// How far that is.
    pub scope: Scope,
    /// What was there.
    pub groups: Vec<(Group, Vec<Item>)>,
    /// What its links were called.
    pub names: Vec<(u32, String)>,
}

/// What a change did to one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The group.
    pub group: Group,
    /// What was in it before, in its order, where the order means something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Key>,
    /// The items that differ, or that are held although they were so already.
    pub items: Vec<Pair>,
}

/// An item before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// What it was; nothing if it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Item>,
    /// What it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Item>,
}

impl Pair {
    /// By what the item is known.
    pub fn key(&self) -> Option<&Key> {
        self.before.as_ref().or(self.after.as_ref()).map(Item::key)
    }
}

impl Seen {
    /// What was seen, to be compared.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            netns: self.scope.netns,
            names: self.names.iter().cloned().collect(),
            groups: self.groups.iter().cloned().collect(),
        }
    }

    /// The other way round.
    pub fn new(scope: Scope, snapshot: Snapshot) -> Self {
        Self {
            time: process::since_boot_nanos(),
            scope,
            groups: snapshot.groups.into_iter().collect(),
            names: snapshot.names.into_iter().collect(),
        }
    }
}

/// The links that a route or a nexthop object leads over.
pub fn leads_over(group: &Group, item: &Item) -> BTreeSet<u32> {
    match group {
        Group::Routes(_) => route::links(item),
        Group::Nexthops => nexthop::link(item).into_iter().collect(),
        _ => BTreeSet::new(),
    }
}

/// The links without which a thing cannot be.
pub fn needs(group: &Group, item: &Item) -> BTreeSet<u32> {
    let mut links = leads_over(group, item);
    links.extend(group.link());
    links
}

/// What the kernel makes by itself: a link-local address, the route to a network that an address is in.
pub fn is_made_by_kernel(group: &Group, item: &Item) -> bool {
    match group {
        Group::Addrs { .. } => addr::is_kernels(item),
        Group::Routes(_) => route::is_connected(item),
        Group::Vlans(_) => vlan::is_default(item),
        _ => false,
    }
}

impl Changed {
    /// Takes a route that came where another of the same network and metric went to be in the place of that.
    pub fn in_place(mut self) -> Self {
        if matches!(self.group, Group::Routes(_)) {
            let (gone, rest): (Vec<Pair>, Vec<Pair>) = self.items.into_iter().partition(|pair| pair.after.is_none());
            let (came, mut items): (Vec<Pair>, Vec<Pair>) = rest.into_iter().partition(|pair| pair.before.is_none());
            let (mut gone, mut came) = (gone.into_iter(), came.into_iter());
            loop {
                match (gone.next(), came.next()) {
                    (None, None) => break,
                    (Some(old), new) => items.push(Pair { after: new.and_then(|new| new.after), ..old }),
                    (None, Some(new)) => items.push(new),
                }
            }
            self.items = items;
        }
        self
    }
}

/// What comes and goes with addresses, of which only the order is given back: who receives what is sent to all of a network
/// that several links are in.
pub fn is_derived(group: &Group, item: &Item) -> bool {
    const LOCAL: u32 = 255;
    matches!(group, Group::Routes(route) if !route.v6 && route.table == LOCAL) && is_made_by_kernel(group, item)
}

/// The same by its key, which is all there is to it.
pub fn derived(group: &Group, key: &Key) -> Option<Item> {
    let item = Item { name: Some(key.clone()), value: key.clone(), life: None };
    Some(item).filter(|item| is_derived(group, item))
}

/// What differs between two looks at the same namespace.
pub fn between(before: &Snapshot, after: &Snapshot, holds: &[(Group, Key)]) -> Vec<Changed> {
    let groups: BTreeSet<&Group> = before.groups.keys().chain(after.groups.keys()).collect();
    let mut all = Vec::new();
    for group in groups {
        let (old, new) = (before.items(group), after.items(group));
        let mut keys: Vec<&Key> = old.iter().map(Item::key).collect();
        keys.extend(new.iter().map(Item::key).filter(|k| before.item(group, k).is_none()));
        let is_held = |key: &Key| holds.iter().any(|(g, k)| g == group && k == key);
        let mut items = Vec::new();
        for key in keys {
            let pair = Pair { before: before.item(group, key).cloned(), after: after.item(group, key).cloned() };
            // Only some of these were looked at, and a setting does not go by itself.
            let is_partial = matches!(group, Group::Settings(Of::All | Of::Default | Of::Netns));
            let differs = match (&pair.before, &pair.after) {
                // By whom it names as its other end a wire is made again, by its number a port is plugged in, and what a
                // bridge had from its ports it may have to be given.
                (Some(a), Some(b)) => {
                    !a.is_like(b)
                        && (!a.is_told()
                            || matches!(a.label().as_str(), "~link" | "~portno" | "~mac" | "~mtu" | "~slave:1"))
                }
                (None, None) => false,
                _ => !is_partial,
            };
            if differs || is_held(key) {
                items.push(pair);
            }
        }
        let order: Vec<Key> =
            if group.is_ordered() { old.iter().map(|i| i.key().clone()).collect() } else { Vec::new() };
        let stayed = |items: &[Item], other: &[Item]| -> Vec<Key> {
            let is_there = |k: &Key| other.iter().any(|o| o.key() == k);
            items.iter().map(|i| i.key().clone()).filter(is_there).collect()
        };
        let moved = group.is_ordered() && stayed(old, new) != stayed(new, old);
        if !items.is_empty() || moved {
            all.push(Changed { netns: before.netns, group: group.clone(), order, items });
        }
    }
    all
}
