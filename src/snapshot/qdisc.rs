//! Queueing disciplines and their classes, as far as somebody made them.

use super::group::Item;
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw, encode};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTCLASS: u16 = 40;
const RTM_GETTCLASS: u16 = 42;
const RTM_GETTFILTER: u16 = 46;
/// `TCA_*` of linux/rtnetlink.h that say what it is: kind, options, size table, blocks; the rest counts.
const KEPT: [u16; 5] = [KIND, 2, 8, 13, 14];
const KIND: u16 = 1;
/// `TC_H_ROOT` and `TC_H_INGRESS` of linux/pkt_sched.h.
const ROOT: u32 = 0xffff_ffff;
const INGRESS: u32 = 0xffff_fff1;

/// The places of `struct tcmsg`.
const INDEX: usize = 4;
const HANDLE: usize = 8;
const PARENT: usize = 12;
const INFO: usize = 16;

/// All queueing disciplines of a namespace that somebody made: those that the kernel makes have no handle.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    let mut all = socket.dump_raw(&Raw { kind: RTM_GETQDISC, header: vec![0; 20], attributes: Vec::new() })?;
    all.retain(|q| q.header_u32(HANDLE) != 0);
    Ok(all)
}

/// The classes of a link.
///
/// # Errors
/// The kernel's answer.
pub fn classes(socket: &mut Socket, index: u32) -> Result<Vec<Raw>, KernelError> {
    socket.dump_raw(&of(RTM_GETTCLASS, index, 0))
}

/// Whether there are filters at a link's disciplines, which netlab cannot put back.
pub fn has_filters(socket: &mut Socket, index: u32) -> bool {
    let parents: Vec<u32> = dump(socket)
        .unwrap_or_default()
        .iter()
        .filter(|q| self::index(q) == index)
        .flat_map(|q| [q.header_u32(HANDLE), q.header_u32(HANDLE) | 0xfff2, q.header_u32(HANDLE) | 0xfff3])
        .collect();
    parents.into_iter().any(|p| socket.dump_raw(&of(RTM_GETTFILTER, index, p)).is_ok_and(|all| !all.is_empty()))
}

fn of(kind: u16, index: u32, parent: u32) -> Raw {
    let mut message = Raw { kind, header: vec![0; 20], attributes: Vec::new() };
    message.set_header_u32(INDEX, index);
    message.set_header_u32(PARENT, parent);
    message
}

/// The link that it is on.
pub fn index(qdisc: &Raw) -> u32 {
    qdisc.header_u32(INDEX)
}

/// The kind of the discipline that somebody gave a link, as tc(8) calls it.
///
/// # Errors
/// The kernel's answer.
pub fn root_kind(socket: &mut Socket, index: u32) -> Result<Option<String>, KernelError> {
    let all = dump(socket)?;
    let root = all.iter().find(|q| self::index(q) == index && q.header_u32(PARENT) == ROOT);
    Ok(root.and_then(|q| q.get(KIND)).map(Attribute::string))
}

/// A discipline or class without what is noise, fit to be sent back.
pub fn item(qdisc: &Raw) -> Item {
    let mut raw = qdisc.clone();
    raw.set_header_u32(INFO, 0);
    raw.attributes.retain(|a| KEPT.contains(&a.kind));
    if raw.kind == RTM_NEWQDISC && raw.get(KIND).is_some_and(|kind| kind.string() == "htb") {
        raw.attributes.iter_mut().filter(|a| a.kind == 2).for_each(as_htb_takes_it);
    }
    let what = if qdisc.kind == RTM_NEWTCLASS { "class" } else { "qdisc" };
    let name = format!("{what} {:x} parent {:x}", raw.header_u32(HANDLE), raw.header_u32(PARENT));
    Item { name: Some(Bytes::text(name)), value: Bytes(raw.payload()), life: None }
}

/// HTB tells its version in full and takes the half of it, and counts packets among its options (`struct tc_htb_glob`).
fn as_htb_takes_it(options: &mut Attribute) {
    const INIT: u16 = 2;
    let mut inside = options.inside();
    for init in inside.iter_mut().filter(|a| a.kind == INIT && a.value.len() >= 20) {
        let version: [u8; 4] = [init.value[0], init.value[1], init.value[2], init.value[3]];
        let version = u32::from_ne_bytes(version);
        let version = if version > 0xffff { version >> 16 } else { version };
        init.value[..4].copy_from_slice(&version.to_ne_bytes());
        init.value[16..20].fill(0);
    }
    options.value = encode(&inside);
}

fn read(item: &Item) -> Option<Raw> {
    let kind = if item.label().starts_with("class") { RTM_NEWTCLASS } else { RTM_NEWQDISC };
    Raw::read(kind, &item.value.0)
}

/// The message that puts it back.
pub fn put(item: &Item) -> Option<Raw> {
    read(item)
}

/// The message that takes it away with all below it; only what hangs on the link itself needs one.
pub fn take(item: &Item) -> Option<Raw> {
    let mut raw = read(item).filter(|r| r.kind == RTM_NEWQDISC && matches!(r.header_u32(PARENT), ROOT | INGRESS))?;
    raw.kind = RTM_DELQDISC;
    raw.attributes.clear();
    Some(raw)
}
