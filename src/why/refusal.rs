//! What it means when a kernel says that it would not send a packet on: one errno has several causes.

use std::net::IpAddr;

use super::cause::{Break, Cause};
use super::repair::Repair;
use super::segment::Segment;
use super::walk::{Leg, Walker, Way, way_of};
use super::world::Spot;
use crate::diag::KernelError;
use crate::kernel::route::Packet;
use crate::probe::state::addr::AddrState;
use crate::probe::state::route::RouteState;
use crate::probe::state::rule;

impl Walker<'_, '_> {
    /// The kernel refused; gives the way that the packet would take without what is in its way.
    pub(super) fn refused(&mut self, here: usize, iif: Option<u32>, leg: &Leg, error: &KernelError) -> Option<Way> {
        let plain = self.world.ask(here, Packet { dst: leg.dst, src: None, iif: None });
        if let Some(iif) = iif {
            let mine = self.world.own(here, leg.dst).is_some();
            // The kernel asks for this first, so it hides what the routes say.
            if leg.dst.is_ipv4() && !mine && self.check_forwarding(here, iif, leg) {
                return match plain {
                    Ok(route) => way_of(&route, leg.dst),
                    Err(error) => self.no_way(here, leg, &error),
                };
            }
            if let Ok(route) = plain {
                self.source_refused(here, iif, leg);
                return way_of(&route, leg.dst);
            }
        }
        self.no_way(here, leg, error)
    }

    /// Whether what comes in by a link is not passed on, which is noted.
    fn check_forwarding(&mut self, here: usize, iif: u32, leg: &Leg) -> bool {
        let dev = self.world.dev(Spot { space: here, link: iif });
        if self.world.setting(here, &format!("ipv4/conf/{dev}/forwarding")).is_none_or(|v| v != "0") {
            return false;
        }
        let ns = self.world.name(here);
        // Of all links, or of this one only.
        let all = self.world.number(here, "ipv4/ip_forward") == 0;
        let key = if all {
            "net.ipv4.ip_forward".to_owned()
        } else {
            format!("net.ipv4.conf.{}.forwarding", dev.replace('.', "/"))
        };
        let by = if all { String::new() } else { format!(" what comes in by {dev}") };
        let found = Break::new(Cause::NotForwarding { ns: ns.clone(), setting: key.clone() })
            .shown(format!("does not forward IPv4{by} ({key} = 0)"))
            .mend([Repair::Setting { ns, key, value: 1 }]);
        self.stop(found, leg);
        true
    }

    /// There is a way, but not for a packet from there by this link.
    fn source_refused(&mut self, here: usize, iif: u32, leg: &Leg) {
        let Some(src) = leg.src else { return };
        let (ns, dev) = (self.world.name(here), self.world.dev(Spot { space: here, link: iif }));
        let martian = Cause::Martian { ns: ns.clone(), dev: dev.clone(), src };
        if let Some(own) = self.world.own(here, src).cloned() {
            let addr = format!("{}/{}", own.local, own.prefixlen);
            let found = Break::new(martian)
                .shown(format!("it has {src} itself, on {}", own.dev))
                .mend([Repair::AddrDel { ns, dev: own.dev, addr }]);
            return self.stop(found, leg);
        }
        let of_link = self.world.number(here, &format!("ipv4/conf/{dev}/rp_filter"));
        let of_all = self.world.number(here, "ipv4/conf/all/rp_filter");
        let back = self.world.ask(here, Packet { dst: src, src: None, iif: None }).ok();
        let way = back.and_then(|route| route.dev);
        let strict = of_link.max(of_all) == 1;
        let fails = way.is_none() || (strict && way.as_deref() != Some(&dev));
        if src.is_ipv4() && of_link.max(of_all) > 0 && fails {
            let key = format!(
                "net.ipv4.conf.{}.rp_filter",
                if of_link >= of_all { dev.replace('.', "/") } else { "all".into() }
            );
            let mut found = Break::new(Cause::ReversePath { ns: ns.clone(), dev, src, way: way.clone() })
                .shown(format!("{key} = {}", of_link.max(of_all)));
            let astray = self.stray_route(here, src);
            found = match (&way, astray, self.gateway(here, src)) {
                (Some(way), Some(dst), _) => found
                    .shown(format!("its route {dst} is by {way}, where nobody leads there"))
                    .mend([Repair::RouteDel { ns, kind: "unicast", dst }]),
                (Some(way), None, _) => {
                    found.shown(format!("its route to {src} is by {way}")).mend([Repair::Setting { ns, key, value: 2 }])
                }
                (None, _, Some(gate)) => found.mend([self.route_by(here, &gate, src, false)]),
                (None, _, None) => found,
            };
            return self.stop(found, leg);
        }
        let shown = format!("the kernel refuses {src} as a source on {dev}");
        self.stop(Break::new(martian).shown(shown), leg);
    }

