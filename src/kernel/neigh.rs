//! Neighbours and bridge forwarding entries as rtnetlink sees them; both are `RTM_*NEIGH`.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Request, Socket};
use crate::diag::KernelError;
use crate::types::mac::Mac;
use crate::types::number::VlanId;

/// An entry to be made, as `ip neighbour add` or `bridge fdb add` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighSpec {
    /// Which Ethernet address an IP address has; permanent.
    Neigh {
        /// The IP address.
        addr: IpAddr,
        /// Its Ethernet address.
        mac: Mac,
    },
    /// Answer for this address as a proxy.
    Proxy {
        /// The IP address.
        addr: IpAddr,
    },
    /// Which port (or tunnel end) an Ethernet address is behind.
    Fdb {
        /// The Ethernet address; zeros are a VXLAN link's default destination.
        mac: Mac,
        /// The tunnel end, on a VXLAN link.
        dst: Option<IpAddr>,
        /// The VLAN.
        vlan: Option<VlanId>,
        /// In the table of the bridge that the link is a port of, not in the link's own.
        master: bool,
        /// Add one more destination for the same address.
        append: bool,
    },
}

impl NeighSpec {
    fn message(&self, index: u32) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        match self {
            NeighSpec::Neigh { addr, mac } => {
                message.header.family = family(*addr);
                message.attributes.push(NeighbourAttribute::Destination((*addr).into()));
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.bytes().to_vec()));
            }
            NeighSpec::Proxy { addr } => {
                message.header.family = family(*addr);
                message.header.flags |= NeighbourFlags::Proxy;
                message.attributes.push(NeighbourAttribute::Destination((*addr).into()));
            }
            NeighSpec::Fdb { mac, dst, vlan, master, .. } => {
                message.header.family = AddressFamily::Bridge;
                message.header.flags |= if *master { NeighbourFlags::Controller } else { NeighbourFlags::Own };
                if *master {
                    // A static entry; a permanent one would be the port's own address. bridge(8) says `static` for NOARP.
                    message.header.state = NeighbourState::Noarp;
                }
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.bytes().to_vec()));
                message.attributes.extend(dst.map(|d| NeighbourAttribute::Destination(NeighbourAddress::from(d))));
                message.attributes.extend(vlan.map(|v| NeighbourAttribute::Vlan(v.get())));
            }
        }
        message
    }
}

/// The message that adds an entry. Without `EXCL` an entry that exists keeps its old MAC, silently.
pub fn add(index: u32, spec: &NeighSpec) -> Request {
    let flags = match spec {
        NeighSpec::Fdb { append: true, .. } => NLM_F_CREATE | netlink_packet_core::NLM_F_APPEND,
        _ => NLM_F_CREATE | NLM_F_EXCL,
    };
    (RouteNetlinkMessage::NewNeighbour(spec.message(index)), flags)
}

/// The message that deletes an entry.
pub fn del(index: u32, spec: &NeighSpec) -> Request {
    (RouteNetlinkMessage::DelNeighbour(spec.message(index)), 0)
}

/// Which entries to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// IPv4 and IPv6 neighbours.
    Neighbours,
    /// Proxy entries.
    Proxies,
    /// Bridge forwarding entries, of VXLAN links too.
    Fdb,
}

/// All entries of one table in the socket's namespace.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket, table: Table) -> Result<Vec<NeighbourMessage>, KernelError> {
    let mut message = NeighbourMessage::default();
    match table {
        Table::Neighbours => {}
        Table::Proxies => message.header.flags |= NeighbourFlags::Proxy,
        Table::Fdb => message.header.family = AddressFamily::Bridge,
    }
    let answers = socket.dump(RouteNetlinkMessage::GetNeighbour(message))?;
    Ok(answers
        .into_iter()
        .filter_map(|m| match m {
            RouteNetlinkMessage::NewNeighbour(neighbour) => Some(neighbour),
            _ => None,
        })
        .collect())
}

fn family(addr: IpAddr) -> AddressFamily {
    if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
