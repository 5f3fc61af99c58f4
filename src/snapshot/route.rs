//! Routes, in every table; those that the kernel makes for itself are left to it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::group::{Group, Item, Life, RouteKey};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw, decode};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `RTA_*` of linux/rtnetlink.h.
const DST: u16 = 1;
const SRC: u16 = 2;
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const PREFSRC: u16 = 7;
const METRICS: u16 = 8;
const MULTIPATH: u16 = 9;
const CACHEINFO: u16 = 12;
const TABLE: u16 = 15;
const VIA: u16 = 18;
const EXPIRES: u16 = 23;
const NH_ID: u16 = 30;
/// `RTNH_F_ONLINK`; the other flags say how it is at the moment (dead, linkdown, offloaded …).
const F_ONLINK: u32 = 4;
/// A copy that the kernel made for one receiver.
const RTM_F_CLONED: u32 = 0x200;
const TABLE_LOCAL: u32 = 255;
const RTN_LOCAL: u8 = 2;
const RTN_MULTICAST: u8 = 5;
const PROT_KERNEL: u8 = 2;
/// How fast the clock runs in which IPv6 tells the age of routes (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// All routes of a namespace, IPv4 first.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    let mut routes = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut header = vec![0; 12];
        header[0] = family;
        let all = socket.dump_raw(&Raw { kind: RTM_GETROUTE, header, attributes: Vec::new() })?;
        routes.extend(all.into_iter().filter(|r| r.header_u32(8) & RTM_F_CLONED == 0));
    }
    Ok(routes)
}

/// Whether it is one of IPv6.
pub fn is_v6(route: &Raw) -> bool {
    route.header[0] == AF_INET6
}

fn table(route: &Raw) -> u32 {
    route.get(TABLE).and_then(Attribute::number).unwrap_or_else(|| u32::from(route.header[4]))
}

/// Whether the kernel makes it from an address: all of IPv6's `local` table, and what it put into the others itself.
pub fn is_kernels(route: &Raw) -> bool {
    route.header[5] == PROT_KERNEL || (route.header[0] == AF_INET6 && table(route) == TABLE_LOCAL)
}

/// Whether it comes and goes with an address and need not be looked at: of IPv4, what is in the `local` table. Those for
/// the networks of IPv4 addresses are looked at, since their order among others means something.
pub fn is_derived(route: &Raw) -> bool {
    is_kernels(route) && (route.header[0] == AF_INET6 || table(route) == TABLE_LOCAL)
}

/// Those of IPv4 that come and go with addresses of several links: which of them the kernel uses is told by their order.
pub fn shared(routes: &[Raw]) -> BTreeSet<RouteKey> {
    let mut once = BTreeSet::new();
    let derived = routes.iter().filter(|r| r.header[0] == AF_INET && is_derived(r)).map(key);
    derived.filter(|key| !once.insert(key.clone())).collect()
}

/// Where an address of a link is received, or all groups are: the link and the address, of what IPv6 has in the `local`
/// table.
pub fn received(route: &Raw) -> Option<(u32, Vec<u8>)> {
    let is_it = route.header[0] == AF_INET6 && [RTN_LOCAL, RTN_MULTICAST].contains(&route.header[7]);
    let received = (route.get(OIF).and_then(Attribute::number)?, route.get(DST)?.value.clone());
    Some(received).filter(|_| is_it && table(route) == TABLE_LOCAL)
}

/// The group that a route belongs to.
pub fn key(route: &Raw) -> RouteKey {
    let v6 = route.header[0] == AF_INET6;
    let prefix = |kind: u16, length: u8| match route.get(kind).map(|a| a.value.as_slice()) {
        Some([a, b, c, d]) => format!("{}/{length}", Ipv4Addr::new(*a, *b, *c, *d)),
        Some(bytes) => match <[u8; 16]>::try_from(bytes) {
            Ok(bytes) => format!("{}/{length}", Ipv6Addr::from(bytes)),
            Err(_) => "?".into(),
        },
        None if v6 => format!("::/{length}"),
        None => format!("0.0.0.0/{length}"),
    };
    let mut dst = prefix(DST, route.header[1]);
    if route.header[2] != 0 {
        dst.push_str(&format!(" from {}", prefix(SRC, route.header[2])));
    }
    let metric = route.get(PRIORITY).and_then(Attribute::number).unwrap_or(0);
    RouteKey { v6, table: table(route), dst, tos: route.header[3], metric }
}