    /// A route made by hand to `dst` that cannot be right: its next hop is not on its wire, and without it there is another.
    fn stray_route(&mut self, here: usize, dst: IpAddr) -> Option<String> {
        let same =
            |r: &&RouteState| r.prefix.addr.is_ipv4() == dst.is_ipv4() && r.prefix.contains(dst) && r.kind.is_none();
        let mut fits: Vec<_> = self.world.routes(here).iter().filter(same).cloned().collect();
        fits.sort_by_key(|r| std::cmp::Reverse(r.prefix.len));
        let best = fits.first().filter(|r| fits.len() > 1 && r.protocol != "kernel")?;
        let (hop, at) = (best.gateway.unwrap_or(dst), Spot { space: here, link: best.index? });
        let there = Segment::from(self.world, at);
        let is_there = there.receivers.iter().any(|n| self.world.own(n.spot().space, hop).is_some());
        (!is_there && !there.outside).then(|| best.dst.clone())
    }

    /// There is no way, whoever sends: a route or rule that refuses, or none at all.
    fn no_way(&mut self, here: usize, leg: &Leg, error: &KernelError) -> Option<Way> {
        let refusal = self.refusing_route(here, leg, error).or_else(|| self.refusing_rule(here, error));
        let Some((found, way)) = refusal else { return self.no_route(here, leg) };
        self.stop(found, leg);
        way
    }

    fn refusing_route(&mut self, here: usize, leg: &Leg, error: &KernelError) -> Option<(Break, Option<Way>)> {
        let dst = leg.dst;
        let fits: Vec<_> = self
            .world
            .routes(here)
            .iter()
            .filter(|r| r.prefix.addr.is_ipv4() == dst.is_ipv4() && r.prefix.contains(dst))
            .cloned()
            .collect();
        let best = fits.iter().max_by_key(|r| r.prefix.len)?.clone();
        let kind = best.kind.filter(|kind| errno_of(kind) == Some(error.errno))?;
        let ns = self.world.name(here);
        let what = format!("{kind} {}", best.dst);
        let mut found = Break::new(Cause::Refused { ns: ns.clone(), what: format!("the route `{what}`") })
            .shown(format!("route `{what}`"))
            .mend([Repair::RouteDel { ns, kind, dst: best.dst.clone() }]);
        let next = fits.iter().filter(|r| r.kind.is_none()).max_by_key(|r| r.prefix.len);
        if let Some(way) = next.and_then(|route| way_of(route, dst)) {
            return Some((found, Some(way)));
        }
        let gate = self.gateway(here, dst);
        let way = gate.as_ref().map(|g| Way::Out { link: g.link, hop: g.via, src: None });
        found = found.mend(gate.map(|gate| self.route_by(here, &gate, dst, false)));
        Some((found, way))
    }

    fn refusing_rule(&mut self, here: usize, error: &KernelError) -> Option<(Break, Option<Way>)> {
        let rules = self.world.socket(here).and_then(|s| rule::read(s).ok())?;
        let rule = rules.into_iter().find(|r| r.action.and_then(errno_of) == Some(error.errno))?;
        let (ns, action) = (self.world.name(here), rule.action.unwrap_or_default());
        let to = rule.dst.as_ref().map_or_else(String::new, |dst| format!(" to {dst}"));
        let what = format!("{}: from {}{to} {action}", rule.priority, rule.src);
        let found = Break::new(Cause::Refused { ns: ns.clone(), what: format!("the rule `{what}`") })
            .shown(format!("rule `{what}`"))
            .mend([Repair::RuleDel {
                ns,
                priority: rule.priority,
                from: Some(rule.src).filter(|src| src != "all"),
                to: rule.dst,
                kind: action,
            }]);
        Some((found, None))
    }

