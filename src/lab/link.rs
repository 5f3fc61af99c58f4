//! Finding, changing, moving and deleting links, and what is on them.

use super::Lab;
use super::objects::{LinkId, NsId};
use super::refuse::Loss;
use crate::action::Action;
use crate::action::addr::{AddrAdd, AddrDel};
use crate::action::link_del::LinkDel;
use crate::action::link_move::LinkMove;
use crate::action::link_set::LinkChange;
use crate::action::neigh::{NeighAdd, NeighDel};
use crate::action::port::{PortSet, VlanAdd, VlanDel};
use crate::action::qdisc_set::QdiscSet;
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::addr::{self as kernel_addr, AddrSpec};
use crate::kernel::link::bridge::{PortOptions, PortVlan};
use crate::kernel::link::{self, LinkKey, LinkSet};
use crate::kernel::neigh::NeighSpec;
use crate::kernel::qdisc::NetemSpec;
use crate::probe::state;
use crate::probe::state::link::LinkState;
use crate::types::name::IfName;

impl Lab {
    /// Finds a link by its name.
    ///
    /// # Errors
    /// `NL0105` with the names that are nearest, or where the lab has moved it.
    pub fn find_link(&mut self, netns: NsId, name: &str) -> Result<LinkId> {
        let cookie = self.objects.netns(netns)?.cookie;
        let place = self.netns_name(netns);
        let socket = self.context_socket(cookie)?;
        if let Ok(message) = link::get_by_name(socket, name) {
            let found = LinkState::new(&message);
            let key = LinkKey { netns: cookie, index: found.ifindex };
            return Ok(self.objects.add_found(key, &found.ifname, found.kind()));
        }
        let names: Vec<String> = state::link::read(socket).unwrap_or_default().into_iter().map(|l| l.ifname).collect();
        let error = Diagnostic::new(Code::NoSuchLink, format!("namespace `{place}` has no link `{name}`"));
        let moved = self.objects.made_links().find(|l| l.name() == name).map(|l| l.key().netns);
        if let Some(id) = moved.and_then(|netns| self.objects.netns_by_cookie(netns)) {
            return Err(error.help(format!("the lab's link of that name is in `{}`", self.netns_name(id))));
        }
        Err(match crate::diag::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None => {
                error.help(format!("it has {}", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")))
            }
        })
    }

    /// Changes a link.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0123` for what cannot be taken back, and the kernel's.
    pub fn set_link(&mut self, site: &Site, id: LinkId, set: LinkSet, verb: &str) -> Result<()> {
        let change = LinkChange::new(self.objects.link(id)?.key(), self.dev(id)?, set);
        self.change_link(site, id, change, verb)
    }

    /// The same with options of its kind.
    ///
    /// # Errors
    /// As [`Lab::set_link`].
    pub fn change_link(&mut self, site: &Site, id: LinkId, change: LinkChange, verb: &str) -> Result<()> {
        self.may_lose(id, loss(&change.set), verb)?;
        self.perform(site, Action::LinkSet(change))
    }

    /// Makes a link a port of a bridge, or of nothing.
    ///
    /// # Errors
    /// As [`Lab::set_link`]; `NL0118` if the two are in different namespaces.
    pub fn set_master(&mut self, site: &Site, id: LinkId, master: Option<LinkId>) -> Result<()> {
        let key = self.objects.link(id)?.key();
        let mut change = LinkChange::new(key, self.dev(id)?, LinkSet { master: Some(0), ..LinkSet::default() });
        if let Some(master) = master {
            let bridge = self.objects.link(master)?;
            if bridge.key().netns != key.netns {
                return Err(Diagnostic::new(
                    Code::BadOption,
                    format!(
                        "`{}` cannot become a port of `{}`: they are in different namespaces",
                        change.dev,
                        bridge.name()
                    ),
                )
                .help("move it there first, or make it as a port of the bridge: bridge.port()")
                .at(site.clone()));
            }
            change.set.master = Some(bridge.key().index);
            change.master_name = Some(bridge.name().to_owned());
            // What joins a routing domain keeps its addresses.
            let takes_frames = bridge.kind != "vrf";
            let addrs = state::addr::read(self.context_socket(key.netns)?, Some(key.index), &Default::default());
            if let Some(addr) = addrs.unwrap_or_default().iter().find(|a| takes_frames && a.scope == "global") {
                return Err(Diagnostic::new(
                    Code::AddressOnPort,
                    format!(
                        "`{}` has the address {}/{}, which it cannot use as a port of a bridge",
                        change.dev, addr.local, addr.prefixlen
                    ),
                )
                .help("take the address off first with .del_addr(…), and put it on the bridge")
                .at(site.clone()));
            }
        }
        self.change_link(site, id, change, "attach")
    }

    /// Moves a link to another namespace. It arrives down and without addresses.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0123` for one that is in use, and the kernel's.
    pub fn move_link(&mut self, site: &Site, id: LinkId, to: NsId) -> Result<()> {
        let (from, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.refuse_lo(&dev, "moved")?;
        let netns = self.objects.netns(to)?.cookie;
        if netns == from.netns {
            return Ok(());
        }
        self.may_lose(id, Loss::Move, "move")?;
        let mut index = self.index(netns)?;
        let peer = self.objects.link(id)?.peer.and_then(|p| self.objects.link(p).ok()).map(|p| p.key().index);
        if peer == Some(index) {
            index = self.index(netns)?;
        }
        self.perform(site, Action::LinkMove(LinkMove { from, to: LinkKey { netns, index }, dev }))
    }

    /// Deletes a link; a veth's other end goes too.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0123` for one that could not be made again.
    pub fn del_link(&mut self, site: &Site, id: LinkId) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.refuse_lo(&dev, "deleted")?;
        self.may_lose(id, Loss::Delete, "delete")?;
        self.perform(site, Action::LinkDel(LinkDel { link, dev }))
    }

    fn refuse_lo(&self, dev: &IfName, what: &str) -> Result<()> {
        if dev.as_str() != "lo" {
            return Ok(());
        }
        Err(Diagnostic::new(Code::NotOurs, format!("`lo` belongs to its namespace and cannot be {what}"))
            .help("netns(name, #{ lo: false }) leaves it down"))
    }

    /// Puts an address on a link.
    ///
    /// # Errors
    /// `NL0113` on a bridge port, `NL0107` if it is there already, and the kernel's.
    pub fn add_addr(&mut self, site: &Site, id: LinkId, addr: AddrSpec) -> Result<()> {
        let state = self.link_state(id)?;
        if state.is_bridge_port() {
            return Err(Diagnostic::new(
                Code::AddressOnPort,
                format!(
                    "`{}` is a port of a bridge and cannot use an address: what arrives there goes into the bridge",
                    state.ifname
                ),
            )
            .help("put the address on the bridge itself, or on the other end of the wire")
            .at(site.clone()));
        }
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.perform(site, Action::AddrAdd(AddrAdd { link, dev, addr }))
    }

    /// Takes an address from a link.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0110` if there is no such address.
    pub fn del_addr(&mut self, site: &Site, id: LinkId, addr: AddrSpec) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        let put_on =
            |action: &Action| matches!(action, Action::AddrAdd(a) if a.link == link && a.addr.addr == addr.addr);
        if !self.steps.iter().any(|(_, s)| put_on(&s.action)) {
            self.may_lose(id, Loss::None, &format!("take {} from", addr.addr))?;
        }
        // With its label, scope and lifetimes, which nobody has to say to delete it.
        let there = kernel_addr::dump(self.context_socket(link.netns)?, Some(link.index)).unwrap_or_default();
        let same = |a: &AddrSpec| a.addr == addr.addr && (addr.peer.is_none() || a.peer == addr.peer);
        let addr = there.iter().filter_map(AddrSpec::read).find(same).unwrap_or(addr);
        self.perform(site, Action::AddrDel(AddrDel { link, dev, addr }))
    }

