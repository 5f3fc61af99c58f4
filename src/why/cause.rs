//! What can stop a packet: each cause with its code and its sentence.

use std::net::IpAddr;

use super::repair::Repair;
use super::world::HOST;
use crate::diag::Code;

/// Why a packet does not get further. Namespaces and links are by name, so that a cause can be told without the world.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Each field is what the sentence says of it.
pub enum Cause {
    NoRoute {
        ns: String,
        dst: String,
        back: bool,
    },
    /// `seen` is the link at the other end, where only a missing carrier shows.
    LinkDown {
        ns: String,
        dev: String,
        seen: Option<String>,
    },
    BridgeDown {
        ns: String,
        dev: String,
    },
    NoCarrier {
        ns: String,
        dev: String,
    },
    LoopbackDown {
        ns: String,
    },
    NotForwarding {
        ns: String,
        setting: String,
    },
    WrongPrefix {
        ns: String,
        dev: String,
        has: String,
        wants: String,
    },
    WrongGateway {
        ns: String,
        dev: String,
        gateway: IpAddr,
    },
    NobodyHas {
        addr: IpAddr,
    },
    NoAddress {
        ns: String,
        what: &'static str,
    },
    Duplicate {
        addr: IpAddr,
        owners: Vec<String>,
    },
    Refused {
        ns: String,
        what: String,
    },
    NotAPort {
        ns: String,
        dev: String,
        bridge: String,
    },
    PortBlocked {
        ns: String,
        dev: String,
        bridge: String,
        state: String,
    },
    Isolated {
        ns: String,
        one: String,
        other: String,
        bridge: String,
    },
    WrongNeighbour {
        ns: String,
        dev: String,
        addr: IpAddr,
        has: String,
        real: String,
    },
    ReversePath {
        ns: String,
        dev: String,
        src: IpAddr,
        way: Option<String>,
    },
    Martian {
        ns: String,
        dev: String,
        src: IpAddr,
    },
    EchoIgnored {
        ns: String,
    },
    /// The sender remembers what a router has said, or its route says so.
    PathMtu {
        ns: String,
        mtu: u32,
        packet: u32,
    },
    TooBig {
        ns: String,
        dev: String,
        mtu: u32,
        packet: u32,
    },
    NobodyListens {
        ns: String,
        port: u16,
        udp: bool,
        elsewhere: Vec<String>,
    },
    Loop {
        ns: String,
    },
    Apart {
        one: String,
        other: String,
    },
    ArpSilent {
        ns: String,
        dev: String,
        addr: IpAddr,
    },
    Macvlan {
        ns: String,
        dev: String,
        what: &'static str,
    },
    AddressOnPort {
        ns: String,
        dev: String,
        bridge: String,
    },
    AddressNotReady {
        ns: String,
        dev: String,
        addr: IpAddr,
        taken: bool,
    },
}

/// A cause with what shows it, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// What it is.
    pub cause: Cause,
    /// What the kernel says that shows it.
    pub evidence: Vec<String>,
    /// The changes that would mend it, in order; empty where that is for people to decide.
    pub repairs: Vec<Repair>,
}

impl Break {
    /// A break without evidence and repair.
    pub fn new(cause: Cause) -> Self {
        Self { cause, evidence: Vec::new(), repairs: Vec::new() }
    }

