//! The links: each is made where it is, with all that a port takes, and gets afterwards what only a verb can give.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::LinkMessage;

use super::scope::{Scope, is_kernels};
use super::settings::Defaults;
use super::{Draft, Missing, Part, Wanted, order};
use crate::action::Action;
use crate::action::addr::AddrAdd;
use crate::action::link_add::{LinkAdd, NewEnd};
use crate::action::link_move::LinkMove;
use crate::action::link_set::LinkChange;
use crate::action::port::{PortSet, VlanAdd, VlanDel};
use crate::action::text::Names;
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::link::bridge::{PortOptions, PortVlan};
use crate::kernel::link::kind::LinkKind;
use crate::kernel::link::{self, LinkEnd, LinkKey, LinkSet, told};
use crate::kernel::neigh::{self, Table};
use crate::kernel::netns;
use crate::probe::state::link::LinkState;
use crate::probe::state::neigh::NeighState;
use crate::snapshot::group::Group;
use crate::snapshot::vlan;
use crate::types::mac::Mac;
use crate::types::name::{IfName, NsName};
use crate::types::number::VlanId;
use crate::why::world::{Spot, World};

/// A link that is to be made, and what comes after it.
pub(super) struct New {
    pub(super) add: LinkAdd,
    pub(super) after: Vec<Action>,
}

/// Writes the links in an order in which each finds what it sits on.
pub(super) fn read(
    world: &mut World<'_>,
    (scope, wanted): (&Scope, &Wanted),
    defaults: &Defaults,
    names: &Names,
    draft: &mut Draft,
) {
    let mut reader = Reader { world, scope, wanted, defaults, names, spaces: HashMap::new(), missing: Vec::new() };
    let mut new = Vec::new();
    for space in scope.all() {
        let links = reader.world.space(space).links.clone();
        for link in links.iter().filter(|l| scope.has(Spot { space, link: l.ifindex })) {
            if link.loopback {
                let (key, after) = (reader.key(space, link), reader.later(space, link, false));
                after.into_iter().for_each(|spec| {
                    draft.push(Part::Links, Action::AddrAdd(AddrAdd { link: key, dev: name(link), addr: spec }));
                });
            } else if !is_kernels(link) {
                new.extend(reader.made(space, link));
            }
        }
    }
    draft.missing.append(&mut reader.missing);
    for New { add, after } in order::sorted(new) {
        let is_ground = matches!(add.kind, LinkKind::Bridge(_) | LinkKind::Vrf { .. } | LinkKind::Bond { .. });
        let part = if is_ground { Part::Bridges } else { Part::Links };
        draft.push(part, Action::LinkAdd(add));
        after.into_iter().for_each(|action| draft.push(part, action));
    }
}

/// What the reading of links needs of a namespace.
struct Inside {
    messages: HashMap<u32, LinkMessage>,
    addrs: HashMap<u32, Vec<AddrSpec>>,
    vlans: BTreeMap<u32, Vec<(PortVlan, bool)>>,
    /// The links whose MACs count: somebody chose them, or something else names them.
    macs: HashSet<u32>,
}

struct Reader<'a, 'k> {
    world: &'a mut World<'k>,
    scope: &'a Scope,
    wanted: &'a Wanted,
    defaults: &'a Defaults,
    names: &'a Names,
    spaces: HashMap<usize, Inside>,
    missing: Vec<Missing>,
}

impl Reader<'_, '_> {
    fn key(&self, space: usize, link: &LinkState) -> LinkKey {
        LinkKey { netns: self.world.space(space).cookie, index: link.ifindex }
    }

    fn inside(&mut self, space: usize) -> &Inside {
        if !self.spaces.contains_key(&space) {
            let inside = look(self.world, self.scope, space);
            self.spaces.insert(space, inside);
        }
        &self.spaces[&space]
    }

    fn miss(&mut self, space: usize, link: &LinkState, why: &str) {
        let ip = self.names.ip(self.world.space(space).cookie);
        self.missing.push(Missing {
            what: format!("`{}` of {}, {why}", link.ifname, self.world.name(space)),
            command: Some(format!("{ip} -d link show {}", link.ifname)),
        });
    }

