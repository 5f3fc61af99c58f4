//! The walk: from namespace to namespace, asking each kernel table what it would do, first there and then back.

use std::collections::HashSet;
use std::net::IpAddr;

use super::cause::{Break, Cause};
use super::repair::Repair;
use super::world::{Spot, World};
use super::{Kind, Question};
use crate::kernel::route::Packet;
use crate::probe::state::route::RouteState;

/// The most namespaces that a packet passes: its TTL.
const TTL: usize = 64;

/// A line of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Whether the packet gets past it.
    pub ok: bool,
    /// The namespace.
    pub ns: String,
    /// What is passed: a namespace, or a bridge.
    pub place: String,
    /// What is seen there.
    pub text: String,
    /// Whether it is on the way back.
    pub back: bool,
}

impl Hop {
    /// A place where the packet ends.
    pub fn broken(place: &str, text: impl Into<String>, back: bool) -> Self {
        Self { ok: false, ns: place.to_owned(), place: place.to_owned(), text: text.into(), back }
    }
}

/// One direction: from `origin` to `dst`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg {
    /// The namespace that sends.
    pub origin: usize,
    /// The address that it sends from, as soon as it is known.
    pub src: Option<IpAddr>,
    /// Where to.
    pub dst: IpAddr,
    /// Whether it is the answer's way.
    pub back: bool,
    /// Whether it is a tunnel's, inside of another.
    pub tunnel: bool,
}

/// What a namespace does with the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It takes it.
    Here,
    /// It sends it on, by a link to the neighbour `hop`.
    Out {
        /// The ifindex.
        link: u32,
        /// The gateway, or the destination itself.
        hop: IpAddr,
        /// The address that it would send from.
        src: Option<IpAddr>,
    },
}

/// The walk through the world.
pub(super) struct Walker<'w, 'k> {
    pub world: &'w mut World<'k>,
    pub kind: Kind,
    /// The packet's size with its IP header.
    pub packet: u32,
    /// The namespace that is asked for, if it is not only an address.
    pub wanted: Option<usize>,
    pub from: usize,
    pub to: IpAddr,
    pub hops: Vec<Hop>,
    pub breaks: Vec<Break>,
    pub notes: Vec<String>,
    /// The namespace where the packet comes to.
    pub owner: Option<usize>,
    /// The width of the way as the sender knows it.
    pub path_mtu: Option<u32>,
    /// Whether the way leads out of the namespaces that have a name.
    pub outside: bool,
}

impl<'w, 'k> Walker<'w, 'k> {
    /// A walk that is about to begin.
    pub(super) fn new(world: &'w mut World<'k>, question: &Question, to: IpAddr, wanted: Option<usize>) -> Self {
        let header = if to.is_ipv4() { 28 } else { 48 };
        Self {
            world,
            kind: question.kind,
            packet: u32::from(question.size.unwrap_or(56)) + header,
            wanted,
            from: question.from,
            to,
            hops: Vec::new(),
            breaks: Vec::new(),
            notes: Vec::new(),
            owner: None,
            path_mtu: None,
            outside: false,
        }
    }

    /// Walks there and back.
    pub(super) fn go(&mut self) {
        let (from, to) = (self.from, self.to);
        let is_own = self.world.own(from, to).is_some() || to.is_loopback();
        let has_any = self.world.addresses(from).any(|a| a.local.is_ipv4() == to.is_ipv4());
        let mut leg = Leg { origin: from, src: None, dst: to, back: false, tunnel: false };
        if !is_own && !has_any {
            let ns = self.world.name(from);
            let what = if to.is_ipv4() { "IPv4 address" } else { "IPv6 address" };
            self.stop(Break::new(Cause::NoAddress { ns, what }).shown(format!("has no {what}")), &leg);
            return;
        }
        let delivered = self.leg(&mut leg);
        self.owner = delivered.or_else(|| self.only_owner());
        let Some(owner) = self.owner.filter(|owner| *owner != from && !self.outside) else { return };
        let Some(src) = leg.src.or_else(|| self.likely_source()) else { return };
        self.leg(&mut Leg { origin: owner, src: Some(to), dst: src, back: true, tunnel: false });
        self.check_path_mtu(&leg);
    }

    /// What no link says, the sender may believe.
    fn check_path_mtu(&mut self, leg: &Leg) {
        let is_narrow = self.breaks.iter().any(|b| matches!(b.cause, Cause::TooBig { .. }));
        let Some(mtu) = self.path_mtu.filter(|mtu| *mtu < self.packet && !is_narrow) else { return };
        let (ns, packet, dst) = (self.world.name(self.from), self.packet, self.to);
        let by_hand = self.world.routes(self.from).iter().any(|r| r.mtu.is_some() && r.prefix.contains(dst));
        let found = Break::new(Cause::PathMtu { ns: ns.clone(), mtu, packet })
            .shown(format!("{} mtu {mtu}", if by_hand { "a route says" } else { "it remembers" }))
            .mend((!by_hand).then_some(Repair::CacheFlush { ns }));
        self.stop(found, leg);
    }

    fn only_owner(&self) -> Option<usize> {
        match self.world.owners(self.to)[..] {
            [one] => Some(one.space),
            _ => self.wanted,
        }
    }

    /// The address that the sender would use if it had a route.
    fn likely_source(&self) -> Option<IpAddr> {
        self.world.addresses(self.from).map(|a| a.local).find(|a| a.is_ipv4() == self.to.is_ipv4())
    }

