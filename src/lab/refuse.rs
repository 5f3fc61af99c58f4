//! What is not done to things that were there before without `--force`: what could not come back, or what would cut off
//! whoever runs this.

use std::net::IpAddr;
use std::os::fd::AsFd;

use super::Lab;
use super::objects::LinkId;
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::route::{RouteSpec, TABLE_MAIN};
use crate::kernel::space::NetnsCookie;
use crate::kernel::users;
use crate::probe::state;
use crate::snapshot::group::{Item, attribute};
use crate::snapshot::{addr, link, make, peer, qdisc};

/// What is going to happen to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It stays as it is, with other attributes.
    None,
    /// It is down for a while, or without IPv6.
    Down,
    /// It leaves its namespace.
    Move,
    /// It is deleted.
    Delete,
}

impl Lab {
    /// Refuses to change another lab's link, and to do to one that was there before what cannot be taken back. `verb` is
    /// what was asked for, for the sentence.
    ///
    /// # Errors
    /// `NL0115` for another lab's link, `NL0123` for what cannot come back.
    pub(crate) fn may_lose(&mut self, id: LinkId, loss: Loss, verb: &str) -> Result<()> {
        let object = self.objects.link(id)?;
        let (key, name) = (object.key(), object.name().to_owned());
        if self.objects.made_link_at(key).is_some() {
            return Ok(());
        }
        self.refuse_of_another(&format!("the link `{name}`"), verb, key.netns, Some(key))?;
        if self.force || loss == Loss::None {
            return Ok(());
        }
        match self.why_not(key, loss)? {
            None => Ok(()),
            Some(why) => {
                Err(Diagnostic::new(Code::CannotComeBack, format!("will not {verb} the link `{name}`: {why}"))
                    .help("use a link of the lab's own; or, if that may be lost: netlab run --force …"))
            }
        }
    }

    fn why_not(&mut self, key: LinkKey, loss: Loss) -> Result<Option<String>> {
        // With one end of a wire the other goes.
        let other = if loss == Loss::Delete { peer::find(self.kernel(), key) } else { None };
        if let Some(other) = other.filter(|other| other.netns == self.header.host)
            && self.carries_default(other)?
        {
            return Ok(Some("the machine's default route leads over its other end".into()));
        }
        if key.netns == self.header.host {
            if self.carries_default(key)? {
                return Ok(Some("the machine's default route leads over it".into()));
            }
            if let Some(address) = self.carries_ssh(key)? {
                return Ok(Some(format!("the SSH connection that this runs in comes to its address {address}")));
            }
        }
        let socket = self.context_socket(key.netns)?;
        let temporary = |a: &crate::kernel::raw::Raw| addr::is_temporary(a) && addr::group(a).link() == Some(key.index);
        if addr::dump(socket).unwrap_or_default().iter().any(temporary) {
            return Ok(Some("it has temporary IPv6 addresses (use_tempaddr), which only the kernel can make".into()));
        }
        if loss == Loss::Down {
            return Ok(None);
        }
        let filters = qdisc::has_filters(socket, key.index);
        let items = self.items(key)?;
        if filters {
            return Ok(Some("it has traffic control filters, which netlab cannot put back".into()));
        }
        if attribute(&items, "~xdp").is_some() {
            return Ok(Some("an XDP program is attached to it".into()));
        }
        if let Some(fd) = self.kernel().fd(key.netns) {
            let users = users::of_link(fd.as_fd(), key.index);
            if users.packet_sockets > 0 {
                return Ok(Some("a program has a packet socket on it (tcpdump, a DHCP client …)".into()));
            }
            // The kernel listens for a tunnel, and does so again.
            let links = link::dump(self.context_socket(key.netns)?).unwrap_or_default();
            let tunnels: Vec<String> = links.iter().filter_map(|l| link::tunnel_group(l, key.index)).collect();
            let groups = users.groups4.iter().map(ToString::to_string);
            let mut groups = groups.chain(users.groups6.iter().map(ToString::to_string));
            if let Some(group) = groups.find(|g| !tunnels.contains(g)) {
                return Ok(Some(format!("a program listens to the group {group} on it")));
            }
        }
        if loss == Loss::Delete {
            let both = [Some(key), peer::find(self.kernel(), key)];
            for end in both.into_iter().flatten() {
                let links = link::dump(self.context_socket(end.netns)?).unwrap_or_default();
                if let Some((name, mtu, most)) = link::tunnel_too_wide(&links, end.index) {
                    return Ok(Some(format!(
                        "the VXLAN `{name}` has an MTU of {mtu}, and one made again could have no more than {most}"
                    )));
                }
            }
            return Ok(self.why_not_made_again(key, &items));
        }
        Ok(None)
    }

