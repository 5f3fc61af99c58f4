//! All namespaces as they are at this moment: links and addresses read at once, the rest when it is asked for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::neigh::Table;
use crate::kernel::route::{self as kernel_route, Packet};
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::kernel::{link as kernel_link, netns, nft, sysctl};
use crate::probe::peer::numbers;
use crate::probe::state::Names;
use crate::probe::state::addr::{self, AddrState};
use crate::probe::state::link::{self, LinkState};
use crate::probe::state::neigh::{self, NeighState};
use crate::probe::state::route::{self, RouteState};
use crate::types::address::Prefix;

/// The word for the namespace that netlab is started in.
pub const HOST: &str = "host";

/// A link: the number of its namespace in the world, and its ifindex there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The namespace.
    pub space: usize,
    /// The ifindex.
    pub link: u32,
}

/// One namespace.
pub struct Space {
    /// Its name, or `host`.
    pub name: String,
    /// Which it is.
    pub cookie: NetnsCookie,
    /// Its links.
    pub links: Vec<LinkState>,
    /// Their addresses.
    pub addrs: Vec<AddrState>,
    names: Names,
    numbers: Option<HashMap<i32, usize>>,
    neighbours: Option<Vec<NeighState>>,
    forwarding: Option<Vec<NeighState>>,
    routes: Option<Vec<RouteState>>,
    settings: HashMap<String, Option<String>>,
}

/// All namespaces that have a name, and the host.
pub struct World<'k> {
    kernel: &'k mut Kernel,
    spaces: Vec<Space>,
    children: Option<HashMap<Spot, Vec<Spot>>>,
}

impl<'k> World<'k> {
    /// Reads the host, every namespace with a name, and `more` that are known to the caller only.
    ///
    /// # Errors
    /// `NL0402` if the host itself cannot be read. A namespace that goes while we look is not there.
    pub fn read(kernel: &'k mut Kernel, more: &[(String, NetnsCookie)]) -> Result<Self> {
        let mut named = vec![(HOST.to_owned(), kernel.host())];
        for name in netns::names() {
            if let Ok(Some(cookie)) = kernel.adopt_name(&name) {
                named.push((name.to_string(), cookie));
            }
        }
        named.extend(more.iter().cloned());
        let mut spaces: Vec<Space> = Vec::with_capacity(named.len());
        for (name, cookie) in named {
            if spaces.iter().any(|s| s.cookie == cookie) {
                continue;
            }
            match read(kernel, &name, cookie) {
                Ok(space) => spaces.push(space),
                Err(error) if name == HOST => {
                    return Err(Diagnostic::new(Code::Environment, "cannot read the host's network").kernel(error));
                }
                Err(_) => {}
            }
        }
        Ok(Self { kernel, spaces, children: None })
    }

