//! One thing is broken: the cause has to be exactly that, and its fix, run as it was printed, has to mend it.

use super::common::{aloud, tell_all};
use super::shapes::{GUEST, HOST, IPV6, LINE, MACVLAN, ROUTERS, STAR, Shape, VXLAN};
use super::{built, ping, texts_of, why};

/// One fault.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    shape: Shape,
    /// How it is broken.
    hurt: &'static str,
    /// The code, and the namespace or bridge where it is.
    code: &'static str,
    at: &'static str,
    /// The commands that `why` has to print; empty where there is nothing to type.
    fix: &'static [&'static str],
    /// More arguments.
    args: &'static str,
    /// How much else is wrong.
    more: usize,
    /// Whether an answer may come all the same.
    answers: bool,
    /// Whether the statements are tried too: some need a program, whose changes no lab takes back.
    rhai: bool,
}

const fn fault(
    name: &'static str,
    shape: Shape,
    hurt: &'static str,
    code: &'static str,
    at: &'static str,
    fix: &'static [&'static str],
) -> Fault {
    Fault { name, shape, hurt, code, at, fix, args: "", more: 0, answers: false, rhai: true }
}

const FAULTS: &[Fault] = &[
    fault(
        "no-route",
        LINE,
        "ip -n ns1 route del default",
        "NL0601",
        "ns1",
        &["ip -n ns1 route add 10.0.2.0/24 via 10.0.1.1"],
    ),
    fault(
        "no-route-router",
        ROUTERS,
        "ip -n r1 route del 10.0.3.0/24",
        "NL0601",
        "r1",
        &["ip -n r1 route add 10.0.3.0/24 via 10.0.2.2"],
    ),
    fault(
        "no-route-host",
        HOST,
        "ip -n web route del default",
        "NL0601",
        "web",
        &["ip -n web route add 10.2.2.0/24 via 10.2.1.1"],
    ),
    fault("gateway-down", LINE, "ip -n ns2 link set e0 down", "NL0605", "ns2", &["ip -n ns2 link set dev e0 up"]),
    fault(
        "gateway-down-wire",
        ROUTERS,
        "ip -n r1 link set dev e0 down",
        "NL0605",
        "r1",
        &["ip -n r1 link set dev e0 up"],
    ),
    fault(
        "link-down",
        LINE,
        "ip -n ns1 link set e0 down",
        "NL0602",
        "ns1",
        &["ip -n ns1 link set dev e0 up", "ip -n ns1 route add 10.0.2.0/24 via 10.0.1.1"],
    ),
    fault("link-down-star", STAR, "ip -n h1 link set eth0 down", "NL0602", "h1", &["ip -n h1 link set dev eth0 up"]),
    fault(
        "link-down-router",
        ROUTERS,
        "ip -n r1 link set dev e1 down",
        "NL0602",
        "r1",
        &["ip -n r1 link set dev e1 up", "ip -n r1 route add 10.0.3.0/24 via 10.0.2.2"],
    ),
    fault("link-down-guest", GUEST, "ip link set v0 down", "NL0602", "host", &["ip link set dev v0 up"]),
    fault(
        "peer-down",
        LINE,
        "ip -n ns3 link set e0 down",
        "NL0605",
        "ns3",
        &["ip -n ns3 link set dev e0 up", "ip -n ns3 route add 10.0.1.0/24 via 10.0.2.1"],
    ),
    fault("peer-down-port", STAR, "ip -n sw link set p1 down", "NL0605", "sw", &["ip -n sw link set dev p1 up"]),
    fault("port-down", STAR, "ip -n sw link set p3 down", "NL0602", "sw", &["ip -n sw link set dev p3 up"]),
    fault("peer-down-far", STAR, "ip -n h3 link set eth0 down", "NL0605", "h3", &["ip -n h3 link set dev eth0 up"]),
    fault(
        "peer-down-guest",
        GUEST,
        "ip -n guest link set eth0 down",
        "NL0605",
        "guest",
        &["ip -n guest link set dev eth0 up"],
    ),
    fault("parent-down", MACVLAN, "ip link set par down", "NL0605", "host", &["ip link set dev par up"]),
    fault(
        "prefix-too-wide",
        LINE,
        "ip -n ns1 addr add 10.0.1.10/8 dev e0; ip -n ns1 addr del 10.0.1.10/24 dev e0",
        "NL0607",
        "ns1",
        &["ip -n ns1 addr add 10.0.1.10/24 dev e0", "ip -n ns1 addr del 10.0.1.10/8 dev e0"],
    ),
    fault(
        "prefix-too-narrow",
        LINE,
        "ip -n ns1 addr del 10.0.1.10/24 dev e0; ip -n ns1 addr add 10.0.1.10/32 dev e0",
        "NL0607",
        "ns1",
        &[
            "ip -n ns1 addr add 10.0.1.10/24 dev e0",
            "ip -n ns1 addr del 10.0.1.10/32 dev e0",
            "ip -n ns1 route add 10.0.2.0/24 via 10.0.1.1",
        ],
    ),
    fault(
        "prefix-missing",
        STAR,
        "ip -n h1 addr del 10.1.0.1/24 dev eth0; ip -n h1 addr add 10.1.0.1 dev eth0",
        "NL0607",
        "h1",
        &["ip -n h1 addr add 10.1.0.1/24 dev eth0", "ip -n h1 addr del 10.1.0.1/32 dev eth0"],
    ),
    fault(
        "prefix-missing-far",
        STAR,
        "ip -n h3 addr del 10.1.0.3/24 dev eth0; ip -n h3 addr add 10.1.0.3 dev eth0",
        "NL0607",
        "h3",
        &["ip -n h3 addr add 10.1.0.3/24 dev eth0", "ip -n h3 addr del 10.1.0.3/32 dev eth0"],
    ),
    fault(
        "prefix-too-wide-far",
        ROUTERS,
        "ip -n ns3 addr add 10.0.3.20/8 dev e0; ip -n ns3 addr del 10.0.3.20/24 dev e0",
        "NL0607",
        "ns3",
        &["ip -n ns3 addr add 10.0.3.20/24 dev e0", "ip -n ns3 addr del 10.0.3.20/8 dev e0"],
    ),
    fault(
        "no-return-route",
        LINE,
        "ip -n ns3 route del default",
        "NL0604",
        "ns3",
        &["ip -n ns3 route add 10.0.1.0/24 via 10.0.2.1"],
    ),
    fault(
        "no-return-route-router",
        ROUTERS,
        "ip -n r2 route del 10.0.1.0/24",
        "NL0604",
        "r2",
        &["ip -n r2 route add 10.0.1.0/24 via 10.0.2.1"],
    ),
    fault(
        "forwarding-off",
        LINE,
        "ip netns exec ns2 sysctl -qw net.ipv4.ip_forward=0",
        "NL0603",
        "ns2",
        &["ip netns exec ns2 sysctl -w net.ipv4.ip_forward=1"],
    ),
    fault(
        "forwarding-off-first",
        ROUTERS,
        "ip netns exec r1 sysctl -qw net.ipv4.ip_forward=0",
        "NL0603",
        "r1",
        &["ip netns exec r1 sysctl -w net.ipv4.ip_forward=1"],
    ),
    fault(
        "forwarding-off-second",
        ROUTERS,
        "ip netns exec r2 sysctl -qw net.ipv4.ip_forward=0",
        "NL0603",
        "r2",
        &["ip netns exec r2 sysctl -w net.ipv4.ip_forward=1"],
    ),
    fault(
        "forwarding-off-host",
        HOST,
        "sysctl -qw net.ipv4.ip_forward=0",
        "NL0603",
        "host",
        &["sysctl -w net.ipv4.ip_forward=1"],
    ),
    fault(
        "forwarding-off-link",
        ROUTERS,
        "ip netns exec r1 sysctl -qw net.ipv4.conf.e0.forwarding=0",
        "NL0603",
        "r1",
        &["ip netns exec r1 sysctl -w net.ipv4.conf.e0.forwarding=1"],
    ),
    fault(
        "forwarding-off-back",
        ROUTERS,
        "ip netns exec r2 sysctl -qw net.ipv4.conf.e1.forwarding=0",
        "NL0603",
        "r2",
        &["ip netns exec r2 sysctl -w net.ipv4.conf.e1.forwarding=1"],
    ),
    fault(
        "forwarding-off-ipv6",
        IPV6,
        "ip netns exec r sysctl -qw net.ipv6.conf.all.forwarding=0",
        "NL0603",
        "r",
        &["ip netns exec r sysctl -w net.ipv6.conf.all.forwarding=1"],
    ),
    fault(
        "no-route-ipv6",
        IPV6,
        "ip -n a route del default via fd00:1::1",
        "NL0601",
        "a",
        &["ip -n a route add fd00:2::/64 via fd00:1::1"],
    ),
    fault(
        "no-return-route-ipv6",
        IPV6,
        "ip -n b route del default via fd00:2::1",
        "NL0604",
        "b",
        &["ip -n b route add fd00:1::/64 via fd00:2::1"],
    ),
    fault(
        "blackhole-ipv6",
        IPV6,
        "ip -n r route add blackhole fd00:2::2/128",
        "NL0612",
        "r",
        &["ip -n r route del blackhole fd00:2::2"],
    ),
    fault(
        "wrong-gateway",
        LINE,
        "ip -n ns1 route replace default via 10.0.1.99",
        "NL0608",
        "ns1",
        &["ip -n ns1 route replace default via 10.0.1.1"],
    ),
    fault(
        "wrong-gateway-back",
        ROUTERS,
        "ip -n ns3 route replace default via 10.0.3.7",
        "NL0608",
        "ns3",
        &["ip -n ns3 route replace default via 10.0.3.1"],
    ),
    fault(
        "gateway-off-link",
        LINE,
        "ip -n ns1 route replace default via 192.168.99.1 dev e0 onlink",
        "NL0608",
        "ns1",
        &["ip -n ns1 route replace default via 10.0.1.1"],
    ),
    Fault {
        answers: true,
        ..fault(
            "duplicate-gateway",
            LINE,
            "ip -n ns4 addr add 10.0.1.1/24 dev e0",
            "NL0611",
            "ns2",
            &["ip -n ns4 addr del 10.0.1.1/24 dev e0", "ip -n ns1 neigh flush to 10.0.1.1 dev e0"],
        )
    },
    Fault {
        answers: true,
        args: "h3",
        ..fault(
            "duplicate-target",
            STAR,
            "ip -n h2 addr add 10.1.0.3/24 dev eth0",
            "NL0611",
            "h3",
            &["ip -n h2 addr del 10.1.0.3/24 dev eth0", "ip -n h1 neigh flush to 10.1.0.3 dev eth0"],
        )
    },
    Fault {
        answers: true,
        ..fault(
            "duplicate-source",
            STAR,
            "ip -n h2 addr add 10.1.0.1/24 dev eth0",
            "NL0611",
            "h1",
            &["ip -n h2 addr del 10.1.0.1/24 dev eth0", "ip -n h3 neigh flush to 10.1.0.1 dev eth0"],
        )
    },
    fault(
        "blackhole",
        LINE,
        "ip -n ns2 route add blackhole 10.0.2.20/32",
        "NL0612",
        "ns2",
        &["ip -n ns2 route del blackhole 10.0.2.20"],
    ),
    fault(
        "blackhole-source",
        LINE,
        "ip -n ns1 route add blackhole 10.0.2.0/24",
        "NL0612",
        "ns1",
        &["ip -n ns1 route del blackhole 10.0.2.0/24"],
    ),
    fault(
        "unreachable",
        ROUTERS,
        "ip -n r2 route add unreachable 10.0.3.20/32",
        "NL0612",
        "r2",
        &["ip -n r2 route del unreachable 10.0.3.20"],
    ),
    fault(
        "prohibit-back",
        LINE,
        "ip -n ns3 route add prohibit 10.0.1.0/24",
        "NL0612",
        "ns3",
        &["ip -n ns3 route del prohibit 10.0.1.0/24"],
    ),
    fault(
        "rule-prohibit",
        LINE,
        "ip -n ns2 rule add to 10.0.2.0/24 prohibit priority 77",
        "NL0612",
        "ns2",
        &["ip -n ns2 rule del priority 77"],
    ),
    fault("bridge-down", LINE, "ip link set lan down", "NL0613", "lan", &["ip link set dev lan up"]),
    fault("bridge-down-star", STAR, "ip -n sw link set br0 down", "NL0613", "br0", &["ip -n sw link set dev br0 up"]),
    fault("no-master", LINE, "ip link set veth2 nomaster", "NL0614", "host", &["ip link set dev veth2 master lan"]),
    fault(
        "no-master-source",
        STAR,
        "ip -n sw link set p1 nomaster",
        "NL0614",
        "sw",
        &["ip -n sw link set dev p1 master br0"],
    ),
    fault(
        "stp",
        STAR,
        "ip -n sw link set br0 down; ip -n sw link set br0 type bridge stp_state 1; ip -n sw link set br0 up",
        "NL0615",
        "br0",
        &["ip -n sw link set dev br0 type bridge stp_state 0"],
    ),
    fault(
        "port-disabled",
        STAR,
        "sleep 1.2; ip -n sw link set p3 type bridge_slave state 0",
        "NL0615",
        "br0",
        &["ip -n sw link set dev p3 type bridge_slave state 3"],
    ),
    fault(
        "isolated",
        STAR,
        "ip -n sw link set p1 type bridge_slave isolated on; ip -n sw link set p3 type bridge_slave isolated on",
        "NL0616",
        "br0",
        &["ip -n sw link set dev p3 type bridge_slave isolated off"],
    ),
    fault(
        "wrong-neighbour",
        LINE,
        "ip -n ns1 neigh replace 10.0.1.1 lladdr 02:00:00:00:00:99 dev e0 nud permanent",
        "NL0617",
        "ns1",
        &["ip -n ns1 neigh del 10.0.1.1 dev e0"],
    ),
    fault(
        "wrong-neighbour-back",
        STAR,
        "ip -n h3 neigh replace 10.1.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "NL0617",
        "h3",
        &["ip -n h3 neigh del 10.1.0.1 dev eth0"],
    ),
    Fault {
        more: 1,
        ..fault(
            "rp-filter-stray-route",
            LINE,
            "ip netns exec ns2 sysctl -qw net.ipv4.conf.e0.rp_filter=1; ip -n ns2 route add 10.0.1.10/32 dev e1",
            "NL0618",
            "ns2",
            &["ip -n ns2 route del unicast 10.0.1.10"],
        )
    },
    fault(
        "rp-filter",
        ROUTERS,
        SECOND_WAY,
        "NL0618",
        "r2",
        &["ip netns exec r2 sysctl -w net.ipv4.conf.e0.rp_filter=2"],
    ),
    fault(
        "martian",
        ROUTERS,
        "ip -n r2 addr add 10.0.1.10/32 dev lo",
        "NL0619",
        "r2",
        &["ip -n r2 addr del 10.0.1.10/32 dev lo"],
    ),
    fault(
        "echo-ignored",
        LINE,
        "ip netns exec ns3 sysctl -qw net.ipv4.icmp_echo_ignore_all=1",
        "NL0620",
        "ns3",
        &["ip netns exec ns3 sysctl -w net.ipv4.icmp_echo_ignore_all=0"],
    ),
    Fault {
        args: "10.0.2.20 --size 1400",
        ..fault(
            "mtu",
            LINE,
            "ip -n ns2 link set e1 mtu 1000",
            "NL0621",
            "ns2",
            &["ip -n ns2 link set dev e1 mtu 1500", "ip -n ns1 route flush cache"],
        )
    },
    Fault {
        args: "10.1.0.3 --size 1400",
        ..fault(
            "mtu-port",
            STAR,
            "ip -n sw link set p3 mtu 1000",
            "NL0621",
            "sw",
            &["ip -n sw link set dev p3 mtu 1500", "ip -n h1 route flush cache"],
        )
    },
    fault("loopback-down", LINE, "ip -n ns1 link set lo down", "NL0623", "ns1", &["ip -n ns1 link set dev lo up"])
        .ask("10.0.1.10"),
    fault("routing-loop", ROUTERS, "ip -n r2 route add 10.0.3.20/32 via 10.0.2.1", "NL0624", "r1", &[]),
    fault("arp-off", STAR, "ip -n h3 link set eth0 arp off", "NL0626", "h3", &["ip -n h3 link set dev eth0 arp on"])
        .no_rhai(),
    fault(
        "arp-ignored",
        STAR,
        "ip netns exec h3 sysctl -qw net.ipv4.conf.all.arp_ignore=8",
        "NL0626",
        "h3",
        &["ip netns exec h3 sysctl -w net.ipv4.conf.all.arp_ignore=0"],
    ),
    fault(
        "macvlan-private",
        MACVLAN,
        "ip netns exec m1 ip link set eth0 type macvlan mode private",
        "NL0627",
        "m1",
        &["ip netns exec m1 ip link set dev eth0 type macvlan mode bridge"],
    )
    .no_rhai(),
    fault("macvlan-parent", MACVLAN, "ip addr add 10.4.0.9/24 dev par", "NL0627", "m1", &[]).ask("10.4.0.9"),
    fault(
        "address-on-port",
        GUEST,
        "ip link add br0 type bridge; ip link set br0 up; ip link set v0 master br0",
        "NL0628",
        "host",
        &["ip addr del 10.3.0.1/24 dev v0", "ip addr add 10.3.0.1/24 dev br0"],
    ),
    fault(
        "address-missing",
        LINE,
        "ip -n ns3 addr del 10.0.2.20/24 dev e0",
        "NL0609",
        "",
        &["ip -n ns3 addr add 10.0.2.20/24 dev e0", "ip -n ns3 route add 10.0.1.0/24 via 10.0.2.1"],
    ),
    fault("address-nowhere", LINE, "true", "NL0609", "", &[]).ask("10.0.2.99"),
    fault("no-address", STAR, "ip -n h3 addr flush dev eth0", "NL0610", "h3", &[]).ask("h3"),
    fault(
        "no-carrier",
        GUEST,
        "ip link del v0; ip tuntap add v0 mode tap; ip addr add 10.3.0.1/24 dev v0; ip link set v0 up",
        "NL0606",
        "host",
        &[],
    ),
    fault(
        "apart",
        GUEST,
        "ip addr del 10.3.0.1/24 dev v0; ip link add x type veth peer name y; ip link set y up; ip link set x up; ip addr add 10.3.0.1/24 dev x",
        "NL0625",
        "",
        &[],
    ),
    fault("tunnel-end-down", VXLAN, "ip -n t2 link set vx0 down", "NL0602", "t2", &["ip -n t2 link set dev vx0 up"])
        .seen_as("NL0605"),
];

