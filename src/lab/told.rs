//! What a namespace holds, in words for people, and the commands of iproute2 that make or remove it.

use std::collections::BTreeMap;

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;

use crate::action::{addr, route, rule, text};
use crate::kernel::addr::AddrSpec;
use crate::kernel::raw::Bytes;
use crate::kernel::route::RouteSpec;
use crate::kernel::rule::RuleSpec;
use crate::probe::state::neigh::NeighState;
use crate::snapshot::group::{Group, Item, Of};
use crate::snapshot::{setting, vlan};
use crate::types::mac::Mac;

/// Names links, and knows how a command reaches the namespace.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// The links' names by ifindex.
    pub names: &'a BTreeMap<u32, String>,
    /// What stands after the program's name: nothing, or ` -n NAME`.
    pub option: &'a str,
    /// What stands before a program's name: nothing, or `ip netns exec NAME `.
    pub exec: &'a str,
}

impl Teller<'_> {
    /// The thing, without its value: `address 10.0.0.1/24 on v0`, `mtu of v0`.
    pub fn thing(&self, group: &Group, item: &Item) -> String {
        match group {
            Group::Link(index) => format!("{} of {}", attribute(&item.label()), self.link(*index)),
            Group::Settings(of) => format!("setting {}", self.setting(*of, &item.label())),
            Group::Addrs { link, .. } => format!("address {} on {}", self.address(item), self.link(*link)),
            Group::Routes(_) => format!("route {}", self.route(item)),
            Group::Rules { v6, .. } => format!("{}rule {}", if *v6 { "IPv6 " } else { "" }, self.rule(item)),
            Group::Neighs(link) => format!("neighbour {} on {}", self.neighbour(item), self.link(*link)),
            Group::Fdb(link) => format!("forwarding entry {} on {}", self.neighbour(item), self.link(*link)),
            Group::Mdb(link) => format!("multicast entry {} on {}", item.value.as_text(), self.link(*link)),
            Group::Vlans(link) => format!("VLAN {} of {}", item.label(), self.link(*link)),
            Group::Maddrs(link) => format!("multicast address {} on {}", item.label(), self.link(*link)),
            Group::Nexthops => format!("nexthop {}", item.label()),
            Group::Qdiscs(link) => format!("{} on {}", item.label(), self.link(*link)),
        }
    }

    /// The value of what has one that people read.
    pub fn value(&self, group: &Group, item: &Item) -> Option<String> {
        match group {
            Group::Link(_) => Some(match item.label().as_str() {
                "mac" => Mac::from_bytes(&item.value.0).map_or_else(|| item.value.as_text(), |mac| mac.to_string()),
                "master" => match item.value.as_text().parse() {
                    Ok(0) => "none".into(),
                    Ok(index) => self.link(index),
                    Err(_) => item.value.as_text(),
                },
                "up" | "promisc" | "allmulticast" | "multicast" | "noarp" => on(&item.value),
                label if label.contains(':') => number(&item.value),
                _ => item.value.as_text(),
            }),
            Group::Settings(_) => Some(item.value.as_text()),
            Group::Vlans(_) => Some(vlan::words(item)).filter(|words| !words.is_empty()),
            _ => None,
        }
    }

    /// The command that makes it so, or takes it away.
    pub fn command(&self, group: &Group, item: &Item, put: bool) -> Option<String> {
        let ip = format!("ip{}", self.option);
        let verb = |add: &'static str| if put { add } else { "del" };
        Some(match group {
            Group::Link(index) => {
                let (dev, value) = (text::dev(&self.link(*index)), self.value(group, item).unwrap_or_default());
                match item.label().as_str() {
                    "up" if value == "on" => format!("{ip} link set {dev} up"),
                    "up" => format!("{ip} link set {dev} down"),
                    "master" if value == "none" => format!("{ip} link set {dev} nomaster"),
                    "mac" => format!("{ip} link set {dev} address {value}"),
                    "txqlen" => format!("{ip} link set {dev} txqueuelen {value}"),
                    "alias" => format!("{ip} link set {dev} alias {value:?}"),
                    word @ ("name" | "mtu" | "master" | "group" | "promisc" | "allmulticast") => {
                        format!("{ip} link set {dev} {word} {value}")
                    }
                    _ => return None,
                }
            }
            Group::Settings(of) => {
                format!("{}sysctl -w {}={:?}", self.exec, self.setting(*of, &item.label()), item.value.as_text())
            }
            Group::Addrs { link, .. } => {
                format!("{ip} address {} {} dev {}", verb("add"), self.address(item), self.link(*link))
            }
            Group::Routes(key) => {
                let family = if key.v6 { " -6" } else { "" };
                format!("{ip}{family} route {} {}", verb("append"), self.route(item))
            }
            Group::Rules { v6, .. } => {
                format!("{ip}{} rule {} {}", if *v6 { " -6" } else { "" }, verb("add"), self.rule(item))
            }
            Group::Vlans(link) => {
                let line =
                    format!("bridge{} vlan {} dev {} vid {}", self.option, verb("add"), self.link(*link), item.label());
                format!("{line} {}", vlan::words(item)).trim_end().to_owned()
            }
            Group::Maddrs(link) => format!("{ip} maddr {} {} dev {}", verb("add"), item.label(), self.link(*link)),
            _ => return None,
        })
    }

    fn link(&self, index: u32) -> String {
        self.names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
    }

    fn setting(&self, of: Of, name: &str) -> String {
        let path = setting::path(of, name, self.names);
        let text = path.map_or_else(|| name.to_owned(), |p| p.display().to_string());
        text.trim_start_matches("/proc/sys/").replace('.', "\u{0}").replace('/', ".").replace('\u{0}', "/")
    }

    fn address(&self, item: &Item) -> String {
        match message(20, item) {
            Some(RouteNetlinkMessage::NewAddress(m)) => match AddrSpec::read(&m) {
                Some(mut spec) => {
                    // The kernel gives each address its link's name as a label.
                    spec.label = spec.label.filter(|label| !self.names.values().any(|name| name == label));
                    addr::words(&spec)
                }
                // A link-local one of the kernel's.
                None => m
                    .attributes
                    .iter()
                    .find_map(|a| match a {
                        netlink_packet_route::address::AddressAttribute::Address(ip) => {
                            Some(format!("{ip}/{}", m.header.prefix_len))
                        }
                        _ => None,
                    })
                    .unwrap_or_default(),
            },
            _ => item.value.as_text(),
        }
    }

    fn route(&self, item: &Item) -> String {
        let Some(RouteNetlinkMessage::NewRoute(m)) = message(24, item) else { return item.value.as_text() };
        match RouteSpec::read_any(&m) {
            Some(spec) => route::words(&spec, None, |index| self.link(index)),
            None => {
                let v6 = m.header.address_family == netlink_packet_route::AddressFamily::Inet6;
                let state = crate::probe::state::route::RouteState::new(&m, v6, &Default::default());
                format!("{} table {} (with options of its own)", state.dst, state.table)
            }
        }
    }

    fn rule(&self, item: &Item) -> String {
        match message(32, item) {
            Some(RouteNetlinkMessage::NewRule(m)) => {
                RuleSpec::read(&m).map_or_else(|| "with options of its own".into(), |spec| rule::words(&spec))
            }
            _ => item.value.as_text(),
        }
    }

    fn neighbour(&self, item: &Item) -> String {
        let Some(RouteNetlinkMessage::NewNeighbour(m)) = message(28, item) else { return item.value.as_text() };
        let state = NeighState::new(&m, &Default::default());
        match (state.dst, state.mac) {
            (Some(dst), Some(mac)) => format!("{dst} lladdr {mac}"),
            (Some(dst), None) => dst.to_string(),
            (None, Some(mac)) => mac.to_string(),
            (None, None) => "?".into(),
        }
    }
}

