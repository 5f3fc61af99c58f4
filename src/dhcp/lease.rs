//! A lease: an address for some time, and what came with it. It is kept in a file of the lab, which its keeper renews.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::kernel::effect;
use crate::types::address::Cidr;
use crate::types::mac::Mac;

/// A lease without an end.
pub const FOR_EVER: u32 = u32::MAX;

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The prefix length of its network.
    pub len: u8,
    /// The server, by the address it identifies itself with.
    pub server: Ipv4Addr,
    /// Where its messages came from: its own Ethernet address, or that of a relay.
    pub server_mac: Mac,
    /// For how many seconds it was given.
    pub seconds: u32,
    /// After how many seconds its server is asked to renew it.
    pub t1: u32,
    /// After how many seconds any server is asked.
    pub t2: u32,
    /// When it was asked for, in milliseconds since the boot: that is when its time begins (RFC 2131, 4.4.1).
    pub since: u64,
    /// How many times it has been renewed.
    #[serde(default)]
    pub renewals: u32,
    /// What came with it.
    #[serde(default)]
    pub options: Options,
    /// Whether it has ended, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// What a server says beside the address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The routers, the best first.
    #[serde(default)]
    pub routers: Vec<Ipv4Addr>,
    /// The name servers.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// The domain.
    #[serde(default)]
    pub domain: Option<String>,
    /// The domains in which names are looked up.
    #[serde(default)]
    pub search: Vec<String>,
    /// The MTU of the link.
    #[serde(default)]
    pub mtu: Option<u16>,
    /// Routes (RFC 3442). If there are any, the routers do not count.
    #[serde(default)]
    pub routes: Vec<Route>,
}

/// A route that came with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The network.
    pub dst: Ipv4Addr,
    /// Its prefix length.
    pub len: u8,
    /// The router; 0.0.0.0 for a network on the link itself.
    pub via: Ipv4Addr,
}

impl Lease {
    /// The address with its prefix length.
    pub fn cidr(&self) -> Option<Cidr> {
        Cidr::with_len(IpAddr::V4(self.address), self.len).ok()
    }

    /// When it ends, in milliseconds since the boot.
    pub fn ends(&self) -> Option<u64> {
        self.after(self.seconds)
    }

    /// So many seconds after its begin; never for one that has no end.
    pub fn after(&self, seconds: u32) -> Option<u64> {
        (seconds != FOR_EVER).then(|| self.since + u64::from(seconds) * 1000)
    }

    /// How many seconds of it are left; `None` for ever.
    pub fn left(&self, now: u64) -> Option<u32> {
        // Rounded up, so that the kernel does not end a lease of one second at once.
        let left = |ends: u64| u32::try_from(ends.saturating_sub(now).div_ceil(1000)).unwrap_or(FOR_EVER);
        self.ends().map(left)
    }

    /// The routes that it asks for: those of its own option, else the default route.
    pub fn routes(&self) -> Vec<Route> {
        if !self.options.routes.is_empty() {
            return self.options.routes.clone();
        }
        let default = |via: &Ipv4Addr| Route { dst: Ipv4Addr::UNSPECIFIED, len: 0, via: *via };
        self.options.routers.first().map(default).into_iter().collect()
    }

    /// What a resolv.conf says of it; nothing if no name server came with it.
    pub fn resolv_conf(&self) -> Option<String> {
        let options = &self.options;
        if options.dns.is_empty() {
            return None;
        }
        let mut text = String::new();
        let search: Vec<&str> = match options.search.as_slice() {
            [] => options.domain.iter().map(String::as_str).collect(),
            search => search.iter().map(String::as_str).collect(),
        };
        if !search.is_empty() {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        for server in &options.dns {
            text.push_str(&format!("nameserver {server}\n"));
        }
        Some(text)
    }

    /// Reads it; `None` if there is none, or a half one that a kill left.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes it in one step, so that nobody reads half of it.
    ///
    /// # Errors
    /// Those of writing a file and renaming it.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        put(path, &serde_json::to_vec(self).map_err(io::Error::other)?)
    }
}

/// Writes a file in one step.
pub(super) fn put(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    effect::here();
    fs::write(&new, text)?;
    fs::rename(&new, path)
}
