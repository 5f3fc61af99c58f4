//! What a link is and holds, read before a change by which the kernel drops some of it, and given back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::link_set::LinkChange;
use super::{Change, Context, Undone, failed};
use crate::diag::Result;
use crate::kernel::addr::{self, AddrSpec};
use crate::kernel::link::bridge::{BridgeOptions, PortOptions};
use crate::kernel::link::{self, LinkKey, LinkSet};
use crate::kernel::neigh::{self, NeighSpec, Table};
use crate::kernel::route::{self, RouteSpec};
use crate::kernel::sysctl;
use crate::probe::state;
use crate::probe::state::link::LinkState;
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// What a link is and holds; the kernel drops some of it when the link goes down, moves, leaves its bridge, loses an address,
/// or shrinks below IPv6's minimum, and all of it when it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its own attributes.
    pub link: LinkSet,
    /// Its options as a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<BridgeOptions>,
    /// The senders that it lets in, as a macvlan in mode `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macs: Option<Vec<Mac>>,
    /// Its options as a port of a bridge.
    #[serde(default, skip_serializing_if = "PortOptions::is_empty")]
    pub port: PortOptions,
    /// Its addresses, in the kernel's order.
    pub addrs: Vec<AddrSpec>,
    /// The routes that leave by it, in every table.
    pub routes: Vec<RouteSpec>,
    /// Its neighbours, proxy and forwarding entries, as far as somebody made them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighs: Vec<NeighSpec>,
    /// Its settings, which live and die with it in a namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(PathBuf, String)>,
}

