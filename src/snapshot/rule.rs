//! Policy rules.

use super::group::{Group, Item};
use crate::diag::KernelError;
use crate::kernel::netlink::Socket;
use crate::kernel::raw::{Attribute, Bytes, Raw};

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `FRA_PRIORITY` of linux/fib_rules.h.
const PRIORITY: u16 = 6;
/// `FIB_RULE_INVERT`; the other flags say whether the rule's links are there.
const F_INVERT: u32 = 2;

/// All rules of a namespace, IPv4 first.
///
/// # Errors
/// The kernel's answer.
pub fn dump(socket: &mut Socket) -> Result<Vec<Raw>, KernelError> {
    let mut rules = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut header = vec![0; 12];
        header[0] = family;
        match socket.dump_raw(&Raw { kind: RTM_GETRULE, header, attributes: Vec::new() }) {
            // A kernel that was started without IPv6 (`ipv6.disable=1`) has no rules for it.
            Err(e) if e.errno == libc::EAFNOSUPPORT => {}
            answer => rules.extend(answer?),
        }
    }
    Ok(rules)
}

/// The group that a rule belongs to.
pub fn group(rule: &Raw) -> Group {
    let priority = rule.get(PRIORITY).and_then(Attribute::number).unwrap_or(0);
    Group::Rules { v6: rule.header[0] == AF_INET6, priority }
}

/// A rule without what is noise, fit to be sent back.
pub fn item(rule: &Raw) -> Item {
    let mut raw = rule.clone();
    raw.set_header_u32(8, rule.header_u32(8) & F_INVERT);
    Item { name: None, value: Bytes(raw.payload()), life: None }
}

/// The message that puts a rule behind those of its priority.
pub fn put(item: &Item) -> Option<Raw> {
    Raw::read(RTM_NEWRULE, &item.value.0)
}

/// The message that takes a rule away.
pub fn take(item: &Item) -> Option<Raw> {
    let mut raw = Raw::read(RTM_NEWRULE, &item.value.0)?;
    raw.kind = RTM_DELRULE;
    Some(raw)
}
