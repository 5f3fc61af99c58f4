//! Client and server by a simulated clock: what they say to each other, to silence, and to nonsense.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::client::{Client, Do, To, Who};
use super::field::{Field, Kind};
use super::lease::{FOR_EVER, Lease, Options, Route};
use super::message::{self, Draft, Heard};
use super::pool::Standing;
use super::server::{Config, Server};
use super::wire;
use crate::types::mac::Mac;

fn ip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

fn mac(n: u8) -> Mac {
    Mac::from_bytes(&[2, 0, 0, 0, 0, n]).unwrap()
}

fn who(n: u8) -> Who {
    Who { mac: mac(n), dev: "eth0".into(), hostname: Some("pupil".into()), client_id: None }
}

fn config() -> Config {
    Config {
        index: 1,
        dev: "s0".into(),
        mac: mac(1),
        address: ip(1),
        len: 24,
        pool: (ip(100), ip(102)),
        reservations: BTreeMap::from([(mac(9), ip(50)), (mac(8), ip(102))]),
        seconds: 100,
        options: Options {
            routers: vec![ip(1)],
            dns: vec![ip(53)],
            domain: Some("lab.test".into()),
            ..Options::default()
        },
        file: "leases".into(),
    }
}

/// As the other side hears it.
fn sent(draft: &Draft, from: Mac) -> Heard {
    message::read(&draft.bytes(), from).unwrap()
}

/// A client and a server on one wire.
struct Wire {
    client: Client,
    server: Server,
    now: u64,
    said: Vec<String>,
    /// To whom the client sent what, and when.
    log: Vec<(u64, Kind, To)>,
    noted: Option<Lease>,
    bound: Option<Lease>,
    lost: Option<String>,
    cut: bool,
}

impl Wire {
    fn new(n: u8) -> Self {
        Self {
            client: Client::new(who(n), 7, 0),
            server: Server::new(config()),
            now: 0,
            said: Vec::new(),
            log: Vec::new(),
            noted: None,
            bound: None,
            lost: None,
            cut: false,
        }
    }

    fn carry(&mut self, todo: Vec<Do>) {
        for step in todo {
            match step {
                Do::Say(line) => self.said.push(line),
                Do::Note(lease) => self.noted = Some(*lease),
                Do::Bound(lease) | Do::Renewed(lease) => self.bound = Some(*lease),
                Do::Lost(why) => self.lost = Some(why),
                Do::Probe(_) => {}
                Do::Send(draft, to) => {
                    let heard = sent(&draft, mac(2));
                    self.log.push((self.now, heard.kind, to));
                    if self.cut {
                        continue;
                    }
                    if let Some(answer) = self.server.hear(&heard, self.now) {
                        let todo = self.client.hear(&sent(&answer.draft, mac(1)), self.now);
                        self.carry(todo);
                    }
                }
            }
        }
    }

    /// Lets time go on until then, as far as the client has something to do.
    fn run_until(&mut self, until: u64) {
        while let Some(wakes) = self.client.wakes().filter(|wakes| *wakes <= until) {
            self.now = self.now.max(wakes);
            let todo = self.client.tick(self.now);
            self.carry(todo);
        }
        self.now = until;
    }
}

#[test]
fn a_lease_and_its_renewals() {
    let mut wire = Wire::new(2);
    wire.run_until(1000);
    let lease = wire.bound.clone().unwrap();
    assert_eq!((lease.address, lease.len, lease.server), (ip(100), 24, ip(1)));
    assert_eq!((lease.seconds, lease.t1, lease.t2, lease.since), (100, 50, 87, 0));
    assert_eq!(lease.resolv_conf().unwrap(), "search lab.test\nnameserver 10.0.0.53\n");
    assert_eq!(lease.routes(), [Route { dst: Ipv4Addr::UNSPECIFIED, len: 0, via: ip(1) }]);
    assert_eq!(
        wire.said,
        [
            "DHCPDISCOVER on eth0 to 255.255.255.255 port 67 interval 1",
            "DHCPOFFER of 10.0.0.100 from 10.0.0.1",
            "DHCPREQUEST for 10.0.0.100 on eth0 to 255.255.255.255 port 67",
            "DHCPACK of 10.0.0.100 from 10.0.0.1",
            "bound to 10.0.0.100 -- renewal in 50 seconds.",
        ]
    );
    wire.run_until(200_000);
    let renewed = wire.bound.clone().unwrap();
    assert_eq!((renewed.renewals, renewed.since), (4, 200_000));
    let server = To::Server { from: ip(100), ip: ip(1), mac: mac(1) };
    assert!(wire.log[2..].iter().all(|(_, kind, to)| (*kind, *to) == (Kind::Request, server)), "{:?}", wire.log);
    assert_eq!(wire.lost, None);
}

