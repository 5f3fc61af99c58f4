//! An ICMP error in words: who could not deliver what, and why.

use std::fmt;
use std::net::IpAddr;

/// An ICMP error that came back for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpError {
    /// Who sent it: a router, the destination, or this machine itself (then a neighbour did not answer).
    pub from: IpAddr,
    /// The number of the request, from 1.
    pub seq: u16,
    /// The ICMP type.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The MTU in bytes of the link that the packet was too big for.
    pub mtu: Option<u32>,
}

impl IcmpError {
    /// What it says: `destination host unreachable`, `fragmentation needed (mtu 1000)`.
    pub fn words(&self) -> String {
        let words = if self.from.is_ipv4() { words_v4(self.kind, self.code) } else { words_v6(self.kind, self.code) };
        match (words, self.mtu) {
            // A router older than RFC 1191 leaves the field zero.
            (Some(words), Some(mtu)) if mtu > 0 => format!("{words} (mtu {mtu})"),
            (Some(words), _) => words.to_string(),
            (None, _) => format!("ICMP type {} code {}", self.kind, self.code),
        }
    }

    /// Whether the packet's time to live ran out on its way, which is what a traceroute waits for.
    pub fn is_time_exceeded(&self) -> bool {
        (self.kind, self.code) == if self.from.is_ipv4() { (11, 0) } else { (3, 0) }
    }

    /// Whether nothing listens on a port of the destination.
    pub fn is_port_unreachable(&self) -> bool {
        (self.kind, self.code) == if self.from.is_ipv4() { (3, 3) } else { (1, 4) }
    }
}

impl fmt::Display for IcmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} says: {}", self.from, self.words())
    }
}

/// RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1.
fn words_v4(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (3, 0) => "destination network unreachable",
        (3, 1) => "destination host unreachable",
        (3, 2) => "destination protocol unreachable",
        (3, 3) => "destination port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 5) => "source route failed",
        (3, 6) => "destination network unknown",
        (3, 7) => "destination host unknown",
        (3, 8) => "source host isolated",
        (3, 9) => "destination network prohibited",
        (3, 10) => "destination host prohibited",
        (3, 11) => "destination network unreachable for this type of service",
        (3, 12) => "destination host unreachable for this type of service",
        (3, 13) => "packet filtered",
        (3, 14) => "precedence violation",
        (3, 15) => "precedence cutoff",
        (11, 0) => "time exceeded",
        (11, 1) => "fragment reassembly time exceeded",
        (12, _) => "bad IP header",
        _ => return None,
    })
}

/// RFC 4443, with the codes added by RFC 6550 and RFC 7112 left as numbers.
fn words_v6(kind: u8, code: u8) -> Option<&'static str> {
    Some(match (kind, code) {
        (1, 0) => "destination network unreachable",
        (1, 1) => "packet filtered",
        (1, 2) => "beyond the scope of the source address",
        (1, 3) => "destination host unreachable",
        (1, 4) => "destination port unreachable",
        (1, 5) => "source address failed the policy",
        (1, 6) => "destination rejected by a route",
        (2, _) => "packet too big",
        (3, 0) => "time exceeded",
        (3, 1) => "fragment reassembly time exceeded",
        (4, _) => "bad IPv6 header",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let say = |from: &str, kind, code, mtu| {
            IcmpError { from: from.parse().unwrap(), seq: 1, kind, code, mtu }.to_string()
        };
        assert_eq!(say("10.0.0.1", 3, 1, None), "10.0.0.1 says: destination host unreachable");
        assert_eq!(say("10.0.0.1", 3, 4, Some(1000)), "10.0.0.1 says: fragmentation needed (mtu 1000)");
        assert_eq!(say("10.0.0.1", 3, 4, Some(0)), "10.0.0.1 says: fragmentation needed");
        assert_eq!(say("10.0.0.1", 3, 99, None), "10.0.0.1 says: ICMP type 3 code 99");
        assert_eq!(say("fd00::1", 2, 0, Some(1280)), "fd00::1 says: packet too big (mtu 1280)");
        assert_eq!(say("fd00::1", 3, 0, None), "fd00::1 says: time exceeded");
    }
}
