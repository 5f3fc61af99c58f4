//! How full the kernel's neighbour tables are.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour_table::{NeighbourTableAttribute, NeighbourTableMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Asks for the neighbour tables (ARP and IPv6 discovery), of which the kernel has one each for all namespaces together.
#[derive(Debug)]
pub struct NeighbourTables(Socket);

/// The fuller of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// How many more entries fit.
    pub free: u32,
    /// How many there can be (`gc_thresh3`).
    pub limit: u32,
}

impl NeighbourTables {
    /// Opens the socket. The answer is the same in every namespace, and needs no privilege.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Looks; the kernel answers at once, so this does not wait.
    pub fn fill(&self) -> io::Result<Fill> {
        let request = RouteNetlinkMessage::GetNeighbourTable(NeighbourTableMessage::default());
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        let mut fullest: Option<Fill> = None;
        loop {
            let (packet, _) = self.0.recv_from_full()?;
            let mut rest = packet.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbourTable(table)) => {
                        let fill = fill(&table);
                        fullest = fullest.into_iter().chain(fill).min_by_key(|f| f.free);
                    }
                    NetlinkPayload::Done(_) => {
                        return fullest.ok_or_else(|| io::Error::other("no neighbour table"));
                    }
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
                // Messages begin at multiples of four bytes.
                let len = (message.header.length as usize).next_multiple_of(4).max(16);
                rest = rest.get(len..).unwrap_or_default();
            }
        }
    }
}

/// Reads one table; the parameters of single links come as messages of their own and have no limits.
fn fill(table: &NeighbourTableMessage) -> Option<Fill> {
    let limit = table.attributes.iter().find_map(|a| match a {
        NeighbourTableAttribute::Threshold3(limit) => Some(*limit),
        _ => None,
    })?;
    let entries = table.attributes.iter().find_map(|a| match a {
        NeighbourTableAttribute::Config(config) => Some(config.entries),
        _ => None,
    })?;
    Some(Fill { free: limit.saturating_sub(entries), limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_full_its_tables_are() {
        let fill = NeighbourTables::open().unwrap().fill().unwrap();
        assert!(fill.limit >= 1 && fill.free <= fill.limit, "{fill:?}");
    }
}