#[test]
fn nobody_answers() {
    let mut wire = Wire::new(2);
    wire.cut = true;
    wire.run_until(24_000);
    assert_eq!(wire.log.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [0, 1000, 3000, 7000, 15_000, 23_000]);
    assert!(wire.noted.is_none() && wire.bound.is_none());
}

#[test]
fn the_server_goes_away() {
    let mut wire = Wire::new(2);
    wire.run_until(1000);
    wire.cut = true;
    let asked = wire.log.len();
    wire.run_until(99_999);
    assert_eq!(wire.lost, None);
    let after = &wire.log[asked..];
    assert_eq!(after[0].0, 50_000, "T1");
    for (at, kind, to) in after {
        let expected = match at {
            ..87_000 => To::Server { from: ip(100), ip: ip(1), mac: mac(1) },
            _ => To::AllFrom(ip(100)),
        };
        assert_eq!((*kind, *to), (Kind::Request, expected), "at {at}");
    }
    assert!(after.iter().any(|(at, ..)| *at == 87_000), "T2: {after:?}");
    assert!(after.len() < 20, "{after:?}");
    wire.run_until(100_000);
    assert_eq!(wire.lost.as_deref(), Some("its time is over, and nobody renewed it"));
    // From then on it looks for a new one, and would have the same address.
    wire.run_until(104_000);
    assert_eq!(
        wire.log[wire.log.len() - 2..].iter().map(|(at, kind, _)| (*at, *kind)).collect::<Vec<_>>(),
        [(102_000, Kind::Discover), (104_000, Kind::Discover)]
    );
    wire.cut = false;
    wire.bound = None;
    wire.run_until(110_000);
    assert_eq!(wire.bound.unwrap().address, ip(100));
}

#[test]
fn it_comes_back_at_the_last_moment() {
    let mut wire = Wire::new(2);
    wire.run_until(1000);
    wire.cut = true;
    wire.run_until(95_000);
    wire.cut = false;
    wire.run_until(99_900);
    let lease = wire.bound.clone().unwrap();
    assert_eq!((wire.lost.clone(), lease.renewals), (None, 1));
    assert!((95_000..100_000).contains(&lease.since), "{lease:?}");
}

#[test]
fn refusals() {
    // The server lost its memory and gave the address to somebody else.
    let mut wire = Wire::new(2);
    wire.run_until(1000);
    wire.server = Server::new(config());
    let other = Draft::request(Kind::Request, 1, mac(3)).with(Field::RequestedAddress(ip(100)));
    wire.server.hear(&sent(&other, mac(3)), 2000).unwrap();
    wire.run_until(60_000);
    assert_eq!(wire.lost.as_deref(), Some("the server 10.0.0.1 says that it is not ours any more"));
    assert!(wire.said.contains(&"DHCPNAK from 10.0.0.1: address not available".into()), "{:?}", wire.said);

    // It takes its offer back: the client begins again, later.
    let mut client = Client::new(who(2), 7, 0);
    let discover = take_draft(client.tick(0));
    let mut server = Server::new(config());
    let offer = server.hear(&sent(&discover, mac(2)), 0).unwrap();
    let request = take_draft(client.hear(&sent(&offer.draft, mac(1)), 0));
    let nak = Draft::reply(Kind::Nak, &sent(&request, mac(2))).with(Field::ServerIdentifier(ip(1)));
    // One from another server is nothing to it.
    let foreign = Draft::reply(Kind::Nak, &sent(&request, mac(2))).with(Field::ServerIdentifier(ip(7)));
    assert!(client.hear(&sent(&foreign, mac(7)), 0).is_empty());
    assert!(matches!(client.hear(&sent(&nak, mac(1)), 0)[..], [Do::Say(_)]));
    assert_eq!(client.wakes(), Some(1000));
    assert_eq!(sent(&take_draft(client.tick(1000)), mac(2)).kind, Kind::Discover);
}

fn take_draft(todo: Vec<Do>) -> Draft {
    let draft = todo.into_iter().find_map(|step| if let Do::Send(draft, _) = step { Some(draft) } else { None });
    draft.expect("something is sent")
}

