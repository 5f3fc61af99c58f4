//! Multicast forwarding entries of bridges that somebody made; those that the bridge learned come again by themselves.

use super::group::{Group, Item};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};

const RTM_NEWMDB: u16 = 84;
const RTM_DELMDB: u16 = 85;
const RTM_GETMDB: u16 = 86;
const AF_BRIDGE: u8 = 7;
/// `MDBA_MDB`, `MDBA_MDB_ENTRY`, `MDBA_MDB_ENTRY_INFO` and `MDBA_SET_ENTRY` of linux/if_bridge.h are all 1.
const ONE: u16 = 1;
/// The places of `struct br_mdb_entry`: the port's ifindex, the state, flags, VLAN, and the group's address with its kind.
const STATE: usize = 4;
const FLAGS: usize = 5;
const LENGTH: usize = 28;
const PERMANENT: u8 = 1;

/// All entries of a namespace that somebody made, each with the port that it is for.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket) -> Result<Vec<(Group, Item)>, KernelError> {
    let mut header = vec![0; 8];
    header[0] = AF_BRIDGE;
    let bridges = match socket.dump_raw(&Raw { kind: RTM_GETMDB, header, attributes: Vec::new() }) {
        Err(e) if matches!(e.errno, libc::EOPNOTSUPP | libc::EINVAL) => Vec::new(),
        answer => answer?,
    };
    let mut entries = Vec::new();
    for bridge in bridges {
        let tables = bridge.attributes.iter().filter(|a| a.kind == ONE).flat_map(Attribute::inside);
        for info in tables.filter(|a| a.kind == ONE).flat_map(|group| group.inside()) {
            let Some(entry) = info.value.get(..LENGTH).filter(|e| e[STATE] == PERMANENT) else { continue };
            let mut entry = entry.to_vec();
            // What the hardware or the bridge says of it.
            entry[FLAGS] = 0;
            let port = u32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let mut value = bridge.header_u32(4).to_ne_bytes().to_vec();
            value.extend(entry);
            entries.push((Group::Mdb(port), Item { name: None, value: Bytes(value), life: None }));
        }
    }
    Ok(entries)
}

/// The message that makes an entry, or takes it away.
pub fn message(item: &Item, put: bool) -> Option<Raw> {
    let (bridge, entry) = item.value.0.split_at_checked(4)?;
    let mut header = vec![AF_BRIDGE, 0, 0, 0];
    header.extend(bridge);
    let kind = if put { RTM_NEWMDB } else { RTM_DELMDB };
    Some(Raw { kind, header, attributes: vec![Attribute::new(ONE, entry)] })
}
