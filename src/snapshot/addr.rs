//! Addresses of links, in the kernel's order.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::group::{Group, Item, Life};
use super::link;
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};
use crate::types::address::Cidr;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const AF_INET6: u8 = 10;

/// `IFA_*` of linux/if_addr.h.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const LABEL: u16 = 3;
const CACHEINFO: u16 = 6;
const FLAGS: u16 = 8;
const PROTO: u16 = 11;
/// The flags that somebody sets; the others say how it is at the moment (tentative, secondary, deprecated …).
const F_NODAD: u32 = 0x02;
const SETTABLE: u32 = F_NODAD | 0x10 | 0x100 | 0x200 | 0x400;
const F_DEPRECATED: u32 = 0x20;
const F_TENTATIVE: u32 = 0x40;
const F_TEMPORARY: u32 = 0x01;
const SCOPE_LINK: u8 = 253;
/// `IFAPROT_KERNEL_LL`: a link-local address that the kernel made.
const PROT_KERNEL_LL: u32 = 3;

/// All addresses of a namespace.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    socket.dump_raw(&Raw { kind: RTM_GETADDR, header: vec![0; 8], attributes: Vec::new() })
}

/// The group that an address belongs to.
pub fn group(addr: &Raw) -> Group {
    Group::Addrs { link: addr.header_u32(4), v6: addr.header[0] == AF_INET6 }
}

/// The IPv4 addresses of links that are up, each with its link.
///
/// # Errors
/// The kernel's answer.
pub fn receiving(socket: &mut Socket) -> Result<BTreeSet<(u32, Vec<u8>)>, KernelError> {
    let up: BTreeSet<u32> = link::dump(socket)?.iter().filter(|l| link::is_up(l)).map(link::index).collect();
    let addrs = dump(socket)?.into_iter().filter(|a| a.header[0] != AF_INET6);
    let with_link = addrs.filter_map(|a| Some((a.header_u32(4), local(&a)?)));
    Ok(with_link.filter(|(link, _)| up.contains(link)).collect())
}

/// The address itself, as bytes.
pub fn local(addr: &Raw) -> Option<Vec<u8>> {
    addr.get(LOCAL).or(addr.get(ADDRESS)).map(|a| a.value.clone())
}

fn flags(addr: &Raw) -> u32 {
    addr.get(FLAGS).and_then(Attribute::number).unwrap_or_else(|| u32::from(addr.header[2]))
}

/// Whether the kernel still looks for duplicates of it.
pub fn is_tentative(addr: &Raw) -> bool {
    addr.header[0] == AF_INET6 && flags(addr) & F_TENTATIVE != 0
}

/// Whether it is one of the temporary ones that the kernel makes for privacy, which nobody can put back.
pub fn is_temporary(addr: &Raw) -> bool {
    addr.header[0] == AF_INET6 && flags(addr) & F_TEMPORARY != 0
}

/// An address without what is noise; `now` in milliseconds since the boot.
pub fn item(addr: &Raw, now: u64) -> Item {
    let mut raw = addr.clone();
    let set = flags(addr) & SETTABLE;
    let life = addr.get(CACHEINFO).and_then(|cache| {
        let seconds = |at: usize| cache.value.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
        let until = |s: Option<u32>| s.filter(|s| *s != u32::MAX).map(|s| now + u64::from(s) * 1000);
        let mut life = Life { preferred: until(seconds(0)), valid: until(seconds(4)) };
        // Of an IPv4 address that is valid for ever the kernel tells by the flag alone that it is not preferred.
        if flags(addr) & F_DEPRECATED != 0 && life.valid.is_none() {
            life.preferred = life.preferred.or(Some(now));
        }
        (life.preferred.is_some() || life.valid.is_some()).then_some(life)
    });
    raw.header[2] = 0;
    raw.drop(&[FLAGS, CACHEINFO]);
    if set != 0 {
        raw.attributes.push(Attribute::u32(FLAGS, set));
    }
    let mut name = vec![raw.header[1]];
    for kind in [LOCAL, ADDRESS] {
        name.extend(raw.get(kind).map(|a| a.value.clone()).unwrap_or_default());
    }
    Item { name: Some(Bytes(name)), value: Bytes(raw.payload()), life }
}

