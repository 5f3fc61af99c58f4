//! Finding, changing, moving and deleting links, and what is on them.

use super::Lab;
use super::objects::{LinkId, LinkObject, NsId};
use crate::action::Action;
use crate::action::addr::{AddrAdd, AddrDel};
use crate::action::held::Held;
use crate::action::link_add::{LinkAdd, NewEnd};
use crate::action::link_del::{Again, LinkDel};
use crate::action::link_move::LinkMove;
use crate::action::link_set::LinkChange;
use crate::action::neigh::{NeighAdd, NeighDel};
use crate::action::port::{PortSet, VlanAdd, VlanDel, port_options};
use crate::diag::{Code, Diagnostic, Result, Site};
use crate::kernel::addr::{self as kernel_addr, AddrSpec};
use crate::kernel::link::bridge::{PortOptions, PortVlan};
use crate::kernel::link::{self, LinkKey, LinkSet};
use crate::kernel::neigh::NeighSpec;
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

    /// Changes a link that the lab made.
    ///
    /// # Errors
    /// `NL0115` for a link that was there before, and the kernel's.
    pub fn set_link(&mut self, site: &Site, id: LinkId, set: LinkSet, verb: &str) -> Result<()> {
        let change = LinkChange::new(self.objects.link(id)?.key(), self.dev(id)?, set);
        self.change_link(site, id, change, verb)
    }

    /// The same with options of its kind.
    ///
    /// # Errors
    /// As [`Lab::set_link`].
    pub fn change_link(&mut self, site: &Site, id: LinkId, mut change: LinkChange, verb: &str) -> Result<()> {
        let object = self.objects.link(id)?;
        let (key, made_at) = (object.key(), object.made_at);
        // The `lo` of the lab's own namespace is the lab's as well, although no step made it.
        let own = object.made || self.objects.is_own_netns(key.netns);
        if !own {
            let state = self.link_state(id)?;
            let nothing = LinkSet { up: Some(state.up), ..LinkSet::default() };
            if change.set == nothing && change.bridge.is_none() && change.macs.is_none() {
                return Ok(());
            }
            return Err(self.not_ours(&format!("the link `{}`", state.ifname), verb, key.netns, Some(key)));
        }
        if self.must_keep(made_at) {
            change.before = Some(Box::new(Held::read(key, &mut self.context())?));
        }
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
            let addrs = state::addr::read(self.context_socket(key.netns)?, Some(key.index), &Default::default());
            if let Some(addr) = addrs.unwrap_or_default().iter().find(|a| a.scope == "global") {
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

    /// Moves a link that the lab made to another namespace. It arrives down and without addresses.
    ///
    /// # Errors
    /// `NL0115` for a link that was there before, and the kernel's.
    pub fn move_link(&mut self, site: &Site, id: LinkId, to: NsId) -> Result<()> {
        let object = self.objects.link(id)?;
        let (from, made, made_at) = (object.key(), object.made, object.made_at);
        let dev = self.dev(id)?;
        if !made {
            self.refuse_lo(from, &dev, "moved")?;
            return Err(self.not_ours(&format!("the link `{dev}`"), "move", from.netns, Some(from)));
        }
        let netns = self.objects.netns(to)?.cookie;
        if netns == from.netns {
            return Ok(());
        }
        let mut index = self.index(netns)?;
        let peer = self.objects.link(id)?.peer.and_then(|p| self.objects.link(p).ok()).map(|p| p.key().index);
        if peer == Some(index) {
            index = self.index(netns)?;
        }
        let before =
            if self.must_keep(made_at) { Some(Box::new(Held::read(from, &mut self.context())?)) } else { None };
        self.perform(site, Action::LinkMove(LinkMove { from, to: LinkKey { netns, index }, dev, before }))
    }

    /// Deletes a link that the lab made; a veth's other end goes too.
    ///
    /// # Errors
    /// `NL0115` for a link that was there before.
    pub fn del_link(&mut self, site: &Site, id: LinkId) -> Result<()> {
        let object = self.objects.link(id)?;
        let (link, made, made_at, birth) = (object.key(), object.made, object.made_at, object.birth);
        let dev = self.dev(id)?;
        if !made {
            self.refuse_lo(link, &dev, "deleted")?;
            return Err(self.not_ours(&format!("the link `{dev}`"), "delete", link.netns, Some(link)));
        }
        let (mut again, mut ports) = (Vec::new(), Vec::new());
        if self.must_keep(made_at) {
            again.extend(self.again(birth)?);
            let ends: Vec<LinkKey> = again.iter().flat_map(|a: &Again| &a.held).map(|(key, _)| *key).collect();
            let sits = |l: &&LinkObject| l.gone.is_none() && l.parent.is_some_and(|p| ends.contains(&p));
            let above: Vec<LinkKey> = self.objects.made_links().filter(sits).map(|l| l.birth).collect();
            for birth in above {
                again.extend(self.again(birth)?);
            }
            let links = state::link::read(self.context_socket(link.netns)?).unwrap_or_default();
            for port in links.iter().filter(|l| l.master_index == Some(link.index)) {
                let key = LinkKey { netns: link.netns, index: port.ifindex };
                ports.push((key, Held::read(key, &mut self.context())?));
            }
        }
        self.perform(site, Action::LinkDel(LinkDel { link, dev, again, ports }))
    }

    /// What makes a link again as it is now.
    fn again(&mut self, birth: LinkKey) -> Result<Option<Again>> {
        let Some(mut add) = self.made_by(birth) else { return Ok(None) };
        let now = |lab: &Self, end: &NewEnd| lab.objects.link_by_birth(end.link.key()).map(LinkObject::key);
        let mut held = Vec::new();
        for end in [Some(&mut add.end), add.peer.as_deref_mut()].into_iter().flatten() {
            let Some(key) = now(self, end) else { return Ok(None) };
            let is = Held::read(key, &mut self.context())?;
            end.link.netns = key.netns;
            end.link.index = key.index;
            end.link.name = is.link.name.clone().unwrap_or_else(|| end.link.name.clone());
            if is.bridge.is_none() {
                end.link.mac = is.link.mac;
            }
            (end.link.master, end.link.up) = (None, false);
            (end.addrs, end.port, end.vlans) = (Vec::new(), PortOptions::default(), Vec::new());
            held.push((key, is));
        }
        let parent = self.objects.link_by_birth(birth).and_then(|l| l.parent);
        if let (Some(now), Some(was)) = (parent, add.kind.parent_mut()) {
            *was = now;
        }
        Ok(Some(Again { add, held }))
    }

    /// The `lo` of the lab's own namespace was made by no step, and yet was not there before.
    fn refuse_lo(&self, link: LinkKey, dev: &IfName, what: &str) -> Result<()> {
        if dev.as_str() != "lo" || !self.objects.is_own_netns(link.netns) {
            return Ok(());
        }
        Err(Diagnostic::new(Code::NotOurs, format!("`lo` belongs to its namespace and cannot be {what}"))
            .help("netns(name, #{ lo: false }) leaves it down"))
    }

    fn made_by(&self, birth: LinkKey) -> Option<LinkAdd> {
        self.steps.iter().find_map(|(_, step)| match &step.action {
            Action::LinkAdd(add) if add.ends().any(|e| e.link.key() == birth) => Some(add.clone()),
            _ => None,
        })
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

    /// Takes an address from a link that the lab made, or one that the lab put on.
    ///
    /// # Errors
    /// `NL0115` for an address that was there before, `NL0110` if there is none.
    pub fn del_addr(&mut self, site: &Site, id: LinkId, addr: AddrSpec) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        let put_on =
            |action: &Action| matches!(action, Action::AddrAdd(a) if a.link == link && a.addr.addr == addr.addr);
        let own = self.owns(link) || self.steps.iter().any(|(_, s)| put_on(&s.action));
        if !own {
            return Err(self.not_ours(
                &format!("the address {} of `{dev}`", addr.addr),
                "delete",
                link.netns,
                Some(link),
            ));
        }
        // With its label, scope and lifetimes, which nobody has to say to delete it.
        let there = kernel_addr::dump(self.context_socket(link.netns)?, Some(link.index)).unwrap_or_default();
        let same = |a: &AddrSpec| a.addr == addr.addr && (addr.peer.is_none() || a.peer == addr.peer);
        let addr = there.iter().filter_map(AddrSpec::read).find(same).unwrap_or(addr);
        let keeps = self.owns(link) && self.must_keep(self.objects.link(id)?.made_at);
        let before = if keeps { Some(Box::new(Held::read(link, &mut self.context())?)) } else { None };
        self.perform(site, Action::AddrDel(AddrDel { link, dev, addr, before }))
    }

    /// Sets options of a link as a port of its bridge.
    ///
    /// # Errors
    /// `NL0115` for a link that was there before, and the kernel's.
    pub fn set_port(&mut self, site: &Site, id: LinkId, set: PortOptions) -> Result<()> {
        let state = self.link_state(id)?;
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        if !self.owns(link) {
            return Err(self.not_ours(&format!("the link `{dev}`"), "change", link.netns, Some(link)));
        }
        if !state.is_bridge_port() {
            return Err(Diagnostic::new(
                Code::BadOption,
                format!("`{dev}` is no port of a bridge, which these options are for"),
            )
            .help("plug it in first: link.master(bridge)")
            .at(site.clone()));
        }
        self.perform(site, Action::PortSet(PortSet { link, dev, set, before: port_options(&state) }))
    }

    /// Puts a port, or a bridge itself, into a VLAN, or takes it out.
    ///
    /// # Errors
    /// `NL0115` for a link that was there before, and the kernel's.
    pub fn port_vlan(&mut self, site: &Site, id: LinkId, vlan: PortVlan, join: bool) -> Result<()> {
        let object = self.objects.link(id)?;
        let (link, own) = (object.key(), object.kind == "bridge");
        let dev = self.dev(id)?;
        if !self.owns(link) {
            return Err(self.not_ours(&format!("the link `{dev}`"), "change", link.netns, Some(link)));
        }
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

    /// Deletes an entry from a link that the lab made, or one that the lab put there.
    ///
    /// # Errors
    /// `NL0115` for an entry that was there before, `NL0110` if there is none.
    pub fn del_neigh(&mut self, site: &Site, id: LinkId, entry: NeighSpec) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        let own = self.owns(link)
            || self
                .steps
                .iter()
                .any(|(_, s)| matches!(&s.action, Action::NeighAdd(a) if a.link == link && a.entry == entry));
        if !own {
            return Err(self.not_ours(&format!("the entry of `{dev}`"), "delete", link.netns, Some(link)));
        }
        self.perform(site, Action::NeighDel(NeighDel { link, dev, entry }))
    }

    /// Whether the lab may take things from a link: it made the link or its namespace.
    pub(crate) fn owns(&self, link: LinkKey) -> bool {
        self.objects.is_own_link(link) || self.objects.is_own_netns(link.netns)
    }

    pub(crate) fn dev(&self, id: LinkId) -> Result<IfName> {
        let object = self.objects.link(id)?;
        Ok(IfName::new(object.name()).unwrap_or_else(|_| IfName::placeholder(object.key().index)))
    }
}
