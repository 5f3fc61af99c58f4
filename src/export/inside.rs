//! What a namespace holds besides its links: neighbours, forwarding entries, routes, rules, queueing disciplines, files.

use netlink_packet_route::rule::{RuleAttribute, RuleMessage};

use super::scope::Scope;
use super::{Draft, Part, Wanted};
use crate::action::Action;
use crate::action::file_put::FilePut;
use crate::action::neigh::NeighAdd;
use crate::action::qdisc_set::QdiscSet;
use crate::action::route::{self, RouteAdd};
use crate::action::rule::{RuleAdd, RuleDel};
use crate::action::text::Names;
use crate::kernel::fs::{self, FileState};
use crate::kernel::link::LinkKey;
use crate::kernel::neigh::{self, NeighSpec, Table};
use crate::kernel::qdisc;
use crate::kernel::route::{self as kernel_route, RouteKind, RouteSpec};
use crate::kernel::rule::{self as kernel_rule, RuleSpec};
use crate::probe::state::link::LinkState;
use crate::probe::state::neigh::NeighState;
use crate::snapshot::qdisc as raw_qdisc;
use crate::types::name::IfName;
use crate::types::number::VlanId;
use crate::why::world::{Spot, World};

/// Reads one namespace.
pub(super) fn read(
    world: &mut World<'_>,
    space: usize,
    (scope, wanted): (&Scope, &Wanted),
    names: &Names,
    draft: &mut Draft,
) {
    let links: Vec<LinkState> = world.space(space).links.clone();
    let links: Vec<LinkState> =
        links.into_iter().filter(|l| l.loopback || scope.has(Spot { space, link: l.ifindex })).collect();
    let is_host = space == scope.host;
    let is_whole = !is_host || scope.whole;
    let mut reader = Reader { world, space, names, links, wanted, is_whole, draft };
    reader.neighbours();
    reader.forwarding();
    reader.routes();
    reader.rules();
    reader.qdiscs();
    if is_whole {
        reader.firewall();
    }
    reader.files(is_host);
}

struct Reader<'a, 'k> {
    world: &'a mut World<'k>,
    space: usize,
    names: &'a Names,
    /// The links that are written, and `lo`.
    links: Vec<LinkState>,
    wanted: &'a Wanted,
    /// All that is there is written, and not only what the lab says is its own.
    is_whole: bool,
    draft: &'a mut Draft,
}

impl Reader<'_, '_> {
    fn netns(&self) -> crate::kernel::space::NetnsCookie {
        self.world.space(self.space).cookie
    }

    fn link(&self, index: u32) -> Option<(LinkKey, IfName, &LinkState)> {
        let link = self.links.iter().find(|l| l.ifindex == index)?;
        Some((LinkKey { netns: self.netns(), index }, IfName::new(&link.ifname).ok()?, link))
    }

    fn add_entry(&mut self, index: u32, entry: NeighSpec) {
        if let Some((link, dev, _)) = self.link(index) {
            self.draft.push(Part::Entries, Action::NeighAdd(NeighAdd { link, dev, entry }));
        }
    }

    fn entries(&mut self, table: Table) -> Vec<NeighState> {
        let all = self.world.socket(self.space).map(|socket| neigh::dump(socket, table));
        let all = all.and_then(std::result::Result::ok).unwrap_or_default();
        all.iter().map(|m| NeighState::new(m, &Default::default())).collect()
    }

    fn neighbours(&mut self) {
        for entry in self.entries(Table::Neighbours) {
            if let (Some(addr), Some(mac), "PERMANENT", false) = (entry.dst, entry.mac, entry.state, entry.proxy) {
                self.add_entry(entry.index, NeighSpec::Neigh { addr, mac });
            }
        }
        for entry in self.entries(Table::Proxies).into_iter().filter(|e| e.proxy) {
            entry.dst.into_iter().for_each(|addr| self.add_entry(entry.index, NeighSpec::Proxy { addr }));
        }
    }

    fn forwarding(&mut self) {
        let mut seen = Vec::new();
        for entry in self.entries(Table::Fdb) {
            let Some((link, mac)) = self.links.iter().find(|l| l.ifindex == entry.index).zip(entry.mac) else {
                continue;
            };
            let is_static = entry.state == "NOARP" && entry.master.is_some();
            // The end that is one of a tunnel's own options comes with it.
            let is_option = mac.bytes() == [0; 6] && far_end(link) == entry.dst.map(|d| d.to_string());
            let is_tunnel = entry.dst.is_some() && entry.state == "PERMANENT" && !is_option;
            if !is_static && !is_tunnel {
                continue;
            }
            let append =
                seen.contains(&(entry.index, mac)) || is_tunnel && mac.bytes() == [0; 6] && far_end(link).is_some();
            seen.push((entry.index, mac));
            let vlan = entry.vlan.and_then(|id| VlanId::new(id.into()).ok());
            self.add_entry(entry.index, NeighSpec::Fdb { mac, dst: entry.dst, vlan, master: is_static, append });
        }
    }

