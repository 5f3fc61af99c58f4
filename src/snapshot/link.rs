//! Links: their attributes one by one, each with the message that sets it again.

use std::collections::BTreeMap;

use super::group::Item;
use super::scope::Scope;
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw, encode};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;

/// `IFLA_*` of linux/if_link.h.
pub(super) const ADDRESS: u16 = 1;
pub(super) const IFNAME: u16 = 3;
pub(super) const MTU: u16 = 4;
pub(super) const LINK: u16 = 5;
const MASTER: u16 = 10;
const TXQLEN: u16 = 13;
const OPERSTATE: u16 = 16;
pub(super) const LINKINFO: u16 = 18;
const IFALIAS: u16 = 20;
const AF_SPEC: u16 = 26;
const IFGROUP: u16 = 27;
const EXT_MASK: u16 = 29;
pub(super) const NUM_TX_QUEUES: u16 = 31;
pub(super) const NUM_RX_QUEUES: u16 = 32;
pub(super) const LINK_NETNSID: u16 = 37;
const XDP: u16 = 43;
const PROP_LIST: u16 = 52;
const ALT_IFNAME: u16 = 53;
/// Offload limits that `ip link set` takes: `gso_max_segs`, `gso_max_size`, `gro_max_size`, and those for IPv4.
const LIMITS: [u16; 5] = [40, 41, 58, 63, 64];
/// Inside `IFLA_LINKINFO`.
pub(super) const INFO_KIND: u16 = 1;
pub(super) const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
/// Inside `IFLA_AF_SPEC`, and in there.
const AF_INET: u16 = 2;
const INET_CONF: u16 = 1;
const AF_INET6: u16 = 10;
const INET6_TOKEN: u16 = 7;

/// The flags that somebody may set, with iproute2's words (`IFF_*` of linux/if.h).
const FLAGS: [(&str, u32); 5] =
    [("up", 1), ("noarp", 0x80), ("promisc", 0x100), ("allmulticast", 0x200), ("multicast", 0x1000)];

/// All links, as the kernel tells them.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    const SKIP_STATS: u32 = 1 << 3;
    socket.dump_raw(&Raw {
        kind: RTM_GETLINK,
        header: vec![0; 16],
        attributes: vec![Attribute::u32(EXT_MASK, SKIP_STATS)],
    })
}

/// The ifindex of a link.
pub fn index(link: &Raw) -> u32 {
    link.header_u32(4)
}

/// Whether somebody has set it up.
pub fn is_up(link: &Raw) -> bool {
    link.header_u32(8) & 1 != 0
}

/// Whether a link has a carrier (`IFF_LOWER_UP`).
pub fn has_carrier(link: &Raw) -> bool {
    link.header_u32(8) & 0x1_0000 != 0
}

/// How it is called that a link which is down receives an address nevertheless, since that was put there while it was down;
/// or all groups, without a carrier.
pub fn received(address: &[u8]) -> String {
    let digits: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{RECEIVED}{}", digits.concat())
}

/// What such names begin with.
pub const RECEIVED: &str = "received:";

/// Whether what a link listens to comes of itself: as a router by its forwarding, and by an address that it has.
pub fn is_echo(item: &Item) -> bool {
    item.label() == ROUTERS || item.label().starts_with(RECEIVED)
}

/// What stands in [`Group::Maddrs`](super::group::Group::Maddrs) for a link in the groups of all IPv6 routers.
pub const ROUTERS: &str = "ff01::2";

/// Whether it is all groups that are received: any address that is put there has the kernel do that.
pub fn is_all_groups(received: &Item) -> bool {
    const ALL_GROUPS: [u8; 16] = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    received.label() == self::received(&ALL_GROUPS)
}

/// Whether it is this address that is received.
pub fn is_received(received: &Item, address: &Item) -> bool {
    address.key().0.get(1..17).is_some_and(|bytes| received.label() == self::received(bytes))
}

/// The name of a link.
pub fn name(link: &Raw) -> String {
    link.get(IFNAME).map_or_else(String::new, Attribute::string)
}

fn number(link: &Raw, kind: u16) -> Option<u32> {
    link.get(kind).and_then(Attribute::number)
}

