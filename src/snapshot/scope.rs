//! How far a change can reach: what is looked at before and after it, and taken to be its doing.
//!
//! Others work at the same time. What changes meanwhile and has nothing to do with the things that were touched is theirs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::group::{Group, Key, Of, RouteKey};
use crate::kernel::link::LinkKey;
use crate::kernel::raw::Bytes;
use crate::kernel::space::NetnsCookie;

/// What an action touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touch {
    /// A link, with all that is on it and hangs on it. It sets these attributes.
    Link(LinkKey, Vec<String>),
    /// The attributes of a link alone, and what it is as the port of a bridge.
    Port(LinkKey, Vec<String>),
    /// The addresses of a link, and the routes that follow from them.
    Addrs(LinkKey),
    /// The neighbours and forwarding entries of a link.
    Neighs(LinkKey),
    /// Routes, perhaps by way of a link.
    Routes(NetnsCookie, RouteKey, Option<u32>),
    /// The rules of a priority.
    Rules(NetnsCookie, bool, u32),
    /// A setting, and those that writing it writes along.
    Settings(NetnsCookie, (Of, String), Vec<(Of, String)>),
}

/// What there is to be looked at in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The tables to be asked for.
    pub tables: BTreeSet<Table>,
    /// The links: all in these tables that belongs to them or leads over them is meant.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub links: BTreeSet<u32>,
    /// Groups that are meant whatever link they belong to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<Group>,
    /// Routes that were seen: looked at again whatever became of those that led over the links.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub seen: BTreeSet<RouteKey>,
    /// Nexthop objects that were seen, likewise: a group that lost its leg over a link leads over that no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nexthops: BTreeSet<u32>,
    /// Settings that are meant besides those of the links.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub settings: BTreeSet<(Of, String)>,
    /// What is set on purpose: it is held even if it was so already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<(Group, Key)>,
}

/// What one dump gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The nouns of iproute2.
pub enum Table {
    Links,
    Settings,
    Addrs,
    Routes,
    Rules,
    Neighs,
    Fdb,
    Mdb,
    Vlans,
    Nexthops,
    Qdiscs,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 11] = [
        Table::Links,
        Table::Settings,
        Table::Addrs,
        Table::Routes,
        Table::Rules,
        Table::Neighs,
        Table::Fdb,
        Table::Mdb,
        Table::Vlans,
        Table::Nexthops,
        Table::Qdiscs,
    ];
}

impl Touch {
    /// The namespace that it is in.
    pub fn netns(&self) -> NetnsCookie {
        match self {
            Touch::Link(key, _) | Touch::Port(key, _) | Touch::Addrs(key) | Touch::Neighs(key) => key.netns,
            Touch::Routes(netns, ..) | Touch::Rules(netns, ..) | Touch::Settings(netns, ..) => *netns,
        }
    }

    /// The link that it is about, if that alone decides whether it has to be given back.
    pub fn link(&self) -> Option<LinkKey> {
        match self {
            Touch::Link(key, _) | Touch::Port(key, _) | Touch::Addrs(key) | Touch::Neighs(key) => Some(*key),
            Touch::Routes(netns, _, link) => link.map(|index| LinkKey { netns: *netns, index }),
            Touch::Rules(..) | Touch::Settings(..) => None,
        }
    }
}

impl Scope {
    /// A scope that holds nothing yet.
    pub fn new(netns: NetnsCookie) -> Self {
        Self {
            netns,
            tables: BTreeSet::new(),
            links: BTreeSet::new(),
            groups: BTreeSet::new(),
            seen: BTreeSet::new(),
            nexthops: BTreeSet::new(),
            settings: BTreeSet::new(),
            holds: Vec::new(),
        }
    }

    /// Takes in what an action touches.
    pub fn add(&mut self, touch: &Touch) {
        use Table::{Addrs, Fdb, Links, Mdb, Neighs, Nexthops, Qdiscs, Routes, Rules, Settings, Vlans};
        let tables: &[Table] = match touch {
            Touch::Link(..) => &[Links, Settings, Addrs, Routes, Neighs, Fdb, Mdb, Vlans, Nexthops, Qdiscs],
            // With a VLAN of a port the entries in it come and go.
            Touch::Port(..) => &[Links, Vlans, Fdb, Mdb],
            // With the last IPv4 address of a link its neighbours go.
            Touch::Addrs(_) => &[Settings, Addrs, Routes, Neighs, Nexthops],
            Touch::Neighs(_) => &[Neighs, Fdb],
            Touch::Routes(..) => &[Routes],
            Touch::Rules(..) => &[Rules],
            Touch::Settings(..) => &[Settings],
        };
        self.tables.extend(tables);
        match touch {
            Touch::Link(key, sets) | Touch::Port(key, sets) => {
                self.links.insert(key.index);
                self.holds.extend(sets.iter().map(|name| (Group::Link(key.index), Bytes::text(name))));
            }
            Touch::Addrs(key) => {
                self.links.insert(key.index);
                self.settings.insert((Of::Link(key.index), "ipv6/conf/accept_dad".into()));
            }
            Touch::Neighs(key) => {
                self.links.insert(key.index);
            }
            Touch::Routes(_, key, _) => {
                self.groups.insert(Group::Routes(key.clone()));
            }
            Touch::Rules(_, v6, priority) => {
                self.groups.insert(Group::Rules { v6: *v6, priority: *priority });
            }
            Touch::Settings(_, own, along) => {
                // A switch is held with all that it writes: who needs it needs it on each link.
                let all = std::iter::once(own).chain(along);
                self.holds.extend(all.map(|(of, name)| (Group::Settings(*of), Bytes::text(name))));
                self.settings.insert(own.clone());
                self.settings.extend(along.iter().cloned());
            }
        }
        if matches!(touch, Touch::Link(..)) {
            // A link whose IPv6 begins anew takes this one; an undo changes it for a moment.
            self.settings.insert((Of::Default, "ipv6/conf/accept_dad".into()));
        }
    }

    /// Takes in one thing.
    pub fn include(&mut self, group: &Group, key: &Key) {
        let link = |index: u32| LinkKey { netns: self.netns, index };
        let touch = match group {
            Group::Addrs { link: index, .. } => Touch::Addrs(link(*index)),
            Group::Routes(route) => Touch::Routes(self.netns, route.clone(), None),
            Group::Rules { v6, priority } => Touch::Rules(self.netns, *v6, *priority),
            Group::Settings(of @ (Of::All | Of::Default | Of::Netns)) => {
                self.settings.insert((*of, key.as_text()));
                self.tables.insert(Table::Settings);
                return;
            }
            _ => match group.link() {
                Some(index) => Touch::Link(link(index), Vec::new()),
                None => {
                    self.nexthops.extend(key.as_text().parse::<u32>());
                    self.tables.insert(Table::Nexthops);
                    return;
                }
            },
        };
        self.add(&touch);
    }

    /// Takes in all of another scope of the same namespace.
    pub fn join(&mut self, other: &Self) {
        self.tables.extend(&other.tables);
        self.links.extend(&other.links);
        self.groups.extend(other.groups.iter().cloned());
        self.seen.extend(other.seen.iter().cloned());
        self.nexthops.extend(&other.nexthops);
        self.settings.extend(other.settings.iter().cloned());
        self.holds.extend(other.holds.iter().cloned());
    }
}