#[test]
fn somebody_else_has_the_address() {
    let mut wire = Wire::new(2);
    wire.run_until(50);
    assert!(wire.bound.is_none(), "the address is asked for first");
    let todo = wire.client.conflict(mac(66), 60);
    wire.now = 60;
    wire.carry(todo);
    assert_eq!(wire.log.last().map(|(_, kind, to)| (*kind, *to)), Some((Kind::Decline, To::All)));
    let declined = wire.server.pool().bindings();
    assert_eq!((declined[0].address, declined[0].state), (ip(100), Standing::Declined));
    wire.run_until(10_000);
    assert!(wire.bound.is_none(), "ten seconds of silence");
    wire.run_until(11_000);
    assert_eq!(wire.bound.unwrap().address, ip(101));
}

#[test]
fn what_is_not_for_it_changes_nothing() {
    let mut client = Client::new(who(2), 7, 0);
    let discover = sent(&take_draft(client.tick(0)), mac(2));
    let offer = Server::new(config()).hear(&discover, 0).unwrap();
    let good = sent(&offer.draft, mac(1));
    for wrong in [
        Heard { xid: good.xid + 1, ..good.clone() },
        Heard { mac: mac(3), ..good.clone() },
        Heard { is_reply: false, ..good.clone() },
        Heard { kind: Kind::Ack, ..good.clone() },
        Heard { kind: Kind::Nak, ..good.clone() },
    ] {
        assert!(client.hear(&wrong, 1).is_empty(), "{wrong:?}");
    }
    for (why, wrong) in [
        ("that is no address of a machine", Heard { yiaddr: Ipv4Addr::UNSPECIFIED, ..good.clone() }),
        ("that is no address of a machine", Heard { yiaddr: Ipv4Addr::new(224, 0, 0, 1), ..good.clone() }),
        ("that is no address of a machine", Heard { yiaddr: Ipv4Addr::LOCALHOST, ..good.clone() }),
        ("that is no address of a machine", Heard { yiaddr: Ipv4Addr::BROADCAST, ..good.clone() }),
        ("it does not say which server it is from", Heard { server: None, ..good.clone() }),
        ("it does not say for how long", Heard { seconds: None, ..good.clone() }),
        ("it does not say for how long", Heard { seconds: Some(0), ..good.clone() }),
        ("that is the server's own address", Heard { yiaddr: ip(1), ..good.clone() }),
        (
            "in a network of /24 that is the network itself or its broadcast address",
            Heard { yiaddr: ip(255), ..good.clone() },
        ),
        (
            "in a network of /0 that is the network itself or its broadcast address",
            Heard { len: Some(0), ..good.clone() },
        ),
    ] {
        let said = format!("an offer of {} is not taken: {why}", wrong.yiaddr);
        assert!(matches!(&client.hear(&wrong, 1)[..], [Do::Say(line)] if *line == said), "{said}");
    }
    // And after all that it takes a good one.
    assert!(matches!(client.hear(&good, 2)[..], [Do::Say(_), Do::Say(_), Do::Note(_), Do::Send(..)]));
}

#[test]
fn times_out_of_order_are_put_in_order() {
    for (seconds, t1, t2, expected) in [
        (100, Some(10), Some(20), (10, 20)),
        (100, Some(20), Some(10), (50, 87)),
        (100, Some(0), None, (50, 87)),
        (100, Some(90), None, (50, 87)),
        (100, None, Some(200), (50, 87)),
        (1, None, None, (1, 1)),
        (u32::MAX - 1, None, None, (2_147_483_647, 3_758_096_382)),
        (FOR_EVER, Some(1), Some(2), (FOR_EVER, FOR_EVER)),
    ] {
        let mut client = Client::new(who(2), 7, 0);
        let discover = sent(&take_draft(client.tick(0)), mac(2));
        let offer = Server::new(config()).hear(&discover, 0).unwrap();
        let heard = Heard { seconds: Some(seconds), t1, t2, ..sent(&offer.draft, mac(1)) };
        let request = client.hear(&heard, 0);
        let noted =
            request.iter().find_map(|step| if let Do::Note(lease) = step { Some(lease) } else { None }).unwrap();
        assert_eq!((noted.t1, noted.t2), expected, "{seconds} {t1:?} {t2:?}");
        client.hear(&Heard { kind: Kind::Ack, ..heard }, 0);
        // Whatever the times, it comes to an end or sleeps for ever; it never spins.
        let mut now = 0;
        for _ in 0..40 {
            let Some(wakes) = client.wakes() else { break };
            now = now.max(wakes);
            client.tick(now);
        }
        assert!(client.wakes().is_none_or(|wakes| wakes > 1000), "{seconds} {t1:?} {t2:?}");
    }
}