/// The links of the same namespace that feel what happens to those of the scope: what sits on them and on that, the ports of
/// those that are bridges, and of each what it sits on (for a veth the other end) and its bridge.
pub fn around(links: &[Raw], scope: &mut Scope) {
    let below = |link: &Raw| match number(link, LINK) {
        Some(below) if link.get(LINK_NETNSID).is_none() => Some(below),
        _ => tunnel_dev(link),
    };
    let next = |link: &Raw| {
        [below(link), number(link, MASTER), backup_port(link)].into_iter().flatten().filter(|index| *index != 0)
    };
    loop {
        let above: Vec<u32> =
            links.iter().filter(|l| next(l).any(|index| scope.links.contains(&index))).map(index).collect();
        let count = scope.links.len();
        scope.links.extend(above);
        if scope.links.len() == count {
            break;
        }
    }
    let beside: Vec<u32> = links.iter().filter(|l| scope.links.contains(&index(l))).flat_map(next).collect();
    scope.links.extend(beside);
}

/// Whether it is a bridge or the port of one.
pub fn is_bridged(link: &Raw) -> bool {
    let infos = link.get(LINKINFO).map(Attribute::inside).unwrap_or_default();
    infos.iter().any(|a| matches!(a.kind, INFO_KIND | INFO_SLAVE_KIND) && a.string() == "bridge")
}

/// The port of the same bridge that takes over for a port (`IFLA_BRPORT_BACKUP_PORT`); it is forgotten when that one leaves.
fn backup_port(link: &Raw) -> Option<u32> {
    const BACKUP_PORT: u16 = 34;
    let infos = link.get(LINKINFO)?.inside();
    let is_port = infos.iter().any(|a| a.kind == INFO_SLAVE_KIND && a.string() == "bridge");
    let data = infos.iter().find(|a| a.kind == INFO_SLAVE_DATA && is_port)?.inside();
    data.iter().find(|a| a.kind == BACKUP_PORT)?.number()
}

/// The link that a VXLAN sends by, which stands among its own options (`IFLA_VXLAN_LINK`).
fn tunnel_dev(link: &Raw) -> Option<u32> {
    const VXLAN_LINK: u16 = 3;
    let infos = link.get(LINKINFO)?.inside();
    let kind = infos.iter().find(|a| a.kind == INFO_KIND)?.string();
    let data = infos.iter().find(|a| a.kind == INFO_DATA)?.inside();
    data.iter().find(|a| a.kind == VXLAN_LINK && kind == "vxlan")?.number()
}

/// The group that a VXLAN over a link listens to there (`IFLA_VXLAN_GROUP`, `IFLA_VXLAN_GROUP6`).
pub fn tunnel_group(link: &Raw, below: u32) -> Option<String> {
    if tunnel_dev(link) != Some(below) {
        return None;
    }
    let data = link.get(LINKINFO)?.inside().into_iter().find(|a| a.kind == INFO_DATA)?.inside();
    data.iter().find_map(|a| match (a.kind, a.value.as_slice()) {
        (2, [a, b, c, d]) => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
        (16, bytes) => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    })
}

/// The name, the MTU and the largest MTU of a new one, of a VXLAN that is or goes with a link and whose MTU no new one could
/// have.
///
/// The link below may have got a smaller MTU after it was made: what is made over that, and whatever is set of it, is cut to
/// fit (`vxlan_config_apply` in drivers/net/vxlan/vxlan_core.c).
pub fn tunnel_too_wide(links: &[Raw], going: u32) -> Option<(String, u32, u32)> {
    /// `IFLA_VXLAN_GROUP6` and `IFLA_VXLAN_LOCAL6`; and what is put round a frame.
    const V6: [u16; 2] = [16, 17];
    const HEADROOM: u32 = 50;
    const HEADROOM_V6: u32 = 70;
    let mtu = |link: &Raw| link.get(MTU).and_then(|a| a.number());
    links.iter().find_map(|link| {
        let below = tunnel_dev(link).filter(|below| *below == going || index(link) == going)?;
        let room = mtu(links.iter().find(|l| index(l) == below)?)?;
        let infos = link.get(LINKINFO)?.inside();
        let data = infos.iter().find(|a| a.kind == INFO_DATA)?.inside();
        let is_v6 = data.iter().any(|a| V6.contains(&a.kind));
        let most = room.saturating_sub(if is_v6 { HEADROOM_V6 } else { HEADROOM });
        let has = mtu(link).filter(|has| *has > most)?;
        Some((name(link), has, most))
    })
}