/// A route without what is noise, fit to be sent back.
pub fn item(route: &Raw, now: u64) -> Item {
    let mut raw = route.clone();
    raw.set_header_u32(8, route.header_u32(8) & F_ONLINK);
    let life = route.get(CACHEINFO).and_then(|cache| {
        // `rta_expires` of `struct rta_cacheinfo`, in ticks; 0 for ever.
        let ticks = cache.value.get(8..12).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
        let left = u64::try_from(ticks).ok().filter(|t| *t > 0)? * 1000 / TICKS_PER_SECOND;
        Some(Life { valid: Some(now + left), preferred: None })
    });
    raw.drop(&[CACHEINFO, EXPIRES]);
    if raw.get(NH_ID).is_some() {
        // The kernel tells what the object says as well, and takes only one of the two.
        raw.drop(&[GATEWAY, OIF, MULTIPATH, VIA]);
    }
    for attribute in raw.attributes.iter_mut().filter(|a| a.kind == MULTIPATH) {
        each_hop(&mut attribute.value, |hop| hop[2] &= F_ONLINK as u8);
    }
    // The kernel changes the MTU of a route with that of its link; it is the same route.
    let mut name = raw.clone();
    name.drop(&[METRICS]);
    Item { name: Some(Bytes(name.payload())), value: Bytes(raw.payload()), life }
}

/// Goes through the `struct rtnexthop`s of a multipath route: length, flags, weight - 1, ifindex.
fn each_hop(bytes: &mut [u8], mut visit: impl FnMut(&mut [u8])) {
    let mut at = 0;
    while let Some(hop) = bytes.get_mut(at..).filter(|rest| rest.len() >= 8) {
        let length = usize::from(u16::from_ne_bytes([hop[0], hop[1]]));
        if length < 8 {
            return;
        }
        visit(hop);
        at += length.div_ceil(4) * 4;
    }
}

/// Whether a route leads over one of these links, or uses one of these addresses or nexthop objects.
pub fn uses(route: &Raw, links: &BTreeSet<u32>, addrs: &BTreeSet<Vec<u8>>, nexthops: &BTreeSet<u32>) -> bool {
    let number = |kind: u16| route.get(kind).and_then(Attribute::number);
    let mut found = number(OIF).is_some_and(|index| links.contains(&index))
        || number(NH_ID).is_some_and(|id| nexthops.contains(&id))
        || route.get(PREFSRC).is_some_and(|src| addrs.contains(&src.value));
    if let Some(mut hops) = route.get(MULTIPATH).map(|a| a.value.clone()) {
        each_hop(&mut hops, |hop| {
            found |= links.contains(&u32::from_ne_bytes([hop[4], hop[5], hop[6], hop[7]]));
        });
    }
    found
}

/// The gateways of a route, each with the link that it is behind.
pub fn gateways(route: &Raw) -> Vec<(Vec<u8>, u32)> {
    let gateway = |attributes: &[Attribute]| {
        attributes.iter().find_map(|a| match a.kind {
            GATEWAY => Some(a.value.clone()),
            // `struct rtvia`: the family before the address.
            VIA => a.value.get(2..).map(<[u8]>::to_vec),
            _ => None,
        })
    };
    let mut found: Vec<(Vec<u8>, u32)> =
        gateway(&route.attributes).zip(route.get(OIF).and_then(Attribute::number)).into_iter().collect();
    if let Some(mut hops) = route.get(MULTIPATH).map(|a| a.value.clone()) {
        each_hop(&mut hops, |hop| {
            let length = usize::from(u16::from_ne_bytes([hop[0], hop[1]])).min(hop.len());
            let oif = u32::from_ne_bytes([hop[4], hop[5], hop[6], hop[7]]);
            found.extend(gateway(&decode(&hop[8..length])).map(|gateway| (gateway, oif)));
        });
    }
    found
}

/// The message that makes a route to one address on a link.
pub fn to_neighbour(address: &[u8], link: u32) -> Raw {
    const TABLE_MAIN: u8 = 254;
    /// No protocol of rtnetlink(7) and of no daemon that is known: what is taken away by it is netlab's own.
    const PROT_WAY: u8 = 250;
    const SCOPE_LINK: u8 = 253;
    const UNICAST: u8 = 1;
    let (family, scope) = if address.len() == 4 { (AF_INET, SCOPE_LINK) } else { (AF_INET6, 0) };
    let length = u8::try_from(address.len() * 8).unwrap_or(128);
    let mut header = vec![family, length, 0, 0, TABLE_MAIN, PROT_WAY, scope, UNICAST];
    header.extend([0; 4]);
    let attributes = vec![Attribute::new(DST, address), Attribute::u32(OIF, link)];
    Raw { kind: RTM_NEWROUTE, header, attributes }
}