    /// Walks one direction; gives the namespace that takes the packet.
    pub(super) fn leg(&mut self, leg: &mut Leg) -> Option<usize> {
        let (mut here, mut iif) = (leg.origin, None);
        let mut seen = HashSet::new();
        for _ in 0..TTL {
            if !seen.insert((here, iif)) {
                break;
            }
            match self.decide(here, iif, leg)? {
                Way::Here => {
                    self.deliver(here, leg);
                    return Some(here);
                }
                Way::Out { link, hop, src } => {
                    let from = Spot { space: here, link };
                    leg.src = leg.src.or(src).or_else(|| self.source_on(from, hop));
                    let to = self.cross(from, hop, iif, leg)?;
                    (here, iif) = (to.space, Some(to.link));
                }
            }
        }
        let ns = self.world.name(here);
        let shown = format!("was passed before on the way to {}", leg.dst);
        let mut found = Break::new(Cause::Loop { ns }).shown(shown);
        // In a circle everybody has a route; one made by hand beside another that would do is the likeliest to be wrong.
        let mut circle: Vec<usize> = seen.iter().map(|(space, _)| *space).filter(|s| *s != leg.origin).collect();
        circle.sort_unstable();
        circle.dedup();
        let stray = circle.into_iter().find_map(|space| Some((space, self.needless_route(space, leg.dst)?)));
        if let Some((space, dst)) = stray {
            let ns = self.world.name(space);
            found = found
                .shown(format!("{} is in the network of {}, and has a route {dst}", super::cause::of(&ns), leg.dst))
                .mend([Repair::RouteDel { ns, kind: "unicast", dst }]);
        }
        self.stop(found, leg);
        None
    }

    fn source_on(&self, link: Spot, hop: IpAddr) -> Option<IpAddr> {
        let on_link =
            |a: &&crate::probe::state::addr::AddrState| a.index == link.link && a.local.is_ipv4() == hop.is_ipv4();
        self.world.addresses(link.space).find(on_link).map(|a| a.local)
    }

    /// A route made by hand to a place that the namespace is on one wire with anyway.
    fn needless_route(&mut self, space: usize, dst: IpAddr) -> Option<String> {
        let fits =
            |r: &&RouteState| r.prefix.addr.is_ipv4() == dst.is_ipv4() && r.prefix.contains(dst) && r.kind.is_none();
        let routes: Vec<&RouteState> = self.world.routes(space).iter().filter(fits).collect();
        let best = routes.iter().max_by_key(|r| r.prefix.len)?;
        let connected = routes.iter().any(|r| r.protocol == "kernel" && r.gateway.is_none());
        (connected && best.gateway.is_some() && best.protocol != "kernel").then(|| best.dst.clone())
    }

    /// Asks the kernel what a namespace does with the packet. What stops it is noted; the way is then the one that it would
    /// take without that, if it can be told.
    fn decide(&mut self, here: usize, iif: Option<u32>, leg: &Leg) -> Option<Way> {
        // The kernel has no route to an address that it may not use yet, and would be taken for a router that does not forward.
        if self.world.own(here, leg.dst).is_some_and(|own| own.tentative || own.dadfailed) {
            return Some(Way::Here);
        }
        // The first namespace chooses the source by the route, so it is not asked for one.
        let src = leg.src.filter(|_| iif.is_some() || leg.back);
        match self.world.ask(here, Packet { dst: leg.dst, src, iif }) {
            Ok(route) => {
                let way = way_of(&route, leg.dst)?;
                if iif.is_none() && !leg.back && !leg.tunnel {
                    self.path_mtu = route.mtu;
                }
                // For IPv4 the question says so itself.
                if leg.dst.is_ipv6() && iif.is_some() && way != Way::Here {
                    self.check_forwarding6(here, leg);
                }
                Some(way)
            }
            Err(error) => self.refused(here, iif, leg, &error),
        }
    }

    /// Notes what stops the packet.
    pub(super) fn stop(&mut self, found: Break, leg: &Leg) {
        if self.breaks.iter().any(|b| b.same(&found)) {
            return;
        }
        if self.breaks.is_empty() {
            let place = found.cause.place().to_owned();
            let text = if found.evidence.is_empty() { found.cause.sentence() } else { found.evidence.join("; ") };
            let place = if place.is_empty() { leg.dst.to_string() } else { place };
            self.hops.push(Hop::broken(&place, text, leg.back));
        }
        self.breaks.push(found);
    }

    /// Draws a place that the packet passes. What lies behind the first break is not proved, and not drawn.
    pub(super) fn pass(&mut self, space: usize, place: &str, text: impl Into<String>, leg: &Leg) {
        if self.breaks.is_empty() {
            let (ns, place) = (self.world.name(space), place.to_owned());
            self.hops.push(Hop { ok: true, ns, place, text: text.into(), back: leg.back });
        }
    }
}

/// What a route means for a packet.
pub(super) fn way_of(route: &RouteState, dst: IpAddr) -> Option<Way> {
    match route.kind {
        Some("local" | "broadcast" | "anycast" | "multicast") => Some(Way::Here),
        _ => Some(Way::Out { link: route.index?, hop: route.gateway.unwrap_or(dst), src: route.prefsrc }),
    }
}

/// The address of a namespace that another one most likely means: in a network of its own, else the first, IPv4 before IPv6.
pub(super) fn address_of(world: &World<'_>, from: usize, to: usize) -> Option<IpAddr> {
    let mut all: Vec<IpAddr> = world.addresses(to).map(|a| a.local).collect();
    if all.iter().any(IpAddr::is_ipv4) {
        all.retain(IpAddr::is_ipv4);
    }
    let near = |addr: &&IpAddr| {
        world.addresses(from).any(|a| a.network().is_some_and(|n| !n.is_default() && n.contains(**addr)))
            && (world.own(from, **addr).is_none() || from == to)
    };
    all.iter().find(near).or_else(|| all.first()).copied()
}