/// The attributes of a link.
pub fn items(link: &Raw) -> Vec<Item> {
    let mut items = vec![Item::named("name", name(link))];
    let mut put = |name: &str, value: String| items.push(Item::named(name, value));
    let flags = link.header_u32(8);
    for (word, bit) in FLAGS {
        put(word, u32::from(flags & bit != 0).to_string());
    }
    for (word, kind, default) in [("mtu", MTU, 0), ("txqlen", TXQLEN, 0), ("group", IFGROUP, 0), ("master", MASTER, 0)]
    {
        put(word, number(link, kind).unwrap_or(default).to_string());
    }
    put("alias", link.get(IFALIAS).map_or_else(String::new, Attribute::string));
    for limit in LIMITS {
        if let Some(value) = number(link, limit) {
            put(&format!("limit:{limit}"), value.to_string());
        }
    }
    for property in link.get(PROP_LIST).map(Attribute::inside).unwrap_or_default() {
        if property.kind == ALT_IFNAME {
            put(&format!("altname:{}", property.string()), "1".into());
        }
    }
    for (word, kind) in
        [("~operstate", OPERSTATE), ("~link", LINK), ("~txqueues", NUM_TX_QUEUES), ("~rxqueues", NUM_RX_QUEUES)]
    {
        if let Some(value) = number(link, kind) {
            put(word, value.to_string());
        }
    }
    if let Some(id) = number(link, LINK_NETNSID) {
        put("~netnsid", id.to_string());
    }
    if link.get(XDP).is_some_and(|xdp| xdp.inside().iter().any(|a| a.kind == 2 && a.number() != Some(0))) {
        put("~xdp", "1".into());
    }
    if let Some(mac) = link.get(ADDRESS) {
        items.push(Item { name: Some(Bytes::text("mac")), value: Bytes(mac.value.clone()), life: None });
    }
    if let Some(token) = token(link) {
        items.push(Item { name: Some(Bytes::text("token")), value: Bytes(token), life: None });
    }
    items.extend(infos(link));
    items
}

/// Which attributes a link has from others. Of a bridge port that is its state; of a bridge the lowest MAC and the smallest MTU,
/// which the kernel chooses again with every port that comes or goes, unless somebody chose one (net/bridge/br_stp_if.c,
/// `br_stp_recalculate_bridge_id`; br_if.c, `br_mtu_auto_adjust`). To give it back would be to choose it, for ever.
pub fn borrowed(link: &Raw, links: &[Raw]) -> Vec<&'static str> {
    let kind = link.get(LINKINFO).map(Attribute::inside).unwrap_or_default();
    if !kind.iter().any(|a| a.kind == INFO_KIND && a.string() == "bridge") {
        return if has_own_state(link, links) { Vec::new() } else { vec!["slave:1"] };
    }
    let ports: Vec<&Raw> = links.iter().filter(|l| number(l, MASTER) == Some(index(link))).collect();
    let lowest_mac = ports.iter().filter_map(|l| l.get(ADDRESS)).map(|a| &a.value).min();
    let smallest_mtu = ports.iter().filter_map(|l| number(l, MTU)).min().unwrap_or(ETHERNET_MTU);
    let mut borrowed = Vec::new();
    if lowest_mac.is_some() && lowest_mac == link.get(ADDRESS).map(|a| &a.value) {
        borrowed.push("mac");
    }
    if number(link, MTU) == Some(smallest_mtu) {
        borrowed.push("mtu");
    }
    borrowed
}

/// Whether somebody chose the state of a bridge port. The kernel has it forward when it has a carrier, and else switches it off;
/// where spanning tree runs, that chooses (net/bridge/br_if.c, `br_port_carrier_check`).
fn has_own_state(port: &Raw, links: &[Raw]) -> bool {
    const BR_STP_STATE: u16 = 5;
    const FORWARDING: u32 = 3;
    let inside = |link: &Raw, kind: u16, which: u16| -> Option<u32> {
        let infos = link.get(LINKINFO)?.inside();
        infos.iter().find(|a| a.kind == kind)?.inside().iter().find(|a| a.kind == which)?.number()
    };
    // That of another kind of master means something else by the same number.
    let infos = port.get(LINKINFO).map(Attribute::inside).unwrap_or_default();
    if !infos.iter().any(|a| a.kind == INFO_SLAVE_KIND && a.string() == "bridge") {
        return true;
    }
    let Some(state) = inside(port, INFO_SLAVE_DATA, PORT_STATE) else { return false };
    let bridge = links.iter().find(|l| number(port, MASTER) == Some(index(l)));
    let runs_stp = bridge.and_then(|b| inside(b, INFO_DATA, BR_STP_STATE)).is_some_and(|stp| stp != 0);
    // `IF_OPER_UNKNOWN` and `IF_OPER_UP`.
    let has_carrier = is_up(port) && matches!(number(port, OPERSTATE), Some(0 | 6));
    let forwards = has_carrier && bridge.is_some_and(is_up);
    !runs_stp && state != if forwards { FORWARDING } else { 0 }
}

