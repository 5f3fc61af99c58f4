//! What would mend a missing route: a gateway on one of the namespace's own wires that knows the way.

use std::net::IpAddr;

use super::repair::Repair;
use super::segment::Segment;
use super::walk::{Leg, Walker, Way, way_of};
use super::world::Spot;
use crate::kernel::route::Packet;
use crate::types::address::{Cidr, Prefix};

/// A neighbour that would pass packets on.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// The link to it.
    pub link: u32,
    /// Its address.
    pub via: IpAddr,
    /// The own address on that link, and with the prefix length of the neighbour's if the own one leaves it out.
    pub widen: Option<(String, String)>,
}

impl Walker<'_, '_> {
    /// The best gateway to an address: one that has it or a route to it, else one that is in several networks.
    pub(super) fn gateway(&mut self, here: usize, dst: IpAddr) -> Option<Gate> {
        let own: Vec<_> = self.world.addresses(here).filter(|a| a.local.is_ipv4() == dst.is_ipv4()).cloned().collect();
        let mut best: Option<(u8, Gate)> = None;
        for addr in own {
            let from = Spot { space: here, link: addr.index };
            let Some(network) = addr.network() else { continue };
            for node in Segment::from(self.world, from).receivers {
                let at = node.spot();
                if at.space == here {
                    continue;
                }
                let near = |a: &&crate::probe::state::addr::AddrState| {
                    a.local.is_ipv4() == dst.is_ipv4()
                        && a.local != addr.local
                        && (network.contains(a.local)
                            || a.network().is_some_and(|n| !n.is_default() && n.contains(addr.local)))
                };
                let Some(theirs) = self.world.addresses(at.space).find(near).cloned() else { continue };
                let worth = self.worth(here, at.space, dst);
                if worth == 0 || best.as_ref().is_some_and(|(known, _)| *known >= worth) {
                    continue;
                }
                let widen = (!network.contains(theirs.local)).then(|| {
                    (format!("{}/{}", addr.local, addr.prefixlen), format!("{}/{}", addr.local, theirs.prefixlen))
                });
                best = Some((worth, Gate { link: addr.index, via: theirs.local, widen }));
            }
        }
        best.map(|(_, gate)| gate)
    }

    /// How good a gateway would be: 0 if it is none.
    fn worth(&mut self, here: usize, there: usize, dst: IpAddr) -> u8 {
        if self.world.own(there, dst).is_some() {
            return 4;
        }
        let links: std::collections::BTreeSet<u32> = self.world.addresses(there).map(|a| a.index).collect();
        let is_router = links.len() > 1;
        let connected = self.world.addresses(there).any(|a| a.network().is_some_and(|n| n.contains(dst)));
        if connected {
            return if is_router { 3 } else { 0 };
        }
        let way = self.world.ask(there, Packet { dst, src: None, iif: None });
        match way.ok().and_then(|route| way_of(&route, dst)) {
            // It would send it back here.
            Some(Way::Out { hop, .. }) if self.world.own(here, hop).is_some() => 0,
            Some(Way::Out { .. }) if is_router => 2,
            _ => u8::from(is_router),
        }
    }

    /// The route that would be missing without a gateway's.
    pub(super) fn route_by(&self, here: usize, gate: &Gate, dst: IpAddr, replace: bool) -> Repair {
        let network = self.destination(here, dst);
        Repair::RouteAdd { ns: self.world.name(here), dst: network.to_string(), via: gate.via, replace }
    }

    /// The network to make a route for: the destination's own, unless that is so wide that `here` is in it as well.
    pub(super) fn destination(&self, here: usize, dst: IpAddr) -> Prefix {
        let network = self.world.network_of(dst);
        let inside = self.world.addresses(here).any(|a| network.contains(a.local));
        if inside { Prefix { addr: dst, len: crate::types::address::bits(dst) } } else { network }
    }

    /// The routes that a namespace needs again once a link of it is up: those to both ends that it has none for now.
    pub(super) fn lost_routes(&mut self, space: usize, leg: &Leg) -> Vec<Repair> {
        let ends: Vec<IpAddr> = [Some(leg.dst), leg.src].into_iter().flatten().collect();
        let mut repairs = Vec::new();
        for end in ends {
            let direct = self.world.addresses(space).any(|a| a.network().is_some_and(|n| n.contains(end)));
            if direct || self.world.ask(space, Packet { dst: end, src: None, iif: None }).is_ok() {
                continue;
            }
            if let Some(gate) = self.gateway(space, end) {
                repairs.push(self.route_by(space, &gate, end, false));
            }
        }
        repairs
    }

    /// The changes that give an address another prefix length. The new one comes first, so that routes by it stay.
    pub(super) fn widen(&self, at: Spot, has: &str, wants: &str) -> [Repair; 2] {
        let (ns, dev) = (self.world.name(at.space), self.world.dev(at));
        [
            Repair::AddrAdd { ns: ns.clone(), dev: dev.clone(), addr: wants.to_owned() },
            Repair::AddrDel { ns, dev, addr: has.to_owned() },
        ]
    }
}

/// The network of an address with a prefix length, as text.
pub(super) fn network(addr: IpAddr, len: u8) -> String {
    Cidr::with_len(addr, len).map_or_else(|_| addr.to_string(), |c| c.network().to_string())
}
