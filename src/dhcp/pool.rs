//! The addresses that a server gives: which are free, which somebody has, and for how long.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::types::mac::Mac;

/// How long an offer is kept for whoever it was made to, in milliseconds.
const OFFERED: u64 = 10_000;
/// How long an address is not given that somebody else was found to have, in milliseconds.
const DECLINED: u64 = 600_000;

/// How a client is known: by the identifier that it gives, or by its Ethernet address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    id: Vec<u8>,
    mac: Mac,
}

impl ClientKey {
    /// The key of a client.
    pub fn new(id: Option<&[u8]>, mac: Mac) -> Self {
        // An identifier of type 1 is an Ethernet address (RFC 2132, 9.14).
        let id = id.map_or_else(|| [&[1], &mac.bytes()[..]].concat(), <[u8]>::to_vec);
        Self { id, mac }
    }
}

/// Who has an address, or had it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The address.
    pub address: Ipv4Addr,
    /// The client's Ethernet address.
    pub mac: Mac,
    /// By what the client is known.
    pub id: Vec<u8>,
    /// The client's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// What it is.
    pub state: Standing,
    /// Until when, in milliseconds since the boot; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// What an address is to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was offered.
    Offered,
    /// It is the client's.
    Bound,
    /// It was given back. The same client gets it again, as long as nobody else needs it.
    Released,
    /// Somebody else was found to have it.
    Declined,
}

impl Binding {
    /// Whether nobody else can have the address.
    pub fn holds(&self, now: u64) -> bool {
        self.state != Standing::Released && self.until.is_none_or(|until| now < until)
    }

    fn is_of(&self, client: &ClientKey) -> bool {
        self.id == client.id && self.state != Standing::Declined
    }
}

/// The addresses of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The first address.
    first: Ipv4Addr,
    /// The last one.
    last: Ipv4Addr,
    /// What is never given, such as the server's own address.
    taken: Vec<Ipv4Addr>,
    /// Who always gets which.
    reservations: BTreeMap<Mac, Ipv4Addr>,
    bindings: BTreeMap<Ipv4Addr, Binding>,
}

impl Pool {
    /// A pool of which nothing has been given.
    pub fn new(
        (first, last): (Ipv4Addr, Ipv4Addr),
        taken: Vec<Ipv4Addr>,
        reservations: BTreeMap<Mac, Ipv4Addr>,
    ) -> Self {
        Self { first, last, taken, reservations, bindings: BTreeMap::new() }
    }

    /// All that is known of addresses, for the file.
    pub fn bindings(&self) -> Vec<Binding> {
        self.bindings.values().cloned().collect()
    }

    /// The address for a client: its own, its reserved one, the one it asks for, the one it had, the first that nobody ever
    /// had, the first that is free.
    pub fn choose(&self, client: &ClientKey, requested: Option<Ipv4Addr>, now: u64) -> Option<Ipv4Addr> {
        if let Some(reserved) = self.reservations.get(&client.mac) {
            return Some(*reserved).filter(|address| self.is_free_for(client, *address, now));
        }
        let had = || self.bindings.values().filter(|b| b.is_of(client));
        let held = had().find(|b| b.holds(now)).map(|b| b.address);
        let wanted = held.into_iter().chain(requested).chain(had().map(|b| b.address));
        let all = || (u32::from(self.first)..=u32::from(self.last)).map(Ipv4Addr::from);
        let fresh = all().filter(|address| !self.bindings.contains_key(address));
        wanted.chain(fresh).chain(all()).find(|address| self.is_free_for(client, *address, now))
    }

    /// Whether a client may have an address.
    pub fn is_free_for(&self, client: &ClientKey, address: Ipv4Addr, now: u64) -> bool {
        let is_reserved_for = self.reservations.iter().find(|(_, a)| **a == address).map(|(mac, _)| *mac);
        let in_pool = (self.first..=self.last).contains(&address);
        let may = match (self.reservations.get(&client.mac), is_reserved_for) {
            (Some(own), _) => *own == address,
            (None, Some(_)) => false,
            (None, None) => in_pool,
        };
        may && !self.taken.contains(&address)
            && self.bindings.get(&address).is_none_or(|b| b.is_of(client) || !b.holds(now))
    }

    /// Keeps an address for a client that it was offered to, unless the client has it already.
    pub fn offer(&mut self, client: &ClientKey, address: Ipv4Addr, now: u64) {
        let has = |b: &Binding| b.is_of(client) && b.state == Standing::Bound && b.holds(now);
        if !self.bindings.get(&address).is_some_and(has) {
            self.put(client, address, None, Standing::Offered, Some(now + OFFERED));
        }
    }

    /// Gives an address to a client, and takes back any other that it had.
    pub fn bind(&mut self, client: &ClientKey, address: Ipv4Addr, hostname: Option<String>, until: Option<u64>) {
        self.bindings.retain(|a, b| *a == address || !b.is_of(client));
        self.put(client, address, hostname, Standing::Bound, until);
    }

    /// Takes an address back from a client that has it. Whether it had.
    pub fn release(&mut self, client: &ClientKey, address: Ipv4Addr) -> bool {
        match self.bindings.get_mut(&address).filter(|b| b.is_of(client)) {
            Some(binding) => {
                binding.state = Standing::Released;
                true
            }
            None => false,
        }
    }

    /// Does not give an address for some time that a client found to be somebody else's. Whether it was the client's to say.
    pub fn decline(&mut self, client: &ClientKey, address: Ipv4Addr, now: u64) -> bool {
        let is_its = self.bindings.get(&address).is_some_and(|b| b.is_of(client));
        if is_its {
            self.put(client, address, None, Standing::Declined, Some(now + DECLINED));
        }
        is_its
    }

    /// Forgets what was offered to a client that took another's offer.
    pub fn withdraw(&mut self, client: &ClientKey) {
        self.bindings.retain(|_, b| !(b.is_of(client) && b.state == Standing::Offered));
    }

    fn put(
        &mut self,
        client: &ClientKey,
        address: Ipv4Addr,
        hostname: Option<String>,
        state: Standing,
        until: Option<u64>,
    ) {
        let binding = Binding { address, mac: client.mac, id: client.id.clone(), hostname, state, until };
        self.bindings.insert(address, binding);
    }
}