/// The MTU of a bridge without ports.
const ETHERNET_MTU: u32 = 1500;

fn token(link: &Raw) -> Option<Vec<u8>> {
    of_family(link, AF_INET6, INET6_TOKEN)
}

/// All of a link's settings under net/ipv4/conf, as the kernel keeps them (`ipv4_devconf`): links of which this is the same
/// have the same.
pub fn ipv4_conf(link: &Raw) -> Option<Vec<u8>> {
    of_family(link, AF_INET, INET_CONF)
}

fn of_family(link: &Raw, family: u16, kind: u16) -> Option<Vec<u8>> {
    let of_family = link.get(AF_SPEC)?.inside().into_iter().find(|a| a.kind == family)?;
    of_family.inside().into_iter().find(|a| a.kind == kind).map(|a| a.value)
}

/// The kind of a link with its options, and its options as a port.
fn infos(link: &Raw) -> Vec<Item> {
    let mut items = Vec::new();
    let infos = link.get(LINKINFO).map(Attribute::inside).unwrap_or_default();
    let text = |kind: u16| infos.iter().find(|a| a.kind == kind).map(Attribute::string);
    let inside = |kind: u16| infos.iter().find(|a| a.kind == kind).map(Attribute::inside).unwrap_or_default();
    let (kind, port) = (text(INFO_KIND).unwrap_or_default(), text(INFO_SLAVE_KIND).unwrap_or_default());
    items.push(Item::named("~kind", &kind));
    let option = |prefix: &str, a: &Attribute| Item {
        name: Some(Bytes::text(format!("{prefix}:{}", a.kind))),
        value: Bytes(a.value.clone()),
        life: None,
    };
    for mut a in inside(INFO_DATA).into_iter().filter(|a| !is_restless(&kind, a)) {
        if kind == "macvlan" && a.kind == MACVLAN_DATA {
            // The senders that are let in are kept in a hash table.
            let mut senders = a.inside();
            senders.sort_by(|a, b| a.value.cmp(&b.value));
            a.value = encode(&senders);
        }
        items.push(option("data", &a));
    }
    if port.is_empty() {
        return items;
    }
    items.push(Item::named("~port", &port));
    for a in inside(INFO_SLAVE_DATA) {
        match (port.as_str(), a.kind) {
            ("bridge", PORT_NO) => items.push(Item::named("~portno", a.number().unwrap_or(0).to_string())),
            ("bridge", kind) if !PORT_OPTIONS.contains(&kind) => {}
            _ => items.push(option("slave", &a)),
        }
    }
    items
}

/// The name of `IFLA_BR_MCAST_SNOOPING` among the items.
pub(super) const MCAST_SNOOPING: &str = "data:23";
/// `IFLA_BRPORT_*` that can be set.
const PORT_OPTIONS: [u16; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 25, 27, 28, 29, 30, 31, 32, 33, 34, 39, 40, 43, 44];
const PORT_STATE: u16 = 1;
const PORT_NO: u16 = 18;

/// Options that run by themselves or are told only: timers and counters of bridges, the number of a macvlan's senders.
fn is_restless(kind: &str, a: &Attribute) -> bool {
    match kind {
        "bridge" => matches!(a.kind, 10..=19 | 21 | 40 | 47 | 48),
        "macvlan" | "macvtap" => matches!(a.kind, 4 | 6 | 8),
        _ => false,
    }
}

/// In which order attributes are set; a bridge's MAC comes after its ports, from which it may take it by itself.
pub fn turn(name: &str, kind: &str) -> u8 {
    match name.split(':').next().unwrap_or_default() {
        "name" => 0,
        "altname" => 1,
        "mac" if kind == "bridge" => 6,
        "mac" => 2,
        "mtu" => 3,
        "master" => 5,
        "up" => 7,
        "slave" | "token" => 9,
        _ => 4,
    }
}

