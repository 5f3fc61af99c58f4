//! The network that a lab has made, put together from its steps: links, their addresses, what wires them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::action::link_add::LinkAdd;
use crate::action::text::Names;
use crate::action::{Action, After};
use crate::diag::Site;
use crate::journal::state::Step;
use crate::kernel::addr::AddrSpec;
use crate::kernel::link::kind::LinkKind;
use crate::kernel::link::{LinkKey, LinkSet};
use crate::kernel::route::RouteSpec;
use crate::kernel::space::NetnsCookie;
use crate::lab::Lab;
use crate::probe::state;
use crate::snapshot::addr;
use crate::snapshot::group::Group;
use crate::types::address::{Cidr, Prefix};

/// The MTU of what is made without one, in bytes, and that of a VXLAN link, which leaves room for its headers.
const MTU: u32 = 1500;
const VXLAN_MTU: u32 = 1450;

/// What a lab has made.
#[derive(Debug, Default)]
pub(super) struct Net {
    /// Its links by where they are now; one that was there before is among them if it was changed.
    pub(super) links: BTreeMap<LinkKey, Link>,
    /// Its routes over gateways.
    pub(super) routes: Vec<(NetnsCookie, RouteSpec, Site)>,
    /// Addresses that went with a move.
    pub(super) lost: Vec<Lost>,
    /// Addresses that were there before, in namespaces that the lab put some into.
    pub(super) before: Vec<(LinkKey, String, Cidr)>,
    /// How namespaces are called.
    pub(super) names: Names,
}

/// A link.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) key: LinkKey,
    pub(super) name: String,
    /// Its kind; none for one that was there before.
    pub(super) kind: Option<LinkKind>,
    pub(super) peer: Option<LinkKey>,
    pub(super) master: Option<LinkKey>,
    /// Whether it is up; none for one that was there before and was not told to be.
    pub(super) up: Option<bool>,
    pub(super) mtu: Option<u32>,
    /// Whether it is a port with VLANs: who hears whom is not told by the wire alone then.
    pub(super) has_vlans: bool,
    pub(super) addrs: Vec<(AddrSpec, Site)>,
    /// Where it was made or, of what it is warned about, last changed.
    pub(super) site: Site,
}

/// An address that went with a move.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) link: LinkKey,
    pub(super) addr: Cidr,
    pub(super) site: Site,
}

impl Link {
    /// The networks that it is in, each with the address that says so and where that was given.
    pub(super) fn networks(&self) -> impl Iterator<Item = (Prefix, IpAddr, &Site)> {
        self.addrs.iter().map(|(spec, site)| {
            let far = spec.peer.and_then(|peer| Cidr::with_len(peer, spec.addr.len()).ok());
            (far.unwrap_or(spec.addr).network(), spec.addr.addr(), site)
        })
    }
}

impl Net {
    /// Puts it together.
    pub(super) fn of(lab: &mut Lab) -> Self {
        let mut net = Self { names: lab.objects.names().clone(), ..Self::default() };
        for (_, step) in lab.steps().filter(|(_, step)| step.phase.is_open()) {
            net.take(step);
        }
        net.look_around(lab);
        net
    }

    fn take(&mut self, step: &Step) {
        let site = &step.site;
        match &step.action {
            Action::LinkAdd(add) => self.add(add, site),
            Action::LinkSet(change) => self.set(change.link, change.dev.as_str(), &change.set, site),
            Action::LinkMove(shift) => {
                let mut link = self.link(shift.from, shift.dev.as_str(), site).clone();
                self.links.remove(&shift.from);
                let lost = link.addrs.drain(..).map(|(spec, _)| spec.addr).chain(dropped(shift.from, &step.after));
                self.lost.extend(lost.map(|addr| Lost { link: shift.to, addr, site: site.clone() }));
                link.key = shift.to;
                (link.master, link.up, link.site) = (None, Some(false), site.clone());
                for other in self.links.values_mut().filter(|other| other.peer == Some(shift.from)) {
                    other.peer = Some(shift.to);
                }
                self.links.insert(shift.to, link);
            }
            Action::LinkDel(del) => {
                let peer = self.links.remove(&del.link).and_then(|link| link.peer);
                peer.and_then(|peer| self.links.remove(&peer));
            }
            Action::NetnsDel(del) => self.links.retain(|key, _| key.netns != del.cookie),
            Action::VlanAdd(vlan) => self.link(vlan.link, vlan.dev.as_str(), site).has_vlans = true,
            Action::AddrAdd(add) => {
                self.lost.retain(|lost| lost.link != add.link || lost.addr != add.addr.addr);
                self.link(add.link, add.dev.as_str(), site).addrs.push((add.addr.clone(), site.clone()));
            }
            Action::AddrDel(del) => {
                if let Some(link) = self.links.get_mut(&del.link) {
                    link.addrs.retain(|(spec, _)| spec.addr != del.addr.addr);
                }
            }
            Action::RouteAdd(add) => self.routes.push((add.netns, add.route.clone(), site.clone())),
            Action::RouteReplace(put) => self.routes.push((put.netns, put.route.clone(), site.clone())),
            Action::RouteDel(del) => {
                let is_it = |route: &RouteSpec| route.dst == del.route.dst && route.table == del.route.table;
                self.routes.retain(|(netns, route, _)| *netns != del.netns || !is_it(route));
            }
            _ => {}
        }
    }

