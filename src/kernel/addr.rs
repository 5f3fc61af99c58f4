//! Addresses of links as rtnetlink sees them.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Request, Socket};
use crate::diag::KernelError;
use crate::types::address::Cidr;

/// An address to be put on a link, as `ip address add` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddrSpec {
    /// The address and its prefix length; with a peer, the length is the peer's.
    pub addr: Cidr,
    /// The other end of a point-to-point link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The scope as in rtnetlink(7): 0 global, 253 link, 254 host. By default host for 127/8 and global otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
    /// The broadcast address of an IPv4 network, which the kernel does not choose by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// The label of an IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How long the address is valid, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_lft: Option<u32>,
    /// How long it is used for new connections, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_lft: Option<u32>,
    /// Skip duplicate address detection (IPv6).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nodad: bool,
    /// Make no route to the address's network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noprefixroute: bool,
}

impl AddrSpec {
    /// A plain address.
    pub fn new(addr: Cidr) -> Self {
        Self {
            addr,
            peer: None,
            scope: None,
            broadcast: None,
            label: None,
            valid_lft: None,
            preferred_lft: None,
            nodad: false,
            noprefixroute: false,
        }
    }

    /// The same from the kernel's own message, so that it can be sent back. Link-local IPv6 is the kernel's own business.
    pub fn read(message: &AddressMessage) -> Option<Self> {
        Self::read_any(message).filter(|spec| !(spec.addr.addr().is_ipv6() && spec.scope == Some(253)))
    }

    /// The same with link-local IPv6, which somebody may have chosen.
    pub fn read_any(message: &AddressMessage) -> Option<Self> {
        let mut broadcast = None;
        let (mut local, mut address, mut label, mut cache) = (None, None, None, None);
        let mut flags = AddressFlags::empty();
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(*ip),
                AddressAttribute::Address(ip) => address = Some(*ip),
                AddressAttribute::Broadcast(ip) => broadcast = Some(*ip),
                AddressAttribute::Label(text) => label = Some(text.clone()),
                AddressAttribute::CacheInfo(info) => cache = Some(*info),
                AddressAttribute::Flags(bits) => flags = *bits,
                _ => {}
            }
        }
        let local = local.or(address)?;
        let finite = |seconds: u32| (seconds != u32::MAX).then_some(seconds);
        let scope = u8::from(message.header.scope);
        Some(Self {
            addr: Cidr::with_len(local, message.header.prefix_len).ok()?,
            peer: address.filter(|a| *a != local),
            scope: (scope != 0).then_some(scope),
            broadcast,
            label,
            valid_lft: cache.and_then(|c| finite(c.ifa_valid)),
            preferred_lft: cache.and_then(|c| finite(c.ifa_preferred)),
            nodad: flags.contains(AddressFlags::Nodad),
            noprefixroute: flags.contains(AddressFlags::Noprefixroute),
        })
    }

    fn message(&self, index: u32) -> AddressMessage {
        let mut message = AddressMessage::default();
        let addr = self.addr.addr();
        message.header.index = index;
        message.header.prefix_len = self.addr.len();
        message.header.family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let scope = self.scope.unwrap_or(if addr.is_loopback() && addr.is_ipv4() { 254 } else { 0 });
        message.header.scope = AddressScope::from(scope);
        message.attributes.push(AddressAttribute::Local(addr));
        message.attributes.push(AddressAttribute::Address(self.peer.unwrap_or(addr)));
        message
    }
}

/// The message that adds an address. `EXCL`, since IPv4 would otherwise report a second one only sometimes.
pub fn add(index: u32, spec: &AddrSpec) -> Request {
    let mut message = spec.message(index);
    let attributes = &mut message.attributes;
    attributes.extend(spec.broadcast.map(AddressAttribute::Broadcast));
    attributes.extend(spec.label.clone().map(AddressAttribute::Label));
    if spec.valid_lft.is_some() || spec.preferred_lft.is_some() {
        let mut cache = CacheInfo::default();
        cache.ifa_valid = spec.valid_lft.unwrap_or(u32::MAX);
        cache.ifa_preferred = spec.preferred_lft.unwrap_or(cache.ifa_valid);
        attributes.push(AddressAttribute::CacheInfo(cache));
    }
    let mut flags = AddressFlags::empty();
    flags.set(AddressFlags::Nodad, spec.nodad);
    flags.set(AddressFlags::Noprefixroute, spec.noprefixroute);
    if !flags.is_empty() {
        attributes.push(AddressAttribute::Flags(flags));
    }
    (RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// The message that gives an address that is there another time. The kernel would make one that is not.
pub fn refresh(index: u32, spec: &AddrSpec) -> Request {
    let (message, _) = add(index, spec);
    (message, NLM_F_REPLACE)
}

/// The message that deletes an address. Prefix length and peer must match, or the kernel may take another one.
pub fn del(index: u32, spec: &AddrSpec) -> Request {
    (RouteNetlinkMessage::DelAddress(spec.message(index)), 0)
}

/// All addresses of the socket's namespace, or of one link.
///
/// # Errors
/// The kernel's answer; `ENODEV` for a link that is not there.
pub fn dump(socket: &mut Socket, index: Option<u32>) -> Result<Vec<AddressMessage>, KernelError> {
    let mut message = AddressMessage::default();
    message.header.index = index.unwrap_or(0);
    let answers = socket.dump(RouteNetlinkMessage::GetAddress(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|m| match m {
            RouteNetlinkMessage::NewAddress(address) => Some(address),
            _ => None,
        })
        .collect())
}

impl std::fmt::Display for AddrSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.addr.fmt(f)
    }
}
