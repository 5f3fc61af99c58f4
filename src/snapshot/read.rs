//! Looking: what a namespace holds, as far as a scope reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, Item, Key, Snapshot};
use super::scope::{Scope, Table};
use super::{addr, link, mdb, neigh, nexthop, qdisc, route, rule, setting, vlan};
use crate::diag::KernelError;
use crate::kernel::multicast;
use crate::kernel::netlink::Socket;
use crate::kernel::process;
use crate::kernel::raw::{Bytes, Raw};
use crate::kernel::space::{Kernel, NetnsCookie};

/// Looks at all that a scope holds. It does not grow: what is near by now was perhaps not looked at before.
///
/// # Errors
/// The kernel's answer; `ENOENT` if the namespace has not been opened.
pub fn read(kernel: &mut Kernel, scope: &Scope) -> Result<Snapshot, KernelError> {
    let links = dump_links(kernel, scope)?;
    within(kernel, scope, &links, false)
}

/// Looks at all that a change can reach: the scope grows by the links that feel what happens to those in it, and by the routes
/// that are seen, whatever becomes of them.
///
/// # Errors
/// As [`read`].
pub fn read_around(kernel: &mut Kernel, scope: &mut Scope) -> Result<Snapshot, KernelError> {
    let links = dump_links(kernel, scope)?;
    if scope.tables.contains(&Table::Links) {
        link::around(&links, scope);
    }
    let snapshot = within(kernel, scope, &links, true)?;
    let routes =
        snapshot.groups.keys().filter_map(|g| if let Group::Routes(key) = g { Some(key.clone()) } else { None });
    scope.seen.extend(routes);
    scope.nexthops.extend(snapshot.items(&Group::Nexthops).iter().filter_map(|item| item.label().parse::<u32>().ok()));
    Ok(snapshot)
}

/// Looks at everything that a namespace holds.
///
/// # Errors
/// As [`read`].
pub fn read_all(kernel: &mut Kernel, scope: &mut Scope) -> Result<Snapshot, KernelError> {
    let links = dump_links(kernel, scope)?;
    scope.links = links.iter().map(link::index).collect();
    let gone = || KernelError::new("RTM_GETLINK", libc::ENOENT);
    let socket = kernel.socket(scope.netns).ok_or_else(gone)?;
    if scope.tables.contains(&Table::Routes) {
        // Some lead over no link: those that refuse.
        let routes = route::dump(socket)?;
        scope.groups.extend(routes.iter().filter(|r| !route::is_derived(r)).map(|r| Group::Routes(route::key(r))));
    }
    if scope.tables.contains(&Table::Nexthops) {
        // Likewise.
        scope.nexthops.extend(nexthop::dump(socket)?.iter().map(nexthop::id));
    }
    if scope.tables.contains(&Table::Rules) {
        scope.groups.extend(rule::dump(socket)?.iter().map(rule::group));
    }
    within(kernel, scope, &links, false)
}

fn dump_links(kernel: &mut Kernel, scope: &Scope) -> Result<Vec<Raw>, KernelError> {
    let gone = || KernelError::new("RTM_GETLINK", libc::ENOENT);
    let socket = kernel.socket(scope.netns).ok_or_else(gone)?;
    if scope.tables.contains(&Table::Links) {
        hurry(socket, &scope.links);
    }
    link::dump(socket)
}

/// Has the kernel tell the news of carriers, on which it may sit for a second, and with which it drops things: asked for one
/// link it tells at once. A bridge has its carrier by its ports, and what sits on a bridge by that, so it is asked until
/// nothing comes of it any more.
fn hurry(socket: &mut Socket, links: &BTreeSet<u32>) {
    // Links upon links upon links.
    const STACKED: usize = 5;
    let mut last = Vec::new();
    for _ in 0..STACKED {
        let flags =
            links.iter().map(|index| crate::kernel::link::get(socket, *index).map(|l| l.header.flags).ok()).collect();
        if std::mem::replace(&mut last, flags) == last {
            return;
        }
    }
}

