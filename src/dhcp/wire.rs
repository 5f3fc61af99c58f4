//! Frames as bytes: UDP in IPv4 in Ethernet with its checksums, as a client sends it that has no address yet; and ARP.

use std::net::Ipv4Addr;

use crate::probe::wire::checksum;
use crate::types::mac::Mac;

/// The port that servers listen on.
pub const SERVER: u16 = 67;
/// The port that clients listen on.
pub const CLIENT: u16 = 68;
/// All stations.
pub const BROADCAST: Mac = Mac::BROADCAST;

const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// From or to whom a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The Ethernet address.
    pub mac: Mac,
    /// The IP address.
    pub ip: Ipv4Addr,
    /// The UDP port.
    pub port: u16,
}

/// A UDP datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub from: End,
    /// The receiver.
    pub to: End,
    /// The payload.
    pub payload: &'a [u8],
}

/// A datagram as a frame.
pub fn frame(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    // A DHCP message is far from 64 KiB.
    let length = |headers: usize| u16::try_from(headers + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(ETHERNET + IP + UDP + payload.len());
    frame.extend(to.mac.bytes());
    frame.extend(from.mac.bytes());
    frame.extend(ETHERTYPE_IP.to_be_bytes());
    // Version and length, low delay as other DHCP clients ask for, total length, no fragments, TTL 64.
    let mut ip = vec![0x45, 0x10];
    ip.extend(length(IP + UDP).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, PROTOCOL_UDP, 0, 0]);
    ip.extend(from.ip.octets());
    ip.extend(to.ip.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    let mut udp = Vec::with_capacity(UDP + payload.len());
    udp.extend(from.port.to_be_bytes());
    udp.extend(to.port.to_be_bytes());
    udp.extend(length(UDP).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let sum = match udp_checksum(from.ip, to.ip, &udp) {
        // A sum of 0 would mean that there is none (RFC 768).
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    frame.extend(udp);
    frame
}

/// Reads a frame; `None` for all that is no whole UDP datagram, or is broken. What another process of the same machine sends
/// has no UDP checksum yet, as no card has put it in: `summed` says whether there is one to look at.
pub fn parse(frame: &[u8], summed: bool) -> Option<Datagram<'_>> {
    let (to_mac, from_mac) = (Mac::from_bytes(frame.get(0..6)?)?, Mac::from_bytes(frame.get(6..12)?)?);
    if u16_at(frame, 12)? != ETHERTYPE_IP {
        return None;
    }
    let ip = frame.get(ETHERNET..)?;
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let total = usize::from(u16_at(ip, 2)?);
    // Ethernet pads short packets, so the IP header says where this one ends.
    let (head, ip) = (ip.get(..header)?, ip.get(..total)?);
    let is_fragment = u16_at(ip, 6)? & 0x3fff != 0;
    if ip.first()? >> 4 != 4 || header < IP || is_fragment || *ip.get(9)? != PROTOCOL_UDP || checksum(head) != 0 {
        return None;
    }
    let (from_ip, to_ip) = (ip_at(ip, 12)?, ip_at(ip, 16)?);
    let udp = ip.get(header..)?;
    let udp = udp.get(..usize::from(u16_at(udp, 4)?))?;
    let payload = udp.get(UDP..)?;
    if summed && u16_at(udp, 6)? != 0 && udp_checksum(from_ip, to_ip, udp) != 0 {
        return None;
    }
    Some(Datagram {
        from: End { mac: from_mac, ip: from_ip, port: u16_at(udp, 0)? },
        to: End { mac: to_mac, ip: to_ip, port: u16_at(udp, 2)? },
        payload,
    })
}

/// Asks who has an address, on behalf of nobody: so nobody notes it down (RFC 5227).
pub fn arp_probe(mac: Mac, ip: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(BROADCAST.bytes());
    frame.extend(mac.bytes());
    frame.extend(ETHERTYPE_ARP.to_be_bytes());
    // Ethernet and IPv4 addresses of 6 and 4 bytes; a request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.bytes());
    frame.extend([0; 4]);
    frame.extend([0; 6]);
    frame.extend(ip.octets());
    frame
}

/// Whoever says by ARP that it has an address, or is about to take it; `mac` is one's own.
pub fn arp_claim(frame: &[u8], mac: Mac, ip: Ipv4Addr) -> Option<Mac> {
    if u16_at(frame, 12)? != ETHERTYPE_ARP || frame.get(14..20)? != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    let sender = Mac::from_bytes(frame.get(22..28)?)?;
    let (from, wanted) = (ip_at(frame, 28)?, ip_at(frame, 38)?);
    let is_probe = u16_at(frame, 20)? == 1 && from.is_unspecified() && wanted == ip;
    (sender != mac && (from == ip || is_probe)).then_some(sender)
}

fn udp_checksum(from: Ipv4Addr, to: Ipv4Addr, udp: &[u8]) -> u16 {
    let mut all = Vec::with_capacity(12 + udp.len());
    all.extend(from.octets());
    all.extend(to.octets());
    all.extend([0, PROTOCOL_UDP]);
    all.extend(u16::try_from(udp.len()).unwrap_or(u16::MAX).to_be_bytes());
    all.extend(udp);
    checksum(&all)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn ip_at(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(n: u8, port: u16) -> End {
        End { mac: Mac::from_bytes(&[2, 0, 0, 0, 0, n]).unwrap(), ip: Ipv4Addr::new(10, 0, 0, n), port }
    }

    #[test]
    fn what_is_framed_is_read_again_and_what_is_broken_is_not() {
        let (from, to) = (end(1, CLIENT), end(2, SERVER));
        for payload in [&b""[..], b"x", b"hello", &[7; 301]] {
            let mut whole = frame(from, to, payload);
            let bare = whole.len();
            whole.resize(bare.max(60), 0);
            assert_eq!(parse(&whole, true), Some(Datagram { from, to, payload }));
            for cut in 0..bare {
                assert_eq!(parse(&whole[..cut], true), None);
            }
            for at in 14..bare {
                let mut broken = whole.clone();
                broken[at] ^= 0x40;
                assert_eq!(parse(&broken, true), None, "byte {at}");
            }
        }
        let mut unsummed = frame(from, to, b"hello");
        let at = 14 + 20 + 6;
        unsummed[at] ^= 1;
        assert!(parse(&unsummed, false).is_some());
    }

    #[test]
    fn who_has_an_address() {
        let (me, other) = (end(1, 0), end(2, 0));
        let probe = arp_probe(other.mac, me.ip);
        assert_eq!(arp_claim(&probe, me.mac, me.ip), Some(other.mac), "somebody else is about to take it");
        assert_eq!(arp_claim(&probe, other.mac, me.ip), None, "one's own probe");
        assert_eq!(arp_claim(&probe, me.mac, other.ip), None);
        let mut answer = probe.clone();
        answer[21] = 2;
        answer[28..32].copy_from_slice(&me.ip.octets());
        assert_eq!(arp_claim(&answer, me.mac, me.ip), Some(other.mac));
        for cut in 0..answer.len() {
            assert_eq!(arp_claim(&answer[..cut], me.mac, me.ip), None);
        }
    }
}