    /// The number of the namespace with a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.spaces.iter().position(|s| s.name == name)
    }

    /// The number of the namespace with a cookie.
    pub fn find_cookie(&self, cookie: NetnsCookie) -> Option<usize> {
        self.spaces.iter().position(|s| s.cookie == cookie)
    }

    /// A namespace by its number.
    pub fn space(&self, space: usize) -> &Space {
        &self.spaces[space]
    }

    /// The name of a namespace.
    pub fn name(&self, space: usize) -> String {
        self.spaces[space].name.clone()
    }

    /// All namespaces' numbers.
    pub fn all(&self) -> std::ops::Range<usize> {
        0..self.spaces.len()
    }

    /// A link that is there.
    pub fn link(&self, spot: Spot) -> Option<&LinkState> {
        self.spaces.get(spot.space)?.links.iter().find(|l| l.ifindex == spot.link)
    }

    /// The name of a link.
    pub fn dev(&self, spot: Spot) -> String {
        self.link(spot).map_or_else(|| format!("if{}", spot.link), |l| l.ifname.clone())
    }

    /// Looks at a link once more: asked for one, the kernel brings its carrier up to date, which it may do a moment late.
    pub fn refresh(&mut self, spot: Spot) {
        let Some(socket) = self.kernel.socket(self.spaces[spot.space].cookie) else { return };
        let Ok(message) = kernel_link::get(socket, spot.link) else { return };
        let new = LinkState::new(&message);
        if let Some(old) = self.spaces[spot.space].links.iter_mut().find(|l| l.ifindex == spot.link) {
            (old.up, old.flags, old.operstate, old.mtu) = (new.up, new.flags, new.operstate, new.mtu);
        }
    }

    /// The other end of a veth, or the link that a link sits on, wherever it is; `None` if it is in no namespace with a name.
    pub fn peer(&mut self, spot: Spot) -> Option<Spot> {
        let index = self.link(spot)?.link_index?;
        self.beyond(spot, index)
    }

    /// The link of an ifindex where a link says that its other half is: in its own namespace, unless it names another.
    pub fn beyond(&mut self, spot: Spot, index: u32) -> Option<Spot> {
        let peer = Spot { space: self.home(spot)?, link: index };
        self.link(peer).map(|_| peer)
    }

    /// The namespace in which a link's other half is, or from which the packets of a tunnel leave: its own, unless it names
    /// another.
    pub fn home(&mut self, spot: Spot) -> Option<usize> {
        let Some(number) = self.link(spot)?.link_netnsid else { return Some(spot.space) };
        if self.spaces[spot.space].numbers.is_none() {
            let all: Vec<NetnsCookie> = self.spaces.iter().map(|s| s.cookie).collect();
            let found = numbers(self.kernel, self.spaces[spot.space].cookie, &all);
            self.spaces[spot.space].numbers = Some(found);
        }
        self.spaces[spot.space].numbers.as_ref()?.get(&number).copied()
    }

    /// The VLAN and macvlan links that sit on a link.
    pub fn children(&mut self, parent: Spot) -> Vec<Spot> {
        if self.children.is_none() {
            let mut map: HashMap<Spot, Vec<Spot>> = HashMap::new();
            let upper: Vec<Spot> = self.every_link(|l| matches!(l.kind(), "macvlan" | "macvtap" | "vlan"));
            for child in upper {
                if let Some(parent) = self.peer(child) {
                    map.entry(parent).or_default().push(child);
                }
            }
            self.children = Some(map);
        }
        self.children.as_ref().and_then(|map| map.get(&parent)).cloned().unwrap_or_default()
    }

    /// The links of a kind, of all namespaces.
    pub fn every_link(&self, is: impl Fn(&LinkState) -> bool) -> Vec<Spot> {
        let of = |space: usize| self.spaces[space].links.iter().map(move |l| (space, l));
        self.all().flat_map(of).filter(|(_, l)| is(l)).map(|(space, l)| Spot { space, link: l.ifindex }).collect()
    }

    /// The links of a namespace that have a master.
    pub fn ports(&self, bridge: Spot) -> Vec<Spot> {
        let links = self.spaces[bridge.space].links.iter();
        links
            .filter(|l| l.master_index == Some(bridge.link))
            .map(|l| Spot { space: bridge.space, link: l.ifindex })
            .collect()
    }

    /// The address of a namespace that is this one.
    pub fn own(&self, space: usize, addr: IpAddr) -> Option<&AddrState> {
        self.spaces[space].addrs.iter().find(|a| a.local == addr)
    }

    /// Who has an address.
    pub fn owners(&self, addr: IpAddr) -> Vec<Spot> {
        let of = |space| self.own(space, addr).map(|a| Spot { space, link: a.index });
        self.all().filter_map(of).collect()
    }

    /// The addresses of a namespace that others can reach.
    pub fn addresses(&self, space: usize) -> impl Iterator<Item = &AddrState> {
        self.spaces[space].addrs.iter().filter(|a| a.scope == "global" && !a.local.is_loopback())
    }

    /// The network in which an address is, as its owner says.
    pub fn network_of(&self, addr: IpAddr) -> Prefix {
        let owner = self.owners(addr).first().copied();
        let network = owner.and_then(|o| self.own(o.space, addr)).and_then(AddrState::network);
        network.unwrap_or(Prefix { addr, len: crate::types::address::bits(addr) })
    }

    /// What the kernel would do with a packet in a namespace.
    ///
    /// # Errors
    /// See [`kernel_route::ask`].
    pub fn ask(&mut self, space: usize, packet: Packet) -> std::result::Result<RouteState, KernelError> {
        let space = &self.spaces[space];
        let socket = self.kernel.socket(space.cookie).ok_or_else(|| KernelError::new("setns", libc::ENOENT))?;
        let message = kernel_route::ask(socket, packet)?;
        let state = RouteState::new(&message, packet.dst.is_ipv6(), &space.names);
        // IPv6 answers with the route that refuses, where IPv4 answers with the error.
        match state.kind {
            Some("blackhole") => Err(KernelError::new("RTM_GETROUTE", libc::EINVAL)),
            Some("unreachable") => Err(KernelError::new("RTM_GETROUTE", libc::EHOSTUNREACH)),
            Some("prohibit") => Err(KernelError::new("RTM_GETROUTE", libc::EACCES)),
            _ => Ok(state),
        }
    }

    /// The neighbours of a namespace.
    pub fn neighbour(&mut self, spot: Spot, addr: IpAddr) -> Option<NeighState> {
        let space = &mut self.spaces[spot.space];
        if space.neighbours.is_none() {
            let read = self.kernel.socket(space.cookie).map(|s| neigh::read(s, Table::Neighbours, &space.names));
            space.neighbours = Some(read.and_then(std::result::Result::ok).unwrap_or_default());
        }
        let all = space.neighbours.as_ref()?;
        all.iter().find(|n| n.index == spot.link && n.dst == Some(addr) && !n.proxy).cloned()
    }

    /// The ends of tunnels that a VXLAN link sends to.
    pub fn tunnel_ends(&mut self, spot: Spot) -> Vec<IpAddr> {
        let space = &mut self.spaces[spot.space];
        if space.forwarding.is_none() {
            let read = self.kernel.socket(space.cookie).map(|s| neigh::read(s, Table::Fdb, &space.names));
            space.forwarding = Some(read.and_then(std::result::Result::ok).unwrap_or_default());
        }
        space.forwarding.iter().flatten().filter(|n| n.index == spot.link).filter_map(|n| n.dst).collect()
    }

    /// The routes of a namespace, in every table.
    pub fn routes(&mut self, space: usize) -> &[RouteState] {
        let space = &mut self.spaces[space];
        if space.routes.is_none() {
            let read = self.kernel.socket(space.cookie).map(|s| route::read(s, &space.names, false));
            space.routes = Some(read.and_then(std::result::Result::ok).unwrap_or_default());
        }
        space.routes.as_deref().unwrap_or_default()
    }

    /// The socket of a namespace, for what is read once only.
    pub fn socket(&mut self, space: usize) -> Option<&mut crate::kernel::netlink::Socket> {
        self.kernel.socket(self.spaces[space].cookie)
    }

    /// The open namespace, for what is read by other ways than a socket.
    pub fn fd(&self, space: usize) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.kernel.fd(self.spaces[space].cookie)
    }

    /// A setting below `net`, such as `ipv4/ip_forward`; `None` if this kernel has none of that name.
    pub fn setting(&mut self, space: usize, key: &str) -> Option<String> {
        let space = &mut self.spaces[space];
        if let Some(known) = space.settings.get(key) {
            return known.clone();
        }
        let path = Path::new(sysctl::ROOT).join("net").join(key);
        let value = self.kernel.fd(space.cookie).and_then(|fd| sysctl::read(fd, &path).ok());
        space.settings.insert(key.to_owned(), value.clone());
        value
    }

    /// The same as a number, 0 if it is not there.
    pub fn number(&mut self, space: usize, key: &str) -> i64 {
        self.setting(space, key).and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// Runs `f` on a thread inside a namespace.
    ///
    /// # Errors
    /// Those of setns(2).
    pub fn within<T: Send>(&self, space: usize, f: impl FnOnce() -> T + Send) -> Result<T> {
        let cookie = self.spaces[space].cookie;
        let fd = self.kernel.fd(cookie).ok_or_else(|| crate::action::gone(cookie))?;
        netns::within(fd, f).map_err(|e| {
            Diagnostic::new(Code::Environment, format!("cannot enter the namespace `{}`", self.spaces[space].name))
                .kernel(KernelError::from_io("setns", &e))
        })
    }

    /// What nftables holds in a namespace.
    pub fn firewall(&self, space: usize) -> Option<nft::Rules> {
        self.within(space, nft::read).ok()?.ok()
    }
}

fn read(kernel: &mut Kernel, name: &str, cookie: NetnsCookie) -> std::result::Result<Space, KernelError> {
    let socket = kernel.socket(cookie).ok_or_else(|| KernelError::new("setns", libc::ENOENT))?;
    let links = link::read(socket)?;
    let names = link::names(&links);
    let addrs = addr::read(socket, None, &names)?;
    Ok(Space {
        name: name.to_owned(),
        cookie,
        links,
        addrs,
        names,
        numbers: None,
        neighbours: None,
        forwarding: None,
        routes: None,
        settings: HashMap::new(),
    })
}
