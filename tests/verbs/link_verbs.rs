//! What is done to links: addresses, flags, attributes, masters, moves, forwarding entries, deletion, wires.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn addresses() {
    run_cases(ADDRESSES);
}

const ADDRESSES: &[Case] = &[
    case(
        "plain, IPv4 and IPv6, in a namespace and on a user's link",
        r#"
        veth(netns("a"), netns("b")).a.addr("10.0.0.1/24").addr("fd00::1/64");
        host["my0"].addr("10.7.0.1/16").addr("fd07::1/48");
        "#,
        &[
            (
                "ip -n a -j addr show eth0",
                r#"{"addr_info":[{"local":"10.0.0.1","prefixlen":24,"scope":"global"},{"local":"fd00::1","prefixlen":64,"scope":"global"}]}"#,
            ),
            (
                "ip -j addr show my0",
                r#"{"addr_info":[{"local":"10.98.0.1"},{"local":"10.7.0.1","prefixlen":16},{"local":"fd07::1","prefixlen":48}]}"#,
            ),
        ],
    ),
    case(
        "peer, with and without its length",
        r#"
        let w = veth(netns("a"), netns("b"));
        w.a.addr("10.0.0.1/32", #{ peer: "10.9.9.9" }).addr("10.0.1.1/24", #{ peer: "10.9.8.9/24" }).addr("fd00::1/128", #{ peer: "fd00::2" });
        host["my0"].addr("10.0.0.1/30", #{ peer: "10.0.0.2/30" });
        "#,
        &[
            (
                "ip -n a -j addr show eth0",
                r#"{"addr_info":[{"local":"10.0.0.1","address":"10.9.9.9","prefixlen":32},{"local":"10.0.1.1","address":"10.9.8.9","prefixlen":24},{"local":"fd00::1","address":"fd00::2","prefixlen":128}]}"#,
            ),
            ("ip -n a -j route", r#"[{"dst":"10.9.8.0/24"},{"dst":"10.9.9.9","prefsrc":"10.0.0.1"}]"#),
            ("ip -j addr show my0", r#"{"addr_info":[{"local":"10.0.0.1","address":"10.0.0.2","prefixlen":30}]}"#),
        ],
    ),
    case(
        "scope, label",
        r#"
        let w = veth(netns("a").port("e0"), netns("b"));
        w.a.addr("10.0.0.1/24", #{ scope: "link" }).addr("10.0.1.1/24", #{ scope: "host" }).addr("10.0.2.1/24", #{ scope: "site" }).addr("10.0.3.1/24", #{ scope: "global" }).addr("10.0.4.1/24", #{ scope: 100 });
        w.a.addr("10.0.5.1/24", #{ label: "e0:web" });
        "#,
        &[(
            "ip -n a -j addr show e0",
            r#"{"addr_info":["=",{"local":"10.0.1.1","scope":"host"},{"local":"10.0.0.1","scope":"link","label":"e0"},{"local":"10.0.2.1","scope":"site"},{"local":"10.0.4.1","scope":"100"},{"local":"10.0.3.1","scope":"global"},{"local":"10.0.5.1","label":"e0:web"},{"family":"inet6"}]}"#,
        )],
    ),
    case(
        "lifetimes",
        r#"
        let w = veth(netns("a").port("e0"), netns("b"));
        w.a.addr("10.0.0.1/24", #{ valid_lft: 100000, preferred_lft: 0 }).addr("10.0.1.1/24", #{ valid_lft: 100000 }).addr("fd00::1/64", #{ preferred_lft: 0, nodad: true });
        "#,
        &[(
            "ip -n a -j addr show e0 | sed -E 's/9999[0-9]|100000/100000/g'",
            r#"{"addr_info":[{"local":"10.0.0.1","valid_life_time":100000,"preferred_life_time":0,"deprecated":true},{"local":"10.0.1.1","valid_life_time":100000,"preferred_life_time":100000},{"local":"fd00::1","valid_life_time":4294967295,"preferred_life_time":0,"deprecated":true}]}"#,
        )],
    ),
    case(
        "nodad, noprefixroute",
        r#"
        let w = veth(netns("a").port("e0"), netns("b"));
        w.a.addr("fd00::1/64", #{ nodad: true }).addr("10.0.0.1/24", #{ noprefixroute: true }).addr("fd01::1/64", #{ noprefixroute: true });
        "#,
        &[
            (
                "ip -n a -j -6 addr show e0",
                r#"{"addr_info":[{"local":"fd01::1","noprefixroute":true},{"local":"fd00::1","nodad":true,"tentative":null}]}"#,
            ),
            ("ip -n a -j -4 addr show e0", r#"{"addr_info":["=",{"local":"10.0.0.1","noprefixroute":true}]}"#),
            ("ip -n a -j -4 route", r#"["="]"#),
            ("ip -n a -j -6 route", r#"no {"dst":"fd01::/64"}"#),
            ("ip -n a -j -6 route", r#"{"dst":"fd00::/64"}"#),
        ],
    ),
    case(
        "taken away",
        r#"
        let w = veth(netns("a").port("e0", "10.0.0.1/24", "10.0.1.1/24", "fd00::1/64"), netns("b"));
        w.a.del_addr("10.0.0.1/24").del_addr("fd00::1/64").addr("10.0.2.1/32", #{ peer: "10.9.9.9" }).del_addr("10.0.2.1/32", #{ peer: "10.9.9.9" });
        host["my0"].addr("10.7.0.1/16").del_addr("10.7.0.1/16");
        "#,
        &[
            (
                "ip -n a -j addr show e0",
                r#"{"addr_info":["=",{"local":"10.0.1.1"},{"scope":"link","family":"inet6"}]}"#,
            ),
            ("ip -j -4 addr show my0", r#"{"addr_info":["=",{"local":"10.98.0.1"},{"local":"10.98.0.3"}]}"#),
        ],
    ),
    case(
        "on lo, and loopback addresses",
        r#"let a = netns("a"); a["lo"].addr("10.255.0.1/32").addr("127.0.0.9/8"); host["lo"].addr("10.255.0.2/32");"#,
        &[
            (
                "ip -n a -j addr show lo",
                r#"{"addr_info":[{"local":"127.0.0.1"},{"local":"10.255.0.1","scope":"global"},{"local":"127.0.0.9","scope":"host"}]}"#,
            ),
            ("ip -j addr show lo", r#"{"addr_info":[{"local":"10.255.0.2","label":"lo"}]}"#),
        ],
    ),
    refused("the same address twice", r#"host["my0"].addr("10.98.0.1/24");"#, "NL0107"),
    case(
        "a user's primary address, with which the secondary one goes",
        r#"host["my0"].del_addr("10.98.0.1/24");"#,
        &[("ip -j -4 addr show my0", r#"["="]"#)],
    ),
    refused(
        "preferred longer than valid",
        r#"host["my0"].addr("10.7.0.1/16", #{ valid_lft: 10, preferred_lft: 11 });"#,
        "NL0106",
    ),
    refused("no such scope", r#"host["my0"].addr("10.7.0.1/16", #{ scope: "world" });"#, "NL0118"),
];

#[test]
fn attributes() {
    run_cases(ATTRIBUTES);
}

const ATTRIBUTES: &[Case] = &[
    case(
        "up, down, mtu, mac, rename, alias",
        r#"
        let w = veth(netns("a").port("e0"), netns("b").port("e0"));
        w.a.down().mtu(1400).mac("02:00:00:00:00:0a").rename("lan0").alias("to b, \"quoted\" — ü");
        w.b.down().up();
        netns("c", #{ lo: false })["lo"].up();
        "#,
        &[
            (
                "ip -n a -j link show lan0",
                r#"{"mtu":1400,"address":"02:00:00:00:00:0a","flags":["=","BROADCAST","MULTICAST"],"ifalias":"to b, \"quoted\" — ü"}"#,
            ),
            ("ip -n a -j link", r#"no {"ifname":"e0"}"#),
            ("ip -n b -j link show e0", r#"{"flags":["UP"]}"#),
            ("ip -n c -j link show lo", r#"{"flags":["UP"]}"#),
        ],
    ),
    case(
        "a link that is up changes its MAC and its name",
        r#"let w = veth(netns("a").port("e0"), netns("b")); w.a.mac("02:00:00:00:00:0a"); w.a.rename("lan0"); w.a.addr("10.0.0.1/24");"#,
        &[(
            "ip -n a -j addr show lan0",
            r#"{"flags":["UP"],"address":"02:00:00:00:00:0a","addr_info":[{"local":"10.0.0.1"}]}"#,
        )],
    ),
    case(
        "an alias taken away",
        r#"let w = veth(netns("a").port("e0"), netns("b")); w.a.alias("x").alias("");"#,
        &[("ip -n a -j link show e0", r#"{"ifalias":null}"#)],
    ),
    case(
        "a wire: down, up, mtu",
        r#"veth(netns("a"), netns("b")).down().mtu(9000); veth(netns("c").port(#{ up: false }), netns("d").port(#{ up: false })).up();"#,
        &[
            ("ip -n a -j link show eth0", r#"{"mtu":9000,"flags":["=","BROADCAST","MULTICAST"]}"#),
            ("ip -n b -j link show eth0", r#"{"mtu":9000,"flags":["=","BROADCAST","MULTICAST"]}"#),
            ("ip -n c -j link show eth0", r#"{"flags":["UP"]}"#),
            ("ip -n d -j link show eth0", r#"{"flags":["UP"]}"#),
        ],
    ),
    case(
        "set: txqueuelen, promisc",
        r#"let w = veth(netns("a").port("e0"), "h0"); w.a.set(#{ txqueuelen: 7, promisc: true }); w.b.set(#{ promisc: true }); w.b.set(#{ promisc: false, txqueuelen: 0 });"#,
        &[
            ("ip -n a -j -d link show e0", r#"{"txqlen":7,"promiscuity":1,"flags":["PROMISC"]}"#),
            ("ip -j -d link show h0", r#"{"promiscuity":0,"txqlen":null}"#),
        ],
    ),
    case("a user's link down", r#"host["my0"].down();"#, &[("ip -j link show my0", r#"{"operstate":"DOWN"}"#)]),
    case("a user's link renamed", r#"host["my0"].rename("x");"#, &[("ip -j link show x", r#"{"ifname":"x"}"#)]),
    case("a user's link smaller", r#"host["my0"].mtu(1200);"#, &[("ip -j link show my0", r#"{"mtu":1200}"#)]),
    case("a user's link up that is up", r#"host["my0"].up();"#, &[("ip -j link show my0", r#"{"flags":["UP"]}"#)]),
];

#[test]
fn masters() {
    run_cases(MASTERS);
}

const MASTERS: &[Case] = &[
    case(
        "master and nomaster",
        r#"
        let br0 = bridge("br0"); let w = veth("v0", "v1"); w.a.master(br0); w.b.master(host["mybr"]);
        let x = veth(netns("a"), br0); x.b.nomaster();
        "#,
        &[
            ("ip -j link show v0", r#"{"master":"br0"}"#),
            ("ip -j link show v1", r#"{"master":"mybr"}"#),
            ("ip -j link show a", r#"{"master":null,"flags":["UP"]}"#),
        ],
    ),
    case(
        "every option of a port, set later",
        r#"
        let br0 = bridge("br0"); let p = veth(netns("a"), br0).b;
        p.set(#{ priority: 9, cost: 5, hairpin: true, guard: true, root_block: true, fastleave: true, learning: false, flood: false, mcast_flood: false, bcast_flood: false, isolated: true, neigh_suppress: true, locked: true });
        let q = veth(netns("b"), br0).b; q.set(#{ state: "disabled" }); q.set(#{ state: "blocking" });
        let r = veth(netns("c"), br0).b; r.set(#{ state: 2, txqueuelen: 3 });
        let s = veth(netns("d"), br0).b; s.set(#{ state: "listening" }); let t = veth(netns("e"), br0).b; t.set(#{ state: "disabled" });
        let u = veth(netns("f"), br0).b; u.set(#{ state: "disabled" }); u.set(#{ state: "forwarding" });
        "#,
        &[
            (
                "ip -j -d link show a",
                r#"{"linkinfo":{"info_slave_data":{"priority":9,"cost":5,"hairpin":true,"guard":true,"root_block":true,"fastleave":true,"learning":false,"flood":false,"mcast_flood":false,"bcast_flood":false,"isolated":true,"neigh_suppress":true,"locked":true}}}"#,
            ),
            // Without STP the kernel forwards where it was told to block (`br_make_forwarding`), for bridge(8) as well.
            ("ip -j -d link show b", r#"{"linkinfo":{"info_slave_data":{"state":"forwarding"}}}"#),
            ("ip -j -d link show c", r#"{"txqlen":3,"linkinfo":{"info_slave_data":{"state":"learning"}}}"#),
            ("ip -j -d link show d", r#"{"linkinfo":{"info_slave_data":{"state":"listening"}}}"#),
            ("ip -j -d link show e", r#"{"linkinfo":{"info_slave_data":{"state":"disabled"}}}"#),
            ("ip -j -d link show f", r#"{"linkinfo":{"info_slave_data":{"state":"forwarding"}}}"#),
        ],
    ),
    refused(
        "a link with an address",
        r#"veth(host.port("v0", "10.0.0.1/24"), "v1").a.master(bridge("br0"));"#,
        "NL0113",
    ),
    refused("a master elsewhere", r#"veth("v0", "v1").a.master(bridge(netns("a")));"#, "NL0118"),
    case(
        "a user's port set",
        r#"host["myport"].set(#{ cost: 5 });"#,
        &[("bridge -j link show dev myport", r#"{"cost":5}"#)],
    ),
    refused("an address on a port", r#"let w = veth(netns("a"), bridge("br0")); w.b.addr("10.0.0.1/24");"#, "NL0113"),
];

#[test]
fn moves_and_deletion() {
    run_cases(MOVES);
}

const MOVES: &[Case] = &[
    case(
        "out, through, and back",
        r#"
        let w = veth(host.port("v0", "10.0.0.1/24"), "v1"); let a = netns("a"); let b = netns("b");
        w.a.move_to(a).move_to(b).addr("10.0.0.2/24").up();
        let x = veth("v2", "v3"); x.a.move_to(a); x.a.move_to(host); x.b.move_to(host);
        "#,
        &[
            ("ip -n b -j addr show v0", r#"{"flags":["UP"],"addr_info":[{"local":"10.0.0.2"}]}"#),
            ("ip -n b -j addr show v0", r#"no {"addr_info":[{"local":"10.0.0.1"}]}"#),
            ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
            ("ip -j link show v2", r#"{"flags":["=","BROADCAST","MULTICAST"]}"#),
        ],
    ),
    case(
        "into a user's namespace",
        r#"veth("v0", "v1").a.move_to(get_netns("mine")).up();"#,
        &[("ip -n mine -j link show v0", r#"{"flags":["UP"]}"#)],
    ),
    case(
        "a macvlan, an ifb and a tap move",
        r#"let a = netns("a"); host["eth0"].macvlan("m0", "bridge").move_to(a).up(); ifb("i0").move_to(a); tap("t0").move_to(a); vxlan("x0", 1).move_to(a);"#,
        &[("ip -n a -j link", r#"[{"ifname":"lo"},{"ifname":"m0"},{"ifname":"i0"},{"ifname":"t0"},{"ifname":"x0"}]"#)],
    ),
    case(
        "deleted, of every kind",
        r#"
        let a = netns("a"); veth("v0", "v1").a.del(); veth("v2", "v3").b.del(); veth(a, netns("b")).del(); bridge("br0").del(); ifb("i0").del(); tun("t0").del();
        vxlan("x0", 1).del(); host["eth0"].macvlan("m0", "bridge").del(); host["eth0"].macvtap("m1", "bridge").del();
        let br1 = bridge("br1"); let w = veth(a, br1); br1.del();
        "#,
        &[
            ("ip -j link | grep -c -e '\"v[0-3]\"' -e br0 -e i0 -e t0 -e x0 -e m0 -e m1 -e br1", "0"),
            ("ip -n b -j link", r#"["=",{"ifname":"lo"}]"#),
            ("ip -j link show a", r#"{"master":null}"#),
        ],
    ),
    case(
        "a namespace deleted with all in it",
        r#"let a = netns("a"); veth(a.port("10.0.0.1/24"), "h0"); a.route("default", "10.0.0.2"); a.del(); netns("b").del(); netns("b");"#,
        &[("ls /run/netns | tr '\\n' ' '", "b isp mine"), ("ip -j link", r#"no {"ifname":"h0"}"#)],
    ),
    case(
        "a user's link deleted, and its other end with it",
        r#"host["my0"].del();"#,
        &[("ip -n mine -j link", r#"["=",{"ifname":"lo"},{"ifname":"myplug"}]"#)],
    ),
    case(
        "a user's link moved",
        r#"host["my0"].move_to(netns("a"));"#,
        &[("ip -n a -j link show my0", r#"{"operstate":"DOWN"}"#)],
    ),
    case("a user's namespace deleted", r#"get_netns("mine").del();"#, &[("ip netns list | grep -c mine", "0")]),
    refused("the host deleted", r#"host.del();"#, "NL0115"),
    refused("used after its deletion", r#"let w = veth("v0", "v1"); w.del(); w.a.up();"#, "NL0"),
];

#[test]
fn forwarding_entries() {
    run_cases(FDB);
}

const FDB: &[Case] = &[
    case(
        "of a port, in the bridge and in the link itself",
        r#"
        let br0 = bridge("br0"); let p = veth(netns("a"), br0).b;
        p.fdb("02:00:00:00:00:09").fdb("02:00:00:00:00:08", #{ master: true });
        let v = host["eth0"].macvlan("m0", "passthru"); 
        p.fdb("02:00:00:00:00:07").del_fdb("02:00:00:00:00:07");
        "#,
        &[
            ("bridge -j fdb show dev a", r#"{"mac":"02:00:00:00:00:09","master":"br0","state":"static","flags":[]}"#),
            ("bridge -j fdb show dev a", r#"{"mac":"02:00:00:00:00:08","master":"br0","state":"static"}"#),
            ("bridge -j fdb show dev a", r#"no {"mac":"02:00:00:00:00:07"}"#),
        ],
    ),
    case(
        "of a user's port",
        r#"host["myport"].fdb("02:00:00:00:00:09").fdb("02:00:00:00:00:08").del_fdb("02:00:00:00:00:08");"#,
        &[
            ("bridge -j fdb show dev myport", r#"{"mac":"02:00:00:00:00:09","master":"mybr","state":"static"}"#),
            ("bridge -j fdb show dev myport", r#"no {"mac":"02:00:00:00:00:08"}"#),
        ],
    ),
    case(
        "of a VXLAN link: dst, append, the default, IPv6",
        r#"
        let v = vxlan("vx0", 1, #{ local: "10.98.0.1" });
        v.fdb("02:00:00:00:00:01", #{ dst: "10.98.0.2" });
        v.fdb("00:00:00:00:00:00", #{ dst: "10.98.0.2" }).fdb("00:00:00:00:00:00", #{ dst: "10.98.0.9", append: true });
        v.fdb("02:00:00:00:00:02", #{ dst: "10.98.0.2" }).del_fdb("02:00:00:00:00:02", #{ dst: "10.98.0.2" });
        v.fdb("00:00:00:00:00:00", #{ dst: "10.98.0.10", append: true }).del_fdb("00:00:00:00:00:00", #{ dst: "10.98.0.10" });
        let s = vxlan("vx6", 2, #{ local: "2001:db8:98::1" }); s.fdb("02:00:00:00:00:01", #{ dst: "2001:db8:98::2" });
        let p = vxlan(bridge("br0").port("vx1"), 3); p.fdb("02:00:00:00:00:03", #{ dst: "10.98.0.3" }); p.fdb("02:00:00:00:00:03"); p.fdb("02:00:00:00:00:04", #{ dst: "10.98.0.3", master: false });
        "#,
        &[
            (
                "bridge -j fdb show dev vx0",
                r#"{"mac":"02:00:00:00:00:01","dst":"10.98.0.2","flags":["self"],"state":"permanent"}"#,
            ),
            ("bridge -j fdb show dev vx0", r#"{"mac":"00:00:00:00:00:00","dst":"10.98.0.2"}"#),
            ("bridge -j fdb show dev vx0", r#"{"mac":"00:00:00:00:00:00","dst":"10.98.0.9"}"#),
            ("bridge -j fdb show dev vx0", r#"no {"dst":"10.98.0.10"}"#),
            ("bridge -j fdb show dev vx0", r#"no {"mac":"02:00:00:00:00:02"}"#),
            ("bridge -j fdb show dev vx6", r#"{"mac":"02:00:00:00:00:01","dst":"2001:db8:98::2"}"#),
            ("bridge -j fdb show dev vx1", r#"{"mac":"02:00:00:00:00:03","dst":"10.98.0.3","flags":["self"]}"#),
            ("bridge -j fdb show dev vx1", r#"{"mac":"02:00:00:00:00:03","master":"br0","state":"static"}"#),
            ("bridge -j fdb show dev vx1", r#"{"mac":"02:00:00:00:00:04","dst":"10.98.0.3"}"#),
        ],
    ),
    refused("twice", r#"host["myport"].fdb("02:00:00:00:00:09").fdb("02:00:00:00:00:09");"#, "NL0111"),
];
