//! Giving back what is on links and in tables: each group that is not as it should be, in the kernel's order.

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE};

use super::group::{Group, Item, Of};
use super::link::{RECEIVED, ROUTERS};
use super::restore::Work;
use super::view::View;
use super::{addr, link, mdb, neigh, nexthop, qdisc, route, rule, setting, vlan};
use crate::diag::KernelError;
use crate::kernel::multicast;
use crate::kernel::process;
use crate::kernel::raw::Raw;
use crate::types::mac::Mac;
use crate::types::name::IfName;

const FORWARDING6: &str = "ipv6/conf/forwarding";

impl Work<'_> {
    /// Switches the forwarding of IPv6 off where it is to be off, before a link comes up. A router answers to the anycast
    /// address of each of its networks, and leaves those of addresses that are in use already, but not of others, when it
    /// is none any more (`dev_forward_change` in net/ipv6/addrconf.c).
    pub(super) fn stop_routing(&mut self, view: &View<'_>) {
        for (group, wanted) in &view.aim.wanted {
            let Group::Settings(of) = group else { continue };
            let off = wanted.iter().filter(|i| i.label() == FORWARDING6 && i.value.as_text() == "0");
            let is_on = |item: &Item| view.now.item(group, item.key()).is_some_and(|now| !now.is_like(item));
            for item in off.filter(|item| is_on(item)) {
                self.write(view, *of, &item.label(), &item.value.as_text());
            }
        }
        // The switch for all switched off those, too, that are to be on: before their addresses come, or they would not join.
        for (group, wanted) in &view.aim.wanted {
            let Group::Settings(of @ Of::Link(_)) = group else { continue };
            let is_on = |i: &&Item| i.label() == FORWARDING6 && i.value.as_text() == "1";
            if let (Some(_), Some(fd)) = (wanted.iter().find(is_on), self.kernel.fd(view.now.netns)) {
                // What is so already stays as it is.
                let _ = setting::write(fd, *of, FORWARDING6, "1", &view.now.names);
            }
        }
    }

    /// The options of bridge ports, after the carriers: the cost of a port follows its speed unless somebody chose it.
    pub(super) fn ports(&mut self, view: &View<'_>) {
        for (index, wanted, kind) in view.links() {
            let mut items = view.missing(&Group::Link(index), wanted);
            items.retain(|item| item.label().starts_with("slave:"));
            // Its state last: with any other option the bridge chooses it again.
            items.sort_by_key(|item| item.label() == "slave:1");
            for item in &items {
                if let Some(message) = link::set(index, item, &kind) {
                    self.send(view, &Group::Link(index), &message, 0);
                }
            }
        }
    }

    /// The VLANs of ports: first what should not be there, and last the one of frames without a tag, which displaces another.
    pub(super) fn vlans(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Vlans(_))) {
            let Group::Vlans(index) = group else { continue };
            let surplus = view.surplus(&group);
            let gone = surplus.iter().filter_map(|key| view.now.item(&group, key)).filter_map(|i| vlan::take(index, i));
            let mut come = view.missing(&group, &view.target(&group));
            come.sort_by_key(vlan::is_pvid);
            for message in gone.chain(come.iter().filter_map(|i| vlan::put(index, i))).collect::<Vec<_>>() {
                self.send(view, &group, &message, 0);
            }
        }
    }

    pub(super) fn qdiscs(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Qdiscs(_))) {
            for message in view.now.items(&group).iter().rev().filter_map(qdisc::take) {
                self.send(view, &group, &message, 0);
            }
            // What hangs on another one comes after it: until nothing more succeeds.
            let mut todo: Vec<Raw> = view.target(&group).iter().filter_map(qdisc::put).collect();
            loop {
                let before = todo.len();
                todo.retain(|message| self.send(view, &group, message, NLM_F_CREATE | NLM_F_REPLACE).is_some());
                if todo.is_empty() || todo.len() == before {
                    break;
                }
            }
        }
    }

    pub(super) fn addrs(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Addrs { .. })) {
            let Group::Addrs { v6, .. } = group else { continue };
            let (gone, come) = addr::steps(v6, view.now.items(&group), &view.target(&group));
            for message in gone.iter().filter_map(addr::take) {
                // A secondary one may have gone with its primary.
                self.send(view, &group, &message, 0);
            }
            for message in come.iter().filter_map(|i| addr::put(i, process::since_boot())) {
                self.send(view, &group, &message, NLM_F_CREATE | NLM_F_REPLACE);
            }
        }
    }

    pub(super) fn nexthops(&mut self, view: &View<'_>) {
        let group = Group::Nexthops;
        if !view.differing(|g| *g == group).contains(&group) {
            return;
        }
        for key in view.surplus(&group) {
            if let Some(message) = view.now.item(&group, &key).and_then(nexthop::take) {
                self.send(view, &group, &message, 0);
            }
        }
        let mut missing = view.missing(&group, &view.target(&group));
        missing.sort_by_key(nexthop::is_group);
        for message in missing.iter().filter_map(nexthop::put) {
            let gateways: Vec<_> = nexthop::gateway(&message).into_iter().collect();
            self.send_by_way(view, &group, (&message, NLM_F_CREATE | NLM_F_REPLACE), &gateways);
        }
    }

    /// Each group of which something is missing or in the wrong order is made anew as a whole. A gateway needs the route to
    /// its own network first, so it is gone round until nothing more succeeds; what is left then has no such route.
    pub(super) fn routes(&mut self, view: &View<'_>) {
        let mut todo: Vec<(Group, Vec<Item>)> = Vec::new();
        for group in view.differing(|g| matches!(g, Group::Routes(_))) {
            let (now, target) = (view.now.items(&group), view.target(&group));
            let kept = if is_prefix(now, &target) { now.len() } else { 0 };
            if kept == 0 {
                for message in now.iter().filter_map(route::take) {
                    self.send(view, &group, &message, 0);
                }
            }
            todo.push((group, target[kept..].to_vec()));
        }
        let left = |todo: &[(Group, Vec<Item>)]| todo.iter().map(|(_, items)| items.len()).sum::<usize>();
        let mut by_way = false;
        while left(&todo) > 0 {
            let before = left(&todo);
            for (group, items) in &mut todo {
                // Within a group the order counts, so one that cannot be made yet stops those behind it.
                while let Some(item) = items.first() {
                    let sent = route::put(group, item, process::since_boot()).is_none_or(|message| {
                        let gateways = if by_way { route::gateways(&message) } else { Vec::new() };
                        self.send_by_way(view, group, (&message, NLM_F_CREATE | NLM_F_APPEND), &gateways)
                    });
                    if !sent {
                        break;
                    }
                    items.remove(0);
                }
            }
            let is_stuck = left(&todo) == before;
            if is_stuck && by_way {
                return;
            }
            by_way |= is_stuck;
        }
    }

    pub(super) fn neighs(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Neighs(_) | Group::Fdb(_))) {
            for key in view.surplus(&group) {
                if let Some(message) = view.now.item(&group, &key).and_then(neigh::take) {
                    self.send(view, &group, &message, 0);
                }
            }
            for (message, beside) in view.missing(&group, &view.target(&group)).iter().filter_map(neigh::put) {
                let flags = NLM_F_CREATE | if beside { NLM_F_APPEND } else { NLM_F_REPLACE };
                self.send(view, &group, &message, flags);
            }
        }
    }

    pub(super) fn maddrs(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Maddrs(_))) {
            let name =
                group.link().and_then(|index| view.now.names.get(&index)).and_then(|name| IfName::new(name).ok());
            let (Some(name), Some(fd)) = (name, self.kernel.fd(view.now.netns)) else { continue };
            let surplus = view.surplus(&group);
            let gone = surplus.iter().filter_map(|key| view.now.item(&group, key)).map(|item| (item.clone(), false));
            let come = view.missing(&group, &view.target(&group)).into_iter().map(|item| (item, true));
            let (mut errors, mut failed, mut received) = (Vec::new(), Vec::new(), Vec::new());
            for (item, listen) in gone.chain(come) {
                if item.label() == ROUTERS {
                    // It joins them when its forwarding is switched on.
                    let Some(of) = group.link().map(Of::Link) else { continue };
                    for value in ["0", "1"] {
                        let written = setting::write(fd, of, FORWARDING6, value, &view.now.names);
                        failed.extend(written.err());
                    }
                    continue;
                }
                if item.label().starts_with(RECEIVED) {
                    received.push(item);
                    continue;
                }
                let Some(mac) = Mac::from_bytes(&item.value.0) else { continue };
                errors.extend(multicast::set(fd, &name, mac, listen).err());
            }
            for item in received {
                self.renew_address(view, &group, &item);
            }
            failed.extend(errors.iter().map(|error| KernelError::from_io("SIOCADDMULTI", error)));
            for error in failed {
                self.blame(view, &group, error);
            }
        }
    }

    /// An IPv6 address that stayed on a link which was set down (`keep_addr_on_down`) is not received any more; put there
    /// anew it is.
    fn renew_address(&mut self, view: &View<'_>, group: &Group, received: &Item) {
        let Some(link) = group.link() else { return };
        let group = Group::Addrs { link, v6: true };
        let wanted = view.wanted(&group).iter();
        let is_it = |item: &&Item| link::is_all_groups(received) || link::is_received(received, item);
        for item in wanted.filter(is_it).take(1) {
            if let Some(message) = addr::take(item) {
                self.send(view, &group, &message, 0);
            }
            if let Some(message) = addr::put(item, process::since_boot()) {
                self.send(view, &group, &message, NLM_F_CREATE | NLM_F_REPLACE);
            }
        }
    }

    pub(super) fn mdb(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Mdb(_))) {
            let surplus = view.surplus(&group);
            let gone =
                surplus.iter().filter_map(|key| view.now.item(&group, key)).filter_map(|i| mdb::message(i, false));
            let come = view.missing(&group, &view.target(&group));
            let come = come.iter().filter_map(|i| mdb::message(i, true));
            for (message, flags) in gone.map(|m| (m, 0)).chain(come.map(|m| (m, NLM_F_CREATE))).collect::<Vec<_>>() {
                self.send(view, &group, &message, flags);
            }
        }
    }

    pub(super) fn rules(&mut self, view: &View<'_>) {
        for group in view.differing(|g| matches!(g, Group::Rules { .. })) {
            let (now, target) = (view.now.items(&group), view.target(&group));
            let kept = if is_prefix(now, &target) { now.len() } else { 0 };
            if kept == 0 {
                for message in now.iter().filter_map(rule::take) {
                    self.send(view, &group, &message, 0);
                }
            }
            for message in target[kept..].iter().filter_map(rule::put) {
                self.send(view, &group, &message, NLM_F_CREATE);
            }
        }
    }
}

fn is_prefix(now: &[Item], target: &[Item]) -> bool {
    now.len() <= target.len() && now.iter().zip(target).all(|(a, b)| a.is_like(b))
}