/// The kernel's message that an item stands for.
fn message(kind: u16, item: &Item) -> Option<RouteNetlinkMessage> {
    let mut header = NetlinkHeader::default();
    header.message_type = kind;
    RouteNetlinkMessage::deserialize(&header, &item.value.0).ok()
}

fn on(value: &Bytes) -> String {
    if value.0 == b"1" { "on".into() } else { "off".into() }
}

/// A number of up to four bytes in the machine's order; other bytes as their digits.
fn number(value: &Bytes) -> String {
    match value.0.as_slice() {
        [a] => a.to_string(),
        [a, b] => u16::from_ne_bytes([*a, *b]).to_string(),
        [a, b, c, d] => u32::from_ne_bytes([*a, *b, *c, *d]).to_string(),
        _ => value.as_text(),
    }
}

/// An attribute of a link in iproute2's words.
fn attribute(label: &str) -> String {
    let known = |words: &[(&str, &str)], number: &str| {
        words.iter().find(|(n, _)| *n == number).map(|(_, word)| (*word).to_owned())
    };
    match label.split_once(':') {
        Some(("data", number)) => known(&BRIDGE, number).unwrap_or_else(|| format!("option {number}")),
        Some(("slave", number)) => known(&PORT, number).unwrap_or_else(|| format!("port option {number}")),
        Some(("altname", name)) => format!("altname {name}"),
        Some((word, number)) => format!("{word} {number}"),
        None => label.to_owned(),
    }
}

/// The most usual of `IFLA_BR_*`, and of `IFLA_BRPORT_*`.
const BRIDGE: [(&str, &str); 8] = [
    ("1", "forward_delay"),
    ("2", "hello_time"),
    ("3", "max_age"),
    ("4", "ageing_time"),
    ("5", "stp_state"),
    ("6", "priority"),
    ("7", "vlan_filtering"),
    ("23", "mcast_snooping"),
];
const PORT: [(&str, &str); 9] = [
    ("1", "port state"),
    ("2", "port priority"),
    ("3", "port cost"),
    ("4", "hairpin"),
    ("5", "guard"),
    ("8", "learning"),
    ("9", "flood"),
    ("27", "mcast_flood"),
    ("33", "isolated"),
];
