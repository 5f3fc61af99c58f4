//! Looking: what a namespace holds, as far as a scope reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, Item, Snapshot};
use super::scope::{Scope, Table};
use super::{addr, link, neigh, nexthop, qdisc, route, rule, setting};
use crate::diag::KernelError;
use crate::kernel::process;
use crate::kernel::raw::Raw;
use crate::kernel::space::Kernel;

/// Looks at all that a scope reaches. The scope grows by the links that feel what happens to those in it.
///
/// # Errors
/// The kernel's answer; `ENOENT` if the namespace has not been opened.
pub fn read(kernel: &mut Kernel, scope: &mut Scope) -> Result<Snapshot, KernelError> {
    let links = dump_links(kernel, scope)?;
    if scope.tables.contains(&Table::Links) {
        link::around(&links, scope);
    }
    within(kernel, scope, &links)
}

/// Looks at everything that a namespace holds; at all of its settings too if `settings` says so.
///
/// # Errors
/// As [`read`].
pub fn read_all(kernel: &mut Kernel, scope: &mut Scope) -> Result<Snapshot, KernelError> {
    let links = dump_links(kernel, scope)?;
    scope.links = links.iter().map(link::index).collect();
    within(kernel, scope, &links)
}

fn dump_links(kernel: &mut Kernel, scope: &Scope) -> Result<Vec<Raw>, KernelError> {
    let gone = || KernelError::new("RTM_GETLINK", libc::ENOENT);
    link::dump(kernel.socket(scope.netns).ok_or_else(gone)?)
}

fn within(kernel: &mut Kernel, scope: &Scope, links: &[Raw]) -> Result<Snapshot, KernelError> {
    let gone = || KernelError::new("RTM_GETLINK", libc::ENOENT);
    let now = process::since_boot();
    let mut groups: BTreeMap<Group, Vec<Item>> = BTreeMap::new();
    if scope.tables.contains(&Table::Links) {
        for link in links.iter().filter(|l| scope.links.contains(&link::index(l))) {
            groups.insert(Group::Link(link::index(link)), link::items(link));
        }
    }
    if scope.tables.contains(&Table::Settings) {
        let indexes: Vec<u32> =
            if scope.tables.contains(&Table::Links) { scope.links.iter().copied().collect() } else { Vec::new() };
        let others: Vec<_> = scope.settings.iter().cloned().collect();
        let fd = kernel.fd(scope.netns).ok_or_else(gone)?;
        let settings = setting::read(fd, &indexes, &others, &link::names(links))?;
        groups.extend(settings.into_iter().map(|(of, items)| (Group::Settings(of), items)));
    }
    let socket = kernel.socket(scope.netns).ok_or_else(gone)?;
    let mut put = |group: Group, item: Item| groups.entry(group).or_default().push(item);
    let is_meant =
        |group: &Group| scope.groups.contains(group) || group.link().is_some_and(|l| scope.links.contains(&l));
    let mut own_addrs = BTreeSet::new();
    if scope.tables.contains(&Table::Addrs) {
        for addr in addr::dump(socket)?.iter().filter(|a| is_meant(&addr::group(a))) {
            own_addrs.extend(addr::local(addr));
            put(addr::group(addr), addr::item(addr, now));
        }
    }
    let mut own_nexthops = BTreeSet::new();
    if scope.tables.contains(&Table::Nexthops) {
        let nexthops = nexthop::dump(socket)?;
        own_nexthops = nexthop::over(&nexthops, &scope.links);
        for nexthop in nexthops.iter().filter(|n| own_nexthops.contains(&nexthop::id(n))) {
            put(Group::Nexthops, nexthop::item(nexthop));
        }
    }
    if scope.tables.contains(&Table::Routes) {
        let routes = route::dump(socket)?;
        let meant = |r: &Raw| route::uses(r, &scope.links, &own_addrs, &own_nexthops) && !route::is_derived(r);
        let keys: BTreeSet<_> = routes.iter().filter(|r| meant(r)).map(route::key).map(Group::Routes).collect();
        for route in &routes {
            let group = Group::Routes(route::key(route));
            // Of a group that is meant all are, for their order.
            if scope.groups.contains(&group) || (keys.contains(&group) && !route::is_derived(route)) {
                put(group, route::item(route, now));
            }
        }
    }
    if scope.tables.contains(&Table::Rules) {
        for rule in rule::dump(socket)?.iter().filter(|r| scope.groups.contains(&rule::group(r))) {
            put(rule::group(rule), rule::item(rule));
        }
    }
    if scope.tables.contains(&Table::Neighs) {
        for neigh in neigh::dump(socket)?.iter().filter(|n| is_meant(&neigh::group(n))) {
            put(neigh::group(neigh), neigh::item(neigh));
        }
    }
    if scope.tables.contains(&Table::Fdb) {
        for neigh in neigh::dump_fdb(socket)?.iter().filter(|n| is_meant(&neigh::group(n))) {
            put(neigh::group(neigh), neigh::item(neigh));
        }
    }
    if scope.tables.contains(&Table::Qdiscs) {
        let qdiscs: Vec<Raw> =
            qdisc::dump(socket)?.into_iter().filter(|q| scope.links.contains(&qdisc::index(q))).collect();
        let shaped: BTreeSet<u32> = qdiscs.iter().map(qdisc::index).collect();
        for qdisc in &qdiscs {
            put(Group::Qdiscs(qdisc::index(qdisc)), qdisc::item(qdisc));
        }
        for index in shaped {
            for class in qdisc::classes(socket, index)? {
                put(Group::Qdiscs(index), qdisc::item(&class));
            }
        }
    }
    Ok(Snapshot { netns: scope.netns, names: link::names(links), groups })
}

/// Whether a link of the scope still waits: for the end of the search for duplicates of an address.
///
/// # Errors
/// The kernel's answer.
pub fn is_searching(kernel: &mut Kernel, scope: &Scope) -> Result<bool, KernelError> {
    let Some(socket) = kernel.socket(scope.netns) else { return Ok(false) };
    let waits = |a: &Raw| addr::is_tentative(a) && addr::group(a).link().is_some_and(|l| scope.links.contains(&l));
    Ok(addr::dump(socket)?.iter().any(waits))
}
