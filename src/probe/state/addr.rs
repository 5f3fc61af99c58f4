//! The addresses of a namespace's links.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use serde::Serialize;

use super::{Names, name_of};
use crate::diag::KernelError;
use crate::kernel::addr;
use crate::kernel::netlink::Socket;
use crate::types::address::{Cidr, Prefix};

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j addr`.
pub struct AddrState {
    pub dev: String,
    pub family: &'static str,
    pub local: IpAddr,
    pub prefixlen: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    pub scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub valid_life_time: u32,
    pub preferred_life_time: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secondary: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tentative: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dadfailed: bool,
    #[serde(skip)]
    pub index: u32,
}

impl AddrState {
    /// Reads one address's message.
    pub fn new(message: &AddressMessage, names: &Names) -> Option<Self> {
        let (mut local, mut address, mut label, mut lifetimes) = (None, None, None, (u32::MAX, u32::MAX));
        let mut flags = AddressFlags::empty();
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Local(ip) => local = Some(*ip),
                AddressAttribute::Address(ip) => address = Some(*ip),
                AddressAttribute::Label(text) => label = Some(text.clone()),
                AddressAttribute::CacheInfo(c) => lifetimes = (c.ifa_valid, c.ifa_preferred),
                AddressAttribute::Flags(f) => flags = *f,
                _ => {}
            }
        }
        // IPv6 sends only IFA_ADDRESS, unless there is a peer.
        let local = local.or(address)?;
        Some(Self {
            dev: name_of(names, message.header.index),
            family: if local.is_ipv4() { "inet" } else { "inet6" },
            local,
            prefixlen: message.header.prefix_len,
            address: address.filter(|a| *a != local),
            scope: match message.header.scope {
                AddressScope::Universe => "global",
                AddressScope::Site => "site",
                AddressScope::Link => "link",
                AddressScope::Host => "host",
                _ => "nowhere",
            },
            label,
            valid_life_time: lifetimes.0,
            preferred_life_time: lifetimes.1,
            secondary: flags.contains(AddressFlags::Secondary),
            tentative: flags.contains(AddressFlags::Tentative),
            dadfailed: flags.contains(AddressFlags::Dadfailed),
            index: message.header.index,
        })
    }

    /// The network that it makes reachable.
    pub fn network(&self) -> Option<Prefix> {
        Cidr::with_len(self.address.unwrap_or(self.local), self.prefixlen).ok().map(Cidr::network)
    }

    /// Whether it was made by the kernel itself on every link (`fe80::…`).
    pub fn is_link_local(&self) -> bool {
        self.scope == "link" && self.family == "inet6"
    }
}

/// All addresses of a namespace, or of one link.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket, index: Option<u32>, names: &Names) -> Result<Vec<AddrState>, KernelError> {
    Ok(addr::dump(socket, index)?.iter().filter_map(|m| AddrState::new(m, names)).collect())
}
