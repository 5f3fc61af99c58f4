//! The end of the way: does the namespace that has the address answer?

use super::cause::{Break, Cause};
use super::repair::Repair;
use super::walk::{Leg, Walker};
use super::world::Spot;
use super::{Kind, cause};
use crate::probe::state::listen;

impl Walker<'_, '_> {
    /// The packet has come to the namespace that takes it.
    pub(super) fn deliver(&mut self, here: usize, leg: &Leg) {
        if here == leg.origin {
            self.check_loopback(here, leg);
        }
        if leg.tunnel {
            return;
        }
        if leg.back {
            let name = self.world.name(here);
            self.pass(here, &name, "gets the answer", leg);
            return;
        }
        self.check_address(here, leg);
        match self.kind {
            Kind::Ping => self.check_echo(here, leg),
            Kind::Tcp(port) => self.check_listener(here, port, false, leg),
            Kind::Udp(port) => self.check_listener(here, port, true, leg),
        }
        let name = self.world.name(here);
        let on = self.world.own(here, leg.dst).map_or_else(String::new, |a| format!(" on {}", a.dev));
        self.pass(here, &name, format!("has {}{on}", leg.dst), leg);
    }

    /// What a namespace sends to itself goes by `lo`, whatever link the address is on.
    fn check_loopback(&mut self, here: usize, leg: &Leg) {
        let down = self.world.space(here).links.iter().any(|l| l.loopback && !l.up);
        if down {
            let ns = self.world.name(here);
            let found = Break::new(Cause::LoopbackDown { ns: ns.clone() })
                .shown("lo is down")
                .mend([Repair::LinkUp { ns, dev: "lo".into() }]);
            self.stop(found, leg);
        }
    }

    fn check_address(&mut self, here: usize, leg: &Leg) {
        let Some(addr) = self.world.own(here, leg.dst).filter(|a| a.tentative || a.dadfailed).cloned() else { return };
        let ns = self.world.name(here);
        let word = if addr.dadfailed { "dadfailed" } else { "tentative" };
        let cause = Cause::AddressNotReady { ns, dev: addr.dev, addr: addr.local, taken: addr.dadfailed };
        self.stop(Break::new(cause).shown(format!("{} is {word}", addr.local)), leg);
    }

    fn check_echo(&mut self, here: usize, leg: &Leg) {
        let key = if leg.dst.is_ipv4() { "ipv4/icmp_echo_ignore_all" } else { "ipv6/icmp/echo_ignore_all" };
        if self.world.number(here, key) == 0 {
            return;
        }
        let ns = self.world.name(here);
        let key = format!("net.{}", key.replace('/', "."));
        let found = Break::new(Cause::EchoIgnored { ns: ns.clone() })
            .shown(format!("{key} = 1"))
            .mend([Repair::Setting { ns, key, value: 0 }]);
        self.stop(found, leg);
    }

    fn check_listener(&mut self, here: usize, port: u16, udp: bool, leg: &Leg) {
        let Ok(Ok(sockets)) = self.world.within(here, || listen::read(udp)) else { return };
        let on_port: Vec<_> = sockets.into_iter().filter(|s| s.port() == port).map(|s| s.ip()).collect();
        // A socket on `::` may take IPv4 as well; whether it does, only a packet tells.
        if on_port.iter().any(|ip| *ip == leg.dst || ip.is_unspecified()) {
            return;
        }
        let ns = self.world.name(here);
        let elsewhere: Vec<String> = on_port.iter().map(ToString::to_string).collect();
        let shown = if elsewhere.is_empty() {
            format!("no {} socket on port {port}", if udp { "UDP" } else { "TCP" })
        } else {
            format!("port {port} only on {}", elsewhere.join(", "))
        };
        let cause = Cause::NobodyListens { ns: ns.clone(), port, udp, elsewhere };
        self.stop(Break::new(cause).shown(shown).mend([Repair::Listen { ns, udp, port }]), leg);
    }

    /// Does the other end say that the address is its own when it is asked for its Ethernet address?
    pub(super) fn check_arp(&mut self, at: Spot, leg: &Leg, hop: std::net::IpAddr) {
        let (ns, dev) = (self.world.name(at.space), self.world.dev(at));
        let silent = |shown: String, repair: Repair| {
            Break::new(Cause::ArpSilent { ns: ns.clone(), dev: dev.clone(), addr: hop }).shown(shown).mend([repair])
        };
        if self.world.link(at).is_some_and(|l| l.flags.contains(&"NOARP")) && hop.is_ipv4() {
            let repair = Repair::Arp { ns: ns.clone(), dev: dev.clone() };
            self.stop(silent(format!("`{dev}` has the flag NOARP"), repair), leg);
            return;
        }
        if hop.is_ipv6() {
            return;
        }
        let keys = ["all".to_owned(), dev.replace('.', "/")].map(|link| format!("net.ipv4.conf.{link}.arp_ignore"));
        let values = ["all", &dev].map(|link| self.world.number(at.space, &format!("ipv4/conf/{link}/arp_ignore")));
        let which = usize::from(values[1] > values[0]);
        let elsewhere = self.world.own(at.space, hop).is_some_and(|a| a.index != at.link);
        // See arp_ignore in Documentation/networking/ip-sysctl.rst; 3 to 7 are not for this case, or reserved.
        let ignores = match values[which] {
            1 | 2 => elsewhere,
            8 => true,
            _ => false,
        };
        if ignores {
            let shown = format!("{} = {}", keys[which], values[which]);
            let repair = Repair::Setting { ns: ns.clone(), key: keys[which].clone(), value: 0 };
            self.stop(silent(shown, repair), leg);
        }
    }

    /// The setting that IPv6 forwarding hangs on, which the question about the route does not tell.
    pub(super) fn check_forwarding6(&mut self, here: usize, leg: &Leg) {
        if self.world.number(here, "ipv6/conf/all/forwarding") != 0 {
            return;
        }
        let (ns, key) = (self.world.name(here), "net.ipv6.conf.all.forwarding".to_owned());
        let found = Break::new(Cause::NotForwarding { ns: ns.clone(), setting: key.clone() })
            .shown(format!("does not forward IPv6 ({key} = 0)"))
            .mend([Repair::Setting { ns, key, value: 1 }]);
        self.stop(found, leg);
    }

    /// The text for a namespace that takes or sends the packet: `e0 10.0.1.10/24`.
    pub(super) fn holds(&self, at: Spot, leg: &Leg) -> String {
        let mine = leg.src.and_then(|src| self.world.own(at.space, src));
        match mine {
            Some(addr) if addr.index == at.link => format!("{} {}/{}", addr.dev, addr.local, addr.prefixlen),
            _ => self.world.dev(at),
        }
    }

    /// A namespace and a link in it, in a sentence.
    pub(super) fn words(&self, at: Spot) -> String {
        format!("`{}` in {}", self.world.dev(at), cause::of(&self.world.name(at.space)))
    }
}
