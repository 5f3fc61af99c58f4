//! Routes as rtnetlink sees them.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RoutePreference, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Request, Socket};
use crate::diag::KernelError;
use crate::types::address::Prefix;

/// The main table (`RT_TABLE_MAIN`), where routes go that name none.
pub const TABLE_MAIN: u32 = 254;

/// A route to be made, as `ip route add` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSpec {
    /// Where it leads to.
    pub dst: Prefix,
    /// What happens to a packet that it matches.
    #[serde(default)]
    pub kind: RouteKind,
    /// The gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The ifindex of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<u32>,
    /// The metric; lower wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// The table; main if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The source address of packets sent by this host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpAddr>,
    /// The path MTU, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Take the gateway to be on the link, although no address says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onlink: bool,
    /// Several gateways that share the traffic, instead of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nexthops: Vec<NextHop>,
    /// Who made it (`RTPROT_*`); boot, as for `ip route add`, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// Its scope, where it is not the usual one for its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

/// What a route does with a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The words of ip-route(8).
pub enum RouteKind {
    #[default]
    Unicast,
    Local,
    Blackhole,
    Unreachable,
    Prohibit,
    Throw,
}

/// One of several gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The ifindex of the link.
    pub dev: Option<u32>,
    /// Its share, 1 to 256.
    pub weight: u32,
    /// As in [`RouteSpec::onlink`].
    pub onlink: bool,
}

impl RouteKind {
    /// All kinds with iproute2's word for each.
    pub const WORDS: [(&'static str, RouteKind); 6] = [
        ("unicast", RouteKind::Unicast),
        ("local", RouteKind::Local),
        ("blackhole", RouteKind::Blackhole),
        ("unreachable", RouteKind::Unreachable),
        ("prohibit", RouteKind::Prohibit),
        ("throw", RouteKind::Throw),
    ];

    /// iproute2's word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("unicast", |(word, _)| word)
    }
}

impl RouteSpec {
    /// A route that leads to `dst` and says nothing else yet.
    pub fn new(dst: Prefix) -> Self {
        Self {
            dst,
            kind: RouteKind::Unicast,
            via: None,
            dev: None,
            metric: None,
            table: None,
            src: None,
            mtu: None,
            onlink: false,
            nexthops: Vec::new(),
            protocol: None,
            scope: None,
        }
    }

    /// Whether it leaves by a link, alone or among others.
    pub fn uses(&self, index: u32) -> bool {
        self.dev == Some(index) || self.nexthops.iter().any(|h| h.dev == Some(index))
    }

    /// The same from the kernel's own message, so that it can be sent back; `None` for those that the kernel makes itself
    /// (local, broadcast, multicast and the networks of addresses) and those that say what this type cannot.
    pub fn read(message: &RouteMessage) -> Option<Self> {
        if message.header.protocol == RouteProtocol::Kernel { None } else { Self::read_any(message) }
    }

    /// The same from the bytes of a message; for a text, so with those that the kernel made.
    pub fn read_bytes(payload: &[u8]) -> Option<Self> {
        const RTM_NEWROUTE: u16 = 24;
        let mut header = NetlinkHeader::default();
        header.message_type = RTM_NEWROUTE;
        match RouteNetlinkMessage::deserialize(&header, payload) {
            Ok(RouteNetlinkMessage::NewRoute(message)) => Self::read_any(&message),
            _ => None,
        }
    }

