//! The routes of a namespace.

use std::net::IpAddr;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHopFlags, RouteProtocol, RouteScope,
    RouteType, RouteVia,
};
use serde::Serialize;

use super::{Names, name_of};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::route;
use crate::types::address::Prefix;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j route`.
pub struct RouteState {
    pub dst: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    pub table: u32,
    pub protocol: &'static str,
    pub scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefsrc: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nexthops: Vec<HopState>,
    pub flags: Vec<&'static str>,
    #[serde(skip)]
    pub prefix: Prefix,
    #[serde(skip)]
    pub index: Option<u32>,
}

/// One of several gateways of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j route`.
pub struct HopState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    pub dev: String,
    pub weight: u32,
    pub flags: Vec<&'static str>,
}

impl RouteState {
    /// Reads one route's message.
    pub fn new(message: &RouteMessage, v6: bool, names: &Names) -> Self {
        let default = if v6 { Prefix::DEFAULT_V6 } else { Prefix::DEFAULT_V4 };
        let mut state = Self {
            dst: String::new(),
            kind: kind_word(message.header.kind),
            gateway: None,
            dev: None,
            table: u32::from(message.header.table),
            protocol: protocol_word(message.header.protocol),
            scope: scope_word(message.header.scope),
            metric: None,
            prefsrc: None,
            mtu: None,
            nexthops: Vec::new(),
            flags: Vec::new(),
            prefix: default,
            index: None,
        };
        for (flag, word) in
            [(RouteFlags::Onlink, "onlink"), (RouteFlags::Linkdown, "linkdown"), (RouteFlags::Dead, "dead")]
        {
            if message.header.flags.contains(flag) {
                state.flags.push(word);
            }
        }
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(a) => {
                    if let Some(addr) = ip(a) {
                        state.prefix = Prefix { addr, len: message.header.destination_prefix_length };
                    }
                }
                RouteAttribute::Gateway(a) => state.gateway = ip(a),
                RouteAttribute::Via(RouteVia::Inet6(a)) => state.gateway = Some((*a).into()),
                RouteAttribute::Oif(index) => {
                    state.index = Some(*index);
                    state.dev = Some(name_of(names, *index));
                }
                RouteAttribute::Table(table) => state.table = *table,
                RouteAttribute::Priority(metric) => state.metric = Some(*metric),
                RouteAttribute::PrefSource(a) => state.prefsrc = ip(a),
                RouteAttribute::Metrics(metrics) => {
                    state.mtu = metrics.iter().find_map(|m| if let RouteMetric::Mtu(n) = m { Some(*n) } else { None });
                }
                RouteAttribute::MultiPath(hops) => {
                    state.nexthops = hops
                        .iter()
                        .map(|hop| HopState {
                            gateway: hop.attributes.iter().find_map(|a| match a {
                                RouteAttribute::Gateway(a) => ip(a),
                                _ => None,
                            }),
                            dev: name_of(names, hop.interface_index),
                            weight: u32::from(hop.hops) + 1,
                            flags: [(RouteNextHopFlags::Onlink, "onlink"), (RouteNextHopFlags::Linkdown, "linkdown")]
                                .into_iter()
                                .filter(|(f, _)| hop.flags.contains(*f))
                                .map(|(_, word)| word)
                                .collect(),
                        })
                        .collect();
                }
                _ => {}
            }
        }
        state.dst = if state.prefix.len == state.prefix.bits() {
            state.prefix.addr.to_string()
        } else {
            state.prefix.to_string()
        };
        state
    }
}

/// All routes of a namespace in every table, IPv4 first; without the kernel's own local and multicast ones unless `all`.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket, names: &Names, all: bool) -> Result<Vec<RouteState>, KernelError> {
    const TABLE_LOCAL: u32 = 255;
    let mut routes = Vec::new();
    for v6 in [false, true] {
        routes.extend(route::dump(socket, v6)?.iter().map(|m| RouteState::new(m, v6, names)));
    }
    if !all {
        routes.retain(|r| r.table != TABLE_LOCAL && !matches!(r.kind, Some("multicast" | "anycast")));
    }
    Ok(routes)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some((*a).into()),
        RouteAddress::Inet6(a) => Some((*a).into()),
        _ => None,
    }
}

fn kind_word(kind: RouteType) -> Option<&'static str> {
    match kind {
        RouteType::Local => Some("local"),
        RouteType::Broadcast => Some("broadcast"),
        RouteType::Anycast => Some("anycast"),
        RouteType::Multicast => Some("multicast"),
        RouteType::BlackHole => Some("blackhole"),
        RouteType::Unreachable => Some("unreachable"),
        RouteType::Prohibit => Some("prohibit"),
        RouteType::Throw => Some("throw"),
        // As `ip route`, which leaves the ordinary kind out.
        _ => None,
    }
}

fn protocol_word(protocol: RouteProtocol) -> &'static str {
    match protocol {
        RouteProtocol::Kernel => "kernel",
        RouteProtocol::Boot => "boot",
        RouteProtocol::Static => "static",
        RouteProtocol::Ra => "ra",
        RouteProtocol::Dhcp => "dhcp",
        RouteProtocol::IcmpRedirect => "redirect",
        _ => "other",
    }
}

fn scope_word(scope: RouteScope) -> &'static str {
    match scope {
        RouteScope::Universe => "global",
        RouteScope::Site => "site",
        RouteScope::Link => "link",
        RouteScope::Host => "host",
        _ => "nowhere",
    }
}