    /// Adds what shows it.
    pub fn shown(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Adds a change that mends it.
    pub fn mend(mut self, repair: impl IntoIterator<Item = Repair>) -> Self {
        self.repairs.extend(repair);
        self
    }

    /// Whether it is the same thing, seen from elsewhere.
    pub fn same(&self, other: &Self) -> bool {
        use Cause::*;
        match (&self.cause, &other.cause) {
            (LinkDown { ns, dev, .. }, LinkDown { ns: n, dev: d, .. }) => (ns, dev) == (n, d),
            (TooBig { ns, dev, .. }, TooBig { ns: n, dev: d, .. }) => (ns, dev) == (n, d),
            // Its ports go through the states of spanning tree together.
            (PortBlocked { ns, bridge, state, .. }, PortBlocked { ns: n, bridge: b, state: s, .. }) => {
                (ns, bridge, state) == (n, b, s) && (state != "disabled" || self.cause == other.cause)
            }
            (NoRoute { ns, dst, .. }, NoRoute { ns: n, dst: d, .. }) => (ns, dst) == (n, d),
            (Apart { one, other }, Apart { one: o, other: p }) => (one, other) == (p, o) || (one, other) == (o, p),
            (Isolated { ns, one, other, .. }, Isolated { ns: n, one: o, other: p, .. }) => {
                ns == n && ((one, other) == (o, p) || (one, other) == (p, o))
            }
            (one, other) => one == other,
        }
    }
}

impl Cause {
    /// Its code.
    pub fn code(&self) -> Code {
        match self {
            Cause::NoRoute { back: false, .. } => Code::WhyNoRoute,
            Cause::NoRoute { back: true, .. } => Code::WhyNoReturnRoute,
            Cause::LinkDown { seen: None, .. } => Code::WhyLinkDown,
            Cause::LinkDown { seen: Some(_), .. } => Code::WhyPeerDown,
            Cause::BridgeDown { .. } => Code::WhyBridgeDown,
            Cause::NoCarrier { .. } => Code::WhyNoCarrier,
            Cause::LoopbackDown { .. } => Code::WhyLoopbackDown,
            Cause::NotForwarding { .. } => Code::WhyNotForwarding,
            Cause::WrongPrefix { .. } => Code::WhyWrongPrefix,
            Cause::WrongGateway { .. } => Code::WhyWrongGateway,
            Cause::NobodyHas { .. } => Code::WhyNobodyHas,
            Cause::NoAddress { .. } => Code::WhyNoAddress,
            Cause::Duplicate { .. } => Code::WhyDuplicate,
            Cause::Refused { .. } => Code::WhyRefused,
            Cause::NotAPort { .. } => Code::WhyNotAPort,
            Cause::PortBlocked { .. } => Code::WhyPortBlocked,
            Cause::Isolated { .. } => Code::WhyIsolated,
            Cause::WrongNeighbour { .. } => Code::WhyWrongNeighbour,
            Cause::ReversePath { .. } => Code::WhyReversePath,
            Cause::Martian { .. } => Code::WhyMartian,
            Cause::EchoIgnored { .. } => Code::WhyEchoIgnored,
            Cause::TooBig { .. } | Cause::PathMtu { .. } => Code::WhyTooBig,
            Cause::NobodyListens { .. } => Code::WhyNobodyListens,
            Cause::Loop { .. } => Code::WhyLoop,
            Cause::Apart { .. } => Code::WhyApart,
            Cause::ArpSilent { .. } => Code::WhyArpSilent,
            Cause::Macvlan { .. } => Code::WhyMacvlan,
            Cause::AddressOnPort { .. } => Code::WhyAddressOnPort,
            Cause::AddressNotReady { .. } => Code::WhyAddressNotReady,
        }
    }

    /// Where it is: a namespace, or a bridge.
    pub fn place(&self) -> &str {
        use Cause::*;
        match self {
            BridgeDown { dev, .. } | PortBlocked { bridge: dev, .. } | Isolated { bridge: dev, .. } => dev,
            NobodyHas { .. } | Apart { .. } => "",
            Duplicate { owners, .. } => owners.first().map_or("", String::as_str),
            NoRoute { ns, .. }
            | LinkDown { ns, .. }
            | NoCarrier { ns, .. }
            | LoopbackDown { ns }
            | NotForwarding { ns, .. }
            | WrongPrefix { ns, .. }
            | WrongGateway { ns, .. }
            | NoAddress { ns, .. }
            | Refused { ns, .. }
            | NotAPort { ns, .. }
            | WrongNeighbour { ns, .. }
            | ReversePath { ns, .. }
            | Martian { ns, .. }
            | EchoIgnored { ns }
            | TooBig { ns, .. }
            | PathMtu { ns, .. }
            | NobodyListens { ns, .. }
            | Loop { ns }
            | ArpSilent { ns, .. }
            | Macvlan { ns, .. }
            | AddressOnPort { ns, .. }
            | AddressNotReady { ns, .. } => ns,
        }
    }

    /// Whether packets may get through all the same: an answer proves nothing against it.
    pub fn may_answer(&self) -> bool {
        matches!(self, Cause::Duplicate { .. })
    }