    /// The same with those that the kernel made for the networks of addresses, which somebody may put another in place of.
    pub fn read_any(message: &RouteMessage) -> Option<Self> {
        let kind = match message.header.kind {
            RouteType::Unicast => RouteKind::Unicast,
            RouteType::BlackHole => RouteKind::Blackhole,
            RouteType::Unreachable => RouteKind::Unreachable,
            RouteType::Prohibit => RouteKind::Prohibit,
            RouteType::Throw => RouteKind::Throw,
            _ => return None,
        };
        if message.header.tos != 0 {
            return None;
        }
        let v6 = message.header.address_family == AddressFamily::Inet6;
        let mut spec = Self::new(if v6 { Prefix::DEFAULT_V6 } else { Prefix::DEFAULT_V4 });
        spec.kind = kind;
        let protocol = u8::from(message.header.protocol);
        spec.protocol = (message.header.protocol != RouteProtocol::Boot).then_some(protocol);
        spec.onlink = message.header.flags.contains(RouteFlags::Onlink);
        let mut table = u32::from(message.header.table);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(a) => {
                    spec.dst = Prefix { addr: ip(a)?, len: message.header.destination_prefix_length };
                }
                RouteAttribute::Gateway(a) => spec.via = ip(a),
                RouteAttribute::Via(RouteVia::Inet6(a)) => spec.via = Some((*a).into()),
                RouteAttribute::Oif(index) => spec.dev = Some(*index),
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Priority(metric) => spec.metric = Some(*metric),
                RouteAttribute::PrefSource(a) => spec.src = ip(a),
                RouteAttribute::Metrics(metrics) if metrics.iter().any(|m| !matches!(m, RouteMetric::Mtu(_))) => {
                    return None;
                }
                RouteAttribute::Metrics(metrics) => {
                    spec.mtu = metrics.iter().find_map(|m| if let RouteMetric::Mtu(n) = m { Some(*n) } else { None });
                }
                RouteAttribute::MultiPath(hops) => {
                    spec.nexthops = hops
                        .iter()
                        .map(|h| NextHop {
                            via: h.attributes.iter().find_map(|a| match a {
                                RouteAttribute::Gateway(a) => ip(a),
                                _ => None,
                            }),
                            dev: Some(h.interface_index),
                            weight: u32::from(h.hops) + 1,
                            onlink: h.flags.contains(RouteNextHopFlags::Onlink),
                        })
                        .collect();
                }
                RouteAttribute::Encap(_) | RouteAttribute::NhId(_) | RouteAttribute::Realm(_) => return None,
                RouteAttribute::Preference(p) if *p != RoutePreference::Medium => return None,
                _ => {}
            }
        }
        spec.table = (table != TABLE_MAIN).then_some(table);
        let usual = spec.usual_scope();
        spec.scope = (message.header.scope != usual).then(|| u8::from(message.header.scope));
        Some(spec)
    }

    /// As ip-route(8): link scope for a route that needs no gateway, which IPv6 does not have.
    fn usual_scope(&self) -> RouteScope {
        let v4 = self.dst.addr.is_ipv4();
        match self.kind {
            RouteKind::Local if v4 => RouteScope::Host,
            RouteKind::Unicast if v4 && self.via.is_none() && self.nexthops.iter().all(|h| h.via.is_none()) => {
                RouteScope::Link
            }
            _ => RouteScope::Universe,
        }
    }

    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let table = self.table.unwrap_or(TABLE_MAIN);
        message.header.address_family = family(self.dst.addr);
        message.header.destination_prefix_length = self.dst.len;
        // The header's table has eight bits; a larger one stands in the attribute.
        message.header.table = u8::try_from(table).unwrap_or(0);
        message.header.protocol = self.protocol.map_or(RouteProtocol::Boot, RouteProtocol::from);
        message.header.kind = match self.kind {
            RouteKind::Unicast => RouteType::Unicast,
            RouteKind::Local => RouteType::Local,
            RouteKind::Blackhole => RouteType::BlackHole,
            RouteKind::Unreachable => RouteType::Unreachable,
            RouteKind::Prohibit => RouteType::Prohibit,
            RouteKind::Throw => RouteType::Throw,
        };
        message.header.scope = self.scope.map_or_else(|| self.usual_scope(), RouteScope::from);
        if self.onlink {
            message.header.flags |= RouteFlags::Onlink;
        }
        let attributes = &mut message.attributes;
        if self.dst.len > 0 {
            attributes.push(RouteAttribute::Destination(self.dst.addr.into()));
        }
        attributes.extend(self.via.map(|via| gateway(self.dst.addr, via)));
        attributes.extend(self.dev.map(RouteAttribute::Oif));
        attributes.extend(self.metric.map(RouteAttribute::Priority));
        attributes.extend(self.src.map(|src| RouteAttribute::PrefSource(src.into())));
        attributes.push(RouteAttribute::Table(table));
        attributes.extend(self.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
        if !self.nexthops.is_empty() {
            let hops = self.nexthops.iter().map(|h| {
                let mut hop = RouteNextHop::default();
                // The kernel counts from 0: a weight of 1 is no extra hop.
                hop.hops = u8::try_from(h.weight.saturating_sub(1)).unwrap_or(u8::MAX);
                hop.interface_index = h.dev.unwrap_or(0);
                if h.onlink {
                    hop.flags |= RouteNextHopFlags::Onlink;
                }
                hop.attributes.extend(h.via.map(|via| gateway(self.dst.addr, via)));
                hop
            });
            attributes.push(RouteAttribute::MultiPath(hops.collect()));
        }
        message
    }
}