/// With `grows`, of a route that is meant all are that differ from it by their order only. Later only of those that were seen
/// then are: others may have been there, unseen.
fn within(kernel: &mut Kernel, scope: &Scope, links: &[Raw], grows: bool) -> Result<Snapshot, KernelError> {
    let gone = || KernelError::new("RTM_GETLINK", libc::ENOENT);
    let now = process::since_boot();
    let mut groups: BTreeMap<Group, Vec<Item>> = BTreeMap::new();
    if scope.tables.contains(&Table::Links) {
        for link in links.iter().filter(|l| scope.links.contains(&link::index(l))) {
            let mut items = link::items(link);
            for borrowed in link::borrowed(link, links) {
                let told = || Some(Bytes::text(format!("~{borrowed}")));
                items.iter_mut().filter(|i| i.label() == borrowed).for_each(|i| i.name = told());
            }
            groups.insert(Group::Link(link::index(link)), items);
        }
    }
    if scope.tables.contains(&Table::Settings) {
        let indexes: Vec<u32> =
            if scope.tables.contains(&Table::Links) { scope.links.iter().copied().collect() } else { Vec::new() };
        let others: Vec<_> = scope.settings.iter().cloned().collect();
        let fd = kernel.fd(scope.netns).ok_or_else(gone)?;
        let alike = links.iter().filter_map(|l| Some((link::index(l), link::ipv4_conf(l)?))).collect();
        let settings = setting::read(fd, &indexes, &others, &link::names(links), &alike)?;
        groups.extend(settings.into_iter().map(|(of, items)| (Group::Settings(of), items)));
    }
    if scope.tables.contains(&Table::Links) {
        let fd = kernel.fd(scope.netns).ok_or_else(gone)?;
        let all = multicast::read(fd).map_err(|e| KernelError::from_io("setns", &e))?;
        for index in all.routers.into_iter().filter(|index| scope.links.contains(index)) {
            groups.entry(Group::Maddrs(index)).or_default().push(Item::named(link::ROUTERS, link::ROUTERS));
        }
        for (index, mac) in all.by_hand.into_iter().filter(|(index, _)| scope.links.contains(index)) {
            groups.entry(Group::Maddrs(index)).or_default().push(Item {
                name: Some(Bytes::text(mac.to_string())),
                value: Bytes(mac.bytes().to_vec()),
                life: None,
            });
        }
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
        own_nexthops.extend(&scope.nexthops);
        for nexthop in nexthops.iter().filter(|n| own_nexthops.contains(&nexthop::id(n))) {
            put(Group::Nexthops, nexthop::item(nexthop));
        }
    }
    if scope.tables.contains(&Table::Routes) {
        let routes = route::dump(socket)?;
        let meant = |r: &Raw| route::uses(r, &scope.links, &own_addrs, &own_nexthops) && !route::is_derived(r);
        let mut keys: BTreeSet<_> = scope.seen.iter().cloned().map(Group::Routes).collect();
        keys.extend(routes.iter().filter(|r| grows && meant(r)).map(route::key).map(Group::Routes));
        if grows {
            let shared = route::shared(&routes);
            let own = routes.iter().filter(|r| route::uses(r, &scope.links, &own_addrs, &own_nexthops)).map(route::key);
            keys.extend(own.filter(|key| shared.contains(key)).map(Group::Routes));
        }
        // With a carrier the kernel sees to all of them.
        for (index, address) in routes.iter().filter_map(route::received) {
            let item = Item::named(link::received(&address), "");
            let link = links.iter().find(|l| link::index(l) == index && scope.links.contains(&index));
            let has_some = |l: &Raw| if link::is_all_groups(&item) { link::has_carrier(l) } else { link::is_up(l) };
            if link.is_some_and(|l| !has_some(l)) {
                put(Group::Maddrs(index), item);
            }
        }
        for route in &routes {
            let group = Group::Routes(route::key(route));
            if scope.groups.contains(&group)
                || meant(route)
                || (keys.contains(&group) && !(route::is_derived(route) && route::is_v6(route)))
            {
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
    if scope.tables.contains(&Table::Mdb) {
        for (group, item) in mdb::read(socket)?.into_iter().filter(|(group, _)| is_meant(group)) {
            put(group, item);
        }
    }
    let bridged = || links.iter().filter(|l| link::is_bridged(l)).map(link::index).filter(|i| scope.links.contains(i));
    if scope.tables.contains(&Table::Vlans) && bridged().next().is_some() {
        // A port that is in no VLAN has to be told from a link that is no port.
        bridged().for_each(|index| put(Group::Vlans(index), Item::named("~port", "1")));
        for (group, item) in vlan::read(socket)?.into_iter().filter(|(group, _)| is_meant(group)) {
            put(group, item);
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

/// The addresses of a namespace of which the kernel still looks for duplicates.
///
/// # Errors
/// The kernel's answer.
pub fn searching(kernel: &mut Kernel, netns: NetnsCookie) -> Result<Vec<(Group, Key)>, KernelError> {
    let Some(socket) = kernel.socket(netns) else { return Ok(Vec::new()) };
    let tentative = addr::dump(socket)?.into_iter().filter(addr::is_tentative);
    Ok(tentative.map(|a| (addr::group(&a), addr::item(&a, 0).key().clone())).collect())
}
