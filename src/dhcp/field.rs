//! The options of DHCP messages (RFC 2132, 3397, 3442) as values and as bytes.
//!
//! Read here and not by a package: the one that is most used, dhcproto 0.15, ends the program on an address of the wrong
//! length, leaves out all that follows an option it cannot read, and brings along 36 packages for the names in one option.

use std::net::Ipv4Addr;

use super::lease::Route;

/// What a message is (RFC 2132, 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The words of RFC 2131.
pub enum Kind {
    Discover = 1,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
    Inform,
}

impl Kind {
    const ALL: [Kind; 8] =
        [Kind::Discover, Kind::Offer, Kind::Request, Kind::Decline, Kind::Ack, Kind::Nak, Kind::Release, Kind::Inform];
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // The names of the RFCs.
pub enum Field {
    SubnetMask(Ipv4Addr),
    Router(Vec<Ipv4Addr>),
    DomainNameServer(Vec<Ipv4Addr>),
    Hostname(String),
    DomainName(String),
    InterfaceMtu(u16),
    BroadcastAddress(Ipv4Addr),
    RequestedAddress(Ipv4Addr),
    LeaseTime(u32),
    /// Which other parts of the message hold options: 1 the file's name, 2 the server's, 3 both.
    Overload(u8),
    MessageType(Kind),
    ServerIdentifier(Ipv4Addr),
    ParameterRequestList(Vec<u8>),
    Message(String),
    MaxMessageSize(u16),
    RenewalTime(u32),
    RebindingTime(u32),
    ClientIdentifier(Vec<u8>),
    DomainSearch(Vec<String>),
    ClasslessRoutes(Vec<Route>),
}

/// What a client asks for: of these the classless routes come before the router (RFC 3442).
pub const WANTED: [u8; 11] = [1, 121, 3, 6, 15, 119, 26, 51, 54, 58, 59];

const PAD: u8 = 0;
const END: u8 = 255;

impl Field {
    /// The option's number and its value in bytes.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        let ips = |all: &[Ipv4Addr]| all.iter().flat_map(Ipv4Addr::octets).collect::<Vec<u8>>();
        match self {
            Field::SubnetMask(ip) => (1, ips(&[*ip])),
            Field::Router(all) => (3, ips(all)),
            Field::DomainNameServer(all) => (6, ips(all)),
            Field::Hostname(text) => (12, text.as_bytes().to_vec()),
            Field::DomainName(text) => (15, text.as_bytes().to_vec()),
            Field::InterfaceMtu(n) => (26, n.to_be_bytes().to_vec()),
            Field::BroadcastAddress(ip) => (28, ips(&[*ip])),
            Field::RequestedAddress(ip) => (50, ips(&[*ip])),
            Field::LeaseTime(n) => (51, n.to_be_bytes().to_vec()),
            Field::Overload(n) => (52, vec![*n]),
            Field::MessageType(kind) => (53, vec![*kind as u8]),
            Field::ServerIdentifier(ip) => (54, ips(&[*ip])),
            Field::ParameterRequestList(codes) => (55, codes.clone()),
            Field::Message(text) => (56, text.as_bytes().to_vec()),
            Field::MaxMessageSize(n) => (57, n.to_be_bytes().to_vec()),
            Field::RenewalTime(n) => (58, n.to_be_bytes().to_vec()),
            Field::RebindingTime(n) => (59, n.to_be_bytes().to_vec()),
            Field::ClientIdentifier(id) => (61, id.clone()),
            Field::DomainSearch(all) => (119, all.iter().flat_map(|name| encode_name(name)).collect()),
            Field::ClasslessRoutes(all) => (121, all.iter().flat_map(encode_route).collect()),
        }
    }

    /// Reads an option; `None` for one that is not known or not whole.
    pub fn decode(code: u8, value: &[u8]) -> Option<Self> {
        let text = || String::from_utf8_lossy(value).into_owned();
        let number = || Some(u32::from_be_bytes(value.try_into().ok()?));
        let short = || Some(u16::from_be_bytes(value.try_into().ok()?));
        let ip = || number().map(Ipv4Addr::from);
        let ips = || {
            let is_whole = !value.is_empty() && value.len().is_multiple_of(4);
            is_whole.then(|| value.chunks(4).map(|c| Ipv4Addr::new(c[0], c[1], c[2], c[3])).collect())
        };
        Some(match code {
            1 => Field::SubnetMask(ip()?),
            3 => Field::Router(ips()?),
            6 => Field::DomainNameServer(ips()?),
            12 => Field::Hostname(text()),
            15 => Field::DomainName(text()),
            26 => Field::InterfaceMtu(short()?),
            28 => Field::BroadcastAddress(ip()?),
            50 => Field::RequestedAddress(ip()?),
            51 => Field::LeaseTime(number()?),
            52 => Field::Overload(*value.first()?),
            53 => match value {
                [kind] => Field::MessageType(*Kind::ALL.iter().find(|k| **k as u8 == *kind)?),
                _ => return None,
            },
            54 => Field::ServerIdentifier(ip()?),
            55 => Field::ParameterRequestList(value.to_vec()),
            56 => Field::Message(text()),
            57 => Field::MaxMessageSize(short()?),
            58 => Field::RenewalTime(number()?),
            59 => Field::RebindingTime(number()?),
            61 => Field::ClientIdentifier(value.to_vec()),
            119 => Field::DomainSearch(decode_names(value)?),
            121 => Field::ClasslessRoutes(decode_routes(value)?),
            _ => return None,
        })
    }
}

