//! From one namespace to the next: the link that the packet leaves by, the wire, its bridges, and who is at the other end.

use std::net::IpAddr;

use super::cause::{Break, Cause};
use super::repair::Repair;
use super::segment::{Node, Segment, tunnel_end};
use super::walk::{Leg, Walker};
use super::world::Spot;

impl Walker<'_, '_> {
    /// Crosses the wire of a link to the neighbour `hop`; gives the link that the packet comes in by.
    pub(super) fn cross(&mut self, from: Spot, hop: IpAddr, iif: Option<u32>, leg: &Leg) -> Option<Spot> {
        self.check_egress(from, leg);
        let name = self.world.name(from.space);
        let via = if hop == leg.dst { String::new() } else { format!(" via {hop}") };
        let text = match iif {
            None => format!("{}, to {}{via}", self.holds(from, leg), leg.dst),
            Some(link) => {
                let by = self.world.dev(Spot { link, ..from });
                format!("passes it on from {by} to {}{via}", self.world.dev(from))
            }
        };
        self.pass(from.space, &name, text, leg);
        let segment = Segment::from(self.world, from);
        let owners = self.owners_on(&segment, from, hop);
        let node = match owners[..] {
            [] => return self.nobody(from, hop, &segment, leg),
            [one] => one,
            _ => self.several(&owners, from, hop, leg),
        };
        self.check_path(&segment.path(node), leg);
        self.check_neighbour(from, hop, node.spot(), leg);
        Some(node.spot())
    }

    /// The receivers on a wire that have an address, one for each namespace: the link that holds it if there are several.
    fn owners_on(&self, segment: &Segment, from: Spot, hop: IpAddr) -> Vec<Node> {
        let mut owners: Vec<Node> = Vec::new();
        for node in &segment.receivers {
            let spot = node.spot();
            let Some(addr) = self.world.own(spot.space, hop).filter(|_| spot.space != from.space) else { continue };
            let exact = addr.index == spot.link;
            match owners.iter_mut().find(|o| o.spot().space == spot.space) {
                None => owners.push(*node),
                Some(known) if exact => *known = *node,
                Some(_) => {}
            }
        }
        owners
    }

    /// Several have the address: the one that is meant, and a break.
    fn several(&mut self, owners: &[Node], from: Spot, hop: IpAddr, leg: &Leg) -> Node {
        let meant = if hop == self.to { self.wanted } else { Some(self.from) };
        let is_meant = |node: &&Node| Some(node.spot().space) == meant;
        let mut kept = owners.iter().find(is_meant).copied();
        if kept.is_none() && hop != leg.dst {
            let forwards: Vec<Node> =
                owners.iter().filter(|n| self.world.number(n.spot().space, "ipv4/ip_forward") != 0).copied().collect();
            kept = forwards.first().copied();
        }
        let kept = kept.unwrap_or(owners[0]);
        let mut others = owners.to_vec();
        others.retain(|n| *n != kept);
        others.insert(0, kept);
        let names: Vec<String> = others.iter().map(|n| self.world.name(n.spot().space)).collect();
        let mut found = Break::new(Cause::Duplicate { addr: hop, owners: names });
        let places: Vec<String> = others.iter().map(|n| self.words(n.spot())).collect();
        found = found.shown(format!("{hop} is on {}", places.join(" and on ")));
        for node in &others[1..] {
            let space = node.spot().space;
            if let Some(addr) = self.world.own(space, hop) {
                let text = format!("{}/{}", addr.local, addr.prefixlen);
                found = found.mend([Repair::AddrDel { ns: self.world.name(space), dev: addr.dev.clone(), addr: text }]);
            }
        }
        // The sender may have learned the wrong one, and would keep to it for half a minute.
        let (ns, dev) = (self.world.name(from.space), self.world.dev(from));
        found = found.mend([Repair::NeighFlush { ns, dev, addr: hop }]);
        self.stop(found, leg);
        kept
    }

    /// The link that the packet leaves by.
    fn check_egress(&mut self, from: Spot, leg: &Leg) {
        self.world.refresh(from);
        let Some(link) = self.world.link(from).cloned() else { return };
        let ns = self.world.name(from.space);
        if !link.up {
            self.link_down(from, None, leg);
        } else if link.is_bridge_port() {
            let bridge = link.master.clone().unwrap_or_default();
            let mut found =
                Break::new(Cause::AddressOnPort { ns: ns.clone(), dev: link.ifname.clone(), bridge: bridge.clone() })
                    .shown(format!("`{}` is a port of `{bridge}`", link.ifname));
            for addr in self.world.addresses(from.space).filter(|a| a.index == from.link) {
                let (text, ns) = (format!("{}/{}", addr.local, addr.prefixlen), ns.clone());
                found = found.mend([
                    Repair::AddrDel { ns: ns.clone(), dev: link.ifname.clone(), addr: text.clone() },
                    Repair::AddrAdd { ns, dev: bridge.clone(), addr: text },
                ]);
            }
            self.stop(found, leg);
        } else if !has_carrier(&link) && link.kind() != "bridge" {
            self.no_carrier(from, leg);
        }
        self.check_mtu(from, leg);
    }