    /// Sets options of a link as a port of its bridge.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, and the kernel's.
    pub fn set_port(&mut self, site: &Site, id: LinkId, set: PortOptions) -> Result<()> {
        let state = self.link_state(id)?;
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.may_lose(id, Loss::None, "change")?;
        if !state.is_bridge_port() {
            return Err(Diagnostic::new(
                Code::BadOption,
                format!("`{dev}` is no port of a bridge, which these options are for"),
            )
            .help("plug it in first: link.master(bridge)")
            .at(site.clone()));
        }
        self.perform(site, Action::PortSet(PortSet { link, dev, set }))
    }

    /// Puts a port, or a bridge itself, into a VLAN, or takes it out.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, and the kernel's.
    pub fn port_vlan(&mut self, site: &Site, id: LinkId, vlan: PortVlan, join: bool) -> Result<()> {
        let object = self.objects.link(id)?;
        let (link, own) = (object.key(), object.kind == "bridge");
        let dev = self.dev(id)?;
        self.may_lose(id, Loss::None, "change")?;
        self.perform(
            site,
            if join {
                Action::VlanAdd(VlanAdd { link, dev, vlan, own })
            } else {
                Action::VlanDel(VlanDel { link, dev, vlan, own })
            },
        )
    }

    /// Makes a neighbour, proxy or forwarding entry on a link.
    ///
    /// # Errors
    /// `NL0111` if there is one, and the kernel's.
    pub fn add_neigh(&mut self, site: &Site, id: LinkId, entry: NeighSpec) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.perform(site, Action::NeighAdd(NeighAdd { link, dev, entry }))
    }

    /// Sets the netem of a link, or takes it away.
    ///
    /// # Errors
    /// `NL0401` where the kernel has none, `NL0110` where there is none to be taken away.
    pub fn set_netem(&mut self, site: &Site, id: LinkId, netem: Option<NetemSpec>) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        self.perform(site, Action::QdiscSet(QdiscSet { link, dev, netem }))
    }

    /// Deletes an entry from a link.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0110` if there is no such entry.
    pub fn del_neigh(&mut self, site: &Site, id: LinkId, entry: NeighSpec) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        let made = |action: &Action| matches!(action, Action::NeighAdd(a) if a.link == link && a.entry == entry);
        if !self.steps.iter().any(|(_, s)| made(&s.action)) {
            self.may_lose(id, Loss::None, "delete the entry of")?;
        }
        self.perform(site, Action::NeighDel(NeighDel { link, dev, entry }))
    }

    pub(crate) fn dev(&self, id: LinkId) -> Result<IfName> {
        let object = self.objects.link(id)?;
        Ok(IfName::new(object.name()).unwrap_or_else(|_| IfName::placeholder(object.key().index)))
    }
}

/// What a change of attributes costs the link: below 1280 bytes it loses its IPv6.
fn loss(set: &LinkSet) -> Loss {
    const LEAST_MTU_OF_IPV6: u32 = 1280;
    match set {
        LinkSet { up: Some(false), .. } => Loss::Down,
        LinkSet { mtu: Some(mtu), .. } if *mtu < LEAST_MTU_OF_IPV6 => Loss::Down,
        _ => Loss::None,
    }
}