/// The message that sets an attribute of a link to what it was. `kind` is the link's, which has to be said with its options.
pub fn set(index: u32, item: &Item, kind: &str) -> Option<Raw> {
    let label = item.label();
    let (word, number) =
        label.split_once(':').map_or((label.as_str(), None), |(word, n)| (word, n.parse::<u16>().ok()));
    let value = || item.value.as_text().parse::<u32>().ok();
    let attribute = match word {
        "name" => Attribute::text(IFNAME, &item.value.as_text()),
        "mac" => Attribute::new(ADDRESS, item.value.0.clone()),
        "mtu" => Attribute::u32(MTU, value()?),
        "txqlen" => Attribute::u32(TXQLEN, value()?),
        "group" => Attribute::u32(IFGROUP, value()?),
        "master" => Attribute::u32(MASTER, value()?),
        "~operstate" => Attribute::new(OPERSTATE, vec![u8::try_from(value()?).ok()?]),
        // An empty one takes it away.
        "alias" => Attribute::new(IFALIAS, item.value.0.clone()),
        "limit" => Attribute::u32(number?, value()?),
        "token" => {
            let token = Attribute::new(INET6_TOKEN, item.value.0.clone());
            Attribute::nested(AF_SPEC, &[Attribute::nested(AF_INET6, &[token])])
        }
        "data" => {
            let mut data = vec![Attribute::new(number?, item.value.0.clone())];
            if matches!(kind, "macvlan" | "macvtap") && number == Some(MACVLAN_DATA) {
                data.insert(0, Attribute::u32(MACVLAN_MODE, MACADDR_SET));
            }
            let infos = [Attribute::text(INFO_KIND, kind), Attribute::nested(INFO_DATA, &data)];
            Attribute::nested(LINKINFO, &infos)
        }
        // Not as the other options of a port: to change one of those is to change the link, at which the bridge looks whether the
        // port is disabled, and enables it (net/bridge/br_if.c, `br_port_carrier_check`).
        "slave" if number == Some(BRPORT_STATE) => {
            let mut message = empty(index);
            message.kind = RTM_SETLINK;
            message.header[0] = AF_BRIDGE;
            message.attributes.push(Attribute::nested(PROTINFO, &[Attribute::new(BRPORT_STATE, item.value.0.clone())]));
            return Some(message);
        }
        "slave" => {
            let data = [Attribute::new(number?, item.value.0.clone())];
            let infos = [Attribute::text(INFO_SLAVE_KIND, "bridge"), Attribute::nested(INFO_SLAVE_DATA, &data)];
            Attribute::nested(LINKINFO, &infos)
        }
        "altname" => return Some(altname(RTM_NEWLINKPROP, index, &label)),
        _ => {
            let bit = FLAGS.iter().find(|(w, _)| *w == word)?.1;
            let mut message = empty(index);
            message.set_header_u32(8, if value()? == 0 { 0 } else { bit });
            message.set_header_u32(12, bit);
            return Some(message);
        }
    };
    let mut message = empty(index);
    message.attributes.push(attribute);
    Some(message)
}

/// The message that takes an attribute away; of most there is none, since they always have a value.
pub fn unset(index: u32, name: &str) -> Option<Raw> {
    name.starts_with("altname:").then(|| altname(RTM_DELLINKPROP, index, name))
}

/// `IFLA_BRPORT_STATE`, in the message that bridge(8) sends for it: `RTM_SETLINK` with `IFLA_PROTINFO`.
const BRPORT_STATE: u16 = 1;
const RTM_SETLINK: u16 = 19;
const AF_BRIDGE: u8 = 7;
const PROTINFO: u16 = 12;

/// `IFLA_MACVLAN_MACADDR_DATA`, `IFLA_MACVLAN_MACADDR_MODE` and `MACVLAN_MACADDR_SET`: the whole list at once.
const MACVLAN_DATA: u16 = 5;
pub(super) const MACVLAN_MODE: u16 = 3;
pub(super) const MACADDR_SET: u32 = 3;

fn altname(message: u16, index: u32, label: &str) -> Raw {
    let name = label.strip_prefix("altname:").unwrap_or(label);
    let list = Attribute::nested(PROP_LIST, &[Attribute::text(ALT_IFNAME, name)]);
    Raw { kind: message, attributes: vec![list], ..empty(index) }
}

/// A message about a link that says nothing yet.
pub(super) fn empty(index: u32) -> Raw {
    let mut message = Raw { kind: RTM_NEWLINK, header: vec![0; 16], attributes: Vec::new() };
    message.set_header_u32(4, index);
    message
}

/// The names of links by ifindex.
pub fn names(links: &[Raw]) -> BTreeMap<u32, String> {
    links.iter().map(|l| (index(l), name(l))).collect()
}