    /// Why a link that is up has no carrier: what it hangs on is down.
    fn no_carrier(&mut self, from: Spot, leg: &Leg) {
        let peer = self.world.peer(from);
        if let Some(peer) = peer {
            self.world.refresh(peer);
        }
        let far = peer.and_then(|p| self.world.link(p).cloned().map(|l| (p, l)));
        let seen = self.words(from);
        match far {
            Some((peer, link)) if !link.up => self.link_down(peer, Some(seen), leg),
            Some((peer, link)) if !has_carrier(&link) && link.kind() != "veth" && peer != from => {
                self.no_carrier(peer, leg)
            }
            _ => {
                let (ns, dev) = (self.world.name(from.space), self.world.dev(from));
                let mut found =
                    Break::new(Cause::NoCarrier { ns, dev: dev.clone() }).shown(format!("`{dev}` has NO-CARRIER"));
                if peer.is_none() {
                    found = found.shown("its other end is in no namespace with a name");
                }
                self.stop(found, leg);
            }
        }
    }

    /// A link is down. The routes by it went with it, and do not come back when it is set up.
    pub(super) fn link_down(&mut self, at: Spot, seen: Option<String>, leg: &Leg) {
        let (ns, dev) = (self.world.name(at.space), self.world.dev(at));
        let routes = self.lost_routes(at.space, leg);
        let shown = format!("`{dev}` is down");
        let found = Break::new(Cause::LinkDown { ns: ns.clone(), dev: dev.clone(), seen })
            .shown(shown)
            .mend([Repair::LinkUp { ns, dev }])
            .mend(routes);
        self.stop(found, leg);
    }

    fn check_mtu(&mut self, at: Spot, leg: &Leg) {
        let Some(mtu) = self.world.link(at).filter(|l| !l.loopback).map(|l| l.mtu) else { return };
        if mtu >= self.packet {
            return;
        }
        let (ns, dev) = (self.world.name(at.space), self.world.dev(at));
        let packet = self.packet;
        let found = Break::new(Cause::TooBig { ns: ns.clone(), dev: dev.clone(), mtu, packet })
            .shown(format!("`{dev}` has mtu {mtu}, the packet {packet} bytes"))
            .mend([Repair::Mtu { ns, dev, mtu: packet.max(1500) }])
            // A router has said so to the sender, who remembers it for ten minutes.
            .mend((at.space != leg.origin).then(|| Repair::CacheFlush { ns: self.world.name(leg.origin) }));
        self.stop(found, leg);
    }

    /// Everything between the link that the packet leaves by and the one that it comes in by.
    fn check_path(&mut self, path: &[Node], leg: &Leg) {
        for (i, node) in path.iter().enumerate() {
            let spot = node.spot();
            if let (Node::Out(_), Some(Node::In(far))) = (node, path.get(i + 1)) {
                self.check_tunnel(spot, *far, leg);
            }
            // The first has been looked at as the link that the packet leaves by.
            if i == 0 {
                continue;
            }
            self.world.refresh(spot);
            let Some(link) = self.world.link(spot).cloned() else { continue };
            match node {
                Node::Bridge(bridge) => {
                    let port =
                        |at: Option<&Node>| at.map(|n| n.spot()).filter(|p| p.space == bridge.space && p != bridge);
                    let (port_in, port_out) = (port(path.get(i - 1)), port(path.get(i + 1)));
                    self.check_bridge(*bridge, port_in, port_out, leg);
                }
                Node::In(_) if !link.up => {
                    let seen = path.get(i - 1).map(|n| self.words(n.spot()));
                    self.link_down(spot, seen, leg);
                }
                Node::Out(_) if !link.up => self.link_down(spot, None, leg),
                Node::In(_) => self.check_mtu(spot, leg),
                Node::Out(_) => {
                    self.check_mtu(spot, leg);
                }
            }
        }
    }

    /// The way of a VXLAN's own packets, if it is one.
    fn check_tunnel(&mut self, near: Spot, far: Spot, leg: &Leg) {
        // What a tunnel adds: Ethernet, IP, UDP and VXLAN headers.
        const OVERHEAD: u32 = 50;
        if leg.tunnel || self.world.link(near).is_none_or(|l| l.kind() != "vxlan") {
            return;
        }
        let Some(dst) = tunnel_end(self.world, near, far) else { return };
        let (place, name) = (self.world.dev(near), self.world.name(near.space));
        self.pass(near.space, &place, format!("tunnel from {} to {dst}", super::cause::of(&name)), leg);
        self.packet += OVERHEAD;
        self.leg(&mut Leg { origin: near.space, src: None, dst, back: leg.back, tunnel: true });
        self.packet -= OVERHEAD;
    }