/// Options one after the other, as far as they are whole, each once: the parts of one that is in several are put together
/// (RFC 3396).
pub fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all: Vec<(u8, Vec<u8>)> = Vec::new();
    while let Some((&code, rest)) = bytes.split_first() {
        match code {
            PAD => bytes = rest,
            END => break,
            _ => {
                let Some((&length, rest)) = rest.split_first() else { break };
                let Some(value) = rest.get(..usize::from(length)) else { break };
                match all.iter_mut().find(|(c, _)| *c == code) {
                    Some((_, before)) => before.extend(value),
                    None => all.push((code, value.to_vec())),
                }
                bytes = &rest[usize::from(length)..];
            }
        }
    }
    all
}

/// The same as bytes, with their end.
pub fn join(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, value) in fields.iter().map(Field::encode) {
        for part in value.chunks(255) {
            bytes.extend([code, part.len() as u8]);
            bytes.extend(part);
        }
    }
    bytes.push(END);
    bytes
}

fn encode_route(route: &Route) -> Vec<u8> {
    let mut bytes = vec![route.len];
    bytes.extend(&route.dst.octets()[..usize::from(route.len.min(32)).div_ceil(8)]);
    bytes.extend(route.via.octets());
    bytes
}

fn decode_routes(mut bytes: &[u8]) -> Option<Vec<Route>> {
    let mut all = Vec::new();
    while let Some((&len, rest)) = bytes.split_first() {
        let significant = usize::from(len).div_ceil(8);
        let (dst, via) = (rest.get(..significant)?, rest.get(significant..significant + 4)?);
        if len > 32 {
            return None;
        }
        let mut octets = [0; 4];
        octets[..significant].copy_from_slice(dst);
        let host = u32::MAX.checked_shr(len.into()).unwrap_or(0);
        let dst = Ipv4Addr::from(u32::from_be_bytes(octets) & !host);
        all.push(Route { dst, len, via: Ipv4Addr::new(via[0], via[1], via[2], via[3]) });
        bytes = &rest[significant + 4..];
    }
    Some(all)
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A label of 64 bytes or more would be taken for something else.
    for label in name.split('.').filter(|label| (1..64).contains(&label.len())) {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Names as in DNS, where the end of one may be that of an earlier one (RFC 1035, 4.1.4).
fn decode_names(bytes: &[u8]) -> Option<Vec<String>> {
    let (mut names, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (mut labels, mut here, mut after, mut is_whole) = (Vec::new(), at, None, false);
        // No name has more labels; and one that points to itself has no end.
        for _ in 0..=128 {
            match *bytes.get(here)? {
                0 => {
                    after.get_or_insert(here + 1);
                    is_whole = true;
                    break;
                }
                length @ 1..64 => {
                    let end = here + 1 + usize::from(length);
                    labels.push(String::from_utf8_lossy(bytes.get(here + 1..end)?).into_owned());
                    here = end;
                }
                high @ 0xc0.. => {
                    after.get_or_insert(here + 2);
                    here = usize::from(high & 0x3f) << 8 | usize::from(*bytes.get(here + 1)?);
                }
                _ => return None,
            }
        }
        names.push(labels.join("."));
        at = after.filter(|_| is_whole)?;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let routes = [(0, [0, 0, 0, 0]), (8, [10, 0, 0, 0]), (17, [10, 1, 128, 0]), (32, [10, 1, 2, 3])]
            .map(|(len, dst)| Route { dst: Ipv4Addr::from(dst), len, via: ip });
        let all = [
            Field::MessageType(Kind::Offer),
            Field::Router(vec![ip, Ipv4Addr::BROADCAST]),
            Field::LeaseTime(u32::MAX),
            Field::InterfaceMtu(1400),
            Field::ClientIdentifier((0..=255).chain(0..=255).collect()),
            Field::DomainSearch(vec!["a.test".into(), "b.c.test".into()]),
            Field::ClasslessRoutes(routes.to_vec()),
        ];
        let read: Vec<Field> =
            split(&join(&all)).iter().filter_map(|(code, value)| Field::decode(*code, value)).collect();
        assert_eq!(read, all);
    }

    #[test]
    fn names_that_share_their_ends() {
        // The example of RFC 3397.
        let bytes = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        assert_eq!(decode_names(bytes).unwrap(), ["eng.apple.com", "marketing.apple.com"]);
        for bad in [&b"\x03en"[..], b"\xc0\x00", b"\x01a\xc0\x00", b"\xc0\x09", b"\x40", b"\x01a"] {
            assert_eq!(decode_names(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn one_that_is_not_whole_is_left_out_and_the_rest_is_read() {
        let bytes = [3, 3, 10, 0, 0, 0, 0, 121, 2, 33, 1, 26, 2, 5, 120, 51, 200, 1];
        let read: Vec<Field> = split(&bytes).iter().filter_map(|(code, value)| Field::decode(*code, value)).collect();
        assert_eq!(read, [Field::InterfaceMtu(1400)]);
    }
}