impl Held {
    /// Looks at a link.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn read(key: LinkKey, ctx: &mut Context<'_>) -> Result<Self> {
        let socket = ctx.socket(key.netns)?;
        let what = |e| failed("read what the link holds", e);
        let state = LinkState::new(&link::get(socket, key.index).map_err(what)?);
        let mut routes = Vec::new();
        for v6 in [false, true] {
            let dump = route::dump(socket, v6).map_err(what)?;
            routes.extend(dump.iter().filter_map(RouteSpec::read).filter(|r| r.uses(key.index)));
        }
        let mut neighs = Vec::new();
        for table in [Table::Neighbours, Table::Proxies, Table::Fdb] {
            let entries = state::neigh::read(socket, table, &Default::default()).map_err(what)?;
            neighs.extend(entries.iter().filter(|e| e.index == key.index).filter_map(|e| entry(table, e)));
        }
        let addrs = addr::dump(socket, Some(key.index)).map_err(what)?.iter().filter_map(AddrSpec::read).collect();
        let settings = match ctx.kernel.fd(key.netns) {
            Some(fd) => sysctl::of_link(fd, &state.ifname).unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Self {
            link: LinkSet {
                up: Some(state.up),
                mtu: Some(state.mtu),
                mac: state.address,
                name: Some(IfName::new(&state.ifname)?),
                master: Some(state.master_index.unwrap_or(0)),
                alias: Some(state.ifalias.clone().unwrap_or_default()),
                txqlen: Some(state.txqlen),
                promisc: Some(state.promisc),
            },
            bridge: (state.kind() == "bridge").then(|| super::port::bridge_options(&state)),
            macs: senders(&state),
            port: if state.is_bridge_port() { super::port::port_options(&state) } else { PortOptions::default() },
            addrs,
            routes,
            neighs,
            settings,
        })
    }

    /// Makes the link so again: its name, its settings, its other attributes, and then what is on it.
    ///
    /// # Errors
    /// What the kernel said to the attributes; what is on the link is tried until nothing more succeeds.
    pub fn give_back(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<Undone> {
        if !ctx.exists(key.netns) {
            return Ok(Undone::Already);
        }
        let Ok(now) = Self::read(key, ctx) else { return Ok(Undone::Already) };
        if now == *self {
            return Ok(Undone::Already);
        }
        let name = self.link.name.clone().unwrap_or_else(|| IfName::placeholder(key.index));
        let mut back = LinkChange::new(key, name.clone(), self.difference(&now.link));
        // The settings are found by the name, so it comes first.
        if let Some(name) = back.set.name.take() {
            let rename = LinkSet { name: Some(name.clone()), ..LinkSet::default() };
            LinkChange::new(key, name, rename).apply(ctx).map_err(|failure| failure.error)?;
        }
        self.put_settings(key, ctx);
        // Addresses that come back must not be tentative for a second or two while IPv6 looks for duplicates.
        let accept_dad = sysctl::path(&format!("net/ipv6/conf/{name}/accept_dad"))?;
        let fd = ctx.kernel.fd(key.netns).ok_or_else(|| super::gone(key.netns))?;
        let dad = sysctl::read(fd, &accept_dad).ok();
        if dad.is_some() {
            let _ = sysctl::write(fd, &accept_dad, "0");
        }
        back.bridge = self.bridge.clone().filter(|_| now.bridge != self.bridge);
        back.macs = self.macs.clone().filter(|_| now.macs != self.macs);
        let result = back.apply(ctx).map_err(|failure| failure.error);
        if result.is_ok() {
            // Some settings are written anew when the link comes up or its IPv6 begins again.
            self.put_settings(key, ctx);
            self.put_port(key, ctx)?;
            self.put_addrs(key, ctx)?;
            self.put_routes(key, ctx)?;
            self.put_neighs(key, ctx)?;
        }
        if let (Some(dad), Some(fd)) = (dad, ctx.kernel.fd(key.netns)) {
            let _ = sysctl::write(fd, &accept_dad, &dad);
        }
        result.map(|_| Undone::Yes)
    }

    /// Only what differs: setting a MAC or a name again has effects of its own.
    fn difference(&self, now: &LinkSet) -> LinkSet {
        fn differing<T: PartialEq + Clone>(wanted: &Option<T>, now: &Option<T>) -> Option<T> {
            if wanted == now { None } else { wanted.clone() }
        }
        let wanted = &self.link;
        LinkSet {
            up: differing(&wanted.up, &now.up),
            mtu: differing(&wanted.mtu, &now.mtu),
            mac: differing(&wanted.mac, &now.mac),
            name: differing(&wanted.name, &now.name),
            master: differing(&wanted.master, &now.master),
            alias: differing(&wanted.alias, &now.alias),
            txqlen: differing(&wanted.txqlen, &now.txqlen),
            promisc: differing(&wanted.promisc, &now.promisc),
        }
    }

    fn put_settings(&self, key: LinkKey, ctx: &mut Context<'_>) {
        let Some(fd) = ctx.kernel.fd(key.netns) else { return };
        let paths: Vec<PathBuf> = self.settings.iter().map(|(path, _)| path.clone()).collect();
        let now = sysctl::read_all(fd, &paths).unwrap_or_default();
        for ((path, value), now) in self.settings.iter().zip(now) {
            if now.is_some_and(|now| now != *value) {
                // Some can only be read, and some follow from others.
                let _ = sysctl::write(fd, path, value);
            }
        }
    }

    fn put_port(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<()> {
        let now = Self::read(key, ctx)?.port;
        if self.port.is_empty() || now == self.port {
            return Ok(());
        }
        // The state is the kernel's to choose, by the carrier, unless somebody disabled the port.
        const DISABLED: u8 = 0;
        let state = self.port.state.filter(|s| *s == DISABLED || now.state == Some(DISABLED));
        let wanted = PortOptions { state: state.filter(|s| now.state != Some(*s)), ..self.port.clone() };
        let socket = ctx.socket(key.netns)?;
        for (message, flags) in super::port::requests(key.index, &wanted) {
            let _ = socket.change(message, flags);
        }
        Ok(())
    }

    /// The kernel's order says which address is the primary one, and which is used as a sender. IPv4 adds behind, IPv6 before.
    fn put_addrs(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<()> {
        let now = Self::read(key, ctx)?.addrs;
        let socket = ctx.socket(key.netns)?;
        for v6 in [false, true] {
            let of = |all: &[AddrSpec]| -> Vec<AddrSpec> {
                let mut list: Vec<_> = all.iter().filter(|a| a.addr.addr().is_ipv6() == v6).cloned().collect();
                if v6 {
                    list.reverse();
                }
                list
            };
            let (wanted, there) = (of(&self.addrs), of(&now));
            let kept = if wanted.starts_with(&there) { there.len() } else { 0 };
            for spec in there.iter().skip(kept) {
                let (message, flags) = addr::del(key.index, spec);
                let _ = socket.change(message, flags);
            }
            for spec in wanted.iter().skip(kept) {
                let (message, flags) = addr::add(key.index, spec);
                let _ = socket.change(message, flags);
            }
        }
        Ok(())
    }

    fn put_routes(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<()> {
        let now = Self::read(key, ctx)?.routes;
        let socket = ctx.socket(key.netns)?;
        // A gateway needs the route to its own network first, whatever the order of the dump.
        let mut missing: Vec<&RouteSpec> = self.routes.iter().filter(|r| !now.contains(r)).collect();
        loop {
            let before = missing.len();
            missing.retain(|spec| {
                let (message, flags) = route::add(spec);
                socket.change(message, flags).is_err_and(|e| e.errno != libc::EEXIST)
            });
            if missing.len() == before {
                return Ok(());
            }
        }
    }

    fn put_neighs(&self, key: LinkKey, ctx: &mut Context<'_>) -> Result<()> {
        let now = Self::read(key, ctx)?.neighs;
        let socket = ctx.socket(key.netns)?;
        for spec in self.neighs.iter().filter(|n| !now.contains(n)) {
            let (message, flags) = neigh::add(key.index, spec);
            let _ = socket.change(message, flags);
        }
        Ok(())
    }
}

/// An entry that somebody made; what the kernel learns and what it makes for itself comes again by itself.
fn entry(table: Table, e: &state::neigh::NeighState) -> Option<NeighSpec> {
    match table {
        Table::Neighbours if e.state == "PERMANENT" => Some(NeighSpec::Neigh { addr: e.dst?, mac: e.mac? }),
        Table::Neighbours => None,
        Table::Proxies => Some(NeighSpec::Proxy { addr: e.dst? }),
        Table::Fdb => {
            let is_static = e.state == "NOARP" && e.master.is_some();
            let is_tunnel = e.state == "PERMANENT" && e.dst.is_some();
            let vlan = e.vlan.and_then(|v| crate::types::number::VlanId::new(i64::from(v)).ok());
            (is_static || is_tunnel).then_some(NeighSpec::Fdb {
                mac: e.mac?,
                dst: e.dst,
                vlan,
                master: is_static,
                append: is_tunnel,
            })
        }
    }
}

fn senders(state: &LinkState) -> Option<Vec<Mac>> {
    let data = &state.linkinfo.as_ref()?.info_data;
    if data.get("mode")?.as_str()? != "source" || state.kind() != "macvlan" {
        return None;
    }
    let list = data.get("macaddr_data").and_then(|l| l.as_array()).cloned().unwrap_or_default();
    let mut macs: Vec<Mac> = list.iter().filter_map(|m| Mac::new(m.as_str()?).ok()).collect();
    // The kernel keeps them in a hash table.
    macs.sort_by_key(|m| m.bytes());
    Some(macs)
}
