//! Name lookup against a small name server in another namespace, which also misbehaves.
#![allow(missing_docs, clippy::unwrap_used)] // An unwrap in the helpers of a test is a failed test, too.

#[path = "probe_lab/mod.rs"]
mod lab;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use lab::{Lab, WIRE};
use netlab::probe::{Hosts, Lookup, LookupSockets, Outcome, Patience, ResolvConf, Want};
use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The answer to a query, as the name in it demands.
fn answer(query: &[u8], by_tcp: bool) -> Vec<Vec<u8>> {
    let query = Packet::parse(query).unwrap();
    let question = query.questions[0].clone().into_owned();
    let (name, kind) = (question.qname.to_string(), question.qtype);
    let mut reply = Packet::new_reply(query.id());
    reply.questions.push(question);
    let record = |name, rdata| ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, rdata);
    let v4 = |n| RData::A(A::from(Ipv4Addr::new(10, 0, 0, n)));
    match (name.as_str(), kind) {
        ("web.lab.test" | "garbage.lab.test", QTYPE::TYPE(TYPE::A)) => {
            reply.answers.push(record("web.lab.test", v4(2)))
        }
        ("web.lab.test", QTYPE::TYPE(TYPE::AAAA)) => {
            let address = RData::AAAA(AAAA::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)));
            reply.answers.push(record("web.lab.test", address));
        }
        ("old.lab.test", _) => {
            let alias = RData::CNAME(CNAME(Name::new("web.lab.test").unwrap()));
            reply.answers.push(record("old.lab.test", alias));
        }
        ("circle.lab.test", _) => {
            let alias = RData::CNAME(CNAME(Name::new("circle.lab.test").unwrap()));
            reply.answers.push(record("circle.lab.test", alias));
        }
        ("big.lab.test", QTYPE::TYPE(TYPE::A)) if by_tcp => {
            reply.answers.extend((1..=100).map(|n| record("big.lab.test", v4(n))));
        }
        ("big.lab.test", _) => reply.set_flags(PacketFlag::TRUNCATION),
        ("mail.lab.test", _) => {}
        ("silent.lab.test", _) => return Vec::new(),
        ("broken.lab.test", _) => *reply.rcode_mut() = RCODE::ServerFailure,
        _ => *reply.rcode_mut() = RCODE::NameError,
    }
    let good = reply.build_bytes_vec_compressed().unwrap();
    if name != "garbage.lab.test" {
        return vec![good];
    }
    // Noise, half an answer, the answer to another id and to another name; at last the true one.
    let mut true_one = reply.clone();
    true_one.answers.clear();
    true_one.answers.extend((kind == QTYPE::TYPE(TYPE::A)).then(|| record("garbage.lab.test", v4(3))));
    let mut other_id = reply.clone();
    other_id.set_id(query.id() ^ 1);
    let mut other_name = reply.clone();
    other_name.questions = vec![Question { qname: Name::new("web.lab.test").unwrap(), ..reply.questions[0].clone() }];
    let [other_id, other_name, true_one] = [other_id, other_name, true_one].map(|p| p.build_bytes_vec().unwrap());
    vec![b"noise".to_vec(), good[..20].to_vec(), other_id, other_name, vec![0xc0; 600], true_one]
}

/// Serves on both addresses of b until the test process ends; a thread in a namespace that is gone harms nobody.
fn serve(lab: &Lab) {
    for addr in ["10.0.0.2", "fd00::2"] {
        let (udp, tcp) =
            lab.inside("b", || (UdpSocket::bind((ip(addr), 53)).unwrap(), TcpListener::bind((ip(addr), 53)).unwrap()));
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((n, from)) = udp.recv_from(&mut buffer) {
                answer(&buffer[..n], false).iter().for_each(|a| drop(udp.send_to(a, from)));
            }
        });
        std::thread::spawn(move || {
            for mut client in tcp.incoming().flatten() {
                let mut len = [0; 2];
                client.read_exact(&mut len).unwrap();
                let mut query = vec![0; u16::from_be_bytes(len).into()];
                client.read_exact(&mut query).unwrap();
                let answer = &answer(&query, true)[0];
                // In two pieces, so that the length is cut in the middle.
                let framed = [&(answer.len() as u16).to_be_bytes(), answer.as_slice()].concat();
                client.write_all(&framed[..1]).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
                client.write_all(&framed[1..]).unwrap();
            }
        });
    }
}

