//! DNS questions and answers as bytes (RFC 1035); the crate simple-dns reads and writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::diag::{Code, Diagnostic, Result};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    A,
    Aaaa,
}

impl Kind {
    fn qtype(self) -> QTYPE {
        QTYPE::TYPE(match self {
            Kind::A => TYPE::A,
            Kind::Aaaa => TYPE::AAAA,
        })
    }
}

/// What a packet from a server means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// It cannot be read, or answers another question: the real answer may still come.
    NotOurs,
    /// It was too long for UDP.
    Truncated,
    /// There is no such name.
    NoSuchName,
    /// The server does not say, in its own words.
    Failure(String),
    /// What is known of the name.
    Records {
        /// The names that it is an alias of, in order; the addresses belong to the last.
        aliases: Vec<String>,
        /// None, if there are none of the kind, or the server knows only the alias.
        addresses: Vec<IpAddr>,
    },
}

/// A question as bytes.
///
/// # Errors
/// `NL0102` for what cannot be a name.
pub(super) fn query(id: u16, name: &str, kind: Kind) -> Result<Vec<u8>> {
    let bad = || Diagnostic::new(Code::BadName, format!("`{name}` cannot be a name in the DNS"));
    let readable = name.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if !readable {
        return Err(bad().help("write other than plain letters in their `xn--` form"));
    }
    if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(bad().help("between the dots stand 1 to 63 characters"));
    }
    let qname = Name::new(name).map_err(|_| bad().help("a name has at most 253 characters"))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(qname, kind.qtype(), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(|_| bad())
}

/// Reads what a server sent. Id and question are compared, so that nobody can slip in the answer to something else.
pub(super) fn read(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Reply {
    let (Ok(packet), Ok(asked)) = (Packet::parse(bytes), Name::new(name)) else { return Reply::NotOurs };
    let [question] = packet.questions.as_slice() else { return Reply::NotOurs };
    let same = question.qname == asked
        && question.qtype == kind.qtype()
        && question.qclass == QCLASS::CLASS(CLASS::IN)
        && packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE);
    if !same {
        return Reply::NotOurs;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Reply::Truncated;
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Reply::NoSuchName,
        RCODE::ServerFailure => return Reply::Failure("server failure".into()),
        RCODE::FormatError => return Reply::Failure("format error".into()),
        RCODE::NotImplemented => return Reply::Failure("not implemented".into()),
        RCODE::Refused => return Reply::Failure("query refused".into()),
        other => return Reply::Failure(format!("{other:?}")),
    }
    let mut at = asked;
    let mut aliases = Vec::new();
    // At most one step for each record, so that aliases in a circle end.
    for _ in 0..packet.answers.len() {
        let next = packet.answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(target) if record.name == at => Some(target.0.clone()),
            _ => None,
        });
        let Some(next) = next else { break };
        aliases.push(next.to_string());
        at = next;
    }
    let addresses = packet.answers.iter().filter(|record| record.name == at);
    let addresses = addresses.filter_map(|record| match (&record.rdata, kind) {
        (RData::A(a), Kind::A) => Some(IpAddr::V4(Ipv4Addr::from(a.address))),
        (RData::AAAA(a), Kind::Aaaa) => Some(IpAddr::V6(Ipv6Addr::from(a.address))),
        _ => None,
    });
    Reply::Records { addresses: addresses.collect(), aliases }
}

#[cfg(test)]
mod tests {
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, CNAME};

    use super::*;

    /// `web.lab` is an alias of `srv.lab`, which has an address.
    fn answer() -> Vec<u8> {
        let mut packet = Packet::parse(&query(7, "web.lab", Kind::A).unwrap()).unwrap().into_owned_reply();
        let alias = RData::CNAME(CNAME(Name::new("srv.lab").unwrap()));
        let record = |name, rdata| ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, rdata);
        packet.answers.push(record("web.lab", alias));
        packet.answers.push(record("srv.lab", RData::A(A::from(Ipv4Addr::new(10, 0, 0, 2)))));
        packet.answers.push(record("evil.lab", RData::A(A::from(Ipv4Addr::new(6, 6, 6, 6)))));
        packet.build_bytes_vec_compressed().unwrap()
    }

    trait IntoOwnedReply {
        fn into_owned_reply(self) -> Packet<'static>;
    }

    impl IntoOwnedReply for Packet<'_> {
        fn into_owned_reply(self) -> Packet<'static> {
            let mut reply = Packet::new_reply(self.id());
            reply.questions = self.questions.into_iter().map(Question::into_owned).collect();
            reply
        }
    }

    #[test]
    fn an_answer_is_read_and_others_are_not_ours() {
        let bytes = answer();
        let address = "10.0.0.2".parse().unwrap();
        let records = Reply::Records { aliases: vec!["srv.lab".into()], addresses: vec![address] };
        assert_eq!(read(&bytes, 7, "web.lab", Kind::A), records);
        assert_eq!(read(&bytes, 7, "WEB.lab", Kind::A), records, "names have no case");
        assert_eq!(read(&bytes, 8, "web.lab", Kind::A), Reply::NotOurs, "another id");
        assert_eq!(read(&bytes, 7, "wib.lab", Kind::A), Reply::NotOurs, "another name");
        assert_eq!(read(&bytes, 7, "web.lab", Kind::Aaaa), Reply::NotOurs, "another type");
        let question = query(7, "web.lab", Kind::A).unwrap();
        assert_eq!(read(&question, 7, "web.lab", Kind::A), Reply::NotOurs, "no reply at all");
        let code = |code| {
            let mut bytes = answer();
            bytes[3] = bytes[3] & 0xf0 | code;
            read(&bytes, 7, "web.lab", Kind::A)
        };
        assert_eq!(code(3), Reply::NoSuchName);
        assert_eq!(code(2), Reply::Failure("server failure".into()));
        assert_eq!(code(5), Reply::Failure("query refused".into()));
        let mut cut = answer();
        cut[2] |= 2;
        assert_eq!(read(&cut, 7, "web.lab", Kind::A), Reply::Truncated);
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let mut packet = Packet::parse(&query(7, "a.lab", Kind::A).unwrap()).unwrap().into_owned_reply();
        for (name, target) in [("a.lab", "b.lab"), ("b.lab", "a.lab")] {
            let alias = RData::CNAME(CNAME(Name::new(target).unwrap()));
            packet.answers.push(ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, alias));
        }
        let Reply::Records { aliases, addresses } = read(&packet.build_bytes_vec().unwrap(), 7, "a.lab", Kind::A)
        else {
            panic!("no records")
        };
        assert!(addresses.is_empty() && aliases.len() == 2);
    }

    #[test]
    fn bad_names() {
        let help = |name: &str| query(1, name, Kind::A).unwrap_err().help.unwrap();
        assert_eq!(help("a..b"), "between the dots stand 1 to 63 characters");
        assert_eq!(help(""), "between the dots stand 1 to 63 characters");
        assert_eq!(help("bücher.test"), "write other than plain letters in their `xn--` form");
        assert_eq!(help(&["abcdefg"; 40].join(".")), "a name has at most 253 characters");
    }

    #[test]
    fn no_truncation_or_mutation_panics() {
        let good = answer();
        for len in 0..good.len() {
            assert_ne!(read(&good[..len], 7, "web.lab", Kind::A), read(&good, 7, "web.lab", Kind::A));
        }
        for at in 0..good.len() {
            // Every value, since a name may point anywhere, also to itself.
            for value in 0..=255 {
                let mut broken = good.clone();
                broken[at] = value;
                read(&broken, 7, "web.lab", Kind::A);
            }
        }
    }
}