    /// A link that is to be made; none for the second end of a veth.
    fn made(&mut self, space: usize, link: &LinkState) -> Option<New> {
        let spot = Spot { space, link: link.ifindex };
        let message = self.inside(space).messages.get(&link.ifindex)?.clone();
        if link.kind().is_empty() {
            self.miss(space, link, "which is a card");
            return None;
        }
        let below = match told::underlay(&message) {
            Some(index) => self.world.beyond(spot, index),
            None => self.world.peer(spot),
        };
        let parent = below.map(|s| LinkKey { netns: self.world.space(s.space).cookie, index: s.link });
        let Some(kind) = told::read(&message, parent) else {
            self.miss(space, link, &format!("which is a {}", link.kind()));
            return None;
        };
        if kind != LinkKind::Veth && link.link_netnsid.is_some() && parent.is_none() {
            return self.moved(space, link, kind);
        }
        if kind != LinkKind::Veth {
            let (end, after) = self.end(space, link, &kind, below);
            return Some(New { add: LinkAdd { kind, end, peer: None }, after });
        }
        let Some(far) = below else {
            self.miss(space, link, "whose other end is in a namespace without a name");
            return None;
        };
        // The lab's own namespace comes second, as the router or the switch does.
        let rank = |s: Spot, l: &LinkState| (s.space == self.scope.host, l.is_bridge_port(), s.space, s.link);
        let other = self.world.link(far)?.clone();
        if rank(spot, link) > rank(far, &other) {
            return None;
        }
        let (end, mut after) = self.end(space, link, &kind, None);
        let (peer, then) = self.end(far.space, &other, &kind, None);
        after.extend(then);
        Some(New { add: LinkAdd { kind, end, peer: Some(Box::new(peer)) }, after })
    }

    /// A tunnel whose packets leave from another namespace: it was made there, and moved.
    fn moved(&mut self, space: usize, link: &LinkState, kind: LinkKind) -> Option<New> {
        let Some(home) = self.world.home(Spot { space, link: link.ifindex }) else {
            self.miss(space, link, "whose packets leave from a namespace without a name");
            return None;
        };
        let (end, then) = self.end(space, link, &kind, None);
        let key = end.link.key();
        let bare = NewEnd {
            // Which ifindex it had there is forgotten; it must not be that of another.
            link: LinkEnd {
                netns: self.world.space(home).cookie,
                index: u32::MAX - link.ifindex,
                master: None,
                up: false,
                ..end.link.clone()
            },
            addrs: Vec::new(),
            port: PortOptions::default(),
            vlans: Vec::new(),
            master_name: None,
        };
        let dev = name(link);
        let mut after = vec![Action::LinkMove(LinkMove { from: bare.link.key(), to: key, dev: dev.clone() })];
        let set = LinkSet { master: end.link.master, up: end.link.up.then_some(true), ..LinkSet::default() };
        let add = |addr: &AddrSpec| Action::AddrAdd(AddrAdd { link: key, dev: dev.clone(), addr: addr.clone() });
        after.extend(end.addrs.iter().map(add));
        if set != LinkSet::default() {
            let change = LinkChange { master_name: end.master_name.clone(), ..LinkChange::new(key, dev.clone(), set) };
            after.push(Action::LinkSet(change));
        }
        if !end.port.is_empty() {
            after.push(Action::PortSet(PortSet { link: key, dev, set: end.port.clone() }));
        }
        after.extend(then);
        Some(New { add: LinkAdd { kind, end: bare, peer: None }, after })
    }

