//! The neighbours and bridge forwarding entries of a namespace.

use std::net::IpAddr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use serde::Serialize;

use super::{Names, name_of};
use crate::diag::KernelError;
use crate::kernel::neigh::{self, Table};
use crate::kernel::netlink::Socket;
use crate::types::mac::Mac;

/// One neighbour or forwarding entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The fields of `ip -j neigh` and `bridge -j fdb`.
pub struct NeighState {
    pub dev: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<IpAddr>,
    #[serde(rename = "lladdr", skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    pub state: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub proxy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    #[serde(skip)]
    pub index: u32,
}

impl NeighState {
    /// Reads one entry's message.
    pub fn new(message: &NeighbourMessage, names: &Names) -> Self {
        let header = &message.header;
        let mut state = Self {
            dev: name_of(names, header.ifindex),
            state: match header.state {
                NeighbourState::Permanent => "PERMANENT",
                NeighbourState::Reachable => "REACHABLE",
                NeighbourState::Stale => "STALE",
                NeighbourState::Delay => "DELAY",
                NeighbourState::Probe => "PROBE",
                NeighbourState::Failed => "FAILED",
                NeighbourState::Incomplete => "INCOMPLETE",
                NeighbourState::Noarp => "NOARP",
                // The default destination of a VXLAN link is both NOARP and PERMANENT, which bridge(8) calls permanent.
                NeighbourState::Other(bits) if bits & u16::from(NeighbourState::Permanent) != 0 => "PERMANENT",
                _ => "NONE",
            },
            proxy: header.flags.contains(NeighbourFlags::Proxy),
            index: header.ifindex,
            ..Self::default()
        };
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(a)) => state.dst = Some((*a).into()),
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(a)) => state.dst = Some((*a).into()),
                // The forwarding entries of a VXLAN link hold the tunnel end, in a family that the header does not name.
                NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => state.dst = ip(bytes),
                NeighbourAttribute::LinkLayerAddress(bytes) => state.mac = Mac::from_bytes(bytes),
                NeighbourAttribute::Controller(index) => state.master = Some(name_of(names, *index)),
                NeighbourAttribute::Vlan(vlan) => state.vlan = Some(*vlan),
                _ => {}
            }
        }
        state
    }
}

/// All entries of one table of a namespace.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket, table: Table, names: &Names) -> Result<Vec<NeighState>, KernelError> {
    Ok(neigh::dump(socket, table)?.iter().map(|m| NeighState::new(m, names)).collect())
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}
