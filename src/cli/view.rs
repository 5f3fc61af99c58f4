//! What namespaces hold, gathered for `show`.

use std::collections::HashMap;

use serde::Serialize;

use super::netns::HOST;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::neigh::Table;
use crate::kernel::netns;
use crate::kernel::process::raise_file_limit;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::lab::open;
use crate::probe::peer::{Peer, peers};
use crate::probe::state::addr::{self, AddrState};
use crate::probe::state::link::{self, LinkState};
use crate::probe::state::neigh::{self, NeighState};
use crate::probe::state::route::{self, RouteState};
use crate::probe::state::rule::{self, RuleState};

/// All that one namespace holds, in the field names of `ip -j`.
#[derive(Debug, Serialize)]
pub struct View {
    /// Its name, or `host`.
    pub netns: String,
    /// Its links, by ifindex.
    pub links: Vec<LinkState>,
    /// Their addresses.
    pub addrs: Vec<AddrState>,
    /// The routes, without the kernel's own for local addresses.
    pub routes: Vec<RouteState>,
    /// The policy rules.
    pub rules: Vec<RuleState>,
    /// The neighbours.
    pub neigh: Vec<NeighState>,
    /// Which it is.
    #[serde(skip)]
    pub cookie: NetnsCookie,
    /// The ends of its links that are in other namespaces, by ifindex.
    #[serde(skip)]
    pub peers: HashMap<u32, Peer>,
}

/// Looks into namespaces.
pub struct Viewer {
    kernel: Kernel,
    spaces: Vec<(String, NetnsCookie)>,
}

impl Viewer {
    /// Opens the host and all namespaces that have a name.
    ///
    /// # Errors
    /// `NL0402` if no netlink socket can be opened.
    pub fn open() -> Result<Self> {
        raise_file_limit();
        let mut kernel = open::kernel()?;
        let mut spaces = vec![(HOST.to_owned(), kernel.host())];
        for name in netns::names() {
            // One that goes while we look, or a name that leads nowhere, is not there.
            if let Ok(Some(cookie)) = kernel.adopt_name(&name) {
                spaces.push((name.to_string(), cookie));
            }
        }
        Ok(Self { kernel, spaces })
    }

    /// The names of the namespaces, `host` first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.spaces.iter().map(|(name, _)| name.as_str())
    }

    /// Looks into one.
    ///
    /// # Errors
    /// `NL0108` if there is none of that name, and the kernel's.
    pub fn look(&mut self, name: &str) -> Result<View> {
        let known = self.spaces.iter().find(|(n, _)| n == name).map(|(_, cookie)| *cookie);
        let cookie = match known {
            Some(cookie) => cookie,
            // A container's has no name of its own.
            None => self
                .kernel
                .adopt(super::netns::open(name)?.1)
                .map_err(|_| Diagnostic::new(Code::NoSuchNetns, format!("the namespace `{name}` cannot be opened")))?,
        };
        let broken = |e: KernelError| {
            Diagnostic::new(Code::Environment, format!("cannot read the namespace `{name}`")).kernel(e)
        };
        let socket = self.kernel.socket(cookie).ok_or_else(|| crate::action::gone(cookie))?;
        let links = link::read(socket).map_err(broken)?;
        let names = link::names(&links);
        let addrs = addr::read(socket, None, &names).map_err(broken)?;
        let routes = route::read(socket, &names, false).map_err(broken)?;
        let rules = rule::read(socket).map_err(broken)?;
        let neigh = neigh::read(socket, Table::Neighbours, &names).map_err(broken)?;
        let peers = peers(&mut self.kernel, cookie, &links, &self.spaces);
        Ok(View { netns: name.into(), links, addrs, routes, rules, neigh, cookie, peers })
    }
}

impl View {
    /// The addresses of one link.
    pub fn addrs_of(&self, link: &LinkState) -> impl Iterator<Item = &AddrState> {
        self.addrs.iter().filter(|a| a.index == link.ifindex)
    }

    /// The other end of a link, or the link that it sits on: `veth0`, or `veth0@ns1` in another namespace.
    pub fn peer(&self, link: &LinkState) -> Option<String> {
        if let Some(near) = &link.link {
            return Some(near.clone());
        }
        let index = link.link_index?;
        Some(match self.peers.get(&link.ifindex) {
            Some(peer) => format!("{}@{}", peer.ifname, peer.netns),
            // In a namespace without a name, such as a container's.
            None => format!("if{index}@?"),
        })
    }
}