    /// One end, and what has to be done to it afterwards.
    fn end(&mut self, space: usize, link: &LinkState, kind: &LinkKind, below: Option<Spot>) -> (NewEnd, Vec<Action>) {
        let key = self.key(space, link);
        let master = link.master_index.and_then(|index| self.world.link(Spot { space, link: index }).cloned());
        let bridge = master.as_ref().filter(|m| m.kind() == "bridge");
        let joins = master.as_ref().filter(|m| m.kind() != "bridge");
        let in_bond = joins.is_some_and(|m| m.kind() == "bond");
        let is_mac_own = !in_bond && self.inside(space).macs.contains(&link.ifindex);
        let later = self.later(space, link, joins.is_some());
        let mut addrs = self.addrs(space, link);
        addrs.truncate(addrs.len() - later.len());
        let (vlans, vlan_steps) = self.vlans(space, link, bridge);
        let end = NewEnd {
            link: LinkEnd {
                netns: key.netns,
                name: name(link),
                index: key.index,
                mac: link.address.filter(|_| is_mac_own),
                mtu: Some(link.mtu).filter(|mtu| !in_bond && Some(*mtu) != self.usual_mtu(space, link, kind, below)),
                master: bridge.map(|m| m.ifindex),
                group: None,
                up: link.up && !in_bond,
            },
            addrs,
            port: bridge.map(|m| port_options(link, m)).unwrap_or_default(),
            vlans,
            master_name: bridge.map(|m| m.ifname.clone()),
        };
        let mut after = Vec::new();
        let change = |set: LinkSet| LinkChange::new(key, name(link), set);
        let txqlen = Some(link.txqlen).filter(|length| *length != usual_txqlen(kind));
        let promisc = link.promisc.then_some(true);
        let set = LinkSet { alias: link.ifalias.clone(), txqlen, promisc, ..LinkSet::default() };
        if set != LinkSet::default() {
            after.push(Action::LinkSet(change(set)));
        }
        if let Some(master) = joins {
            let set = LinkSet { master: Some(master.ifindex), ..LinkSet::default() };
            after.push(Action::LinkSet(LinkChange { master_name: Some(master.ifname.clone()), ..change(set) }));
            // A bond sets up what joins it.
            if in_bond && !link.up {
                after.push(Action::LinkSet(change(LinkSet { up: Some(false), ..LinkSet::default() })));
            }
        }
        after.extend(vlan_steps);
        let add = |addr| Action::AddrAdd(AddrAdd { link: key, dev: name(link), addr });
        after.extend(later.into_iter().map(add));
        if link.group != 0 && !self.wanted.groups.contains(&link.group) {
            let ip = self.names.ip(key.netns);
            self.missing.push(Missing {
                what: format!("the group of `{}`", link.ifname),
                command: Some(format!("{ip} link set {} group {}", link.ifname, link.group)),
            });
        }
        (end, after)
    }

    /// The addresses of a link, for ever also where a lease is only for a time.
    fn addrs(&mut self, space: usize, link: &LinkState) -> Vec<AddrSpec> {
        let is_leased = self.wanted.leased.contains(&self.key(space, link));
        let mut addrs = self.inside(space).addrs.get(&link.ifindex).cloned().unwrap_or_default();
        for spec in addrs.iter_mut().filter(|spec| is_leased && spec.addr.addr().is_ipv4()) {
            (spec.valid_lft, spec.preferred_lft) = (None, None);
        }
        addrs
    }

    /// The addresses that a port cannot take: from the first one on that has options of its own.
    fn later(&mut self, space: usize, link: &LinkState, all: bool) -> Vec<AddrSpec> {
        let without_v6 = self.defaults.without_v6(space);
        let addrs = self.addrs(space, link);
        let is_plain = |spec: &AddrSpec| {
            let has_no_v6_yet = without_v6 && spec.addr.addr().is_ipv6();
            *spec == AddrSpec::new(spec.addr) && !has_no_v6_yet
        };
        let plain = addrs.iter().position(|spec| !is_plain(spec)).unwrap_or(addrs.len());
        let first = if all || link.loopback { 0 } else { plain };
        addrs[first..].to_vec()
    }

    /// The VLANs that a port is born into, and the steps for those that it cannot be born into.
    fn vlans(&mut self, space: usize, link: &LinkState, bridge: Option<&LinkState>) -> (Vec<PortVlan>, Vec<Action>) {
        let (key, dev) = (self.key(space, link), name(link));
        let is_bridge = link.kind() == "bridge";
        let of = if is_bridge { Some(link) } else { bridge };
        let Some(of) = of else { return Default::default() };
        let data = of.linkinfo.as_ref().and_then(|i| i.info_data.get("vlan_default_pvid"));
        let usual = data.and_then(serde_json::Value::as_i64).and_then(|id| VlanId::new(id).ok());
        let all = self.inside(space).vlans.get(&link.ifindex).cloned().unwrap_or_default();
        let has: Vec<PortVlan> = all.iter().filter(|(_, own)| *own == is_bridge).map(|(vlan, _)| *vlan).collect();
        let given: Vec<PortVlan> = usual.map(|vid| PortVlan { vid, pvid: true, untagged: true }).into_iter().collect();
        if has == given || all.is_empty() && !self.inside(space).vlans.contains_key(&of.ifindex) {
            return Default::default();
        }
        let is_access = |vlan: &PortVlan| vlan.pvid && vlan.untagged;
        let is_trunk = |vlan: &PortVlan| !vlan.pvid && !vlan.untagged;
        let is_born = !is_bridge
            && usual == Some(VlanId::FIRST)
            && !has.is_empty()
            && has.iter().all(|vlan| is_access(vlan) || is_trunk(vlan));
        if is_born {
            let mut vlans = has;
            vlans.sort_by_key(|vlan| !vlan.pvid);
            return (vlans, Vec::new());
        }
        let gone = given.iter().filter(|g| has.iter().all(|vlan| vlan.vid != g.vid));
        let gone =
            gone.map(|vlan| Action::VlanDel(VlanDel { link: key, dev: dev.clone(), vlan: *vlan, own: is_bridge }));
        let come = has.iter().filter(|vlan| !given.contains(vlan));
        let come =
            come.map(|vlan| Action::VlanAdd(VlanAdd { link: key, dev: dev.clone(), vlan: *vlan, own: is_bridge }));
        (Vec::new(), gone.chain(come).collect())
    }

