//! Making a link again that was deleted: with its ifindex, name, MAC, kind and options, a veth with its other end.

use super::group::{Group, Item, attribute};
use super::link::{
    self, ADDRESS, IFNAME, INFO_DATA, INFO_KIND, LINK, LINK_NETNSID, LINKINFO, MTU, NUM_RX_QUEUES, NUM_TX_QUEUES,
};
use crate::diag::KernelError;
use crate::kernel::link::LinkKey;
use crate::kernel::raw::{Attribute, Raw};
use crate::kernel::space::Kernel;
use crate::kernel::tun;
use crate::types::name::IfName;

/// `IFLA_NET_NS_FD` and `VETH_INFO_PEER`.
const NET_NS_FD: u16 = 28;
const PEER: u16 = 1;

/// The kinds that can be made again so that nothing is missing but counters.
pub const KINDS: [&str; 13] = [
    "veth", "bridge", "vxlan", "macvlan", "macvtap", "dummy", "ifb", "vlan", "ipvlan", "vrf", "gre", "gretap", "geneve",
];

/// Makes a link as `items` say. `peer` is the other end of a veth with its items.
///
/// # Errors
/// The kernel's answer.
pub fn make(
    key: LinkKey,
    items: &[Item],
    peer: Option<(LinkKey, &[Item])>,
    kernel: &mut Kernel,
) -> Result<(), KernelError> {
    let kind = attribute(items, "~kind").unwrap_or_default();
    if kind == "tun" {
        return make_tun(key, items, kernel);
    }
    let mut message = link::empty(key.index);
    message.attributes = own(items, &kind);
    let mut data: Vec<Attribute> = Vec::new();
    match (kind.as_str(), peer) {
        ("veth", Some((peer, peer_items))) => {
            let mut half = link::empty(peer.index);
            half.attributes = own(peer_items, &kind);
            if let Some(fd) = kernel.target(key.netns, peer.netns) {
                half.attributes.push(Attribute::u32(NET_NS_FD, fd as u32));
            }
            data.push(Attribute::new(PEER, half.payload()));
        }
        ("veth", None) => return Err(KernelError::new("RTM_NEWLINK", libc::ENOTCONN)),
        // Each of its options is set later if it is not what a new one has: some cannot even be named on every kernel.
        ("bridge", _) => {}
        _ => data = options(items, &kind),
    }
    if kind != "veth" {
        // A VXLAN names the link below among its options.
        let below = number(items, "~link").filter(|_| kind != "vxlan");
        message.attributes.extend(below.map(|below| Attribute::u32(LINK, below)));
        // The namespace of the link below, or that a tunnel's packets travel in, by the number that it has in this one.
        message.attributes.extend(number(items, "~netnsid").map(|id| Attribute::u32(LINK_NETNSID, id)));
    }
    let mut infos = vec![Attribute::text(INFO_KIND, &kind)];
    if !data.is_empty() {
        infos.push(Attribute::nested(INFO_DATA, &data));
    }
    message.attributes.push(Attribute::nested(LINKINFO, &infos));
    let lost = || KernelError::new("RTM_NEWLINK", libc::ENOENT);
    let flags = netlink_packet_core::NLM_F_CREATE | netlink_packet_core::NLM_F_EXCL;
    kernel.socket(key.netns).ok_or_else(lost)?.change_raw(&message, flags)
}

/// The attributes that an end is born with.
fn own(items: &[Item], kind: &str) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    attributes.extend(attribute(items, "name").map(|name| Attribute::text(IFNAME, &name)));
    let mac = items.iter().find(|i| i.label() == "mac").map(|i| i.value.0.clone());
    // A bridge that is told its MAC no longer takes that of a port; so it is told only if its ports do not give it the right one.
    attributes.extend(mac.filter(|_| kind != "bridge").map(|mac| Attribute::new(ADDRESS, mac)));
    attributes.extend(number(items, "mtu").filter(|_| kind != "bridge").map(|mtu| Attribute::u32(MTU, mtu)));
    for (name, kind) in [("~txqueues", NUM_TX_QUEUES), ("~rxqueues", NUM_RX_QUEUES)] {
        attributes.extend(number(items, name).map(|count| Attribute::u32(kind, count)));
    }
    attributes
}