    /// No route leads there. Why not: a link is down, a prefix too long, or nobody has made one.
    fn no_route(&mut self, here: usize, leg: &Leg) -> Option<Way> {
        let dst = leg.dst;
        if self.world.owners(dst).is_empty() {
            let ns = super::cause::of(&self.world.name(here));
            let found = self.nobody_has(dst).shown(format!("{ns} has no route to it"));
            self.stop(found, leg);
            return None;
        }
        let own: Vec<AddrState> =
            self.world.addresses(here).filter(|a| a.local.is_ipv4() == dst.is_ipv4()).cloned().collect();
        let is_down = |walker: &Self, link: u32| walker.world.link(Spot { space: here, link }).is_some_and(|l| !l.up);
        let direct = own.iter().find(|a| a.network().is_some_and(|n| n.contains(dst)) && is_down(self, a.index));
        if let Some(addr) = direct {
            self.link_down(Spot { space: here, link: addr.index }, None, leg);
            return Some(Way::Out { link: addr.index, hop: dst, src: Some(addr.local) });
        }
        if let Some(way) = self.too_narrow(here, &own, leg) {
            return Some(way);
        }
        let gate = self.gateway(here, dst);
        if let Some(gate) = gate.as_ref().filter(|g| is_down(self, g.link)) {
            self.link_down(Spot { space: here, link: gate.link }, None, leg);
            return Some(Way::Out { link: gate.link, hop: gate.via, src: None });
        }
        let ns = self.world.name(here);
        let network = self.destination(here, dst).to_string();
        let shown = format!("no route to {dst}");
        let mut found = Break::new(Cause::NoRoute { ns, dst: network, back: leg.back }).shown(shown);
        if let Some(gate) = &gate {
            if let Some((has, wants)) = &gate.widen {
                let at = Spot { space: here, link: gate.link };
                found.cause = self.wrong_prefix(at, has, wants);
                found = found.mend(self.widen(at, has, wants));
            }
            found = found.mend([self.route_by(here, gate, dst, false)]);
        }
        self.stop(found, leg);
        gate.map(|g| Way::Out { link: g.link, hop: g.via, src: None })
    }

    /// An address whose network is so small that a neighbour on the same wire is not in it.
    fn too_narrow(&mut self, here: usize, own: &[AddrState], leg: &Leg) -> Option<Way> {
        for addr in own {
            let at = Spot { space: here, link: addr.index };
            for node in Segment::from(self.world, at).receivers {
                let Some(theirs) = self.world.own(node.spot().space, leg.dst).cloned() else { continue };
                if !theirs.network().is_some_and(|n| n.contains(addr.local)) || node.spot().space == here {
                    continue;
                }
                let (has, wants) = (text(addr.local, addr.prefixlen), text(addr.local, theirs.prefixlen));
                let found = Break::new(self.wrong_prefix(at, &has, &wants))
                    .shown(format!("{has} on {} leaves out {}, which is on the same wire", addr.dev, leg.dst))
                    .mend(self.widen(at, &has, &wants));
                self.stop(found, leg);
                return Some(Way::Out { link: addr.index, hop: leg.dst, src: Some(addr.local) });
            }
        }
        None
    }

    fn wrong_prefix(&self, at: Spot, has: &str, wants: &str) -> Cause {
        let (ns, dev) = (self.world.name(at.space), self.world.dev(at));
        let network =
            crate::types::address::Cidr::new(wants).map_or_else(|_| wants.to_owned(), |c| c.network().to_string());
        Cause::WrongPrefix { ns, dev, has: has.to_owned(), wants: network }
    }
}

/// The errno by which a kind of route or rule refuses.
fn errno_of(kind: &str) -> Option<i32> {
    match kind {
        "blackhole" => Some(libc::EINVAL),
        "unreachable" => Some(libc::EHOSTUNREACH),
        "prohibit" => Some(libc::EACCES),
        "throw" => Some(libc::ENETUNREACH),
        _ => None,
    }
}

fn text(addr: IpAddr, len: u8) -> String {
    format!("{addr}/{len}")
}