/// The message that adds a route. Without `EXCL` a second route to the same place is added silently.
pub fn add(spec: &RouteSpec) -> Request {
    (RouteNetlinkMessage::NewRoute(spec.message()), NLM_F_CREATE | NLM_F_EXCL)
}

/// The message that puts a route in the place of the first one with the same destination, table and metric.
pub fn replace(spec: &RouteSpec) -> Request {
    (RouteNetlinkMessage::NewRoute(spec.message()), NLM_F_CREATE | NLM_F_REPLACE)
}

/// The message that deletes the route which matches all that is said.
pub fn del(spec: &RouteSpec) -> Request {
    let mut message = spec.message();
    // A question about scope and protocol must not narrow the search: ip-route(8) leaves them open as well.
    message.header.scope = RouteScope::NoWhere;
    message.header.protocol = RouteProtocol::Unspec;
    if spec.kind == RouteKind::Unicast {
        message.header.kind = RouteType::Unspec;
    }
    (RouteNetlinkMessage::DelRoute(message), 0)
}

/// All routes of one family in the socket's namespace, in every table.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket, v6: bool) -> Result<Vec<RouteMessage>, KernelError> {
    let mut message = RouteMessage::default();
    message.header.address_family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let answers = socket.dump(RouteNetlinkMessage::GetRoute(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|m| match m {
            RouteNetlinkMessage::NewRoute(route) => Some(route),
            _ => None,
        })
        .collect())
}

/// A packet that the kernel is asked about: what would it do with it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Where it goes.
    pub dst: IpAddr,
    /// Whom it is from, if that matters.
    pub src: Option<IpAddr>,
    /// The ifindex of the link that it comes in by; none for one that is made here.
    pub iif: Option<u32>,
}

/// The route that the kernel would take to `dst`.
///
/// # Errors
/// `ENETUNREACH` without a route, `EHOSTUNREACH`, `EACCES` and `EINVAL` for routes that refuse.
pub fn lookup(socket: &mut Socket, dst: IpAddr) -> Result<RouteMessage, KernelError> {
    ask(socket, Packet { dst, src: None, iif: None })
}

/// What the kernel would do with a packet, as `ip route get DST from SRC iif LINK` asks it.
///
/// # Errors
/// `ENETUNREACH` without a route; `EHOSTUNREACH` for one that comes in where nothing is forwarded, or for an `unreachable`
/// route; `EACCES` for a `prohibit` one; `EINVAL` for a `blackhole` one, a source that is refused there (`rp_filter`, on some
/// kernels `EXDEV`), or one that is this namespace's own.
pub fn ask(socket: &mut Socket, packet: Packet) -> Result<RouteMessage, KernelError> {
    let Packet { dst, src, iif } = packet;
    let mut message = RouteMessage::default();
    message.header.address_family = family(dst);
    message.header.destination_prefix_length = crate::types::address::bits(dst);
    message.attributes.push(RouteAttribute::Destination(dst.into()));
    if let Some(src) = src {
        message.header.source_prefix_length = crate::types::address::bits(src);
        message.attributes.push(RouteAttribute::Source(src.into()));
    }
    message.attributes.extend(iif.map(RouteAttribute::Iif));
    match socket.get(RouteNetlinkMessage::GetRoute(message))? {
        RouteNetlinkMessage::NewRoute(route) => Ok(route),
        _ => Err(KernelError::new("RTM_GETROUTE", libc::ENETUNREACH)),
    }
}

fn family(addr: IpAddr) -> AddressFamily {
    if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// A gateway of the other family than the destination's needs an attribute of its own (RFC 5549).
fn gateway(dst: IpAddr, via: IpAddr) -> RouteAttribute {
    match (dst, via) {
        (IpAddr::V4(_), IpAddr::V6(v6)) => RouteAttribute::Via(RouteVia::Inet6(v6)),
        _ => RouteAttribute::Gateway(RouteAddress::from(via)),
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some((*a).into()),
        RouteAddress::Inet6(a) => Some((*a).into()),
        _ => None,
    }
}
