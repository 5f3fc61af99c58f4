//! Whether a namespace has nftables rules: how many, in which tables, and which chains drop what no rule takes.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use super::raw;

/// What there is in the namespace of the calling thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// How many rules there are.
    pub rules: usize,
    /// The names of the tables that hold them.
    pub tables: Vec<String>,
    /// The chains on a hook whose policy is to drop, as `TABLE CHAIN`.
    pub drops: Vec<String>,
}

impl Rules {
    /// Whether there is nothing that could stop a packet.
    pub fn is_empty(&self) -> bool {
        self.rules == 0 && self.drops.is_empty()
    }
}

const HEADER: usize = 16;
/// A `struct nfgenmsg`, of family, version and number.
const GENERIC: usize = 4;
/// `NFNL_SUBSYS_NFTABLES << 8`.
const NFTABLES: u16 = 10 << 8;
const NEW_CHAIN: u16 = NFTABLES | 3;
const GET_CHAIN: u16 = NFTABLES | 4;
const NEW_RULE: u16 = NFTABLES | 6;
const GET_RULE: u16 = NFTABLES | 7;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const ASK_ALL: u16 = 0x301;
/// `NFTA_RULE_TABLE` and `NFTA_CHAIN_TABLE` are both the first.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;

/// Looks at the namespace of the calling thread. A kernel without nftables has no rules.
///
/// # Errors
/// Those of socket(2) and of the dump, for example `EPERM`.
pub fn read() -> io::Result<Rules> {
    let mut rules = Rules::default();
    let mut socket = match Socket::new(NETLINK_NETFILTER) {
        Ok(socket) => socket,
        Err(e) if e.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(rules),
        Err(e) => return Err(e),
    };
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    for attributes in dump(&socket, GET_RULE, NEW_RULE)? {
        rules.rules += 1;
        let table = text(&attributes, TABLE);
        if !rules.tables.contains(&table) {
            rules.tables.push(table);
        }
    }
    for attributes in dump(&socket, GET_CHAIN, NEW_CHAIN)? {
        let has_hook = attributes.iter().any(|a| a.kind == CHAIN_HOOK);
        let policy = attributes.iter().find(|a| a.kind == CHAIN_POLICY);
        // Accept is 1, drop 0.
        if has_hook && policy.is_some_and(|p| p.value.iter().all(|b| *b == 0)) {
            rules.drops.push(format!("{} {}", text(&attributes, TABLE), text(&attributes, CHAIN_NAME)));
        }
    }
    Ok(rules)
}

fn text(attributes: &[raw::Attribute], kind: u16) -> String {
    attributes.iter().find(|a| a.kind == kind).map(raw::Attribute::string).unwrap_or_default()
}

/// Asks for all objects of a kind; the attributes of each.
fn dump(socket: &Socket, ask: u16, answer: u16) -> io::Result<Vec<Vec<raw::Attribute>>> {
    let mut request = Vec::with_capacity(HEADER + GENERIC);
    request.extend(((HEADER + GENERIC) as u32).to_ne_bytes());
    request.extend(ask.to_ne_bytes());
    request.extend(ASK_ALL.to_ne_bytes());
    request.extend(u32::from(ask).to_ne_bytes());
    request.extend(0u32.to_ne_bytes());
    request.extend([0; GENERIC]);
    socket.send(&request, 0)?;
    let mut found = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while let Some(head) = rest.get(..HEADER) {
            let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let Some(payload) = rest.get(HEADER..length) else { break };
            let kind = u16::from_ne_bytes([head[4], head[5]]);
            let sequence = u32::from_ne_bytes([head[8], head[9], head[10], head[11]]);
            match kind {
                // The end of a question that was asked before.
                _ if sequence != u32::from(ask) => {}
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let code = payload.get(..4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
                    // A kernel with netfilter but without nftables knows no such question.
                    let unknown = matches!(-code, libc::EINVAL | libc::EOPNOTSUPP | libc::ENOENT | 0);
                    return if unknown { Ok(found) } else { Err(io::Error::from_raw_os_error(-code)) };
                }
                kind if kind == answer => found.push(raw::decode(payload.get(GENERIC..).unwrap_or_default())),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
