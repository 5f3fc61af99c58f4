//! In one network of three hops, each thing is broken in turn, and each two together: the first on the way is named, the
//! other is counted.

use super::common::sandbox::Sandbox;
use super::common::tell_all_on;
use super::shapes::ROUTERS;
use super::{built, why};
use serde_json::Value;

/// What is broken, how it is mended, the code and the place.
type Turn = (&'static str, &'static str, &'static str, &'static str);

/// In the order in which a packet meets them, there and back.
const TURNS: [Turn; 12] = [
    ("ip -n ns1 route del default", "ip -n ns1 route add default via 10.0.1.1", "NL0601", "ns1"),
    (
        "ip -n ns1 neigh replace 10.0.1.1 lladdr 02:00:00:00:00:77 dev e0 nud permanent",
        "ip -n ns1 neigh del 10.0.1.1 dev e0",
        "NL0617",
        "ns1",
    ),
    (
        "ip netns exec r1 sysctl -qw net.ipv4.ip_forward=0",
        "ip netns exec r1 sysctl -qw net.ipv4.ip_forward=1",
        "NL0603",
        "r1",
    ),
    ("ip -n r1 route del 10.0.3.0/24", "ip -n r1 route add 10.0.3.0/24 via 10.0.2.2", "NL0601", "r1"),
    (
        "ip netns exec r2 sysctl -qw net.ipv4.conf.e0.arp_ignore=8",
        "ip netns exec r2 sysctl -qw net.ipv4.conf.e0.arp_ignore=0",
        "NL0626",
        "r2",
    ),
    (
        "ip netns exec r2 sysctl -qw net.ipv4.ip_forward=0",
        "ip netns exec r2 sysctl -qw net.ipv4.ip_forward=1",
        "NL0603",
        "r2",
    ),
    ("ip -n r2 route add prohibit 10.0.3.20/32", "ip -n r2 route del prohibit 10.0.3.20/32", "NL0612", "r2"),
    (
        "ip netns exec ns3 sysctl -qw net.ipv4.conf.all.arp_ignore=8",
        "ip netns exec ns3 sysctl -qw net.ipv4.conf.all.arp_ignore=0",
        "NL0626",
        "ns3",
    ),
    (
        "ip netns exec ns3 sysctl -qw net.ipv4.icmp_echo_ignore_all=1",
        "ip netns exec ns3 sysctl -qw net.ipv4.icmp_echo_ignore_all=0",
        "NL0620",
        "ns3",
    ),
    ("ip -n ns3 route del default", "ip -n ns3 route add default via 10.0.3.1", "NL0604", "ns3"),
    ("ip -n r2 route del 10.0.1.0/24", "ip -n r2 route add 10.0.1.0/24 via 10.0.2.1", "NL0604", "r2"),
    ("ip -n r1 route add blackhole 10.0.1.10/32", "ip -n r1 route del blackhole 10.0.1.10/32", "NL0612", "r1"),
];

#[test]
fn the_first_is_named_and_the_other_counted() {
    tell_all_on(
        6,
        (0..TURNS.len()).collect(),
        |i| TURNS[*i].0.to_owned(),
        |first| {
            let Some(sandbox) = built(&ROUTERS) else { return };
            for second in first..TURNS.len() {
                turn(&sandbox, first, second);
            }
            let (code, said) = why(&sandbox, "ns1 ns3");
            assert_eq!(code, 0, "all is mended: {said:#}");
        },
    );
}

fn turn(sandbox: &Sandbox, first: usize, second: usize) {
    let (one, other) = (TURNS[first], TURNS[second]);
    let is_pair = first != second;
    // What was learned before would let packets through for a while.
    sandbox.sh(&format!(
        "{}\n{}\nip -all netns exec ip neigh flush all >/dev/null",
        one.0,
        if is_pair { other.0 } else { "" }
    ));
    let (code, said) = why(sandbox, "ns1 ns3");
    let told = |b: &Value| {
        (b["code"].as_str().unwrap_or_default().to_owned(), b["at"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        (code, told(&said["cause"])),
        (1, (one.2.to_owned(), one.3.to_owned())),
        "{} and {}: {said:#}",
        one.0,
        other.0
    );
    let more: Vec<_> = said["more"].as_array().unwrap().iter().map(told).collect();
    let wanted = if is_pair { vec![(other.2.to_owned(), other.3.to_owned())] } else { Vec::new() };
    assert_eq!(more, wanted, "{} and {}: {said:#}", one.0, other.0);
    sandbox.sh(&format!("{}\n{}", one.1, if is_pair { other.1 } else { "" }));
}