/// The links that a route leads over.
pub fn links(item: &Item) -> BTreeSet<u32> {
    let mut links = BTreeSet::new();
    let Some(route) = Raw::read(RTM_NEWROUTE, &item.value.0) else { return links };
    links.extend(route.get(OIF).and_then(Attribute::number));
    if let Some(mut hops) = route.get(MULTIPATH).map(|a| a.value.clone()) {
        each_hop(&mut hops, |hop| {
            links.insert(u32::from_ne_bytes([hop[4], hop[5], hop[6], hop[7]]));
        });
    }
    links
}

/// The link that a route leads over and the address that it has as its source.
pub fn source(item: &Item) -> Option<(u32, Vec<u8>)> {
    let route = Raw::read(RTM_NEWROUTE, &item.value.0)?;
    Some((route.get(OIF)?.number()?, route.get(PREFSRC)?.value.clone()))
}

/// Whether the kernel made it for the network of an address.
pub fn is_connected(item: &Item) -> bool {
    Raw::read(RTM_NEWROUTE, &item.value.0).is_some_and(|route| route.header[5] == PROT_KERNEL)
}

/// Whether it is one of those by which the kernel receives, which nobody deletes by hand.
pub fn is_local(route: &Raw) -> bool {
    table(route) == TABLE_LOCAL && is_kernels(route)
}

/// A route as a request names it, if it leads over the gateway and the link that are given. Of an IPv6 route over several
/// gateways it is that one alone: the kernel keeps them as one, and takes them one by one.
pub fn hop(route: &Raw, via: Option<&[u8]>, dev: Option<u32>) -> Option<Raw> {
    let mut raw = route.clone();
    raw.set_header_u32(8, route.header_u32(8) & F_ONLINK);
    raw.drop(&[CACHEINFO, EXPIRES]);
    if raw.get(NH_ID).is_some() {
        raw.drop(&[GATEWAY, OIF, MULTIPATH, VIA]);
        return (via.is_none() && dev.is_none()).then_some(raw);
    }
    let fits = |gateway: Option<&[u8]>, oif: Option<u32>| {
        via.is_none_or(|via| gateway == Some(via)) && dev.is_none_or(|dev| oif == Some(dev))
    };
    let Some(mut hops) = raw.get(MULTIPATH).map(|a| a.value.clone()) else {
        let oif = raw.get(OIF).and_then(Attribute::number);
        return fits(raw.get(GATEWAY).map(|a| a.value.as_slice()), oif).then_some(raw);
    };
    if via.is_none() && dev.is_none() {
        return Some(raw);
    }
    let mut found = None;
    each_hop(&mut hops, |hop| {
        let length = usize::from(u16::from_ne_bytes([hop[0], hop[1]])).min(hop.len());
        let oif = u32::from_ne_bytes([hop[4], hop[5], hop[6], hop[7]]);
        let gateway = decode(&hop[8..length]).into_iter().find(|a| a.kind == GATEWAY);
        if found.is_none() && fits(gateway.as_ref().map(|a| a.value.as_slice()), Some(oif)) {
            found = Some((gateway, oif));
        }
    });
    let (gateway, oif) = found.filter(|_| raw.header[0] == AF_INET6)?;
    raw.drop(&[MULTIPATH]);
    raw.attributes.extend(gateway);
    raw.attributes.push(Attribute::u32(OIF, oif));
    Some(raw)
}

/// The message that deletes a route that was found.
pub fn delete(payload: &Bytes) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWROUTE, &payload.0)?;
    raw.kind = RTM_DELROUTE;
    Some(raw)
}

/// The message that puts a route behind those of its group; nothing for one whose time is over.
pub fn put(group: &Group, item: &Item, now: u64) -> Option<Raw> {
    let Group::Routes(key) = group else { return None };
    let mut raw = Raw::read(RTM_NEWROUTE, &item.value.0)?;
    if let Some(until) = item.life.and_then(|life| life.valid) {
        let left = u32::try_from(until.saturating_sub(now) / 1000).ok().filter(|left| *left > 0)?;
        if key.v6 {
            raw.attributes.push(Attribute::u32(EXPIRES, left));
        }
    }
    Some(raw)
}

/// The message that takes a route away.
pub fn take(item: &Item) -> Option<Raw> {
    delete(&item.value)
}
