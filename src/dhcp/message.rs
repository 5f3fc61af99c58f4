//! DHCP messages: what is sent as bytes, and what was received as plain values of which nothing is trusted.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, DhcpOptions, Flags, Message, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};

use super::lease::{Options, Route};
use crate::types::mac::Mac;

pub use dhcproto::v4::MessageType as Kind;

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
    let mac = Mac::from_bytes(bytes.get(28..34)?)?;
    let message = Message::decode(&mut Decoder::new(bytes)).ok()?;
    let mut all = message.opts().clone();
    // The fields for the names of a server and a file may hold options as well (RFC 2132, 9.3).
    if let Some(DhcpOption::OptionOverload(which)) = all.get(OptionCode::OptionOverload).cloned() {
        for (bit, field) in [(1, 108..236), (2, 44..108)] {
            if which & bit != 0
                && let Ok(more) = DhcpOptions::decode(&mut Decoder::new(&bytes[field]))
            {
                for (_, option) in more {
                    let code = OptionCode::from(&option);
                    if !all.contains(code) {
                        all.insert(option);
                    }
                }
            }
        }
    }
    let mut heard = Heard {
        kind: all.msg_type()?,
        is_reply: message.opcode() == Opcode::BootReply,
        from,
        xid: message.xid(),
        broadcast: message.flags().broadcast(),
        mac,
        ciaddr: message.ciaddr(),
        yiaddr: message.yiaddr(),
        giaddr: message.giaddr(),
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
    for (_, option) in all {
        heard.take(option);
    }
    Some(heard)
}

impl Heard {
    fn take(&mut self, option: DhcpOption) {
        match option {
            DhcpOption::ClientIdentifier(id) => self.client_id = Some(id).filter(|id| !id.is_empty()),
            DhcpOption::Hostname(name) => self.hostname = domain(&name),
            DhcpOption::ServerIdentifier(server) => self.server = Some(server).filter(|s| is_host(*s)),
            DhcpOption::RequestedIpAddress(address) => self.requested = Some(address),
            DhcpOption::AddressLeaseTime(seconds) => self.seconds = Some(seconds),
            DhcpOption::Renewal(seconds) => self.t1 = Some(seconds),
            DhcpOption::Rebinding(seconds) => self.t2 = Some(seconds),
            DhcpOption::SubnetMask(mask) => self.len = ipnetwork::ipv4_mask_to_prefix(mask).ok(),
            DhcpOption::Message(text) => self.text = Some(plain(&text)),
            DhcpOption::Router(all) => self.options.routers = hosts(all),
            DhcpOption::DomainNameServer(all) => self.options.dns = hosts(all),
            DhcpOption::DomainName(name) => self.options.domain = domain(&name),
            DhcpOption::DomainSearch(all) => {
                self.options.search = all.iter().filter_map(|name| domain(&name.to_string())).collect();
            }
            DhcpOption::InterfaceMtu(mtu) => self.options.mtu = Some(mtu).filter(|mtu| *mtu >= LEAST_MTU),
            DhcpOption::ClasslessStaticRoute(all) => {
                let routes = all.into_iter().filter_map(|(net, via)| route(net.network(), net.prefix_len(), via));
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

fn route(dst: Ipv4Addr, len: u8, via: Ipv4Addr) -> Option<Route> {
    let is_own = len > 0 && !is_host(dst);
    (!is_own && (via.is_unspecified() || is_host(via))).then_some(Route { dst, len, via })
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
    message: Message,
}

impl Draft {
    /// A client's message.
    pub fn request(kind: Kind, xid: u32, mac: Mac) -> Self {
        Self::new(Opcode::BootRequest, kind, xid, mac)
    }

    /// A server's answer to a message.
    pub fn reply(kind: Kind, to: &Heard) -> Self {
        let mut draft = Self::new(Opcode::BootReply, kind, to.xid, to.mac);
        if to.broadcast {
            draft.message.set_flags(Flags::default().set_broadcast());
        }
        draft
    }

    fn new(opcode: Opcode, kind: Kind, xid: u32, mac: Mac) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, none, none, none, none, &mac.bytes());
        message.set_opcode(opcode);
        Self { message }.with(DhcpOption::MessageType(kind))
    }

    /// Adds an option.
    #[must_use]
    pub fn with(mut self, option: DhcpOption) -> Self {
        self.message.opts_mut().insert(option);
        self
    }

    /// Adds an option if there is one.
    #[must_use]
    pub fn with_some(self, option: Option<DhcpOption>) -> Self {
        match option {
            Some(option) => self.with(option),
            None => self,
        }
    }

    /// The address that the client has.
    #[must_use]
    pub fn ciaddr(mut self, address: Ipv4Addr) -> Self {
        self.message.set_ciaddr(address);
        self
    }

    /// The address that the client gets.
    #[must_use]
    pub fn yiaddr(mut self, address: Ipv4Addr) -> Self {
        self.message.set_yiaddr(address);
        self
    }

    /// How long the client has been trying, in seconds.
    #[must_use]
    pub fn secs(mut self, seconds: u64) -> Self {
        self.message.set_secs(u16::try_from(seconds).unwrap_or(u16::MAX));
        self
    }

    /// The message as bytes; too long an option is all that could keep it from being one.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = self.message.to_vec().ok()?;
        bytes.resize(bytes.len().max(LEAST), 0);
        Some(bytes)
    }
}