    fn add(&mut self, add: &LinkAdd, site: &Site) {
        let ends: Vec<_> = add.ends().collect();
        for (at, end) in ends.iter().enumerate() {
            let key = end.link.key();
            let peer = ends.get(1 - at.min(1)).filter(|_| ends.len() == 2).map(|other| other.link.key());
            let link = Link {
                key,
                name: end.link.name.to_string(),
                kind: Some(add.kind.clone()),
                peer,
                master: end.link.master.map(|index| LinkKey { netns: key.netns, index }),
                up: Some(end.link.up),
                mtu: end.link.mtu.or(match add.kind {
                    LinkKind::Vxlan(_) => Some(VXLAN_MTU),
                    LinkKind::Veth => Some(MTU),
                    _ => None,
                }),
                has_vlans: !end.vlans.is_empty(),
                addrs: end.addrs.iter().map(|spec| (spec.clone(), site.clone())).collect(),
                site: site.clone(),
            };
            self.links.insert(key, link);
        }
    }

    fn set(&mut self, key: LinkKey, name: &str, set: &LinkSet, site: &Site) {
        let link = self.link(key, name, site);
        link.up = set.up.or(link.up);
        link.mtu = set.mtu.or(link.mtu);
        if let Some(name) = &set.name {
            link.name = name.to_string();
        }
        if let Some(index) = set.master {
            link.master = (index != 0).then_some(LinkKey { netns: key.netns, index });
        }
        if set.up.is_some() || set.mtu.is_some() {
            link.site = site.clone();
        }
    }

    /// A link that is changed; one that was there before is known from here on.
    fn link(&mut self, key: LinkKey, name: &str, site: &Site) -> &mut Link {
        self.links.entry(key).or_insert_with(|| Link {
            key,
            name: name.to_owned(),
            kind: None,
            peer: None,
            master: None,
            up: None,
            mtu: None,
            has_vlans: false,
            addrs: Vec::new(),
            site: site.clone(),
        })
    }

    /// Reads the addresses that were there before. What cannot be read is not warned about.
    fn look_around(&mut self, lab: &mut Lab) {
        let given = self.links.values().filter(|link| !link.addrs.is_empty()).map(|link| link.key.netns);
        let places: BTreeSet<NetnsCookie> = given.filter(|netns| lab.objects.made_netns_at(*netns).is_none()).collect();
        for netns in places {
            let Some(socket) = lab.kernel().socket(netns) else { continue };
            let links = crate::snapshot::link::dump(socket).unwrap_or_default();
            let names = crate::snapshot::link::names(&links);
            for addr in state::addr::read(socket, None, &Default::default()).unwrap_or_default() {
                let (key, cidr) = (LinkKey { netns, index: addr.index }, Cidr::with_len(addr.local, addr.prefixlen));
                let is_ours = self.links.get(&key).is_some_and(|link| {
                    link.kind.is_some() || link.addrs.iter().any(|(spec, _)| spec.addr.addr() == addr.local)
                });
                if let (Ok(cidr), false, "global") = (cidr, is_ours, addr.scope) {
                    self.before.push((key, names.get(&addr.index).cloned().unwrap_or_default(), cidr));
                }
            }
        }
    }

    /// What a link is called in a sentence: `eth0` in `ns1`.
    pub(super) fn called(&self, link: &Link) -> String {
        self.place(&link.name, link.key.netns)
    }

    /// The same of one that is known by its name.
    pub(super) fn place(&self, name: &str, netns: NetnsCookie) -> String {
        match self.names.netns(netns) {
            "host" => format!("`{name}`"),
            place => format!("`{name}` in `{place}`"),
        }
    }

    /// How a script gets hold of it.
    pub(super) fn handle(&self, link: &Link) -> String {
        format!("{}[{:?}]", self.names.handle(link.key.netns), link.name)
    }

    /// The wires: links that hear each other, without those where VLANs decide about that.
    pub(super) fn wires(&self) -> Vec<Vec<&Link>> {
        let mut beside: BTreeMap<LinkKey, Vec<LinkKey>> = BTreeMap::new();
        for link in self.links.values() {
            let below = match &link.kind {
                Some(LinkKind::Macvlan { link, .. } | LinkKind::Macvtap { link, .. }) => Some(*link),
                _ => None,
            };
            for other in link.peer.into_iter().chain(link.master).chain(below) {
                beside.entry(link.key).or_default().push(other);
                beside.entry(other).or_default().push(link.key);
            }
        }
        let mut seen: BTreeSet<LinkKey> = BTreeSet::new();
        let mut wires = Vec::new();
        for start in beside.keys() {
            let (mut wire, mut todo) = (Vec::new(), vec![*start]);
            while let Some(key) = todo.pop() {
                if seen.insert(key) {
                    wire.extend(self.links.get(&key));
                    todo.extend(beside.get(&key).into_iter().flatten());
                }
            }
            if wire.len() > 1 && !wire.iter().any(|link: &&Link| link.has_vlans) {
                wires.push(wire);
            }
        }
        wires
    }
}

/// The addresses that the kernel dropped from a link that was there before.
fn dropped(link: LinkKey, after: &After) -> Vec<Cidr> {
    let After::Changed { changes, .. } = after else { return Vec::new() };
    let is_it = |group: &Group| matches!(group, Group::Addrs { link: index, .. } if *index == link.index);
    let changed = changes.iter().filter(|c| c.netns == link.netns && is_it(&c.group));
    let went =
        changed.flat_map(|c| &c.items).filter(|pair| pair.after.is_none()).filter_map(|pair| pair.before.as_ref());
    went.filter(|item| !addr::is_kernels(item)).filter_map(addr::cidr).collect()
}