fn lookup(lab: &Lab, conf: &str, name: &str, want: Want) -> Lookup {
    let sockets = lab.inside("a", || LookupSockets::open(ResolvConf::parse(conf))).unwrap();
    let hosts = Hosts::parse("10.0.0.99 router router.lab.test\n");
    sockets.run(name, &hosts, want, &Patience::endless()).unwrap()
}

#[test]
fn names_are_looked_up() {
    let Some(mut lab) = Lab::new(WIRE) else { return };
    lab.settle("a", &["10.0.0.2", "fd00::2"]);
    serve(&lab);
    let both = [ip("10.0.0.2"), ip("fd00::2")];
    for server in ["10.0.0.2", "fd00::2"] {
        let conf = format!("nameserver {server}\nsearch corp.test lab.test\noptions timeout:1 attempts:1\n");
        let ask = |name: &str| lookup(&lab, &conf, name, Want::Both);

        let web = ask("web.lab.test");
        assert_eq!((web.addresses.as_slice(), web.server), (&both[..], Some(ip(server))), "{web:?}");
        assert_eq!(lookup(&lab, &conf, "web.lab.test", Want::V6).addresses, both[1..]);
        let short = ask("web");
        assert_eq!(
            (short.addresses.as_slice(), short.tried.as_slice()),
            (&both[..], &["web.corp.test".to_string(), "web.lab.test".into()][..])
        );
        let alias = ask("old.lab.test");
        assert_eq!(
            (alias.addresses.as_slice(), alias.aliases.as_slice()),
            (&both[..], &["web.lab.test".to_string()][..])
        );
        assert_eq!(ask("circle.lab.test.").outcome, Outcome::NoAddress);
        assert_eq!(ask("garbage.lab.test").addresses, [ip("10.0.0.3")]);
        // Twice, since the one TCP socket is used again.
        for _ in 0..2 {
            assert_eq!(lookup(&lab, &conf, "big.lab.test", Want::V4).addresses.len(), 100);
        }
        assert_eq!(lookup(&lab, &conf, "big.lab.test", Want::Both).addresses.len(), 100);

        assert_eq!(ask("router").addresses, [ip("10.0.0.99")], "the hosts file comes first");
        assert_eq!(ask("10.1.2.3").addresses, [ip("10.1.2.3")], "an address is its own answer");
        let why = |name: &str| ask(name).why().unwrap();
        assert_eq!(
            why("nope"),
            format!("{server} says that there is no name `nope` (tried nope.corp.test, nope.lab.test, nope)")
        );
        assert_eq!(why("mail.lab.test."), format!("{server} has no such address for `mail.lab.test.`"));
        assert_eq!(why("broken.lab.test"), format!("{server} says: server failure"));
        assert_eq!(why("silent.lab.test"), "no name server answers about `silent.lab.test` in 1 s");
    }
    // A server that is not there is passed over.
    let conf = "nameserver 10.0.0.1\nnameserver 10.9.9.9\nnameserver 10.0.0.2\n";
    assert_eq!(lookup(&lab, conf, "web.lab.test", Want::V4).addresses, both[..1]);
    let nobody = lookup(&lab, "nameserver 10.0.0.1\n", "web.lab.test", Want::V4);
    assert_eq!(nobody.why().unwrap(), "no name server listens on 10.0.0.1");
    lab.sh("ip -n a route flush dev eth0");
    let no_route = lookup(&lab, "nameserver 10.0.0.2\n", "web.lab.test", Want::V4);
    assert_eq!(no_route.why().unwrap(), "network is unreachable: no route to 10.0.0.2");
}