    fn why_not_made_again(&mut self, key: LinkKey, items: &[Item]) -> Option<String> {
        let kind = attribute(items, "~kind").unwrap_or_default();
        if !make::can(items) {
            let kind = if kind.is_empty() { "a card".into() } else { format!("a {kind}") };
            return Some(format!("it is {kind}, which netlab cannot make again"));
        }
        if kind == "veth" && peer::find(self.kernel(), key).is_none() {
            return Some("its other end is in a namespace without a name, and would go too".into());
        }
        None
    }

    fn items(&mut self, key: LinkKey) -> Result<Vec<Item>> {
        let links =
            link::dump(self.context_socket(key.netns)?).map_err(|e| crate::action::failed("list the links", e))?;
        let mut items = links.iter().find(|l| link::index(l) == key.index).map(link::items).unwrap_or_default();
        if let Some(kind) = self.stood_for(key) {
            items.iter_mut().filter(|i| i.label() == "~kind").for_each(|item| *item = Item::named("~kind", kind));
        }
        Ok(items)
    }

    fn carries_default(&mut self, key: LinkKey) -> Result<bool> {
        let socket = self.context_socket(key.netns)?;
        let links = state::link::read(socket).unwrap_or_default();
        let names = state::link::names(&links);
        let own = names.get(&key.index).cloned().unwrap_or_default();
        let routes = state::route::read(socket, &names, false).unwrap_or_default();
        Ok(routes.iter().any(|r| {
            r.prefix.is_default()
                && r.table == TABLE_MAIN
                && (r.index == Some(key.index) || r.nexthops.iter().any(|hop| hop.dev == own))
        }))
    }

    /// The address by which the caller's SSH connection comes in, if it is on this link (sshd(8), `SSH_CONNECTION`).
    fn carries_ssh(&mut self, key: LinkKey) -> Result<Option<IpAddr>> {
        let words = std::env::var("SSH_CONNECTION").unwrap_or_default();
        let Some(server) = words.split(' ').nth(2).and_then(|a| a.parse::<IpAddr>().ok()) else { return Ok(None) };
        let addrs = state::addr::read(self.context_socket(key.netns)?, Some(key.index), &Default::default());
        Ok(addrs.unwrap_or_default().iter().any(|a| a.local == server).then_some(server))
    }

    /// Refuses to delete a route over another lab's link, and the machine's default route.
    ///
    /// # Errors
    /// `NL0115` and `NL0123`.
    pub(crate) fn may_lose_route(&mut self, netns: NetnsCookie, route: &RouteSpec) -> Result<()> {
        let link = route.dev.map(|index| LinkKey { netns, index });
        self.refuse_of_another(&format!("the route to {}", route.dst), "delete", netns, link)?;
        let is_main = route.table.is_none_or(|table| table == TABLE_MAIN);
        if self.force || netns != self.header.host || !route.dst.is_default() || !is_main {
            return Ok(());
        }
        Err(Diagnostic::new(Code::CannotComeBack, "will not delete the machine's default route")
            .help("work in a namespace of the lab's own; or, if the machine may be cut off: netlab run --force …"))
    }
}