/// A second wire between the routers, by which r2 answers, while r1 sends by the first.
const SECOND_WAY: &str = "
ip -n r1 link add e2 type veth peer name e2 netns r2
ip -n r1 addr add 10.0.9.1/24 dev e2; ip -n r2 addr add 10.0.9.2/24 dev e2; ip -n r1 link set e2 up; ip -n r2 link set e2 up
ip netns exec r2 sysctl -qw net.ipv4.conf.e0.rp_filter=1
ip -n r2 route replace 10.0.1.0/24 via 10.0.9.1
";

impl Fault {
    const fn ask(self, args: &'static str) -> Self {
        Self { args, ..self }
    }

    const fn no_rhai(self) -> Self {
        Self { rhai: false, ..self }
    }

    const fn seen_as(self, code: &'static str) -> Self {
        Self { code, ..self }
    }
}

#[test]
fn each_is_named_and_its_fix_mends_it() {
    aloud(&format!("{} faults", FAULTS.len()));
    tell_all(FAULTS.to_vec(), |f| f.name.to_owned(), check);
}

fn check(fault: Fault) {
    let Some(sandbox) = built(&fault.shape) else { return };
    let to = fault.args.split_whitespace().next().unwrap_or(fault.shape.to);
    let question = format!("{} {}", fault.shape.from, if fault.args.is_empty() { fault.shape.to } else { fault.args });
    let size = fault.args.split_once("--size ").map_or_else(String::new, |(_, n)| format!("-M do -s {n}"));
    // A name is for netlab only.
    let addr = if to.contains(['.', ':']) { to } else { fault.shape.to };
    let arrives = || ping(&sandbox, fault.shape.from, addr, &size);
    sandbox.sh(&format!("set -e\n{}", fault.hurt));
    let (code, said) = why(&sandbox, &question);
    let cause = &said["cause"];
    assert_eq!((code, cause["code"].as_str()), (1, Some(fault.code)), "{said:#}");
    assert_eq!(cause["at"], fault.at, "{said:#}");
    let fix = texts_of(&cause["ip"]);
    assert_eq!(fix, fault.fix, "{said:#}");
    assert_eq!(said["more"].as_array().map(Vec::len), Some(fault.more), "what else is wrong: {said:#}");
    assert!(fault.answers || !arrives(), "it is not broken at all");
    if fix.is_empty() {
        return;
    }
    if fault.rhai {
        // The statements are a lab of their own, and are taken back.
        sandbox.write("/mnt/fix.rhai", &texts_of(&cause["fix"]).join("\n"));
        sandbox.netlab(&["run", "--quiet", "/mnt/fix.rhai"]).ends_with(0);
        assert!(arrives(), "the statements do not mend it: {said:#}");
        sandbox.netlab(&["down", "--quiet"]).ends_with(0);
        // What was learned meanwhile would hide that nobody says it any more.
        sandbox.sh("ip neigh flush all; ip -all netns exec ip neigh flush all >/dev/null");
        let (code, again) = why(&sandbox, &question);
        assert_eq!((code, again["cause"]["code"].as_str()), (1, Some(fault.code)), "after down: {again:#}");
    }
    for line in fix {
        sandbox.sh(line);
    }
    if fault.rhai || !fault.answers {
        assert!(arrives(), "the commands do not mend it: {said:#}");
        let (code, said) = why(&sandbox, &question);
        assert_eq!(code, 0, "afterwards: {said:#}");
    }
}
