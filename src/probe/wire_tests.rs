//! Packets built, taken apart, cut short and broken: nothing may panic, and nothing broken may count.

use super::*;

const MARK: Mark = Mark { id: 0x1234, token: *b"netlab!!" };

fn ipv4_packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 63, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 9, 9];
    packet.extend(payload);
    packet
}

fn ipv6_packet(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 63];
    packet.extend("fd00::1".parse::<Ipv6Addr>().unwrap().octets());
    packet.extend("fd00:9::9".parse::<Ipv6Addr>().unwrap().octets());
    packet.extend(payload);
    packet
}

/// An ICMPv4 message with a right checksum, in a packet.
fn icmp4(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut icmp = vec![kind, code, 0, 0];
    icmp.extend(rest);
    icmp.extend(payload);
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4_packet(1, &icmp)
}

fn read(family: Family, packet: &[u8]) -> Option<Incoming<'_>> {
    let from = "fd00::7".parse().unwrap();
    parse(family, packet, &Datagram { len: packet.len(), from, hop_limit: Some(60) })
}

/// One good packet of every kind.
fn samples() -> Vec<(Family, Vec<u8>)> {
    let request4 = ipv4_packet(1, &echo_request(Family::V4, MARK, 7, 20));
    let request6 = echo_request(Family::V6, MARK, 7, 20);
    let mut reply6 = request6.clone();
    reply6[0] = 129;
    let too_big = [vec![2, 0, 0, 0, 0, 0, 5, 0], ipv6_packet(58, &request6)].concat();
    let fragment = [vec![58, 0, 0, 1, 0, 0, 0, 9], request6.clone()].concat();
    let options = [vec![44, 0, 1, 4, 0, 0, 0, 0], fragment].concat();
    let extended = [vec![3, 0, 0, 0, 0, 0, 0, 0], ipv6_packet(0, &options)].concat();
    let udp = ipv4_packet(17, &[0x80, 0x01, 0x82, 0x9a, 0, 8, 0, 0]);
    vec![
        (Family::V4, icmp4(0, 0, [0x12, 0x34, 0, 7], b"netlab!!rest")),
        (Family::V4, icmp4(3, 4, [0, 0, 3, 0xe8], &request4)),
        (Family::V4, icmp4(11, 0, [0; 4], &request4[..28])),
        (Family::V4, icmp4(3, 3, [0; 4], &udp)),
        (Family::V6, reply6),
        (Family::V6, too_big),
        (Family::V6, extended),
    ]
}

#[test]
fn a_request_has_the_right_bytes() {
    let packet = echo_request(Family::V4, MARK, 0x0102, 10);
    assert_eq!(packet[..2], [8, 0]);
    assert_eq!(packet[4..], *b"\x12\x34\x01\x02netlab!!\x08\x09");
    assert_eq!(checksum(&packet), 0);
    // The example of RFC 1071, section 3.
    assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    assert_eq!(checksum(&[0xff]), 0x00ff);
    assert_eq!(echo_request(Family::V6, MARK, 1, 0), [128, 0, 0, 0, 0x12, 0x34, 0, 1]);
    assert_eq!(echo_request(Family::V4, MARK, 1, MAX_SIZE).len(), 65515);
}

#[test]
fn replies_and_errors_are_read() {
    let samples = samples();
    let read = |n: usize| read(samples[n].0, &samples[n].1).unwrap();
    let Body::Reply(reply) = read(0).body else { panic!("no reply") };
    assert_eq!((reply.id, reply.seq, read(0).ttl), (0x1234, 7, Some(63)));
    assert!(MARK.is_on(&reply));
    assert!(!Mark { token: *b"netlab!?", ..MARK }.is_on(&reply));
    assert!(!Mark { id: 1, ..MARK }.is_on(&reply));

    let Body::Error { mtu, to, quote: Quote::Echo(echo), .. } = read(1).body else { panic!("no error") };
    assert_eq!((mtu, to, echo.seq), (Some(1000), "10.0.9.9".parse().unwrap(), 7));
    // The shortest quote that the RFC allows has no payload, and is ours all the same.
    let Body::Error { kind: 11, mtu: None, quote: Quote::Echo(echo), .. } = read(2).body else { panic!("no error") };
    assert!(echo.payload.is_empty() && MARK.is_on(&echo));
    let Body::Error { quote, .. } = read(3).body else { panic!("no error") };
    assert_eq!(quote, Quote::Udp { source: 0x8001, dest: 33434 });

    let Body::Reply(reply) = read(4).body else { panic!("no reply") };
    assert!(MARK.is_on(&reply) && read(4).ttl == Some(60));
    let Body::Error { mtu, to, .. } = read(5).body else { panic!("no error") };
    assert_eq!((mtu, to), (Some(1280), "fd00:9::9".parse().unwrap()));
    let Body::Error { kind: 3, quote: Quote::Echo(echo), .. } = read(6).body else { panic!("no error") };
    assert!(MARK.is_on(&echo));
}

#[test]
fn a_broken_packet_is_nothing() {
    let mut bad = samples()[0].1.clone();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(read(Family::V4, &bad), None, "wrong checksum");
    assert_eq!(read(Family::V4, &icmp4(8, 0, [0; 4], b"a request")), None);
    assert_eq!(read(Family::V4, &icmp4(5, 0, [0; 4], b"a redirect")), None);
    let tcp = ipv4_packet(6, &[0; 8]);
    assert_eq!(read(Family::V4, &icmp4(3, 1, [0; 4], &tcp)), None, "an error about somebody's TCP");
    let later = [vec![58, 0, 0, 8, 0, 0, 0, 9], echo_request(Family::V6, MARK, 7, 20)].concat();
    let about_later = [vec![3, 0, 0, 0, 0, 0, 0, 0], ipv6_packet(44, &later)].concat();
    assert_eq!(read(Family::V6, &about_later), None, "a later fragment");
    // A length that the packet does not have.
    let good = &samples()[0].1;
    let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(parse(Family::V4, good, &Datagram { len: good.len() + 1, from, hop_limit: None }), None);
}

#[test]
fn no_truncation_or_mutation_panics() {
    let mut read_ones = 0;
    for (_, packet) in samples() {
        for family in [Family::V4, Family::V6] {
            for len in 0..=packet.len() {
                read_ones += usize::from(read(family, &packet[..len]).is_some());
            }
            for at in 0..packet.len() {
                for value in [0, 1, 0x0f, 0x40, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xff] {
                    let mut broken = packet.clone();
                    broken[at] = value;
                    read_ones += usize::from(read(family, &broken).is_some());
                }
            }
        }
    }
    assert!(read_ones > 7, "the good ones at least");
}