    /// What the kernel gives to a new link of the kind, where that is known for sure.
    fn usual_mtu(&self, space: usize, link: &LinkState, kind: &LinkKind, below: Option<Spot>) -> Option<u32> {
        const ETHERNET: u32 = 1500;
        let under = below.and_then(|s| self.world.link(s)).map(|l| l.mtu);
        match kind {
            LinkKind::Bridge(_) => {
                let ports = self.world.ports(Spot { space, link: link.ifindex });
                let least = ports.into_iter().filter_map(|s| self.world.link(s)).map(|l| l.mtu).min();
                Some(least.unwrap_or(ETHERNET))
            }
            LinkKind::Vlan { .. } | LinkKind::Macvlan { .. } | LinkKind::Macvtap { .. } | LinkKind::Ipvlan { .. } => {
                let is_bridge = below.and_then(|s| self.world.link(s)).is_some_and(|l| l.kind() == "bridge");
                // That of a bridge is set by its ports, which come later.
                under.filter(|mtu| !is_bridge || *mtu == ETHERNET)
            }
            LinkKind::Vxlan(o) => {
                let header = if o.remote.or(o.group).or(o.local).is_some_and(|a| a.is_ipv6()) { 70 } else { 50 };
                Some(if o.dev.is_some() { under? - header } else { ETHERNET })
            }
            LinkKind::Veth | LinkKind::Dummy | LinkKind::Ifb | LinkKind::Tun { .. } | LinkKind::Bond { .. } => {
                Some(ETHERNET)
            }
            LinkKind::Vrf { .. } => Some(65575),
            LinkKind::Gre(_) | LinkKind::Geneve(_) => None,
        }
    }
}

fn look(world: &mut World<'_>, scope: &Scope, space: usize) -> Inside {
    let (of, links) = (world.name(space), world.space(space).links.clone());
    let name = NsName::new(&of).ok().filter(|_| space != scope.host);
    let chosen = world.fd(space).map(|fd| netns::chosen_macs(fd, name.as_ref())).unwrap_or_default();
    let named = named_macs(world, scope);
    let counts = |l: &&LinkState| chosen.contains(&l.ifname) || l.address.is_some_and(|mac| named.contains(&mac));
    let macs = links.iter().filter(counts).map(|l| l.ifindex).collect();
    let mut inside = Inside { messages: HashMap::new(), addrs: HashMap::new(), vlans: BTreeMap::new(), macs };
    let Some(socket) = world.socket(space) else { return inside };
    inside.messages = link::dump(socket).unwrap_or_default().into_iter().map(|m| (m.header.index, m)).collect();
    let mut v6: Vec<(u32, AddrSpec)> = Vec::new();
    for message in addr::dump(socket, None).unwrap_or_default() {
        let index = message.header.index;
        let Some(mut spec) = AddrSpec::read_any(&message).filter(|_| !is_automatic(&message, &links)) else { continue };
        let is_own = |l: &LinkState| l.ifindex == index && Some(&l.ifname) == spec.label.as_ref();
        if links.iter().any(is_own) {
            spec.label = None;
        }
        let ip = spec.addr.addr();
        // The kernel knows the scope of these by itself.
        if ip.is_ipv6() || (ip.is_loopback() && spec.scope == Some(254)) {
            spec.scope = None;
        }
        let of_lo = links.iter().any(|l| l.ifindex == index && l.loopback);
        if of_lo && (ip.to_string() == "127.0.0.1" || ip.to_string() == "::1") {
            continue;
        }
        if ip.is_ipv6() {
            v6.push((index, spec));
        } else {
            inside.addrs.entry(index).or_default().push(spec);
        }
    }
    // The kernel tells the newest IPv6 address first.
    v6.into_iter().rev().for_each(|(index, spec)| inside.addrs.entry(index).or_default().push(spec));
    for (group, item) in vlan::read(socket).unwrap_or_default() {
        let Group::Vlans(index) = group else { continue };
        let words = vlan::words(&item);
        let has = |word: &str| words.split(' ').any(|w| w == word);
        if let Some(vid) = item.label().parse().ok().and_then(|id| VlanId::new(id).ok()) {
            let vlan = PortVlan { vid, pvid: has("pvid"), untagged: has("untagged") };
            inside.vlans.entry(index).or_default().push((vlan, has("self")));
        }
    }
    inside
}