    fn check_bridge(&mut self, bridge: Spot, port_in: Option<Spot>, port_out: Option<Spot>, leg: &Leg) {
        let (ns, name) = (self.world.name(bridge.space), self.world.dev(bridge));
        if self.world.link(bridge).is_some_and(|l| !l.up) {
            let found = Break::new(Cause::BridgeDown { ns: ns.clone(), dev: name.clone() })
                .shown(format!("the bridge `{name}` in {} is down", super::cause::of(&ns)))
                .mend([Repair::LinkUp { ns: ns.clone(), dev: name.clone() }])
                .mend(self.lost_routes(bridge.space, leg));
            self.stop(found, leg);
            return;
        }
        if self.world.link(bridge).is_some_and(|l| {
            l.linkinfo.as_ref().is_some_and(|i| i.info_data.get("vlan_filtering").and_then(|v| v.as_i64()) == Some(1))
        }) {
            self.notes.push(format!("the bridge `{name}` filters VLANs, which `why` does not read yet"));
        }
        let ports = self.check_ports(bridge, [port_in, port_out], leg);
        let isolated = |port: Option<Spot>| {
            let link = port.and_then(|p| self.world.link(p))?;
            (port_field(link, "isolated") == "true").then(|| link.ifname.clone())
        };
        if let (Some(one), Some(other)) = (isolated(port_in), isolated(port_out)) {
            let repair = Repair::Isolated { ns: ns.clone(), dev: other.clone() };
            let shown = format!("`{one}` and `{other}` are isolated");
            let cause = Cause::Isolated { ns: ns.clone(), one, other, bridge: name.clone() };
            self.stop(Break::new(cause).shown(shown).mend([repair]), leg);
        }
        let text = format!("bridge in {}, {ports}, forwarding", super::cause::of(&ns));
        self.pass(bridge.space, &name, text, leg);
    }

    /// The states of the ports that the packet passes; gives their names.
    fn check_ports(&mut self, bridge: Spot, ports: [Option<Spot>; 2], leg: &Leg) -> String {
        let (ns, name) = (self.world.name(bridge.space), self.world.dev(bridge));
        let (mut names, mut blocked) = (Vec::new(), Vec::new());
        for port in ports.into_iter().flatten() {
            self.world.refresh(port);
            let Some(link) = self.world.link(port).cloned() else { continue };
            names.push(link.ifname.clone());
            let state = port_field(&link, "state");
            // One whose other end is down is disabled too; that is named where it is met.
            let waits = state == "disabled" && !(link.up && has_carrier(&link));
            if state != "forwarding" && !state.is_empty() && !waits {
                blocked.push((link.ifname, state));
            }
        }
        if let Some((dev, state)) = blocked.first().cloned() {
            let mut found =
                Break::new(Cause::PortBlocked { ns: ns.clone(), dev, bridge: name.clone(), state: state.clone() });
            found.evidence = blocked.iter().map(|(dev, state)| format!("`{dev}` is {state}")).collect();
            let on = blocked.iter().map(|(dev, _)| Repair::PortState { ns: ns.clone(), dev: dev.clone() });
            found = match state.as_str() {
                "disabled" => found.mend(on),
                // Without spanning tree, the loop that it has found would be a storm.
                "blocking" => found.shown("spanning tree has found a loop"),
                // It may be about to find a loop.
                _ if self.is_linked(bridge) => found.shown("spanning tree lets it forward by itself within 30 s"),
                _ => found
                    .shown("spanning tree lets it forward by itself within 30 s")
                    .mend([Repair::Stp { ns: ns.clone(), bridge: name }])
                    .mend(on),
            };
            self.stop(found, leg);
        }
        names.join(" → ")
    }

    /// Whether a port of a bridge leads to another bridge.
    fn is_linked(&mut self, bridge: Spot) -> bool {
        let ports = self.world.ports(bridge);
        ports.into_iter().any(|port| match self.world.peer(port) {
            Some(peer) => self.world.link(peer).is_some_and(|l| l.is_bridge_port()),
            // It cannot be seen.
            None => true,
        })
    }

    /// Whom the sender takes the next one to be.
    fn check_neighbour(&mut self, from: Spot, hop: IpAddr, at: Spot, leg: &Leg) {
        let entry = self.world.neighbour(from, hop);
        let real = self.world.link(at).and_then(|l| l.address);
        match entry {
            Some(entry) if entry.state == "PERMANENT" => {
                let (Some(has), Some(real)) = (entry.mac, real) else { return };
                if has == real {
                    return;
                }
                let (ns, dev) = (self.world.name(from.space), self.world.dev(from));
                let cause = Cause::WrongNeighbour {
                    ns: ns.clone(),
                    dev: dev.clone(),
                    addr: hop,
                    has: has.to_string(),
                    real: real.to_string(),
                };
                let found = Break::new(cause)
                    .shown(format!("{hop} dev {dev} lladdr {has} PERMANENT"))
                    .shown(format!("{} has {real}", self.words(at)))
                    .mend([Repair::NeighDel { ns, dev, addr: hop, mac: has.to_string() }]);
                self.stop(found, leg);
            }
            _ => self.check_arp(at, leg, hop),
        }
    }
}

/// Whether something is at the other end.
pub(super) fn has_carrier(link: &crate::probe::state::link::LinkState) -> bool {
    link.flags.contains(&"LOWER_UP")
}

fn port_field(link: &crate::probe::state::link::LinkState, key: &str) -> String {
    let value = link.linkinfo.as_ref().and_then(|i| i.info_slave_data.get(key));
    value.map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
}
