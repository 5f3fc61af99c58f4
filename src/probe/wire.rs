//! ICMP and ICMPv6 messages as bytes: echo requests to send, replies and errors as received (RFC 792, RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kernel::icmp::Datagram;
use crate::kernel::probe_socket::Family;

/// The most payload of an echo request: 65535 bytes less an IPv4 and an ICMP header.
pub const MAX_SIZE: u16 = 65507;

/// How a run knows its own packets among all that a raw socket receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The identifier in the header of the echo.
    pub(crate) id: u16,
    /// The first bytes of the payload, as many as there is room for.
    pub(crate) token: [u8; 8],
}

impl Mark {
    /// A mark that no other run has, for all practical purposes.
    pub(crate) fn random() -> Self {
        let (id, token) = (random(), random());
        Self { id: id as u16, token: token.to_be_bytes() }
    }

    /// Whether an echo bears this mark. An error quotes as little as eight bytes of the packet, so the token may be cut.
    pub(crate) fn is_on(&self, echo: &Echo<'_>) -> bool {
        let known = echo.payload.len().min(self.token.len());
        echo.id == self.id && echo.payload[..known] == self.token[..known]
    }
}

/// A random number, good enough to tell packets apart and to be hard to guess for others.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds its hash tables from the kernel's random numbers; a crate for this would be one more.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// An echo request with `size` bytes of payload: the token, then a counting pattern as ping(8) has it.
pub(crate) fn echo_request(family: Family, mark: Mark, seq: u16, size: u16) -> Vec<u8> {
    let kind = match family {
        Family::V4 => 8,
        Family::V6 => 128,
    };
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(mark.id.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend((0..size).map(|i| mark.token.get(usize::from(i)).copied().unwrap_or(i as u8)));
    if family == Family::V4 {
        // The one of ICMPv6 covers the IP addresses too, so the kernel does it.
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// The Internet checksum (RFC 1071); over a packet with a right checksum it is 0.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A received message that concerns probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming<'a> {
    /// Who sent it.
    pub(crate) from: IpAddr,
    /// The TTL or hop limit with which it arrived.
    pub(crate) ttl: Option<u8>,
    /// What it says.
    pub(crate) body: Body<'a>,
}

/// The messages that concern probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// The answer to an echo request.
    Reply(Echo<'a>),
    /// Somebody could not deliver a packet.
    Error {
        /// The ICMP type.
        kind: u8,
        /// The ICMP code.
        code: u8,
        /// The MTU in bytes, if the packet was too big for one.
        mtu: Option<u32>,
        /// Where the packet was going.
        to: IpAddr,
        /// What of it is quoted.
        quote: Quote<'a>,
    },
}

/// The packet that an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quote<'a> {
    /// An echo request.
    Echo(Echo<'a>),
    /// A UDP datagram, by its ports.
    Udp {
        /// The port it came from.
        source: u16,
        /// The port it was sent to.
        dest: u16,
    },
}

/// The fields of an echo request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo<'a> {
    /// The identifier.
    pub(crate) id: u16,
    /// The sequence number.
    pub(crate) seq: u16,
    /// The payload, or what is quoted of it.
    pub(crate) payload: &'a [u8],
}

/// Reads a packet as [`crate::kernel::icmp::IcmpSocket`] receives it; `None` for whatever is broken or no concern.
pub(crate) fn parse<'a>(family: Family, packet: &'a [u8], datagram: &Datagram) -> Option<Incoming<'a>> {
    let packet = packet.get(..datagram.len)?;
    match family {
        Family::V4 => {
            let ip = ipv4(packet)?;
            // A raw socket gets its copy before the kernel's own ICMP code has looked at the checksum.
            if ip.protocol != 1 || checksum(ip.payload) != 0 {
                return None;
            }
            Some(Incoming { from: ip.from, ttl: Some(ip.ttl), body: body_v4(ip.payload)? })
        }
        Family::V6 => Some(Incoming { from: datagram.from, ttl: datagram.hop_limit, body: body_v6(packet)? }),
    }
}

fn body_v4(icmp: &[u8]) -> Option<Body<'_>> {
    let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
    match kind {
        0 => Some(Body::Reply(echo(icmp)?)),
        3 | 11 | 12 => {
            let inner = ipv4(icmp.get(8..)?)?;
            let mtu = (kind == 3 && code == 4).then(|| u16_at(icmp, 6).map(u32::from)).flatten();
            let quote = match inner.protocol {
                1 if inner.payload.first() == Some(&8) => Quote::Echo(echo(inner.payload)?),
                17 => udp(inner.payload)?,
                _ => return None,
            };
            Some(Body::Error { kind, code, mtu, to: inner.to, quote })
        }
        _ => None,
    }
}

fn body_v6(icmp: &[u8]) -> Option<Body<'_>> {
    let (kind, code) = (*icmp.first()?, *icmp.get(1)?);
    match kind {
        129 => Some(Body::Reply(echo(icmp)?)),
        1..=4 => {
            let inner = ipv6(icmp.get(8..)?)?;
            let mtu = icmp.get(4..8).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes).filter(|_| kind == 2);
            let quote = match inner.protocol {
                58 if inner.payload.first() == Some(&128) => Quote::Echo(echo(inner.payload)?),
                17 => udp(inner.payload)?,
                _ => return None,
            };
            Some(Body::Error { kind, code, mtu, to: inner.to, quote })
        }
        _ => None,
    }
}

fn echo(icmp: &[u8]) -> Option<Echo<'_>> {
    Some(Echo { id: u16_at(icmp, 4)?, seq: u16_at(icmp, 6)?, payload: icmp.get(8..)? })
}

fn udp(packet: &[u8]) -> Option<Quote<'static>> {
    Some(Quote::Udp { source: u16_at(packet, 0)?, dest: u16_at(packet, 2)? })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

struct Ip<'a> {
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    protocol: u8,
    payload: &'a [u8],
}

/// The header of an IPv4 packet, also of a quoted one, which is shorter than it says.
fn ipv4(packet: &[u8]) -> Option<Ip<'_>> {
    let header = packet.get(..20)?;
    let len = usize::from(header[0] & 15) * 4;
    // A later fragment begins in the middle of the payload.
    let offset = u16_at(header, 6)? & 0x1fff;
    if header[0] >> 4 != 4 || len < 20 || offset != 0 {
        return None;
    }
    let address = |at: usize| <[u8; 4]>::try_from(header.get(at..at + 4)?).ok().map(|a| IpAddr::V4(Ipv4Addr::from(a)));
    Some(Ip { from: address(12)?, to: address(16)?, ttl: header[8], protocol: header[9], payload: packet.get(len..)? })
}

/// The header of a quoted IPv6 packet, with the extension headers that may stand before its payload.
fn ipv6(packet: &[u8]) -> Option<Ip<'_>> {
    let header = packet.get(..40)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let (mut protocol, mut payload) = (header[6], packet.get(40..)?);
    // Each extension header takes at least eight bytes, so this ends.
    loop {
        let skip = match protocol {
            0 | 43 | 60 => (usize::from(*payload.get(1)?) + 1) * 8,
            // A fragment that is not the first begins in the middle of the payload.
            44 if u16_at(payload, 2)? & 0xfff8 == 0 => 8,
            44 => return None,
            _ => break,
        };
        (protocol, payload) = (*payload.first()?, payload.get(skip..)?);
    }
    let address =
        |at: usize| <[u8; 16]>::try_from(header.get(at..at + 16)?).ok().map(|a| IpAddr::V6(Ipv6Addr::from(a)));
    Some(Ip { from: address(8)?, to: address(24)?, ttl: header[7], protocol, payload })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
