//! Faults of links, bridges and neighbours, and of the one who should answer.

use super::fault::{Fault, fault};
use super::shapes::{GUEST, HOST, IPV6, LINE, MACVLAN, ROUTERS, STAR, VXLAN};

/// The faults.
pub(crate) const FAULTS: &[Fault] = &[
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
        &[
            "ip -n sw link set dev br0 type bridge stp_state 0",
            "bridge -n sw link set dev p1 state 3",
            "bridge -n sw link set dev p3 state 3",
        ],
    )
    .once(),
    fault(
        "port-disabled",
        STAR,
        "bridge -n sw link set dev p3 state 0",
        "NL0615",
        "br0",
        &["bridge -n sw link set dev p3 state 3"],
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
    fault(
        "routing-loop",
        ROUTERS,
        "ip -n r2 route add 10.0.3.20/32 via 10.0.2.1",
        "NL0624",
        "r2",
        &["ip -n r2 route del unicast 10.0.3.20"],
    ),
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
        "address-tentative",
        IPV6,
        "ip netns exec b sysctl -qw net.ipv6.conf.e0.accept_dad=1 net.ipv6.conf.e0.dad_transmits=60;
         ip -n b addr del fd00:2::2/64 dev e0; ip -n b addr add fd00:2::2/64 dev e0",
        "NL0629",
        "b",
        &[],
    ),
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
    fault("tunnel-wire-down", VXLAN, "ip -n t2 link set u0 down", "NL0605", "t2", &["ip -n t2 link set dev u0 up"]),
    fault(
        "tunnel-way-there",
        VXLAN,
        "ip -n t1 route add blackhole 192.168.9.2/32",
        "NL0612",
        "t1",
        &["ip -n t1 route del blackhole 192.168.9.2"],
    ),
    fault(
        "tunnel-way-back",
        VXLAN,
        "ip -n t2 route add prohibit 192.168.9.1/32",
        "NL0612",
        "t2",
        &["ip -n t2 route del prohibit 192.168.9.1"],
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
