//! DHCP messages: what is sent as bytes, and what was received as plain values of which nothing is trusted.

use std::net::Ipv4Addr;

use super::field::{self, Field, Kind};
use super::lease::{Options, Route};
use crate::types::mac::Mac;

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// The option that says where more of them are.
const OVERLOAD: u8 = 52;

/// What stands between the fixed part and the options.
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// The fixed part with the magic number.
const FIXED: usize = 240;
/// Some servers and relays drop anything shorter, as BOOTP had it.
const LEAST: usize = 300;
/// The MTU below which a server's word is not taken: every host must take as much in one packet (RFC 791).
const LEAST_MTU: u16 = 576;

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it is.
    pub kind: Kind,
    /// Whether a server sent it.
    pub is_reply: bool,
    /// The Ethernet address of the frame's sender.
    pub from: Mac,
    /// The number of the exchange.
    pub xid: u32,
    /// Whether the client can be told by broadcast only.
    pub broadcast: bool,
    /// The client's Ethernet address.
    pub mac: Mac,
    /// The client's own address, if it has one.
    pub ciaddr: Ipv4Addr,
    /// The address that the server gives.
    pub yiaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// By what the client wants to be known.
    pub client_id: Option<Vec<u8>>,
    /// The client's name.
    pub hostname: Option<String>,
    /// The server, by the address that it identifies itself with.
    pub server: Option<Ipv4Addr>,
    /// The address that the client asks for.
    pub requested: Option<Ipv4Addr>,
    /// For how long, in seconds.
    pub seconds: Option<u32>,
    /// When to renew.
    pub t1: Option<u32>,
    /// When to ask anybody.
    pub t2: Option<u32>,
    /// The prefix length of the network.
    pub len: Option<u8>,
    /// Why the server refuses.
    pub text: Option<String>,
    /// What comes with a lease.
    pub options: Options,
}

/// Reads a message; `None` for what is none, or not from an Ethernet.
pub fn read(bytes: &[u8], from: Mac) -> Option<Heard> {
    let is_ethernet = bytes.get(1..3)? == [1, 6];
    if !is_ethernet || bytes.get(FIXED - 4..FIXED)? != MAGIC {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut all = field::split(&bytes[FIXED..]);
    // The parts for the names of a file and of a server may hold options as well (RFC 2132, 9.3).
    let overload = all.iter().find_map(|(code, value)| match Field::decode(*code, value)? {
        Field::Overload(which) => Some(which),
        _ => None,
    });
    for (bit, part) in [(1, 108..236), (2, 44..108)] {
        if overload.is_some_and(|which| which & bit != 0) {
            let more = field::split(&bytes[part]);
            all.extend(more.into_iter().filter(|(code, _)| *code != OVERLOAD));
        }
    }
    let mut fields: Vec<Field> = all.iter().filter_map(|(code, value)| Field::decode(*code, value)).collect();
    let is_kind = |field: &Field| if let Field::MessageType(kind) = field { Some(*kind) } else { None };
    let mut heard = Heard {
        kind: fields.iter().find_map(is_kind)?,
        is_reply: bytes[0] == REPLY,
        from,
        xid: number(4)?,
        broadcast: bytes[10] & 0x80 != 0,
        mac: Mac::from_bytes(&bytes[28..34])?,
        ciaddr: number(12)?.into(),
        yiaddr: number(16)?.into(),
        giaddr: number(24)?.into(),
        client_id: None,
        hostname: None,
        server: None,
        requested: None,
        seconds: None,
        t1: None,
        t2: None,
        len: None,
        text: None,
        options: Options::default(),
    };
    fields.drain(..).for_each(|field| heard.take(field));
    Some(heard)
}

impl Heard {
    fn take(&mut self, field: Field) {
        match field {
            Field::ClientIdentifier(id) => self.client_id = Some(id).filter(|id| !id.is_empty()),
            Field::Hostname(name) => self.hostname = domain(&name),
            Field::ServerIdentifier(server) => self.server = Some(server).filter(|s| is_host(*s)),
            Field::RequestedAddress(address) => self.requested = Some(address),
            Field::LeaseTime(seconds) => self.seconds = Some(seconds),
            Field::RenewalTime(seconds) => self.t1 = Some(seconds),
            Field::RebindingTime(seconds) => self.t2 = Some(seconds),
            Field::SubnetMask(mask) => self.len = ipnetwork::ipv4_mask_to_prefix(mask).ok(),
            Field::Message(text) => self.text = Some(plain(&text)),
            Field::Router(all) => self.options.routers = hosts(all),
            Field::DomainNameServer(all) => self.options.dns = hosts(all),
            Field::DomainName(name) => self.options.domain = domain(&name),
            Field::DomainSearch(all) => {
                self.options.search = all.iter().filter_map(|name| domain(name)).collect();
            }
            Field::InterfaceMtu(mtu) => self.options.mtu = Some(mtu).filter(|mtu| *mtu >= LEAST_MTU),
            Field::ClasslessRoutes(all) => {
                let routes = all.into_iter().filter(is_usable);
                let mut kept: Vec<Route> = Vec::new();
                for route in routes {
                    // The kernel takes one route to a destination.
                    if !kept.iter().any(|k| (k.dst, k.len) == (route.dst, route.len)) {
                        kept.push(route);
                    }
                }
                self.options.routes = kept;
            }
            _ => {}
        }
    }
}

/// Whether a machine can have this address.
pub fn is_host(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.octets()[0] >= 240 || ip.octets()[0] == 0)
}

