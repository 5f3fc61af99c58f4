//! Nobody on the wire has the address that the packet is for: where it is instead, and what that means.

use std::net::IpAddr;

use super::cause::{Break, Cause, of};
use super::repair::Repair;
use super::segment::{Node, Segment, mode};
use super::suggest::network;
use super::walk::{Leg, Walker};
use super::world::Spot;
use crate::kernel::route::Packet;

impl Walker<'_, '_> {
    /// Nobody has `hop` on the wire of `from`. Gives the link where it is, if the walk can go on from there.
    pub(super) fn nobody(&mut self, from: Spot, hop: IpAddr, segment: &Segment, leg: &Leg) -> Option<Spot> {
        let owners: Vec<Spot> = self.world.owners(hop).into_iter().filter(|o| o.space != from.space).collect();
        if owners.is_empty() {
            if segment.outside {
                self.outside = true;
                let text = format!("{} leads to where no namespace can be seen; {hop} may be there", self.words(from));
                self.notes.push(text);
            } else if hop == leg.dst {
                self.no_such_address(from, hop, segment, leg);
            } else {
                self.wrong_gateway(from, hop, leg);
            }
            return None;
        }
        for owner in &owners {
            if self.not_a_port(from, *owner, segment, leg) || self.macvlan(from, *owner, leg) {
                return Some(*owner);
            }
        }
        if segment.outside {
            self.outside = true;
            self.notes.push(format!("{} leads to where no namespace can be seen", self.words(from)));
            return None;
        }
        if hop != leg.dst {
            self.wrong_gateway(from, hop, leg);
            return None;
        }
        self.wrong_prefix_or_apart(from, owners[0], hop, segment, leg)
    }

    /// An end of a wire lies beside the bridge that leads to the other.
    fn not_a_port(&mut self, from: Spot, owner: Spot, segment: &Segment, leg: &Leg) -> bool {
        let back = Segment::from(self.world, owner);
        let pairs = |one: &Segment, other: &Segment| -> Option<(Spot, Spot)> {
            let bridges: Vec<Spot> = other.bridges().collect();
            one.ends.iter().find_map(|end| bridges.iter().find(|b| b.space == end.space).map(|b| (*end, *b)))
        };
        let Some((end, bridge)) = pairs(segment, &back).or_else(|| pairs(&back, segment)) else { return false };
        if end == from || end == owner {
            return false;
        }
        let (ns, dev, name) = (self.world.name(end.space), self.world.dev(end), self.world.dev(bridge));
        let found = Break::new(Cause::NotAPort { ns: ns.clone(), dev: dev.clone(), bridge: name.clone() })
            .shown(format!("`{dev}` has no master"))
            .mend([Repair::Master { ns, dev, bridge: name }]);
        self.stop(found, leg);
        true
    }

    /// A macvlan link hears neither its parent nor, in most modes, its siblings.
    fn macvlan(&mut self, from: Spot, owner: Spot, leg: &Leg) -> bool {
        let is_macvlan = |walker: &Self, at: Spot| walker.world.link(at).is_some_and(|l| l.kind() == "macvlan");
        for (one, other) in [(from, owner), (owner, from)] {
            if !is_macvlan(self, one) {
                continue;
            }
            let parent = self.world.peer(one);
            let (ns, dev) = (self.world.name(one.space), self.world.dev(one));
            if parent == Some(other) {
                let what = "is a macvlan link, which never hears the link that it sits on";
                let shown = format!("its parent is {}", self.words(other));
                self.stop(Break::new(Cause::Macvlan { ns, dev, what }).shown(shown), leg);
                return true;
            }
            let mode = mode(self.world, one);
            if is_macvlan(self, other) && parent.is_some() && parent == self.world.peer(other) && mode != "bridge" {
                let what = "is a macvlan link in a mode that keeps it from its siblings";
                let repair = Repair::MacvlanMode { ns: ns.clone(), dev: dev.clone() };
                let shown = format!("`{dev}` has mode {mode}");
                self.stop(Break::new(Cause::Macvlan { ns, dev, what }).shown(shown).mend([repair]), leg);
                return true;
            }
        }
        false
    }

