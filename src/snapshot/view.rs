//! What is and what should be in one namespace, and where the two differ.

use std::collections::{BTreeMap, BTreeSet};

use super::aim::Aim;
use super::change::{is_derived, is_made_by_kernel};
use super::group::{Group, Item, Key, Snapshot, attribute};
use super::link::{self, RECEIVED, is_echo};
use super::restore::Lack;
use super::scope::Table;
use super::{addr, route};
use crate::diag::KernelError;
use crate::kernel::process;
use crate::kernel::space::NetnsCookie;

/// What is and what should be, of one namespace.
pub(super) struct View<'a> {
    /// What should be.
    pub(super) aim: &'a Aim,
    /// What is.
    pub(super) now: Snapshot,
    /// The IPv4 addresses of links that are up, each with its link: what the kernel makes for them can be made again.
    pub(super) receiving: BTreeSet<(u32, Vec<u8>)>,
}

impl View<'_> {
    pub(super) fn lacks(&self, errors: &BTreeMap<(NetnsCookie, Group), KernelError>) -> Vec<Lack> {
        let error = |group: &Group| errors.get(&(self.now.netns, group.clone())).cloned();
        let groups = self.differing(|_| true);
        let lack = |group: Group| {
            let surplus: Vec<Item> =
                self.surplus(&group).iter().filter_map(|k| self.now.item(&group, k)).cloned().collect();
            let missing = self.missing(&group, &self.target(&group));
            Lack { netns: self.now.netns, error: error(&group), missing, surplus, group }
        };
        groups.into_iter().map(lack).collect()
    }

    /// The groups that are not as they should be.
    pub(super) fn differing(&self, which: impl Fn(&Group) -> bool) -> Vec<Group> {
        let mut groups: BTreeSet<&Group> = self.aim.wanted.iter().map(|(g, _)| g).collect();
        groups.extend(self.aim.gone.iter().map(|(g, _)| g));
        groups.extend(self.now.groups.keys().filter(|g| self.has_kernels_surplus(g)));
        groups.into_iter().filter(|g| which(g) && self.differs(g)).cloned().collect()
    }

    pub(super) fn differs(&self, group: &Group) -> bool {
        if self.is_linkless(group) {
            return false;
        }
        let target = self.target(group);
        if !self.missing(group, &target).is_empty() || !self.surplus(group).is_empty() {
            return true;
        }
        let order = |items: &[Item]| items.iter().map(|i| i.key().clone()).collect::<Vec<_>>();
        group.is_ordered() && order(self.now.items(group)) != order(&target)
    }

    /// What is to be in a group: what is wanted, and what somebody put there since it was decided.
    pub(super) fn target(&self, group: &Group) -> Vec<Item> {
        let now = process::since_boot();
        let is_over = |i: &Item| i.life.and_then(|l| l.valid).is_some_and(|until| until <= now);
        let is_lost = |i: &Item| {
            // One is there for a moment without the address, and one without the other if an undo was killed at it.
            let can_be = || route::source(i).is_some_and(|source| self.receiving.contains(&source));
            is_derived(group, i) && self.now.item(group, i.key()).is_none() && !can_be()
        };
        let wanted = self.wanted(group).iter().filter(|i| !is_over(i) && !is_lost(i));
        let mut target: Vec<Item> = wanted.cloned().collect();
        let surplus = self.surplus(group);
        let is_new = |i: &&Item| !surplus.contains(i.key()) && !target.iter().any(|t| t.key() == i.key());
        let new: Vec<Item> = self.now.items(group).iter().filter(is_new).cloned().collect();
        target.extend(new);
        target
    }

    pub(super) fn wanted(&self, group: &Group) -> &[Item] {
        self.aim.wanted.iter().find(|(g, _)| g == group).map_or(&[], |(_, items)| items.as_slice())
    }

    /// What should be there and is not, or is otherwise.
    pub(super) fn missing(&self, group: &Group, target: &[Item]) -> Vec<Item> {
        if self.is_linkless(group) {
            return Vec::new();
        }
        let is_missing = |item: &&Item| match self.now.item(group, item.key()) {
            Some(now) => !now.is_like(item),
            None => !matches!(group, Group::Settings(_)),
        };
        let is_up = || group.link().and_then(|link| self.now.attribute(link, "up")).is_some_and(|up| up == "1");
        let is_idle = || group.link().is_some_and(|link| self.is_idle(link));
        let is_moot = |item: &Item| {
            item.label().starts_with(RECEIVED) && if link::is_all_groups(item) { !is_idle() } else { is_up() }
        };
        target.iter().filter(|i| !i.is_told() && !is_moot(i)).filter(is_missing).cloned().collect()
    }

    /// Nothing can be set on a link that is not there; that it is not is said by its own group.
    fn is_linkless(&self, group: &Group) -> bool {
        // By the names of all links: a scope may reach a link's settings and not its attributes.
        group.link().is_some_and(|link| *group != Group::Link(link) && !self.now.names.contains_key(&link))
    }

    /// What should not be there and is: what the lab made, and what the kernel made anew although it had not been there.
    pub(super) fn surplus(&self, group: &Group) -> Vec<Key> {
        let mut keys: Vec<Key> =
            self.aim.gone.iter().filter(|(g, _)| g == group).flat_map(|(_, k)| k.clone()).collect();
        // A link that has joined the groups of routers leaves them with its forwarding alone; and what it receives although it
        // is down goes when it has been up.
        let is_lasting = |i: &Item| is_derived(group, i) || (matches!(group, Group::Maddrs(_)) && is_echo(i));
        keys.retain(|key| self.now.item(group, key).is_some_and(|i| !is_lasting(i)));
        if self.has_kernels_surplus(group) {
            let wanted = self.wanted(group);
            let is_wanted = |i: &Item| wanted.iter().any(|w| w.key() == i.key());
            let is_surplus = |i: &&Item| is_made_by_kernel(group, i) && !is_derived(group, i) && !is_wanted(i);
            keys.extend(self.now.items(group).iter().filter(is_surplus).map(|i| i.key().clone()));
        }
        keys
    }

    /// Whether the kernel may have made something in this group that nobody wants: a link-local address beside the one that
    /// was there, from another MAC; the route to a network to which there was none.
    pub(super) fn has_kernels_surplus(&self, group: &Group) -> bool {
        match group {
            Group::Addrs { v6: true, link } => self.wanted(group).iter().any(addr::is_kernels) || self.is_idle(*link),
            Group::Routes(_) => self.aim.scope.tables.contains(&Table::Addrs),
            // A port that comes back to its bridge is put into the bridge's own VLAN.
            Group::Vlans(_) => !self.wanted(group).is_empty(),
            _ => false,
        }
    }

    /// Whether a link is down, or has no carrier: the kernel makes no link-local address for it then.
    fn is_idle(&self, link: u32) -> bool {
        /// `IF_OPER_DOWN` and `IF_OPER_LOWERLAYERDOWN`.
        const DOWN: [&str; 2] = ["2", "3"];
        let is = |name: &str, values: &[&str]| {
            self.now.attribute(link, name).is_some_and(|now| values.contains(&now.as_str()))
        };
        is("up", &["0"]) || is("~operstate", &DOWN)
    }

    /// The links that are there and wanted, with their kinds.
    pub(super) fn links(&self) -> Vec<(u32, &[Item], String)> {
        let wanted = self.aim.wanted.iter().filter_map(|(group, items)| match group {
            Group::Link(index) if !self.now.items(group).is_empty() => {
                Some((*index, items.as_slice(), attribute(items, "~kind").unwrap_or_default()))
            }
            _ => None,
        });
        wanted.collect()
    }

    pub(super) fn waits(&self) -> bool {
        const UP: &str = "6";
        const UNKNOWN: &str = "0";
        self.links().iter().any(|(index, wanted, _)| {
            let had = attribute(wanted, "~operstate").is_some_and(|s| s == UP);
            let has = self.now.attribute(*index, "~operstate").is_some_and(|s| s == UP || s == UNKNOWN);
            had && !has && attribute(wanted, "up").is_some_and(|up| up == "1")
        })
    }
}