fn hosts(all: Vec<Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut kept = Vec::new();
    for ip in all {
        if is_host(ip) && !kept.contains(&ip) {
            kept.push(ip);
        }
    }
    kept
}

/// Whether a route leads to where packets can go, by way of a machine or of the link itself.
fn is_usable(route: &Route) -> bool {
    let leads = route.len == 0 || is_host(route.dst);
    leads && (route.via.is_unspecified() || is_host(route.via))
}

/// A name that can stand in a resolv.conf: anything else could bring a line of its own into it.
fn domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches(['.', '\0']);
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!name.is_empty() && name.len() <= 253 && name.chars().all(is_fine)).then(|| name.to_ascii_lowercase())
}

/// A text that can be printed: a server must not steer the terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct Draft {
    op: u8,
    xid: u32,
    secs: u16,
    broadcast: bool,
    mac: Mac,
    ciaddr: Ipv4Addr,
    yiaddr: Ipv4Addr,
    fields: Vec<Field>,
}

impl Draft {
    /// A client's message.
    pub fn request(kind: Kind, xid: u32, mac: Mac) -> Self {
        Self::new(REQUEST, kind, xid, mac)
    }

    /// A server's answer to a message.
    pub fn reply(kind: Kind, to: &Heard) -> Self {
        Self { broadcast: to.broadcast, ..Self::new(REPLY, kind, to.xid, to.mac) }
    }

    fn new(op: u8, kind: Kind, xid: u32, mac: Mac) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        let fields = vec![Field::MessageType(kind)];
        Self { op, xid, secs: 0, broadcast: false, mac, ciaddr: none, yiaddr: none, fields }
    }

    /// Adds an option.
    #[must_use]
    pub fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds an option if there is one.
    #[must_use]
    pub fn with_some(mut self, field: Option<Field>) -> Self {
        self.fields.extend(field);
        self
    }

    /// The address that the client has.
    #[must_use]
    pub fn ciaddr(mut self, address: Ipv4Addr) -> Self {
        self.ciaddr = address;
        self
    }

    /// The address that the client gets.
    #[must_use]
    pub fn yiaddr(mut self, address: Ipv4Addr) -> Self {
        self.yiaddr = address;
        self
    }

    /// How long the client has been trying, in seconds.
    #[must_use]
    pub fn secs(mut self, seconds: u64) -> Self {
        self.secs = u16::try_from(seconds).unwrap_or(u16::MAX);
        self
    }

    /// The message as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        // Ethernet, with addresses of 6 bytes; no relay has passed it on.
        let mut bytes = vec![self.op, 1, 6, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend([if self.broadcast { 0x80 } else { 0 }, 0]);
        bytes.extend(self.ciaddr.octets());
        bytes.extend(self.yiaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.mac.bytes());
        bytes.resize(FIXED - 4, 0);
        bytes.extend(MAGIC);
        bytes.extend(field::join(&self.fields));
        bytes.resize(bytes.len().max(LEAST), 0);
        bytes
    }
}