#[test]
fn whom_the_server_answers_and_what() {
    let mut server = Server::new(config());
    let request = |n: u8| Draft::request(Kind::Request, 1, mac(n));
    let mut ask = |draft: &Draft, n: u8, now: u64| {
        server
            .hear(&sent(draft, mac(n)), now)
            .map(|a| (sent(&a.draft, mac(1)).kind, sent(&a.draft, mac(1)).yiaddr, a.ip))
    };
    let discover = |n: u8| Draft::request(Kind::Discover, 1, mac(n));
    let nak = Some((Kind::Nak, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    let wants = |n: u8, last: u8| request(n).with(Field::RequestedAddress(ip(last)));

    let elsewhere = request(2).with(Field::RequestedAddress(Ipv4Addr::new(192, 168, 0, 5)));
    assert_eq!(ask(&elsewhere, 2, 0), nak, "another network");
    assert_eq!(ask(&wants(2, 99), 2, 0), nak, "outside of the pool");
    assert_eq!(ask(&wants(2, 1), 2, 0), nak, "its own address");
    assert_eq!(ask(&wants(2, 50), 2, 0), nak, "reserved for another");
    assert_eq!(ask(&wants(9, 100), 9, 0), nak, "it has a reservation, and asks for another address");
    assert_eq!(ask(&wants(9, 50), 9, 0), Some((Kind::Ack, ip(50), ip(50))), "outside of the pool, but reserved");
    assert_eq!(ask(&discover(8), 8, 0), Some((Kind::Offer, ip(102), ip(102))), "in the pool and reserved");
    assert_eq!(ask(&discover(2).with(Field::RequestedAddress(ip(101))), 2, 0).unwrap().1, ip(101), "as it asks");
    assert_eq!(ask(&discover(3), 3, 0).unwrap().1, ip(100));
    assert_eq!(ask(&discover(4), 4, 0), None, "all are offered");
    let other = wants(3, 100).with(Field::ServerIdentifier(ip(77)));
    assert_eq!(ask(&other, 3, 0), None, "it took another's offer");
    assert_eq!(ask(&discover(4), 4, 0).unwrap().1, ip(100), "so that one is free again");
    assert_eq!(ask(&wants(2, 101), 2, 0).unwrap().0, Kind::Ack);
    assert_eq!(ask(&request(2).ciaddr(ip(101)), 2, 50_000), Some((Kind::Ack, ip(101), ip(101))), "it renews");
    assert_eq!(ask(&request(3).ciaddr(ip(101)), 3, 60_000), nak, "another's address");
    assert_eq!(ask(&request(3).ciaddr(ip(101)), 3, 149_999), nak);
    assert_eq!(ask(&discover(3), 3, 149_999).unwrap().1, ip(100), "offers have run out");
    assert_eq!(ask(&request(3).ciaddr(ip(101)), 3, 150_000).unwrap().0, Kind::Ack, "the lease has run out");
    let release = |n: u8| Draft::request(Kind::Release, 1, mac(n)).ciaddr(ip(101));
    assert_eq!(ask(&release(2), 2, 150_001), None);
    assert_eq!(ask(&wants(2, 101), 2, 150_002), nak, "it was not its own to release");
    assert_eq!(ask(&release(3), 3, 150_003), None);
    assert_eq!(ask(&wants(2, 101), 2, 150_004).unwrap().0, Kind::Ack, "released");
    let decline = wants(3, 101);
    let decline = Draft::request(Kind::Decline, 1, mac(3))
        .with(Field::ServerIdentifier(ip(1)))
        .with_some(sent(&decline, mac(3)).requested.map(Field::RequestedAddress));
    assert_eq!(ask(&decline, 3, 150_005), None);
    assert_eq!(ask(&request(2).ciaddr(ip(101)), 2, 150_006).unwrap().0, Kind::Ack, "only its owner can decline it");
    let inform = Draft::request(Kind::Inform, 1, mac(5)).ciaddr(ip(7));
    assert_eq!(ask(&inform, 5, 150_007), Some((Kind::Ack, Ipv4Addr::UNSPECIFIED, ip(7))));

    let heard = sent(&discover(4), mac(4));
    for wrong in [
        Heard { giaddr: ip(9), ..heard.clone() },
        Heard { is_reply: true, ..heard.clone() },
        Heard { mac: Mac::BROADCAST, ..heard.clone() },
        Heard { kind: Kind::Offer, ..heard.clone() },
    ] {
        assert!(server.hear(&wrong, 150_008).is_none(), "{wrong:?}");
    }
    let deaf = server.hear(&Heard { broadcast: true, ..heard.clone() }, 150_009).unwrap();
    assert_eq!((deaf.mac, deaf.ip), (Mac::BROADCAST, Ipv4Addr::BROADCAST));
    let less = server.hear(&Heard { seconds: Some(5), ..heard.clone() }, 150_010).unwrap();
    assert_eq!(sent(&less.draft, mac(1)).seconds, Some(5));
    let more = server.hear(&Heard { seconds: Some(5000), ..heard }, 150_010).unwrap();
    assert_eq!(sent(&more.draft, mac(1)).seconds, Some(100));
}

#[test]
fn names_that_would_bring_a_line_along_are_left_out() {
    let ack = |option| {
        let heard = sent(&Draft::request(Kind::Request, 1, mac(2)), mac(2));
        sent(&Draft::reply(Kind::Ack, &heard).with(option), mac(1))
    };
    let domain = |text: &str| ack(Field::DomainName(text.into())).options.domain;
    assert_eq!(domain("Lab.Test.\0").as_deref(), Some("lab.test"));
    for bad in ["a b", "a\nnameserver 6.6.6.6", "", ".", "ä", &"a".repeat(254)] {
        assert_eq!(domain(bad), None, "{bad:?}");
    }
    let text = ack(Field::Message("no\x1b[2J\n".into())).text;
    assert_eq!(text.as_deref(), Some("no[2J"));
    let hosts = vec![ip(1), Ipv4Addr::UNSPECIFIED, ip(1), Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(255, 1, 1, 1)];
    assert_eq!(ack(Field::Router(hosts)).options.routers, [ip(1)]);
    assert_eq!(ack(Field::InterfaceMtu(68)).options.mtu, None);
    assert_eq!(ack(Field::SubnetMask(Ipv4Addr::new(255, 0, 255, 0))).len, None, "a mask with holes");
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut client = Client::new(who(2), 7, 0);
    let discover = take_draft(client.tick(0));
    let config = Config {
        options: Options {
            mtu: Some(1400),
            search: vec!["a.test".into(), "b.test".into()],
            routes: vec![Route { dst: Ipv4Addr::new(10, 9, 0, 0), len: 16, via: ip(2) }],
            ..config().options
        },
        ..config()
    };
    let mut server = Server::new(config.clone());
    let offer = server.hear(&sent(&discover, mac(2)), 0).unwrap().draft;
    let seeds = [discover.bytes(), offer.bytes()];
    let (mut read, mut answered) = (0, 0);
    for round in 0..60_000u64 {
        let mut bytes = if round % 8 == 0 {
            (0..dice.roll(700)).map(|_| dice.roll(256) as u8).collect()
        } else {
            seeds[dice.roll(2)].clone()
        };
        for _ in 0..dice.roll(6) {
            // The options are where the lengths are.
            let at = if dice.roll(3) == 0 {
                dice.roll(bytes.len())
            } else {
                240 + dice.roll(bytes.len().saturating_sub(240))
            };
            if let Some(byte) = bytes.get_mut(at) {
                *byte = [0, 1, 255, 121, 119, dice.roll(256) as u8][dice.roll(6)];
            }
        }
        if dice.roll(10) == 0 {
            bytes.truncate(dice.roll(bytes.len() + 1));
        }
        if let Some(heard) = message::read(&bytes, mac(1)) {
            read += 1;
            // In each state that the machines may be in by now.
            answered += server.hear(&heard, round).map_or(0, |a| 1.min(a.draft.bytes().len()));
            let mut client = Client::new(who(2), heard.xid.wrapping_sub(1), 0);
            client.tick(0);
            for kind in [Kind::Offer, Kind::Ack, Kind::Nak] {
                client.hear(&Heard { kind, is_reply: true, mac: mac(2), ..heard.clone() }, 1);
                client.tick(round);
            }
        }
        let end = |n| wire::End { mac: mac(n), ip: ip(n), port: 68 };
        let mut frame = wire::frame(end(1), end(2), &bytes);
        for _ in 0..dice.roll(4) {
            let at = dice.roll(42);
            frame[at] = dice.roll(256) as u8;
        }
        frame.truncate(dice.roll(frame.len() + 1));
        wire::parse(&frame, false);
        wire::arp_claim(&frame, mac(2), ip(2));
    }
    // Otherwise nothing was tried.
    assert!(read > 20_000 && answered > 1000, "{read} {answered}");
}