    /// The routes that somebody made; of a namespace that is not written as a whole, those over the links that are.
    fn routes(&mut self) {
        let mut found: Vec<RouteSpec> = Vec::new();
        for v6 in [false, true] {
            let Some(socket) = self.world.socket(self.space) else { return };
            for message in kernel_route::dump(socket, v6).unwrap_or_default() {
                let is_ours = |index: u32| self.links.iter().any(|l| l.ifindex == index);
                match RouteSpec::read(&message) {
                    Some(route) if is_learned(&route) => {}
                    Some(route) => {
                        let links: Vec<u32> =
                            route.dev.into_iter().chain(route.nexthops.iter().filter_map(|h| h.dev)).collect();
                        let key = (route.dst, route.table.unwrap_or(kernel_route::TABLE_MAIN));
                        let is_meant = self.is_whole || self.wanted.routes.contains(&key);
                        if links.iter().any(|l| is_ours(*l)) || (is_meant && links.iter().all(|l| *l == LO)) {
                            found.push(route);
                        }
                    }
                    None => self.strange_route(&message, v6),
                }
            }
        }
        // A gateway is reached by a route that is there before.
        found.sort_by_key(|r| (r.dst.addr.is_ipv6(), r.via.is_some() || !r.nexthops.is_empty()));
        let has_vrf = self.world.space(self.space).links.iter().any(|l| l.kind() == "vrf");
        for mut route in found {
            if route.dst.addr.is_ipv6() {
                // What IPv6 gives to a route without a metric (`IP6_RT_PRIO_USER`).
                route.metric = route.metric.filter(|metric| *metric != 1024);
                // It refuses by way of `lo`.
                route.dev = route.dev.filter(|_| route.kind == RouteKind::Unicast);
            }
            self.told_of_protocol(&route);
            route.protocol = None;
            if let Some(via) = route.via.filter(|_| !route.onlink && !has_vrf) {
                route.dev = route.dev.filter(|dev| self.way_to(via) != Some(*dev));
            }
            for hop in route.nexthops.iter_mut().filter(|hop| !hop.onlink && !has_vrf) {
                hop.dev = hop.dev.filter(|dev| hop.via.and_then(|via| self.way_to(via)) != Some(*dev));
            }
            let dev = route.dev.and_then(|index| self.link(index)).map(|(_, name, _)| name.to_string());
            self.draft.push(Part::Routes, Action::RouteAdd(RouteAdd { netns: self.netns(), route, dev }));
        }
    }

    /// The only link in whose networks an address is.
    fn way_to(&self, addr: std::net::IpAddr) -> Option<u32> {
        let addrs = self.world.space(self.space).addrs.iter();
        let mut near: Vec<u32> = addrs
            .filter(|a| a.scope == "global" && a.network().is_some_and(|network| network.contains(addr)))
            .map(|a| a.index)
            .collect();
        near.dedup();
        match near[..] {
            [index] => Some(index),
            _ => None,
        }
    }

    /// A route that has options for which there are no words here.
    fn strange_route(&mut self, message: &netlink_packet_route::route::RouteMessage, v6: bool) {
        use netlink_packet_route::route::{RouteProtocol, RouteType};
        let is_kernels = message.header.protocol == RouteProtocol::Kernel;
        let is_local = matches!(
            message.header.kind,
            RouteType::Local | RouteType::Broadcast | RouteType::Anycast | RouteType::Multicast
        );
        if is_kernels || is_local || !self.is_whole {
            return;
        }
        let state = crate::probe::state::route::RouteState::new(message, v6, &Default::default());
        let ip = self.names.ip(self.netns());
        let family = if v6 { " -6" } else { "" };
        self.draft.miss(
            format!("the route to {} in {}, which has options that netlab does not know", state.dst, self.name()),
            Some(format!("{ip}{family} route show {} table {}", state.dst, state.table)),
        );
    }

    fn told_of_protocol(&mut self, route: &RouteSpec) {
        let Some(number) = route.protocol else { return };
        let ip = self.names.ip(self.netns());
        let words = route::words(&RouteSpec { scope: None, ..route.clone() }, None, |index| {
            self.names.link(LinkKey { netns: self.netns(), index })
        });
        let family = if route.dst.addr.is_ipv6() { " -6" } else { "" };
        self.draft.miss(
            format!("who made the route to {} in {}", route.dst, self.name()),
            Some(format!("{ip}{family} route replace {words} proto {number}")),
        );
    }