/// Whether the kernel makes it by itself when the link has IPv6 and is up.
pub fn is_kernels(item: &Item) -> bool {
    let Some(raw) = Raw::read(RTM_NEWADDR, &item.value.0) else { return false };
    let proto = raw.get(PROTO).and_then(Attribute::number);
    raw.header[0] == AF_INET6 && raw.header[3] == SCOPE_LINK && matches!(proto, None | Some(PROT_KERNEL_LL))
}

/// The address and its prefix length.
pub fn cidr(item: &Item) -> Option<Cidr> {
    let raw = Raw::read(RTM_NEWADDR, &item.value.0)?;
    let bytes = local(&raw)?;
    let v4 = bytes.first_chunk::<4>().filter(|_| bytes.len() == 4).map(|b| IpAddr::from(*b));
    let v6 = || bytes.first_chunk::<16>().map(|b| IpAddr::from(*b));
    Cidr::with_len(v4.or_else(v6)?, raw.header[1]).ok()
}

/// The message that puts an address back; nothing for one whose time is over.
pub fn put(item: &Item, now: u64) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWADDR, &item.value.0)?;
    if let Some(life) = item.life {
        let left = |until: Option<u64>| match until {
            None => Some(u32::MAX),
            Some(until) => u32::try_from(until.saturating_sub(now).div_ceil(1000)).ok(),
        };
        let (valid, preferred) = (left(life.valid)?, left(life.preferred)?);
        if valid == 0 {
            return None;
        }
        // `struct ifa_cacheinfo`: preferred, valid, and two times that only the kernel fills in.
        let mut cache = preferred.to_ne_bytes().to_vec();
        cache.extend(valid.to_ne_bytes());
        cache.extend([0; 8]);
        raw.attributes.push(Attribute::new(CACHEINFO, cache));
    }
    Some(raw)
}

/// The message that takes an address away.
pub fn take(item: &Item) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWADDR, &item.value.0)?;
    raw.kind = RTM_DELADDR;
    raw.attributes.retain(|a| matches!(a.kind, ADDRESS | LOCAL));
    Some(raw)
}

/// Changes the label of an address, if it is the one that is given.
pub fn relabel(item: &mut Item, from: &str, to: &str) {
    let Some(mut raw) = Raw::read(RTM_NEWADDR, &item.value.0) else { return };
    for label in raw.attributes.iter_mut().filter(|a| a.kind == LABEL && a.string() == from) {
        *label = Attribute::text(LABEL, to);
    }
    item.value = Bytes(raw.payload());
}

/// The IPv4 addresses that are the first of their network on a link: the routes of the others have these as their source.
pub fn primary(items: &[Item]) -> BTreeSet<Vec<u8>> {
    let network = |raw: &Raw| {
        let address = raw.get(ADDRESS)?.value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))?;
        let mask = u32::MAX.checked_shl(32 - u32::from(raw.header[1])).unwrap_or(0);
        Some((raw.header[1], address & mask))
    };
    let mut networks = BTreeSet::new();
    let addrs = items.iter().filter_map(|item| Raw::read(RTM_NEWADDR, &item.value.0));
    addrs.filter(|raw| network(raw).is_some_and(|n| networks.insert(n))).filter_map(|raw| local(&raw)).collect()
}

/// Which addresses have to go and which to come so that the list is as wanted, in this order each.
///
/// The kernel puts a new IPv4 address behind the others and a new IPv6 one before those of its scope. So what already
/// stands right at that end's opposite may stay, and the rest is made anew.
pub fn steps(v6: bool, now: &[Item], wanted: &[Item]) -> (Vec<Item>, Vec<Item>) {
    let turned =
        |items: &[Item]| -> Vec<Item> { if v6 { items.iter().rev().cloned().collect() } else { items.to_vec() } };
    let (now, wanted) = (turned(now), turned(wanted));
    let kept = now.iter().zip(&wanted).take_while(|(a, b)| a.is_like(b)).count();
    // Secondary addresses go before their primary one, which would take them along.
    let gone = now[kept..].iter().rev().cloned().collect();
    (gone, wanted[kept..].to_vec())
}
