//! Nexthop objects, which routes share; the kernel drops them with their link, without an event.

use std::collections::BTreeSet;

use super::group::Item;
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};

const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
const RTM_GETNEXTHOP: u16 = 106;
/// `NHA_*` of linux/nexthop.h.
const ID: u16 = 1;
const GROUP: u16 = 2;
const OIF: u16 = 5;
const GATEWAY: u16 = 6;
/// What a newer kernel tells of a group and does not take: flags of the answer, statistics.
const TOLD: [u16; 3] = [14, 15, 17];
const F_ONLINK: u32 = 4;

/// All nexthop objects of a namespace; none where the kernel has no such thing.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    match socket.dump_raw(&Raw { kind: RTM_GETNEXTHOP, header: vec![0; 8], attributes: Vec::new() }) {
        Err(e) if e.errno == libc::EOPNOTSUPP => Ok(Vec::new()),
        answer => answer,
    }
}

/// The number of an object.
pub fn id(nexthop: &Raw) -> u32 {
    nexthop.get(ID).and_then(Attribute::number).unwrap_or(0)
}

/// The members of a group: of each 8 bytes (`struct nexthop_grp`) the first four.
fn members(nexthop: &Raw) -> BTreeSet<u32> {
    let bytes = nexthop.get(GROUP).map(|a| a.value.clone()).unwrap_or_default();
    bytes.chunks_exact(8).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]])).collect()
}

/// Those that lead over one of these links, and the groups with such a member.
pub fn over(nexthops: &[Raw], links: &BTreeSet<u32>) -> BTreeSet<u32> {
    let leads = |n: &&Raw| n.get(OIF).and_then(Attribute::number).is_some_and(|index| links.contains(&index));
    let mut ids: BTreeSet<u32> = nexthops.iter().filter(leads).map(id).collect();
    let groups: Vec<u32> = nexthops.iter().filter(|n| !members(n).is_disjoint(&ids)).map(id).collect();
    ids.extend(groups);
    ids
}

/// An object without what is noise, fit to be sent back.
pub fn item(nexthop: &Raw) -> Item {
    let mut raw = nexthop.clone();
    // The scope is told, and must not be said.
    raw.header[1] = 0;
    raw.drop(&TOLD);
    raw.set_header_u32(4, nexthop.header_u32(4) & F_ONLINK);
    Item { name: Some(Bytes::text(id(nexthop).to_string())), value: Bytes(raw.payload()), life: None }
}

/// Whether it is a group, which is put back after its members.
pub fn is_group(item: &Item) -> bool {
    Raw::read(RTM_NEWNEXTHOP, &item.value.0).is_some_and(|raw| raw.get(GROUP).is_some())
}

/// The link that an object leads over.
pub fn link(item: &Item) -> Option<u32> {
    Raw::read(RTM_NEWNEXTHOP, &item.value.0)?.get(OIF)?.number()
}

/// The gateway of an object, with the link that it is behind.
pub fn gateway(nexthop: &Raw) -> Option<(Vec<u8>, u32)> {
    Some((nexthop.get(GATEWAY)?.value.clone(), nexthop.get(OIF)?.number()?))
}

/// The message that puts an object back.
pub fn put(item: &Item) -> Option<Raw> {
    Raw::read(RTM_NEWNEXTHOP, &item.value.0)
}

/// The message that takes an object away.
pub fn take(item: &Item) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWNEXTHOP, &item.value.0)?;
    raw.kind = RTM_DELNEXTHOP;
    raw.attributes.retain(|a| a.kind == ID);
    Some(raw)
}
