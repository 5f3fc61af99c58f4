//! The things that a namespace holds: items, in groups within which their order may matter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kernel::raw::Bytes;
use crate::kernel::space::NetnsCookie;

/// What a namespace holds, as far as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which namespace.
    pub netns: NetnsCookie,
    /// The names of all its links.
    pub names: BTreeMap<u32, String>,
    /// Its groups. Of those that were looked for and are not there nothing stands here.
    pub groups: BTreeMap<Group, Vec<Item>>,
}

/// A group of items. Links are named by their ifindex, which outlives a rename.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The attributes of a link.
    Link(u32),
    /// The settings of a link, of all links, or of none.
    Settings(Of),
    /// The addresses of one family on a link. The first of an IPv4 network is its primary one.
    Addrs {
        /// The link.
        link: u32,
        /// IPv6.
        v6: bool,
    },
    /// The routes between which only their order decides.
    Routes(RouteKey),
    /// The rules of one priority.
    Rules {
        /// IPv6.
        v6: bool,
        /// The priority.
        priority: u32,
    },
    /// The neighbours of a link that somebody made, and the addresses that it answers for.
    Neighs(u32),
    /// The forwarding entries at a link that somebody made.
    Fdb(u32),
    /// The multicast forwarding entries for a port that somebody made.
    Mdb(u32),
    /// The VLANs that a port of a bridge, or a bridge itself, is in.
    Vlans(u32),
    /// The multicast MACs that a link was told by hand to listen to.
    Maddrs(u32),
    /// The nexthop objects.
    Nexthops,
    /// The queueing disciplines of a link, and their classes.
    Qdiscs(u32),
}

/// What settings are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// `conf/all`: some of these write those of each link.
    All,
    /// `conf/default`: what new links get.
    Default,
    /// One link.
    Link(u32),
    /// The namespace as a whole.
    Netns,
}

/// What the kernel tells routes apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// IPv6.
    pub v6: bool,
    /// The table.
    pub table: u32,
    /// Where it leads to, with `from …` if it is for some senders only.
    pub dst: String,
    /// The type of service.
    pub tos: u8,
    /// The metric.
    pub metric: u32,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// By what it is known while its value changes; what has no name is known by its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Bytes>,
    /// Its value: a text, or the kernel's message without what is noise, fit to be sent back.
    pub value: Bytes,
    /// Until when it lives, unless for ever. Not compared: it runs down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Life>,
}

/// Until when an address or a route is there, in milliseconds since the machine was started (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Until then it is valid; absent for ever.
    pub valid: Option<u64>,
    /// Until then it is used for new connections; absent for ever.
    pub preferred: Option<u64>,
}

/// What an item is told apart from the others of its group by.
pub type Key = Bytes;

impl Item {
    /// A thing with a name and a value that are texts.
    pub fn named(name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self { name: Some(Bytes::text(name)), value: Bytes::text(value), life: None }
    }

    /// By what it is known.
    pub fn key(&self) -> &Key {
        self.name.as_ref().unwrap_or(&self.value)
    }

    /// The name as a text; empty for what has none.
    pub fn label(&self) -> String {
        self.name.as_ref().map_or_else(String::new, Bytes::as_text)
    }

    /// Whether both are the same, whatever life is left in them.
    pub fn is_like(&self, other: &Self) -> bool {
        self.key() == other.key() && self.value == other.value
    }

    /// Whether it is only told, to make a link again or to wait for it, and not compared.
    pub fn is_told(&self) -> bool {
        self.name.as_ref().is_some_and(|name| name.0.first() == Some(&b'~'))
    }
}

impl Group {
    /// Whether the order of its items means something.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Group::Addrs { .. } | Group::Routes(_) | Group::Rules { .. })
    }

    /// The link that it belongs to and goes with.
    pub fn link(&self) -> Option<u32> {
        match self {
            Group::Link(index)
            | Group::Settings(Of::Link(index))
            | Group::Addrs { link: index, .. }
            | Group::Neighs(index)
            | Group::Fdb(index)
            | Group::Mdb(index)
            | Group::Vlans(index)
            | Group::Maddrs(index)
            | Group::Qdiscs(index) => Some(*index),
            _ => None,
        }
    }
}

impl Snapshot {
    /// The items of a group.
    pub fn items(&self, group: &Group) -> &[Item] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }

    /// One item.
    pub fn item(&self, group: &Group, key: &Key) -> Option<&Item> {
        self.items(group).iter().find(|i| i.key() == key)
    }

    /// An attribute of a link, as a text.
    pub fn attribute(&self, link: u32, name: &str) -> Option<String> {
        attribute(self.items(&Group::Link(link)), name)
    }
}

/// An attribute among those of a link, as a text.
pub fn attribute(items: &[Item], name: &str) -> Option<String> {
    items.iter().find(|i| i.name.as_ref().is_some_and(|n| n.0 == name.as_bytes())).map(|i| i.value.as_text())
}