/// Whether the kernel puts the address on the link by itself, as soon as that is up: `fe80::` with what it makes of the MAC.
fn is_automatic(message: &AddressMessage, links: &[LinkState]) -> bool {
    let is_kernels = |a: &AddressAttribute| {
        matches!(a, AddressAttribute::Protocol(AddressProtocol::LinkLocal | AddressProtocol::RouterAnnouncement))
    };
    if message.attributes.iter().any(is_kernels) {
        return true;
    }
    // Kernels before 5.18 do not say it.
    let mac = links.iter().find(|l| l.ifindex == message.header.index).and_then(|l| l.address).map(Mac::bytes);
    message.attributes.iter().any(|a| match (a, mac) {
        (AddressAttribute::Address(IpAddr::V6(ip)), Some([a, b, c, d, e, f])) => {
            let made = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f];
            ip.octets() == made
        }
        _ => false,
    })
}

/// The MACs that neighbour and forwarding entries of the network name.
fn named_macs(world: &mut World<'_>, scope: &Scope) -> HashSet<Mac> {
    let mut named = HashSet::new();
    for space in scope.all() {
        let Some(socket) = world.socket(space) else { continue };
        for table in [Table::Neighbours, Table::Fdb] {
            let all = neigh::dump(socket, table).unwrap_or_default();
            let entries = all.iter().map(|m| NeighState::new(m, &Default::default()));
            let is_somebodys = |n: &NeighState| match table {
                Table::Fdb => (n.dst.is_some() && n.state == "PERMANENT") || (n.state == "NOARP" && n.master.is_some()),
                _ => n.state == "PERMANENT",
            };
            named.extend(entries.filter(is_somebodys).filter_map(|n| n.mac));
        }
    }
    named
}

fn name(link: &LinkState) -> IfName {
    IfName::new(&link.ifname).unwrap_or_else(|_| IfName::placeholder(link.ifindex))
}

/// What a port has that a new one has not (net/bridge/br_if.c, `new_nbp`; the cost follows from the speed).
fn port_options(link: &LinkState, bridge: &LinkState) -> PortOptions {
    let empty = Default::default();
    let data = link.linkinfo.as_ref().map_or(&empty, |i| &i.info_slave_data);
    let number = |key: &str| data.get(key).and_then(serde_json::Value::as_u64);
    let on = |key: &str, usual: bool| data.get(key).and_then(serde_json::Value::as_bool).filter(|on| *on != usual);
    let usual_cost = if matches!(link.kind(), "veth" | "tun") { 2 } else { 100 };
    let cost = number("cost").and_then(|cost| u32::try_from(cost).ok());
    let stp = bridge.linkinfo.as_ref().and_then(|i| i.info_data.get("stp_state")).and_then(serde_json::Value::as_i64);
    // Without the protocol a port forwards as soon as it can, unless somebody said otherwise.
    let state = data
        .get("state")
        .and_then(serde_json::Value::as_str)
        .filter(|word| stp == Some(0) && link.operstate == "UP" && bridge.up && *word != "forwarding");
    PortOptions {
        state: state.and_then(|word| PortOptions::STATES.iter().position(|w| *w == word)).map(|at| at as u8),
        priority: number("priority").and_then(|n| u16::try_from(n).ok()).filter(|n| *n != 32),
        cost: cost.filter(|cost| *cost != usual_cost),
        hairpin: on("hairpin", false),
        guard: on("guard", false),
        root_block: on("root_block", false),
        fastleave: on("fastleave", false),
        learning: on("learning", true),
        flood: on("flood", true),
        mcast_flood: on("mcast_flood", true),
        bcast_flood: on("bcast_flood", true),
        isolated: on("isolated", false),
        neigh_suppress: on("neigh_suppress", false),
        locked: on("locked", false),
    }
}

/// `tx_queue_len` of a new link.
fn usual_txqlen(kind: &LinkKind) -> u32 {
    match kind {
        LinkKind::Ifb => 32,
        LinkKind::Tun { tap: false } => 500,
        _ => 1000,
    }
}
