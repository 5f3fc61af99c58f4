//! Routes, rules and neighbours, in the lab's namespaces and on the host, IPv4 and IPv6.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn routes() {
    run_cases(ROUTES);
}

const ROUTES: &[Case] = &[
    case(
        "default by address, link and namespace",
        r#"
        let a = netns("a"); let r = netns("r"); let b = netns("b");
        let w = veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), r.port("e0", "10.0.0.254/24", "fd00::fe/64"));
        let x = veth(b.port("e0", "10.0.1.1/24"), r.port("e1", "10.0.1.254/24"));
        a.route("default", "10.0.0.254"); a.route("default", "fd00::fe");
        a.route("10.5.0.0/16", w.b); a.route("10.6.0.0/16", "10.0.0.254/24");
        let s = netns("s"); veth(s.port("e0", "10.0.2.1/24"), netns("t").port("e0", "10.0.2.254/24")); s.route("0.0.0.0/0", get_netns("t")); 
        b.route("default", #{ via: "10.0.1.254" });
        s.route("::/0", #{ dev: "e0" });
        "#,
        &[
            (
                "ip -n a -j -d route show default",
                r#"["=",{"dst":"default","gateway":"10.0.0.254","dev":"e0","protocol":"boot","scope":"global","type":"unicast","metric":null}]"#,
            ),
            (
                "ip -n a -j -6 route show default",
                r#"["=",{"dst":"default","gateway":"fd00::fe","dev":"e0","metric":1024}]"#,
            ),
            (
                "ip -n a -j route",
                r#"[{"dst":"10.5.0.0/16","gateway":"10.0.0.254"},{"dst":"10.6.0.0/16","gateway":"10.0.0.254"}]"#,
            ),
            ("ip -n s -j route show default", r#"{"gateway":"10.0.2.254"}"#),
            ("ip -n b -j route show default", r#"{"gateway":"10.0.1.254"}"#),
            ("ip -n s -j -6 route show default", r#"{"dev":"e0","gateway":null}"#),
        ],
    ),
    case(
        "dev as a name and as a link, without a gateway and with one",
        r#"
        let a = netns("a"); let w = veth(a.port("e0", "10.0.0.1/24"), netns("b").port("e0", "10.0.0.2/24"));
        a.route("10.1.0.0/16", #{ dev: "e0" }).route("10.2.0.0/16", #{ dev: w.a }).route("10.3.0.1", "10.0.0.2", #{ dev: "e0" }).route("10.4.0.0/16", (), #{ dev: "e0" }).route("fd01::/64", #{ dev: "e0" });
        "#,
        &[
            (
                "ip -n a -j -d route",
                r#"[{"dst":"10.1.0.0/16","dev":"e0","scope":"link"},{"dst":"10.2.0.0/16","dev":"e0","scope":"link"},{"dst":"10.3.0.1","gateway":"10.0.0.2","dev":"e0","scope":"global"},{"dst":"10.4.0.0/16","scope":"link"}]"#,
            ),
            ("ip -n a -j -6 route", r#"{"dst":"fd01::/64","dev":"e0","gateway":null}"#),
        ],
    ),
    case(
        "metric, table by number and by name, src, mtu",
        r#"
        let a = netns("a"); let w = veth(a.port("e0", "10.0.0.1/24", "10.0.0.9/24", "fd00::1/64"), netns("b").port("e0", "10.0.0.2/24", "fd00::2/64")); w.a.addr("fd00::9/64", #{ nodad: true });
        a.route("10.1.0.0/16", "10.0.0.2", #{ metric: 50 }).route("10.1.0.0/16", "10.0.0.2", #{ metric: 60, mtu: 1300, src: "10.0.0.9" });
        a.route("10.2.0.0/16", "10.0.0.2", #{ table: 100 }).route("10.3.0.0/16", "10.0.0.2", #{ table: 4294967295, src: "10.0.0.9" });
        a.route("10.4.0.0/16", "10.0.0.2", #{ table: "main" }).route("10.5.0.0/16", "10.0.0.2", #{ table: "default" }).route("10.6.0.0/16", "10.0.0.2", #{ table: "local" });
        a.route("fd01::/64", "fd00::2", #{ metric: 7, table: 1000, mtu: 1400, src: "fd00::9" });
        "#,
        &[
            (
                "ip -n a -j route show 10.1.0.0/16",
                r#"["=",{"metric":50},{"metric":60,"prefsrc":"10.0.0.9","metrics":[{"mtu":1300}]}]"#,
            ),
            ("ip -n a -j route show table 100", r#"["=",{"dst":"10.2.0.0/16"}]"#),
            ("ip -n a -j route show table 4294967295", r#"["=",{"dst":"10.3.0.0/16","prefsrc":"10.0.0.9"}]"#),
            ("ip -n a -j route show table main", r#"{"dst":"10.4.0.0/16"}"#),
            ("ip -n a -j route show table default", r#"["=",{"dst":"10.5.0.0/16"}]"#),
            ("ip -n a -j route show table local", r#"{"dst":"10.6.0.0/16","gateway":"10.0.0.2"}"#),
            (
                "ip -n a -j -6 route show table 1000",
                r#"["=",{"dst":"fd01::/64","metric":7,"metrics":[{"mtu":1400}],"prefsrc":"fd00::9"}]"#,
            ),
        ],
    ),
    case(
        "onlink",
        r#"let a = netns("a"); veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), netns("b")); a.route("default", "10.77.0.1", #{ dev: "e0", onlink: true }).route("fd05::/64", "fd77::1", #{ dev: "e0", onlink: true });"#,
        &[
            ("ip -n a -j route show default", r#"{"gateway":"10.77.0.1","flags":["onlink"]}"#),
            ("ip -n a -j -6 route show fd05::/64", r#"{"gateway":"fd77::1","flags":["onlink"]}"#),
        ],
    ),
    case(
        "blackhole, unreachable, prohibit, throw; IPv4 and IPv6, with metric and table",
        r#"
        let a = netns("a");
        a.route("192.0.2.0/24", #{ type: "blackhole" }).route("198.51.100.0/24", #{ type: "unreachable", metric: 9 }).route("203.0.113.0/24", #{ type: "prohibit", table: 7 }).route("10.0.0.0/8", #{ type: "throw" });
        a.route("fd01::/64", #{ type: "blackhole" }).route("fd02::/64", #{ type: "unreachable" }).route("fd03::/64", #{ type: "prohibit", metric: 9 }).route("fd04::/64", #{ type: "throw", table: 7 });
        a.route("default", #{ type: "unreachable", metric: 4278198272 });
        "#,
        &[
            (
                "ip -n a -j route",
                r#"[{"type":"unreachable","dst":"default","metric":4278198272},{"type":"throw","dst":"10.0.0.0/8"},{"type":"blackhole","dst":"192.0.2.0/24"},{"type":"unreachable","dst":"198.51.100.0/24","metric":9}]"#,
            ),
            ("ip -n a -j route show table 7", r#"["=",{"type":"prohibit","dst":"203.0.113.0/24"}]"#),
            (
                "ip -n a -j -6 route",
                r#"[{"type":"blackhole","dst":"fd01::/64"},{"type":"unreachable","dst":"fd02::/64"},{"type":"prohibit","dst":"fd03::/64","metric":9}]"#,
            ),
            ("ip -n a -j -6 route show table 7", r#"["=",{"type":"throw","dst":"fd04::/64"}]"#),
        ],
    ),
    case(
        "type local",
        r#"let a = netns("a"); a.route("10.9.0.0/16", #{ type: "local", dev: "lo", table: "local" });"#,
        &[("ip -n a -j route show table local type local", r#"{"dst":"10.9.0.0/16","dev":"lo"}"#)],
    ),
    case(
        "several gateways with weights",
        r#"
        let a = netns("a"); let w = veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), netns("b").port("e0", "10.0.0.2/24", "fd00::2/64")); veth(a.port("e1", "10.0.1.1/24", "fd01::1/64"), netns("c").port("e0", "10.0.1.2/24", "fd01::2/64"));
        a.route("default", #{ nexthops: [#{ via: "10.0.0.2" }, #{ via: get_netns("c"), dev: "e1", weight: 256 }] });
        a.route("10.5.0.0/16", #{ metric: 8, nexthops: [#{ dev: w.a, weight: 3 }, #{ dev: "e1" }, #{ via: "10.77.0.1", dev: "e1", onlink: true, weight: 2 }] });
        a.route("fd05::/64", #{ nexthops: [#{ via: "fd00::2", weight: 4 }, #{ via: "fd01::2" }] });
        "#,
        &[
            (
                "ip -n a -j route show default",
                r#"{"gateway":null,"nexthops":["=",{"gateway":"10.0.0.2","dev":"e0","weight":1},{"gateway":"10.0.1.2","dev":"e1","weight":256}]}"#,
            ),
            (
                "ip -n a -j route show 10.5.0.0/16",
                r#"{"metric":8,"nexthops":["=",{"dev":"e0","weight":3,"gateway":null},{"dev":"e1","weight":1},{"gateway":"10.77.0.1","flags":["onlink"],"weight":2}]}"#,
            ),
            (
                "ip -n a -j -6 route show fd05::/64",
                r#"{"nexthops":["=",{"gateway":"fd00::2","weight":4},{"gateway":"fd01::2","weight":1}]}"#,
            ),
        ],
    ),
    case(
        "IPv4 by way of an IPv6 gateway",
        r#"let a = netns("a"); veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), netns("b").port("e0", "fd00::2/64")); a.route("10.5.0.0/16", "fd00::2", #{ dev: "e0" });"#,
        &[("ip -n a -j route show 10.5.0.0/16", r#"{"via":{"family":"inet6","host":"fd00::2"},"dev":"e0"}"#)],
    ),
    case(
        "replaced, in the lab's own namespace and of the lab's own on the host",
        r#"
        let a = netns("a"); veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), netns("b").port("e0", "10.0.0.2/24", "10.0.0.3/24", "fd00::2/64", "fd00::3/64"));
        a.route("default", "10.0.0.2").route("default", "10.0.0.3", #{ replace: true }).route("10.5.0.0/16", "10.0.0.2", #{ replace: true });
        a.route("fd05::/64", "fd00::2").route("fd05::/64", "fd00::3", #{ replace: true });
        host.route("10.5.0.0/16", "10.98.0.2").route("10.5.0.0/16", "10.98.0.9", #{ replace: true });
        host.route("10.6.0.0/16", "10.98.0.2", #{ replace: true });
        "#,
        &[
            ("ip -n a -j route show default", r#"["=",{"gateway":"10.0.0.3"}]"#),
            ("ip -n a -j route show 10.5.0.0/16", r#"["=",{"gateway":"10.0.0.2"}]"#),
            ("ip -n a -j -6 route show fd05::/64", r#"["=",{"gateway":"fd00::3"}]"#),
            ("ip -j route show 10.5.0.0/16", r#"["=",{"gateway":"10.98.0.9"}]"#),
            ("ip -j route show 10.6.0.0/16", r#"["=",{"gateway":"10.98.0.2"}]"#),
        ],
    ),
    case(
        "a user's route replaced, with metric, table, IPv6; and by another kind",
        r#"
        host.route("10.97.0.0/16", "10.98.0.9", #{ metric: 50, replace: true });
        host.route("10.96.0.0/16", "10.98.0.9", #{ table: 100, replace: true, mtu: 1300 });
        host.route("2001:db8:97::/64", "2001:db8:98::9", #{ replace: true });
        get_netns("mine").route("default", #{ type: "blackhole", replace: true });
        "#,
        &[
            ("ip -j route show 10.97.0.0/16", r#"["=",{"gateway":"10.98.0.9","metric":50}]"#),
            (
                "ip -j route show table 100",
                r#"["=",{"dst":"10.96.0.0/16","gateway":"10.98.0.9","metrics":[{"mtu":1300}]}]"#,
            ),
            ("ip -j -6 route show 2001:db8:97::/64", r#"["=",{"gateway":"2001:db8:98::9"}]"#),
            ("ip -n mine -j route show default", r#"["=",{"type":"blackhole"}]"#),
        ],
    ),
    case(
        "the kernel's own route for a network replaced",
        r#"host.route("10.98.0.0/24", "10.94.0.2", #{ replace: true }); host.route("2001:db8:98::/64", #{ dev: "mybr", metric: 256, replace: true });"#,
        &[
            ("ip -j route show 10.98.0.0/24", r#"["=",{"gateway":"10.94.0.2"}]"#),
            ("ip -j -6 route show 2001:db8:98::/64", r#"["=",{"dev":"mybr"}]"#),
        ],
    ),
    Case {
        before: "ip route add 10.11.0.0/16 via 10.98.0.2 advmss 1000; ip route add 10.12.0.0/16 nexthop via 10.98.0.2 weight 2 nexthop via 10.98.0.9; ip -6 route add 2001:db8:12::/64 nexthop via 2001:db8:98::2 nexthop via 2001:db8:98::9; ip route add 10.13.0.0/16 via 10.98.0.2 proto static scope link; ip route add 10.13.0.0/16 dev my0 tos 8",
        ..case(
            "a user's several gateways and protocols, replaced",
            r#"
            host.route("10.12.0.0/16", "10.98.0.2", #{ replace: true }); host.route("2001:db8:12::/64", "2001:db8:98::7", #{ replace: true }); host.route("10.13.0.0/16", #{ dev: "mybr", replace: true });
            "#,
            &[
                ("ip -j route show 10.12.0.0/16", r#"["=",{"gateway":"10.98.0.2"}]"#),
                ("ip -j -6 route show 2001:db8:12::/64", r#"["=",{"gateway":"2001:db8:98::7","nexthops":null}]"#),
            ],
        )
    },
    Case {
        before: "ip route add 10.11.0.0/16 via 10.98.0.2 advmss 1000",
        ..case(
            "a route with an option that netlab does not know",
            r#"host.route("10.11.0.0/16", "10.98.0.9", #{ replace: true });"#,
            &[("ip -j route show 10.11.0.0/16", r#"["=",{"gateway":"10.98.0.9"}]"#)],
        )
    },
    refused(
        "a source that is nobody's",
        r#"host.route("fd05::/64", "2001:db8:98::2", #{ src: "2001:db8:98::77" });"#,
        "NL0103",
    ),
    case(
        "on the host and in a user's namespace: added, several",
        r#"
        host.route("10.5.0.0/16", "10.98.0.2").route("10.5.0.0/16", "10.98.0.2", #{ metric: 3 }).route("fd05::/64", "2001:db8:98::2", #{ table: 55 }).route("192.0.2.0/24", #{ type: "prohibit" });
        host.route("10.6.0.0/16", #{ dev: host["eth0"] }).route("10.7.0.0/16", #{ nexthops: [#{ via: "10.98.0.2" }, #{ dev: "eth0", weight: 2 }] });
        get_netns("mine").route("10.5.0.0/16", "10.98.0.1");
        "#,
        &[
            ("ip -j route show 10.5.0.0/16", r#"["=",{"metric":null},{"metric":3}]"#),
            ("ip -j -6 route show table 55", r#"["=",{"dst":"fd05::/64"}]"#),
            ("ip -j route show 192.0.2.0/24", r#"{"type":"prohibit"}"#),
            ("ip -j route show 10.6.0.0/16", r#"{"dev":"eth0","scope":"link"}"#),
            ("ip -j route show 10.7.0.0/16", r#"{"nexthops":["=",{"gateway":"10.98.0.2"},{"dev":"eth0","weight":2}]}"#),
            ("ip -n mine -j route show 10.5.0.0/16", r#"{"gateway":"10.98.0.1"}"#),
        ],
    ),
    case(
        "deleted: by destination, gateway, metric, table, kind",
        r#"
        let a = netns("a"); veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), netns("b").port("e0", "10.0.0.2/24", "fd00::2/64"));
        a.route("default", "10.0.0.2").del_route("default");
        a.route("10.1.0.0/16", "10.0.0.2").route("10.1.0.0/16", "10.0.0.2", #{ metric: 5 }).del_route("10.1.0.0/16", #{ metric: 5 });
        a.route("10.2.0.0/16", "10.0.0.2", #{ table: 9 }).route("10.2.0.0/16", "10.0.0.2").del_route("10.2.0.0/16", #{ table: 9 });
        a.route("192.0.2.0/24", #{ type: "blackhole" }).del_route("192.0.2.0/24");
        a.route("fd01::/64", #{ type: "unreachable" }).del_route("fd01::/64");
        a.route("fd05::/64", "fd00::2").del_route("fd05::/64", "fd00::2");
        a.route("fd06::/64", #{ nexthops: [#{ via: "fd00::2" }, #{ via: "fd00::3" }] }).del_route("fd06::/64");
        a.route("10.7.0.0/16", #{ nexthops: [#{ via: "10.0.0.2" }, #{ via: "10.0.0.3" }] }).del_route("10.7.0.0/16");
        a.route("::/0", "fd00::2").del_route("::/0");
        host.route("10.5.0.0/16", "10.98.0.2").del_route("10.5.0.0/16");
        host.route("10.97.0.0/16", "10.98.0.2").del_route("10.97.0.0/16");
        "#,
        &[
            (
                "ip -n a -j route",
                r#"["=",{"dst":"10.0.0.0/24"},{"dst":"10.1.0.0/16","metric":null},{"dst":"10.2.0.0/16"}]"#,
            ),
            ("ip -n a -j route show table 9", r#"["="]"#),
            ("ip -n a -j -6 route", r#"["=",{"dst":"fd00::/64"},{"dst":"fe80::/64"}]"#),
            ("ip -j route show 10.5.0.0/16", r#"["="]"#),
            ("ip -j route show 10.97.0.0/16", r#"["=",{"metric":50}]"#),
        ],
    ),
    refused("a route that is there", r#"host.route("10.97.0.0/16", "10.98.0.2", #{ metric: 50 });"#, "NL0111"),
    case(
        "a user's route deleted",
        r#"host.del_route("10.97.0.0/16", #{ metric: 50 });"#,
        &[("ip -j route show 10.97.0.0/16", r#"["="]"#)],
    ),
    refused("none to delete", r#"netns("a").del_route("10.0.0.0/8");"#, "NL0110"),
    refused("neither via nor dev", r#"netns("a").route("10.0.0.0/8");"#, "NL0204"),
    refused("a gateway that is in no network", r#"host.route("10.0.0.0/8", "192.0.2.1");"#, "NL0104"),
    refused("host bits", r#"host.route("10.0.0.1/8", "10.98.0.2");"#, "NL0112"),
    refused(
        "a weight of none",
        r#"host.route("10.0.0.0/8", #{ nexthops: [#{ via: "10.98.0.2", weight: 0 }] });"#,
        "NL0106",
    ),
    refused("no such table", r#"host.route("10.0.0.0/8", "10.98.0.2", #{ table: "mine" });"#, "NL0118"),
    refused("no such type", r#"host.route("10.0.0.0/8", #{ type: "black" });"#, "NL0118"),
    refused("IPv6 by way of IPv4", r#"host.route("fd05::/64", "10.98.0.2");"#, "NL0103"),
];

#[test]
fn rules() {
    run_cases(RULES);
}

const RULES: &[Case] = &[
    case(
        "every selector",
        r#"
        let a = netns("a"); veth(a.port("e0"), netns("b"));
        a.rule(#{ from: "10.0.0.0/24", table: 100, priority: 1000 });
        a.rule(#{ to: "10.1.0.0/16", table: "main", priority: 1001 });
        a.rule(#{ iif: "e0", table: 101, priority: 1002 }).rule(#{ oif: "e0", table: 101, priority: 1003 });
        a.rule(#{ fwmark: 7, table: 102, priority: 1004 }).rule(#{ tos: 16, table: 103, priority: 1005 });
        a.rule(#{ not: true, from: "10.0.0.1", to: "10.0.0.2", table: 104, priority: 1006 });
        a.rule(#{ from: "10.7.0.0/16", type: "blackhole", priority: 1007 }).rule(#{ from: "10.8.0.0/16", type: "unreachable", priority: 1008 }).rule(#{ type: "prohibit", to: "10.9.0.0/16", priority: 1009 });
        a.rule(#{ table: 100000, from: "all", priority: 1010 });
        "#,
        &[(
            "ip -n a -j rule",
            r#"["=",{"priority":0,"table":"local"},{"priority":1000,"src":"10.0.0.0","srclen":24,"table":"100"},{"priority":1001,"src":"all","dst":"10.1.0.0","dstlen":16,"table":"main"},{"priority":1002,"iif":"e0","table":"101"},{"priority":1003,"oif":"e0","table":"101"},{"priority":1004,"fwmark":"0x7","table":"102"},{"priority":1005,"tos":"0x10","table":"103"},{"priority":1006,"not":null,"src":"10.0.0.1","dst":"10.0.0.2","table":"104"},{"priority":1007,"src":"10.7.0.0","action":"blackhole"},{"priority":1008,"action":"unreachable"},{"priority":1009,"dst":"10.9.0.0","action":"prohibit"},{"priority":1010,"src":"all","table":"100000"},{"priority":32766},{"priority":32767}]"#,
        )],
    ),
    case(
        "IPv6, by its addresses and by the word",
        r#"
        let a = netns("a");
        a.rule(#{ from: "fd00::/64", table: 100, priority: 10 }).rule(#{ to: "fd01::1", type: "prohibit", priority: 11 }).rule(#{ fwmark: 4294967295, table: 200, ipv6: true, priority: 12 });
        a.rule(#{ iif: "lo", table: 300, ipv6: true, priority: 13 }).rule(#{ not: true, from: "fd02::/32", table: 300, priority: 14, tos: 8 });
        "#,
        &[
            (
                "ip -n a -j -6 rule",
                r#"["=",{"priority":0},{"priority":10,"src":"fd00::","srclen":64,"table":"100"},{"priority":11,"dst":"fd01::1","action":"prohibit"},{"priority":12,"fwmark":"0xffffffff","table":"200"},{"priority":13,"iif":"lo","table":"300"},{"priority":14,"src":"fd02::","srclen":32},{"priority":32766}]"#,
            ),
            ("ip -n a -j -4 rule", r#"["=",{"priority":0},{"priority":32766},{"priority":32767}]"#),
        ],
    ),
    case(
        "without a priority: below the lowest",
        r#"let a = netns("a"); a.rule(#{ from: "10.0.0.0/24", table: 100 }).rule(#{ from: "10.1.0.0/24", table: 100 }); host.rule(#{ from: "10.1.0.0/24", table: 100 }); host.rule(#{ from: "fd00::/64", table: 100 });"#,
        &[
            (
                "ip -n a -j rule",
                r#"["=",{"priority":0},{"priority":32764,"src":"10.1.0.0"},{"priority":32765,"src":"10.0.0.0"},{"priority":32766},{"priority":32767}]"#,
            ),
            (
                "ip -j rule",
                r#"["=",{"priority":0},{"priority":999,"src":"10.1.0.0"},{"priority":1000},{"priority":32766},{"priority":32767}]"#,
            ),
            ("ip -j -6 rule", r#"{"priority":32765,"src":"fd00::"}"#),
        ],
    ),
    case(
        "`not`, seen by the words of ip",
        r#"netns("a").rule(#{ not: true, from: "10.0.0.1", table: 104, priority: 6 });"#,
        &[("ip -n a rule show priority 6", "6:\tnot from 10.0.0.1 lookup 104 proto boot")],
    ),
    case(
        "deleted, by all it says and by its priority",
        r#"
        let a = netns("a");
        a.rule(#{ from: "10.0.0.0/24", table: 100 }).del_rule(#{ from: "10.0.0.0/24", table: 100 });
        a.rule(#{ from: "10.0.0.0/24", table: 100, priority: 5 }).rule(#{ from: "10.0.0.0/24", table: 100, priority: 6 }).del_rule(#{ from: "10.0.0.0/24", table: 100, priority: 5 });
        a.rule(#{ from: "fd00::/64", table: 100, priority: 7 }).del_rule(#{ from: "fd00::/64", table: 100 });
        a.del_rule(#{ table: "default", priority: 32767 });
        host.rule(#{ fwmark: 3, table: 100, priority: 7 }).del_rule(#{ fwmark: 3, table: 100 });
        "#,
        &[
            ("ip -n a -j rule", r#"["=",{"priority":0},{"priority":6},{"priority":32766}]"#),
            ("ip -n a -j -6 rule", r#"["=",{"priority":0},{"priority":32766}]"#),
            ("ip -j rule", r#"no {"priority":7}"#),
        ],
    ),
    refused("a rule that is there", r#"host.rule(#{ from: "10.95.0.0/16", table: 100, priority: 1000 });"#, "NL0111"),
    case(
        "a user's rule deleted",
        r#"host.del_rule(#{ from: "10.95.0.0/16", table: 100, priority: 1000 });"#,
        &[("ip -j rule show", r#"no {"priority":1000}"#)],
    ),
    refused("none to delete", r#"netns("a").del_rule(#{ from: "10.0.0.0/8", table: 100 });"#, "NL0110"),
    refused("without a table", r#"netns("a").rule(#{ from: "10.0.0.0/8" });"#, "NL0118"),
    refused("two families", r#"netns("a").rule(#{ from: "10.0.0.0/8", to: "fd00::/64", table: 100 });"#, "NL0"),
    refused(
        "IPv4 that is said to be IPv6",
        r#"netns("a").rule(#{ from: "10.0.0.0/8", ipv6: true, table: 100 });"#,
        "NL0",
    ),
];

#[test]
fn neighbours() {
    run_cases(NEIGHBOURS);
}

const NEIGHBOURS: &[Case] = &[
    case(
        "permanent and proxy, IPv4 and IPv6, with and without dev, on a user's link",
        r#"
        let a = netns("a"); let w = veth(a.port("e0", "10.0.0.1/24"), netns("b").port("e0"));
        a.neigh("10.0.0.9", "02:00:00:00:00:09").neigh("fd00::9", "02:00:00:00:00:0a", #{ dev: "e0" }).neigh("10.0.0.8", #{ proxy: true }).neigh("fd00::8", #{ proxy: true, dev: w.a });
        host.neigh("10.98.0.9", "02:00:00:00:00:0b", #{ dev: "my0" }).neigh("2001:db8:98::9", "02:00:00:00:00:0c", #{ dev: host["my0"] }).neigh("10.98.0.8", #{ dev: "my0", proxy: true });
        "#,
        &[
            ("ip -n a -j neigh", r#"{"dst":"10.0.0.9","dev":"e0","lladdr":"02:00:00:00:00:09","state":["PERMANENT"]}"#),
            ("ip -n a -j neigh", r#"{"dst":"fd00::9","lladdr":"02:00:00:00:00:0a","state":["PERMANENT"]}"#),
            ("ip -n a -j neigh show proxy", r#"{"dst":"10.0.0.8","dev":"e0"}"#),
            ("ip -n a -j neigh show proxy", r#"{"dst":"fd00::8","dev":"e0"}"#),
            ("ip -j neigh", r#"{"dst":"10.98.0.9","dev":"my0","lladdr":"02:00:00:00:00:0b","state":["PERMANENT"]}"#),
            ("ip -j neigh", r#"{"dst":"2001:db8:98::9","lladdr":"02:00:00:00:00:0c"}"#),
            ("ip -j neigh show proxy", r#"{"dst":"10.98.0.8","dev":"my0"}"#),
        ],
    ),
    case(
        "deleted",
        r#"
        let a = netns("a"); veth(a.port("e0", "10.0.0.1/24"), netns("b").port("e0"));
        a.neigh("10.0.0.9", "02:00:00:00:00:09").del_neigh("10.0.0.9", "02:00:00:00:00:09").neigh("10.0.0.8", #{ proxy: true }).del_neigh("10.0.0.8", #{ proxy: true });
        a.neigh("fd00::9", "02:00:00:00:00:09").del_neigh("fd00::9", "02:00:00:00:00:09", #{ dev: "e0" }).neigh("fd00::8", #{ proxy: true }).del_neigh("fd00::8", #{ proxy: true });
        host.neigh("10.98.0.8", #{ dev: "my0", proxy: true }).del_neigh("10.98.0.8", #{ dev: "my0", proxy: true });
        "#,
        &[
            ("ip -n a -j -4 neigh", r#"no {"dst":"10.0.0.9","state":["PERMANENT"]}"#),
            ("ip -n a -j -6 neigh", r#"no {"dst":"fd00::9","state":["PERMANENT"]}"#),
            ("ip -n a -j neigh show proxy", r#"["="]"#),
            ("ip -j neigh show proxy", r#"["="]"#),
        ],
    ),
    case(
        "an entry that the kernel learned gives way",
        r#"
        let a = netns("a"); let b = netns("b"); veth(a.port("e0", "10.0.0.1/24"), b.port("e0", "10.0.0.2/24")); a.exec("ping -c1 -W1 10.0.0.2");
        a.neigh("10.0.0.2", "02:00:00:00:00:09");
        "#,
        &[("ip -n a -j neigh", r#"["=",{"dst":"10.0.0.2","lladdr":"02:00:00:00:00:09","state":["PERMANENT"]}]"#)],
    ),
    refused("a user's entry", r#"host.neigh("10.98.0.77", "02:00:00:00:00:01", #{ dev: "my0" });"#, "NL0111"),
    case(
        "a user's entry deleted",
        r#"host.del_neigh("10.98.0.77", "02:00:00:00:00:77", #{ dev: "my0" });"#,
        &[("ip -j neigh show 10.98.0.77", r#"["="]"#)],
    ),
    refused("several links and no dev", r#"host.neigh("10.98.0.9", "02:00:00:00:00:01");"#, "NL0118"),
];