/// The options of its kind, as the kernel told them.
fn options(items: &[Item], kind: &str) -> Vec<Attribute> {
    /// `IFLA_VXLAN_TTL_INHERIT`: told as a number, and taken as a flag that counts as set when it is there.
    const VXLAN_TTL_INHERIT: u16 = 28;
    /// That, and `IFLA_VXLAN_REMCSUM_TX` and `_RX`, which newer kernels count as used as soon as they are named.
    const VXLAN_FLAGS: [u16; 3] = [21, 22, VXLAN_TTL_INHERIT];
    /// `IFLA_VLAN_FLAGS`: flags and a mask. It is not told when no flag is set, though a new link begins with `reorder_hdr`; and
    /// the mask is told as all bits, while only those of flags that exist are taken (`VLAN_FLAG_*` of linux/if_vlan.h).
    const VLAN_FLAGS: u16 = 2;
    const VLAN_KNOWN: u32 = 0x1f;
    let mut data: Vec<Attribute> = items
        .iter()
        .filter_map(|i| Some(Attribute::new(i.label().strip_prefix("data:")?.parse().ok()?, i.value.0.clone())))
        .collect();
    if kind == "vxlan" {
        data.retain(|a| !VXLAN_FLAGS.contains(&a.kind) || a.value.iter().any(|byte| *byte != 0));
        for flag in data.iter_mut().filter(|a| a.kind == VXLAN_TTL_INHERIT) {
            flag.value.clear();
        }
    }
    if kind == "vlan" {
        let told = data.iter().find(|a| a.kind == VLAN_FLAGS).and_then(|a| a.value.first_chunk()).copied();
        let flags: [u8; 4] = told.unwrap_or_default();
        data.retain(|a| a.kind != VLAN_FLAGS);
        data.push(Attribute::new(VLAN_FLAGS, [flags, VLAN_KNOWN.to_ne_bytes()].concat()));
    }
    if matches!(kind, "macvlan" | "macvtap") && data.iter().any(|a| a.kind == 5) {
        data.insert(0, Attribute::u32(link::MACVLAN_MODE, link::MACADDR_SET));
    }
    data
}

fn make_tun(key: LinkKey, items: &[Item], kernel: &mut Kernel) -> Result<(), KernelError> {
    /// `IFLA_TUN_TYPE` and `IFF_TAP`.
    const TYPE: &str = "data:3";
    const TAP: u8 = 2;
    let name = attribute(items, "name").and_then(|name| IfName::new(&name).ok());
    let gone = || KernelError::new("TUNSETIFF", libc::ENOENT);
    let tap = items.iter().any(|i| i.label() == TYPE && i.value.0.first() == Some(&TAP));
    let fd = kernel.fd(key.netns).ok_or_else(gone)?;
    tun::add(fd, &name.ok_or_else(gone)?, key.index, tap).map_err(|e| KernelError::from_io("TUNSETIFF", &e))
}

fn number(items: &[Item], name: &str) -> Option<u32> {
    attribute(items, name)?.parse().ok()
}

/// Whether a link could be made again from what is known of it.
pub fn can(items: &[Item]) -> bool {
    attribute(items, "~kind").is_some_and(|kind| KINDS.contains(&kind.as_str()) || kind == "tun")
}

/// The message that deletes a link.
pub fn delete(index: u32) -> Raw {
    const RTM_DELLINK: u16 = 17;
    Raw { kind: RTM_DELLINK, ..link::empty(index) }
}

/// The items of a link among those wanted.
pub fn of(wanted: &[(Group, Vec<Item>)], index: u32) -> &[Item] {
    wanted.iter().find(|(group, _)| *group == Group::Link(index)).map_or(&[], |(_, items)| items.as_slice())
}