    /// The namespace takes the destination to be on its wire, and it is on another one.
    fn wrong_prefix_or_apart(
        &mut self,
        from: Spot,
        owner: Spot,
        hop: IpAddr,
        segment: &Segment,
        leg: &Leg,
    ) -> Option<Spot> {
        let mine = self
            .world
            .addresses(from.space)
            .find(|a| a.index == from.link && a.network().is_some_and(|n| n.contains(hop)));
        let theirs = self.world.own(owner.space, hop).and_then(|a| a.network());
        if let (Some(mine), Some(theirs)) = (mine.cloned(), theirs)
            && !theirs.contains(mine.local)
        {
            // What the others on the wire say.
            let fits = |node: &Node| {
                let spot = node.spot();
                let on = self.world.addresses(spot.space).filter(|a| a.index == spot.link);
                on.filter(|a| a.network().is_some_and(|n| n.contains(mine.local) && !n.contains(hop)))
                    .map(|a| a.prefixlen)
                    .max()
            };
            let len = segment.receivers.iter().filter_map(fits).max().unwrap_or(theirs.len);
            let (has, wants) = (format!("{}/{}", mine.local, mine.prefixlen), format!("{}/{len}", mine.local));
            let (ns, dev) = (self.world.name(from.space), self.world.dev(from));
            let mut found = Break::new(Cause::WrongPrefix {
                ns: ns.clone(),
                dev,
                has: has.clone(),
                wants: network(mine.local, len),
            })
            .shown(format!("{has} takes {hop} to be on the wire; it is on {}", self.words(owner)))
            .mend(self.widen(from, &has, &wants));
            let others = self.world.routes(from.space).iter().any(|r| {
                r.prefix.contains(hop)
                    && r.prefix.addr.is_ipv4() == hop.is_ipv4()
                    && (r.gateway.is_some() || r.index != Some(from.link))
                    && r.kind.is_none()
            });
            let gate = self.gateway(from.space, hop);
            if let (false, Some(gate)) = (others, &gate) {
                found = found.mend([self.route_by(from.space, gate, hop, false)]);
            }
            self.stop(found, leg);
            let gate = gate.filter(|g| g.via != hop)?;
            return self.cross(Spot { link: gate.link, ..from }, gate.via, None, leg);
        }
        let (one, other) = (self.words(from), self.words(owner));
        let shown = format!("no wire, bridge or tunnel leads from {one} to {other}");
        self.stop(Break::new(Cause::Apart { one, other }).shown(shown), leg);
        Some(owner)
    }

    fn wrong_gateway(&mut self, from: Spot, gateway: IpAddr, leg: &Leg) {
        let (ns, dev) = (self.world.name(from.space), self.world.dev(from));
        let by =
            self.world.routes(from.space).iter().filter(|r| r.gateway == Some(gateway) && r.prefix.contains(leg.dst));
        let route = by.max_by_key(|r| r.prefix.len).map(|r| r.prefix.to_string()).unwrap_or_else(|| "default".into());
        let mut found = Break::new(Cause::WrongGateway { ns: ns.clone(), dev: dev.clone(), gateway })
            .shown(format!("{route} via {gateway} dev {dev}, and nobody there has {gateway}"));
        if let Some(gate) = self.gateway(from.space, leg.dst) {
            found = found.mend([Repair::RouteAdd { ns, dst: route, via: gate.via, replace: true }]);
        }
        self.stop(found, leg);
    }

    /// No namespace at all has the destination. If one end of the wire has no address, it is the one that lacks it.
    fn no_such_address(&mut self, from: Spot, addr: IpAddr, segment: &Segment, leg: &Leg) {
        let mut found = self.nobody_has(addr);
        let mine = self
            .world
            .addresses(from.space)
            .find(|a| a.index == from.link && a.network().is_some_and(|n| n.contains(addr)));
        if let ([end], Some(mine)) = (&segment.ends[..], mine.cloned())
            && end.space != from.space
        {
            let (ns, dev) = (self.world.name(end.space), self.world.dev(*end));
            found = found.shown(format!("{} has no address", self.words(*end)));
            found = found.mend([Repair::AddrAdd { ns: ns.clone(), dev, addr: format!("{addr}/{}", mine.prefixlen) }]);
            // A route that went by the lost address is gone with it.
            if let Some(src) = leg.src.filter(|src| !mine.network().is_some_and(|n| n.contains(*src)))
                && self.world.ask(end.space, Packet { dst: src, src: None, iif: None }).is_err()
            {
                let dst = self.world.network_of(src).to_string();
                found = found.mend([Repair::RouteAdd { ns, dst, via: mine.local, replace: false }]);
            }
        }
        self.stop(found, leg);
    }

    /// The break for an address that no namespace has, with the one that it may have been meant for.
    pub(super) fn nobody_has(&self, addr: IpAddr) -> Break {
        let found = Break::new(Cause::NobodyHas { addr }).shown("no namespace has it");
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        let every = self.world.all().flat_map(|space| self.world.addresses(space).map(move |a| (space, a.local)));
        let near = every
            .filter(|(space, ip)| ip.is_ipv4() == addr.is_ipv4() && *space != self.from)
            .min_by_key(|(_, ip)| number(*ip).abs_diff(number(addr)));
        match near {
            Some((space, ip)) => found.shown(format!("the nearest is {ip} in {}", of(&self.world.name(space)))),
            None => found,
        }
    }
}