    /// One sentence: lower case, names in backticks, no final dot.
    pub fn sentence(&self) -> String {
        match self {
            Cause::NoRoute { ns, dst, back: false } => format!("{} has no route to {dst}", of(ns)),
            Cause::NoRoute { ns, dst, back: true } => {
                format!("{} has no route back to {dst}", of(ns))
            }
            Cause::LinkDown { ns, dev, seen: None } => format!("`{dev}` in {} is down", of(ns)),
            Cause::LinkDown { ns, dev, seen: Some(seen) } => {
                format!("{seen} has no carrier: the other end, `{dev}` in {}, is down", of(ns))
            }
            Cause::BridgeDown { ns, dev } => format!("the bridge `{dev}` in {} is down", of(ns)),
            Cause::NoCarrier { ns, dev } => format!("`{dev}` in {} is up but has no carrier", of(ns)),
            Cause::LoopbackDown { ns } => format!("`lo` in {} is down, by which it reaches itself", of(ns)),
            Cause::NotForwarding { ns, .. } => format!("{} gets the packet and does not pass it on", of(ns)),
            Cause::WrongPrefix { ns, dev, has, wants } => {
                format!(
                    "`{dev}` in {} has the address {has}, whose prefix length does not fit: its wire is {wants}",
                    of(ns)
                )
            }
            Cause::WrongGateway { ns, dev, gateway } => {
                format!("{} sends by the gateway {gateway}, which nobody on the wire of `{dev}` has", of(ns))
            }
            Cause::NobodyHas { addr } => format!("no namespace has the address {addr}"),
            Cause::NoAddress { ns, what } => format!("{} has no {what}", of(ns)),
            Cause::Duplicate { addr, owners } => {
                let names: Vec<String> = owners.iter().map(|o| of(o)).collect();
                format!("{} all have the address {addr} on one wire: whoever is faster answers", names.join(", "))
                    .replacen(" all have", if owners.len() == 2 { " both have" } else { " all have" }, 1)
            }
            Cause::Refused { ns, what } => format!("{} refuses the packet: it has {what}", of(ns)),
            Cause::NotAPort { ns, dev, bridge } => {
                format!("the wire ends at `{dev}` in {}, which is no port of the bridge `{bridge}`", of(ns))
            }
            Cause::PortBlocked { ns, dev, bridge, state } => {
                format!("the port `{dev}` of the bridge `{bridge}` in {} is {state}, not forwarding", of(ns))
            }
            Cause::Isolated { ns, one, other, bridge } => {
                format!(
                    "the bridge `{bridge}` in {} keeps its ports `{one}` and `{other}` apart: both are isolated",
                    of(ns)
                )
            }
            Cause::WrongNeighbour { ns, addr, has, real, .. } => {
                format!("{} takes {addr} to be at {has}, but it is at {real}", of(ns))
            }
            Cause::ReversePath { ns, dev, src, way: Some(way) } => {
                format!(
                    "{} drops packets from {src} that come in by `{dev}`: its way back is by `{way}` (rp_filter)",
                    of(ns)
                )
            }
            Cause::ReversePath { ns, dev, src, way: None } => {
                format!("{} drops packets from {src} that come in by `{dev}`: it has no way back (rp_filter)", of(ns))
            }
            Cause::Martian { ns, dev, src } => {
                format!("{} drops packets from {src} that come in by `{dev}`: no packet can come from there", of(ns))
            }
            Cause::EchoIgnored { ns } => format!("{} is told not to answer pings", of(ns)),
            Cause::TooBig { ns, dev, mtu, packet } => {
                format!("`{dev}` in {} takes {mtu} bytes, and the packet has {packet}", of(ns))
            }
            Cause::PathMtu { ns, mtu, packet } => {
                format!("{} takes the way to be {mtu} bytes wide, and the packet has {packet}", of(ns))
            }
            Cause::NobodyListens { ns, port, udp, .. } => {
                format!("nothing in {} listens on {} port {port}", of(ns), if *udp { "UDP" } else { "TCP" })
            }
            Cause::Loop { ns } => format!("the packet goes in a circle and comes to {} again", of(ns)),
            Cause::Apart { one, other } => format!("{one} and {other} are in one network, but no wire joins them"),
            Cause::ArpSilent { ns, dev, addr } => {
                format!("{} is told not to say on `{dev}` that {addr} is its own", of(ns))
            }
            Cause::Macvlan { ns, dev, what } => format!("`{dev}` in {} {what}", of(ns)),
            Cause::AddressOnPort { ns, dev, bridge } => {
                format!("{} sends by `{dev}`, a port of the bridge `{bridge}`, which takes all answers", of(ns))
            }
            Cause::AddressNotReady { ns, dev, addr, taken: true } => {
                format!("{addr} on `{dev}` in {} is not used: somebody else has it", of(ns))
            }
            Cause::AddressNotReady { ns, dev, addr, taken: false } => {
                format!("{addr} on `{dev}` in {} is not ready yet: wait a second or two", of(ns))
            }
        }
    }
}

/// A namespace in a sentence.
pub fn of(ns: &str) -> String {
    if ns == HOST { "the host".to_owned() } else { format!("`{ns}`") }
}
