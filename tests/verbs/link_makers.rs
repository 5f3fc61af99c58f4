//! Makers of links: veth in all its forms, ports, bridges, VXLAN, macvlan, macvtap, ifb, tun, tap.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn veth() {
    run_cases(VETH);
}

const VETH: &[Case] = &[
    case(
        "two ports in two namespaces",
        r#"veth(netns("a").port("x0", "10.0.0.1/24"), netns("b").port("x1", "10.0.0.2/24", "fd00::2/64"));"#,
        &[
            (
                "ip -n a -j -d link show x0",
                r#"{"ifname":"x0","flags":["UP","LOWER_UP"],"mtu":1500,"operstate":"UP","linkinfo":{"info_kind":"veth"}}"#,
            ),
            (
                "ip -n b -j addr show x1",
                r#"{"flags":["UP"],"addr_info":[{"local":"10.0.0.2","prefixlen":24,"scope":"global"},{"local":"fd00::2","prefixlen":64}]}"#,
            ),
            (
                "ip -n a -j addr show x0",
                r#"{"addr_info":["=",{"family":"inet","local":"10.0.0.1","prefixlen":24,"broadcast":null,"label":"x0"},{"family":"inet6","scope":"link"}]}"#,
            ),
            (
                "ip -n a -j -4 route",
                r#"["=",{"dst":"10.0.0.0/24","dev":"x0","protocol":"kernel","scope":"link","prefsrc":"10.0.0.1"}]"#,
            ),
        ],
    ),
    case(
        "all options of a port",
        r#"veth(netns("a").port("x0", #{ mac: "02:00:00:00:00:0a", mtu: 1400, up: false, addrs: ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "10.1.0.1/16"] }),
                netns("b").port("x1", "10.0.1.1/24", "10.0.2.1/24", "fd00::1/64", #{ mac: "02:00:00:00:00:0b", mtu: 1300 }));"#,
        &[
            (
                "ip -n a -j link show x0",
                r#"{"address":"02:00:00:00:00:0a","mtu":1400,"flags":["=","BROADCAST","MULTICAST"],"operstate":"DOWN"}"#,
            ),
            (
                "ip -n a -j addr show x0",
                r#"{"addr_info":["=",{"local":"10.0.0.1"},{"local":"10.1.0.1","prefixlen":16},{"local":"10.0.0.2","secondary":true},{"local":"10.0.0.3"}]}"#,
            ),
            (
                "ip -n b -j addr show x1",
                r#"{"address":"02:00:00:00:00:0b","mtu":1300,"flags":["UP"],"addr_info":[{"local":"10.0.1.1"},{"local":"10.0.2.1"},{"local":"fd00::1"}]}"#,
            ),
        ],
    ),
    case(
        "one address as addrs, and synonyms of options",
        r#"veth(netns("a").port("x0", #{ addrs: "10.0.0.1/24" }), netns("b").port("x1", #{ address: "02:00:00:00:00:0b", ip: "10.0.0.2/24" }));"#,
        &[
            ("ip -n a -j addr show x0", r#"{"addr_info":[{"local":"10.0.0.1"}]}"#),
            ("ip -n b -j addr show x1", r#"{"address":"02:00:00:00:00:0b","addr_info":[{"local":"10.0.0.2"}]}"#),
        ],
    ),
    case(
        "two names on the host",
        r#"veth("veth0", "veth1");"#,
        &[
            (
                "ip -j -d link show veth0",
                r#"{"link":"veth1","flags":["UP"],"master":null,"linkinfo":{"info_kind":"veth"}}"#,
            ),
            ("ip -j -d link show veth1", r#"{"link":"veth0","flags":["UP","LOWER_UP"]}"#),
        ],
    ),
    case(
        "a namespace and a name",
        r#"veth(netns("a"), "veth1");"#,
        &[
            ("ip -n a -j link show eth0", r#"{"ifname":"eth0","flags":["UP"]}"#),
            ("ip -j link show veth1", r#"{"flags":["UP"],"link":null,"link_index":2}"#),
        ],
    ),
    case(
        "a namespace and a bridge",
        r#"let br0 = bridge("br0"); veth(netns("a"), br0); veth(br0, netns("b"));"#,
        &[
            ("ip -n a -j link show eth0", r#"{"flags":["UP"]}"#),
            (
                "ip -j -d link show a",
                r#"{"master":"br0","flags":["UP"],"linkinfo":{"info_slave_kind":"bridge","info_slave_data":{"state":"forwarding"}}}"#,
            ),
            ("ip -j link show b", r#"{"master":"br0","flags":["UP"]}"#),
            ("ip -n b -j link show eth0", r#"{"flags":["UP"],"master":null}"#),
        ],
    ),
    case(
        "a port of the host and a port of a bridge in a namespace",
        r#"let br0 = bridge(netns("sw").port("br0")); veth(br0.port("p1"), host.port("up", "10.0.0.1/24"));"#,
        &[
            ("ip -n sw -j link show p1", r#"{"master":"br0","flags":["UP"]}"#),
            ("ip -j addr show up", r#"{"flags":["UP"],"addr_info":[{"local":"10.0.0.1"}]}"#),
        ],
    ),
    case(
        "two bridges",
        r#"veth(bridge("br0").port("p0"), bridge(netns("a").port("br1")).port("p1"));"#,
        &[
            ("ip -j link show p0", r#"{"master":"br0","flags":["UP"]}"#),
            ("ip -n a -j link show p1", r#"{"master":"br1","flags":["UP"]}"#),
        ],
    ),
    case(
        "both ends in one namespace, and on one bridge",
        r#"let a = netns("a"); veth(a, a); let br0 = bridge(a.port("br0")); veth(br0.port("p0"), br0.port("p1"));"#,
        &[
            (
                "ip -n a -j link",
                r#"[{"ifname":"eth0"},{"ifname":"eth1"},{"ifname":"br0"},{"ifname":"p0","master":"br0"},{"ifname":"p1","master":"br0"}]"#,
            ),
            ("ip -n a -j link show eth0", r#"{"link":"eth1"}"#),
        ],
    ),
    case(
        "a user's namespace and a user's bridge",
        r#"veth(get_netns("mine").port("x0", "10.3.0.1/24"), host["mybr"].port("x1"));"#,
        &[
            ("ip -n mine -j addr show x0", r#"{"addr_info":[{"local":"10.3.0.1"}]}"#),
            ("ip -j link show x1", r#"{"master":"mybr","flags":["UP"]}"#),
        ],
    ),
    case(
        "options of a bridge port",
        r#"
        let br0 = bridge("br0");
        veth(netns("a"), br0.port("p0", #{ isolated: true, cost: 42, priority: 17, hairpin: true, learning: false, flood: false, mtu: 1400, mac: "02:00:00:00:00:0c" }));
        veth(netns("b"), br0.port(#{ guard: true, root_block: true, fastleave: true, mcast_flood: false, bcast_flood: false, neigh_suppress: true, locked: true, up: false }));
        "#,
        &[
            (
                "ip -j -d link show p0",
                r#"{"mtu":1400,"address":"02:00:00:00:00:0c","flags":["UP"],"linkinfo":{"info_slave_data":{"isolated":true,"cost":42,"priority":17,"hairpin":true,"learning":false,"flood":false,"guard":false,"mcast_flood":true}}}"#,
            ),
            (
                "ip -j -d link show b",
                r#"{"flags":["=","BROADCAST","MULTICAST"],"linkinfo":{"info_slave_data":{"guard":true,"root_block":true,"fastleave":true,"mcast_flood":false,"bcast_flood":false,"neigh_suppress":true,"locked":true,"isolated":false}}}"#,
            ),
        ],
    ),
    refused("an address on a bridge port", r#"veth(netns("a"), bridge("br0").port("10.0.0.1/24"));"#, "NL0113"),
    refused("an existing link as a port", r#"veth(host["my0"], "x");"#, "NL0"),
];

#[test]
fn bridge() {
    run_cases(BRIDGE);
}

const BRIDGE: &[Case] = &[
    case(
        "a name, a port with addresses, a namespace",
        r#"bridge("br0"); bridge(host.port("br1", "10.0.0.1/24", "fd00::1/64", #{ mtu: 1400, mac: "02:00:00:00:00:0d", up: false })); bridge(netns("a"));"#,
        &[
            (
                "ip -j -d link show br0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"bridge","info_data":{"stp_state":0,"vlan_filtering":0,"forward_delay":1500}}}"#,
            ),
            (
                "ip -j addr show br1",
                r#"{"mtu":1400,"address":"02:00:00:00:00:0d","flags":["=","BROADCAST","MULTICAST"],"addr_info":[{"local":"10.0.0.1","prefixlen":24},{"local":"fd00::1"}]}"#,
            ),
            ("ip -n a -j -d link show br0", r#"{"flags":["UP"],"linkinfo":{"info_kind":"bridge"}}"#),
        ],
    ),
    case(
        "every option",
        r#"
        bridge("br0", #{ stp_state: true, priority: 4096, forward_delay: 400, hello_time: 100, max_age: 600, ageing_time: 1000 });
        bridge("br1", #{ group_fwd_mask: 8, mcast_snooping: false, nf_call_iptables: true, nf_call_ip6tables: true, nf_call_arptables: true });
        bridge("br2", #{ mcast_querier: true, stp: false });
        "#,
        &[
            (
                "ip -j -d link show br0",
                r#"{"linkinfo":{"info_data":{"stp_state":1,"priority":4096,"forward_delay":400,"hello_time":100,"max_age":600,"ageing_time":1000}}}"#,
            ),
            (
                "ip -j -d link show br1",
                r#"{"linkinfo":{"info_data":{"stp_state":0,"group_fwd_mask":"0x8","mcast_snooping":0,"nf_call_iptables":1,"nf_call_ip6tables":1,"nf_call_arptables":1}}}"#,
            ),
            (
                "ip -j -d link show br2",
                r#"{"linkinfo":{"info_data":{"stp_state":0,"mcast_querier":1,"mcast_snooping":1,"nf_call_iptables":0}}}"#,
            ),
        ],
    ),
    case(
        "options set later",
        r#"
        let br0 = bridge("br0", #{ stp_state: true, forward_delay: 400, priority: 1 });
        br0.set(#{ stp_state: false, forward_delay: 500, hello_time: 200, max_age: 700, ageing_time: 2000, priority: 2, group_fwd_mask: 16, txqueuelen: 77, promisc: true,
                   mcast_snooping: false, mcast_querier: true, nf_call_iptables: true, nf_call_ip6tables: true, nf_call_arptables: true });
        "#,
        &[(
            "ip -j -d link show br0",
            r#"{"txqlen":77,"promiscuity":1,"flags":["PROMISC"],"linkinfo":{"info_data":{"stp_state":0,"forward_delay":500,"hello_time":200,"max_age":700,"ageing_time":2000,"priority":2,"group_fwd_mask":"0x10","mcast_snooping":0,"mcast_querier":1,"nf_call_iptables":1,"nf_call_ip6tables":1,"nf_call_arptables":1}}}"#,
        )],
    ),
];

#[test]
fn vxlan() {
    run_cases(VXLAN);
}

const VXLAN: &[Case] = &[
    case(
        "nothing but the id, at each kind of port",
        r#"vxlan("vx0", 1); vxlan(host.port("vx1", "10.0.0.1/24", #{ mtu: 1300, up: false }), 2); vxlan(netns("a"), 16777215); vxlan(bridge("br0"), 3);"#,
        &[
            (
                "ip -j -d link show vx0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"vxlan","info_data":{"id":1,"port":4789,"learning":true,"external":null,"remote":null,"local":null}}}"#,
            ),
            (
                "ip -j -d addr show vx1",
                r#"{"mtu":1300,"flags":["=","BROADCAST","MULTICAST"],"addr_info":[{"local":"10.0.0.1"}],"linkinfo":{"info_data":{"id":2}}}"#,
            ),
            ("ip -n a -j -d link show vxlan0", r#"{"flags":["UP"],"linkinfo":{"info_data":{"id":16777215}}}"#),
            ("ip -j -d link show vxlan0", r#"{"master":"br0","linkinfo":{"info_data":{"id":3}}}"#),
        ],
    ),
    case(
        "local, remote, dev, dstport, ttl, learning",
        r#"vxlan("vx0", 10, #{ local: "10.98.0.1", remote: "10.98.0.2", dev: "my0", dstport: 8472, ttl: 9, learning: false });"#,
        &[(
            "ip -j -d link show vx0",
            r#"{"mtu":1450,"linkinfo":{"info_data":{"id":10,"local":"10.98.0.1","remote":"10.98.0.2","link":"my0","port":8472,"ttl":9,"learning":false}}}"#,
        )],
    ),
    case(
        "IPv6, and dev as a link",
        r#"vxlan("vx0", 11, #{ local: "2001:db8:98::1", remote: "2001:db8:98::2", dev: host["my0"], learning: true, port: 5000 });"#,
        &[(
            "ip -j -d link show vx0",
            r#"{"mtu":1430,"linkinfo":{"info_data":{"id":11,"local6":"2001:db8:98::1","remote6":"2001:db8:98::2","link":"my0","port":5000,"learning":true}}}"#,
        )],
    ),
    case(
        "multicast groups",
        r#"vxlan("vx0", 12, #{ group: "239.1.1.1", dev: "my0" }); vxlan("vx1", 13, #{ group: "ff05::100", dev: "my0", dstport: 4790 });"#,
        &[
            ("ip -j -d link show vx0", r#"{"linkinfo":{"info_data":{"group":"239.1.1.1","link":"my0"}}}"#),
            ("ip -j -d link show vx1", r#"{"linkinfo":{"info_data":{"group6":"ff05::100","link":"my0","port":4790}}}"#),
        ],
    ),
    case(
        "external",
        r#"vxlan(netns("a").port("vx0"), 0, #{ external: true });"#,
        &[("ip -n a -j -d link show vx0", r#"{"linkinfo":{"info_data":{"external":true,"id":0,"port":4789}}}"#)],
    ),
    case(
        "in a namespace, as a port of its bridge, with the lower link by name",
        r#"let a = netns("a"); veth(a.port("eth0", "10.0.0.1/24"), netns("b").port("eth0", "10.0.0.2/24"));
           vxlan(bridge(a.port("br0")).port("vx0"), 7, #{ local: "10.0.0.1", remote: "10.0.0.2", dev: "eth0" });"#,
        &[(
            "ip -n a -j -d link show vx0",
            r#"{"master":"br0","flags":["UP"],"linkinfo":{"info_data":{"link":"eth0","id":7,"remote":"10.0.0.2"}}}"#,
        )],
    ),
    refused("remote and group", r#"vxlan("vx0", 1, #{ remote: "10.0.0.1", group: "239.0.0.1" });"#, "NL0118"),
    refused("group that is none", r#"vxlan("vx0", 1, #{ group: "10.0.0.1" });"#, "NL0103"),
];

#[test]
fn macvlan() {
    run_cases(MACVLAN);
}

const MACVLAN: &[Case] = &[
    case(
        "the five modes, at each kind of port",
        r#"
        let wire = veth(netns("a").port("eth0"), netns("b").port("eth0"));
        wire.a.macvlan("m1", "private");
        wire.a.macvlan(host.port("m2", "10.0.0.2/24", #{ mac: "02:00:00:00:00:02", mtu: 1400 }), "vepa");
        wire.a.macvlan(netns("c"), "bridge");
        wire.b.macvlan(bridge("br0").port("m4"), "passthru");
        let other = veth(netns("d").port("eth0"), netns("e").port("eth0"));
        other.a.macvlan("m5", "source", #{ macaddr: ["02:00:00:00:00:05", "02:00:00:00:00:06"] });
        other.b.macvlan("m6", "source", #{ macaddr: "02:00:00:00:00:07" });
        "#,
        &[
            (
                "ip -n a -j -d link show m1",
                r#"{"link":"eth0","flags":["UP"],"linkinfo":{"info_kind":"macvlan","info_data":{"mode":"private"}}}"#,
            ),
            (
                "ip -j -d addr show m2",
                r#"{"address":"02:00:00:00:00:02","mtu":1400,"addr_info":[{"local":"10.0.0.2"}],"linkinfo":{"info_data":{"mode":"vepa"}}}"#,
            ),
            ("ip -n c -j -d link show mv-eth0", r#"{"flags":["UP"],"linkinfo":{"info_data":{"mode":"bridge"}}}"#),
            ("ip -j -d link show m4", r#"{"master":"br0","linkinfo":{"info_data":{"mode":"passthru"}}}"#),
            (
                "ip -n d -j -d link show m5",
                r#"{"linkinfo":{"info_data":{"mode":"source","macaddr_count":2,"macaddr_data":["02:00:00:00:00:05"]}}}"#,
            ),
            ("ip -n d -j -d link show m5", r#"{"linkinfo":{"info_data":{"macaddr_data":["02:00:00:00:00:06"]}}}"#),
            (
                "ip -n e -j -d link show m6",
                r#"{"linkinfo":{"info_data":{"macaddr_count":1,"macaddr_data":["=","02:00:00:00:00:07"]}}}"#,
            ),
        ],
    ),
    case(
        "on a card of the host's, in a namespace and on the host",
        r#"host["eth0"].macvlan(netns("a").port("mv0", "10.0.0.1/24"), "bridge"); host["eth0"].macvlan("mv1", "bridge");"#,
        &[
            (
                "ip -n a -j -d addr show mv0",
                r#"{"addr_info":[{"local":"10.0.0.1"}],"linkinfo":{"info_kind":"macvlan"}}"#,
            ),
            ("ip -j -d link show mv1", r#"{"link":"eth0"}"#),
        ],
    ),
    case(
        "the list of senders, changed",
        r#"let m = host["eth0"].macvlan("mv0", "source", #{ macaddr: ["02:00:00:00:00:05"] }); m.set(#{ macaddr: ["02:00:00:00:00:06", "02:00:00:00:00:07"] });"#,
        &[
            (
                "ip -j -d link show mv0",
                r#"{"linkinfo":{"info_data":{"mode":"source","macaddr_count":2,"macaddr_data":["02:00:00:00:00:06"]}}}"#,
            ),
            ("ip -j -d link show mv0", r#"{"linkinfo":{"info_data":{"macaddr_data":["02:00:00:00:00:07"]}}}"#),
        ],
    ),
    case(
        "macvtap in its modes",
        r#"
        host["eth0"].macvtap("t1", "private"); host["eth0"].macvtap("t2", "vepa"); host["eth0"].macvtap(netns("a").port("t3"), "bridge");
        host["eno4"].macvtap("t4", "passthru");
        let wire = veth("v0", "v1"); wire.a.macvtap("t5", "source"); wire.b.macvtap(get_netns("a"), "bridge");
        "#,
        &[
            (
                "ip -j -d link show t1",
                r#"{"link":"eth0","linkinfo":{"info_kind":"macvtap","info_data":{"mode":"private"}}}"#,
            ),
            ("ip -j -d link show t2", r#"{"linkinfo":{"info_kind":"macvtap","info_data":{"mode":"vepa"}}}"#),
            ("ip -n a -j -d link show t3", r#"{"linkinfo":{"info_kind":"macvtap","info_data":{"mode":"bridge"}}}"#),
            (
                "ip -j -d link show t4",
                r#"{"link":"eno4","linkinfo":{"info_kind":"macvtap","info_data":{"mode":"passthru"}}}"#,
            ),
            ("ip -j -d link show t5", r#"{"linkinfo":{"info_kind":"macvtap","info_data":{"mode":"source"}}}"#),
            ("ip -n a -j -d link show mv-v1", r#"{"linkinfo":{"info_kind":"macvtap"}}"#),
        ],
    ),
    refused("a mode that is none", r#"host["eth0"].macvlan("m", "bridged");"#, "NL0118"),
    refused(
        "senders in another mode",
        r#"host["eth0"].macvlan("m", "bridge", #{ macaddr: "02:00:00:00:00:05" });"#,
        "NL0118",
    ),
];

#[test]
fn other_kinds() {
    run_cases(OTHERS);
}

const OTHERS: &[Case] = &[
    case(
        "ifb",
        r#"ifb("i0"); ifb(netns("a")); ifb(get_netns("a").port("i1", #{ up: false, mtu: 1400 }));"#,
        &[
            ("ip -j -d link show i0", r#"{"flags":["UP"],"linkinfo":{"info_kind":"ifb"}}"#),
            ("ip -n a -j -d link show ifb0", r#"{"flags":["UP"],"linkinfo":{"info_kind":"ifb"}}"#),
            ("ip -n a -j -d link show i1", r#"{"mtu":1400,"flags":["=","BROADCAST","NOARP"]}"#),
        ],
    ),
    case(
        "tun and tap",
        r#"
        tun("t0"); tun(netns("a").port("10.0.0.1/24")); tap(host.port("t1", "10.0.1.1/24", #{ mac: "02:00:00:00:00:0f" })); tap(bridge("br0").port("t2"));
        tap(get_netns("a").port(#{ up: false, mtu: 1400 }));
        "#,
        &[
            (
                "ip -j -d link show t0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"tun","info_data":{"type":"tun","persist":true,"pi":false}}}"#,
            ),
            (
                "ip -n a -j -d addr show tun0",
                r#"{"addr_info":[{"local":"10.0.0.1"}],"linkinfo":{"info_data":{"type":"tun"}}}"#,
            ),
            (
                "ip -j -d addr show t1",
                r#"{"address":"02:00:00:00:00:0f","addr_info":[{"local":"10.0.1.1"}],"linkinfo":{"info_data":{"type":"tap","persist":true}}}"#,
            ),
            ("ip -j -d link show t2", r#"{"master":"br0","flags":["UP"],"linkinfo":{"info_data":{"type":"tap"}}}"#),
            ("ip -n a -j -d link show tap0", r#"{"mtu":1400,"flags":["=","BROADCAST","MULTICAST"]}"#),
        ],
    ),
];