    fn rules(&mut self) {
        for v6 in [false, true] {
            let Some(socket) = self.world.socket(self.space) else { return };
            let all = kernel_rule::dump(socket, v6).unwrap_or_default();
            let mut usual = usual_rules(v6);
            for message in &all {
                let spec = RuleSpec::read(message);
                if let Some(at) = spec.as_ref().and_then(|spec| usual.iter().position(|u| u.is_like(spec))) {
                    usual.remove(at);
                    continue;
                }
                match spec {
                    Some(spec) if !self.is_whole && !self.wanted.rules.iter().any(|own| own.is_like(&spec)) => {}
                    None if !self.is_whole => {}
                    Some(mut spec) => {
                        spec.protocol = None;
                        let netns = self.netns();
                        self.draft.push(Part::Rules, Action::RuleAdd(RuleAdd { netns, rule: spec }));
                    }
                    None if is_of_vrfs(message) => {}
                    None => {
                        let ip = self.names.ip(self.netns());
                        let family = if v6 { " -6" } else { "" };
                        self.draft.miss(
                            format!("a rule of {}, which has options that netlab does not know", self.name()),
                            Some(format!("{ip}{family} rule show")),
                        );
                    }
                }
            }
            for rule in usual.into_iter().filter(|_| self.is_whole) {
                let netns = self.netns();
                self.draft.push(Part::Rules, Action::RuleDel(RuleDel { netns, rule }));
            }
        }
    }

    fn qdiscs(&mut self) {
        let Some(socket) = self.world.socket(self.space) else { return };
        for message in raw_qdisc::dump(socket).unwrap_or_default() {
            let Some((link, dev, _)) = self.link(raw_qdisc::index(&message)) else { continue };
            match qdisc::read(&message) {
                Some(netem) => {
                    self.draft.push(Part::Qdiscs, Action::QdiscSet(QdiscSet { link, dev, netem: Some(netem) }));
                }
                None => {
                    let tc = self.names.tool("tc", link.netns);
                    let what = format!("a queueing discipline of `{dev}` in {}", self.name());
                    self.draft.miss(what, Some(format!("{tc} qdisc show dev {dev}")));
                }
            }
        }
    }

    fn firewall(&mut self) {
        if let Some(rules) = self.world.firewall(self.space).filter(|rules| !rules.is_empty()) {
            let exec = self.names.exec(self.netns());
            let what = format!("the firewall of {} ({})", self.name(), rules.tables.join(", "));
            self.draft.miss(what, Some(format!("{exec}nft list ruleset")));
        }
    }

    /// The files of the resolver that programs in the namespace see; of the machine's own, those that the lab wrote.
    fn files(&mut self, is_host: bool) {
        let folder = if is_host { "/etc".into() } else { std::path::Path::new("/etc/netns").join(self.name()) };
        for file in ["resolv.conf", "hosts"] {
            let path = folder.join(file);
            if is_host && !self.wanted.files.contains(&path) {
                continue;
            }
            if let Ok(state @ FileState::File { .. }) = fs::state(&path) {
                let dirs = if is_host { Vec::new() } else { vec![folder.clone()] };
                let put = FilePut { path, state, before: FileState::Missing, dirs, held: 0 };
                self.draft.push(Part::Files, Action::FilePut(put));
            }
        }
    }

    fn name(&self) -> String {
        self.world.name(self.space)
    }
}

/// The ifindex of `lo`, by which IPv6 refuses.
const LO: u32 = 1;

/// The other end among the options of a tunnel.
fn far_end(link: &LinkState) -> Option<String> {
    let data = link.linkinfo.as_ref().map(|i| &i.info_data)?;
    let value = ["remote", "remote6", "group", "group6"].iter().find_map(|key| data.get(*key))?;
    value.as_str().map(str::to_owned)
}

/// Whether another router or the kernel told it, and would again.
fn is_learned(route: &RouteSpec) -> bool {
    /// `RTPROT_REDIRECT` and `RTPROT_RA` of linux/rtnetlink.h.
    const LEARNED: [u8; 2] = [1, 9];
    route.protocol.is_some_and(|protocol| LEARNED.contains(&protocol))
}

/// The rules of a new namespace.
fn usual_rules(v6: bool) -> Vec<RuleSpec> {
    let rule = |priority, table| RuleSpec { v6, priority, table: Some(table), ..RuleSpec::default() };
    let all = [rule(0, 255), rule(32766, 254), rule(32767, 253)];
    all.into_iter().take(if v6 { 2 } else { 3 }).collect()
}

/// The rule that the kernel makes with the first VRF (`FRA_L3MDEV`).
fn is_of_vrfs(message: &RuleMessage) -> bool {
    message.attributes.iter().any(|a| matches!(a, RuleAttribute::L3MDev(true)))
}
