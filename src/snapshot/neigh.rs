//! Neighbours, the addresses answered for as a proxy, and forwarding entries: those that somebody made.

use super::group::{Group, Item};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};

const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const AF_BRIDGE: u8 = 7;
const AF_UNSPEC: u8 = 0;
/// `NDA_*` of linux/neighbour.h.
const DST: u16 = 1;
const LLADDR: u16 = 2;
const CACHEINFO: u16 = 3;
const PROBES: u16 = 4;
const VLAN: u16 = 5;
const MASTER: u16 = 9;
/// `NUD_*` and `NTF_*`.
const PERMANENT: u16 = 0x80;
const NOARP: u16 = 0x40;
const STALE: u16 = 0x04;
const F_SELF: u8 = 0x02;
const F_MASTER: u8 = 0x04;
const F_PROXY: u8 = 0x08;
const F_EXT_LEARNED: u8 = 0x10;

/// All neighbours and proxy entries of a namespace that somebody made.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    let mut all = ask(socket, AF_UNSPEC, 0)?;
    all.retain(|n| state(n) & PERMANENT != 0 || flags(n) & F_EXT_LEARNED != 0);
    all.extend(ask(socket, AF_UNSPEC, F_PROXY)?);
    Ok(all)
}

/// All forwarding entries that somebody made, or that the kernel keeps for a link's own MAC.
///
/// # Errors
/// The kernel's answer.
pub fn dump_fdb(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    let mut all = ask(socket, AF_BRIDGE, 0)?;
    // A group's address on the link itself is there for who listens to it, not because somebody made an entry.
    let is_group =
        |n: &Raw| flags(n) & F_SELF != 0 && n.get(LLADDR).is_some_and(|a| a.value.first().is_some_and(|b| b & 1 == 1));
    all.retain(|n| state(n) & (PERMANENT | NOARP) != 0 && !is_group(n));
    Ok(all)
}

fn ask(socket: &mut Socket, family: u8, flags: u8) -> Result<Vec<Raw>, KernelError> {
    let mut header = vec![0; 12];
    header[0] = family;
    header[10] = flags;
    socket.dump_raw(&Raw { kind: RTM_GETNEIGH, header, attributes: Vec::new() })
}

fn state(neigh: &Raw) -> u16 {
    u16::from_ne_bytes([neigh.header[8], neigh.header[9]])
}

fn flags(neigh: &Raw) -> u8 {
    neigh.header[10]
}

/// The group that an entry belongs to.
pub fn group(neigh: &Raw) -> Group {
    let index = neigh.header_u32(4);
    if neigh.header[0] == AF_BRIDGE { Group::Fdb(index) } else { Group::Neighs(index) }
}

/// An entry without what is noise, fit to be sent back.
pub fn item(neigh: &Raw) -> Item {
    let mut raw = neigh.clone();
    raw.drop(&[CACHEINFO, PROBES]);
    let is_fdb = raw.header[0] == AF_BRIDGE;
    if !is_fdb && state(&raw) & PERMANENT == 0 && flags(&raw) & F_PROXY == 0 {
        // What a program keeps up to date is in one state after the other.
        raw.header[8..10].copy_from_slice(&STALE.to_ne_bytes());
    }
    if is_fdb && raw.get(MASTER).is_some() {
        // The kernel tells the master and wants to be told that it is meant.
        let is_bridge = raw.get(MASTER).and_then(Attribute::number) == Some(raw.header_u32(4));
        raw.drop(&[MASTER]);
        raw.header[10] |= if is_bridge { F_SELF } else { F_MASTER };
    }
    let kinds: &[u16] = if is_fdb { &[LLADDR, VLAN, DST] } else { &[DST] };
    let mut name = vec![raw.header[0], raw.header[10] & (F_PROXY | F_SELF | F_MASTER)];
    for kind in kinds {
        name.extend(raw.get(*kind).map(|a| a.value.clone()).unwrap_or_default());
    }
    Item { name: Some(Bytes(name)), value: Bytes(raw.payload()), life: None }
}

/// Whether it is a MAC that the link itself listens to: a macvlan on it has put it there, and takes it away.
pub fn is_filter(item: &Item) -> bool {
    Raw::read(RTM_NEWNEIGH, &item.value.0).is_some_and(|raw| flags(&raw) & F_SELF != 0 && raw.get(DST).is_none())
}

/// The MAC of an entry.
pub fn mac(item: &Item) -> Option<Vec<u8>> {
    Raw::read(RTM_NEWNEIGH, &item.value.0)?.get(LLADDR).map(|a| a.value.clone())
}

/// The message that puts an entry back, and whether another of the same address may stand beside it.
pub fn put(item: &Item) -> Option<(Raw, bool)> {
    let raw = Raw::read(RTM_NEWNEIGH, &item.value.0)?;
    let is_tunnel = raw.header[0] == AF_BRIDGE && raw.get(DST).is_some();
    Some((raw, is_tunnel))
}

/// The message that takes an entry away.
pub fn take(item: &Item) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWNEIGH, &item.value.0)?;
    raw.kind = RTM_DELNEIGH;
    Some(raw)
}
