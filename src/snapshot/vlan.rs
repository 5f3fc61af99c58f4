//! The VLANs that the ports of bridges, and the bridges themselves, are in.

use super::group::{Group, Item};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};

const RTM_SETLINK: u16 = 19;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const AF_BRIDGE: u8 = 7;
/// `IFLA_MASTER`, `IFLA_AF_SPEC`, `IFLA_EXT_MASK` with `RTEXT_FILTER_BRVLAN`.
const MASTER: u16 = 10;
const AF_SPEC: u16 = 26;
const EXT_MASK: u16 = 29;
const BRVLAN: u32 = 2;
/// `IFLA_BRIDGE_FLAGS` with `BRIDGE_FLAGS_SELF`, and `IFLA_BRIDGE_VLAN_INFO`.
const FLAGS: u16 = 0;
const SELF: u16 = 2;
const VLAN_INFO: u16 = 2;
/// `BRIDGE_VLAN_INFO_PVID` and `_UNTAGGED`; the other flags are about the message.
const PVID: u16 = 2;
const UNTAGGED: u16 = 4;

/// All VLANs of a namespace, each with the port or bridge that is in it.
///
/// # Errors
/// The kernel's answer.
pub fn read(socket: &mut Socket) -> Result<Vec<(Group, Item)>, KernelError> {
    let mut header = vec![0; 16];
    header[0] = AF_BRIDGE;
    let attributes = vec![Attribute::u32(EXT_MASK, BRVLAN)];
    let answers = match socket.dump_raw(&Raw { kind: RTM_GETLINK, header, attributes }) {
        Err(e) if matches!(e.errno, libc::EOPNOTSUPP | libc::EINVAL) => Vec::new(),
        answer => answer?,
    };
    let mut vlans = Vec::new();
    for link in answers {
        let index = link.header_u32(4);
        let own = link.get(MASTER).and_then(Attribute::number) == Some(index);
        let infos = link.get(AF_SPEC).map(Attribute::inside).unwrap_or_default();
        for info in infos.iter().filter(|a| a.kind == VLAN_INFO) {
            let [a, b, c, d] = info.value[..] else { continue };
            let flags = u16::from_ne_bytes([a, b]) & (PVID | UNTAGGED);
            let name = Some(Bytes::text(u16::from_ne_bytes([c, d]).to_string()));
            vlans
                .push((Group::Vlans(index), Item { name, value: Bytes(vec![u8::from(own), flags as u8]), life: None }));
        }
    }
    Ok(vlans)
}

/// The message that puts a port, or a bridge itself, into a VLAN.
pub fn put(index: u32, item: &Item) -> Option<Raw> {
    message(RTM_SETLINK, index, item)
}

/// The message that takes it out.
pub fn take(index: u32, item: &Item) -> Option<Raw> {
    message(RTM_DELLINK, index, item)
}

/// Whether it is the VLAN of frames without a tag: a port has one at most, and the last one put counts.
pub fn is_pvid(item: &Item) -> bool {
    item.value.0.get(1).is_some_and(|flags| u16::from(*flags) & PVID != 0)
}

/// Whether it may be the VLAN into which the kernel puts each new port (`vlan_default_pvid`).
pub fn is_default(item: &Item) -> bool {
    item.value.0.get(1).is_some_and(|flags| u16::from(*flags) == PVID | UNTAGGED)
}

/// Its flags and place as `bridge vlan add` takes them.
pub fn words(item: &Item) -> String {
    let flags = u16::from(item.value.0.get(1).copied().unwrap_or(0));
    let own = item.value.0.first() == Some(&1);
    let all = [("pvid", flags & PVID != 0), ("untagged", flags & UNTAGGED != 0), ("self", own)];
    all.iter().filter(|(_, is)| *is).map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
}

fn message(kind: u16, index: u32, item: &Item) -> Option<Raw> {
    let [own, flags] = item.value.0[..] else { return None };
    let vid: u16 = item.label().parse().ok()?;
    let mut spec = Vec::new();
    if own == 1 {
        spec.push(Attribute::new(FLAGS, SELF.to_ne_bytes()));
    }
    spec.push(Attribute::new(VLAN_INFO, [u16::from(flags).to_ne_bytes(), vid.to_ne_bytes()].concat()));
    let mut header = vec![0; 16];
    header[0] = AF_BRIDGE;
    let mut raw = Raw { kind, header, attributes: vec![Attribute::nested(AF_SPEC, &spec)] };
    raw.set_header_u32(4, index);
    Some(raw)
}
