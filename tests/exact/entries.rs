//! Rows of what is on links and beside them: addresses, routes, rules, neighbours, settings, namespaces.

use super::bench::{Row, row, slow, small};

pub(crate) const ENTRIES: &[Row] = &[
    small("8 a primary address", r#"host["v0"].del_addr("10.0.0.1/24");"#, "- host: IPv4 routes"),
    row("8 a primary address, the next promoted", r#"host["v1"].del_addr("10.1.0.1/24");"#, "- host: addresses of v1"),
    row("8 a secondary", r#"host["v0"].del_addr("10.0.0.2/24");"#, "- host: addresses of v0"),
    row("8 a middle secondary", r#"host["v1"].del_addr("10.1.0.2/24");"#, "- host: addresses of v1"),
    row("8 the first of the last network", r#"host["v0"].del_addr("10.0.1.1/24");"#, "- host: addresses of v0"),
    row(
        "8 point to point, of link scope, deprecated, without a route",
        r#"host["v0"].del_addr("10.0.3.1/32", #{ peer: "10.0.3.9" }).del_addr("10.0.4.1/24").del_addr("10.0.2.1/24").del_addr("10.0.5.1/24");"#,
        "- host: addresses of v0",
    ),
    row(
        "8 IPv6",
        r#"host["v0"].del_addr("2001:db8::2/64").del_addr("fd00:1::1/64").del_addr("fd00:4::1/64").del_addr("fd00:5::1/64");"#,
        "- host: IPv6 routes",
    ),
    row(
        "8 IPv6, point to point and without DAD",
        r#"host["v0"].del_addr("fd00:3::1/128", #{ peer: "fd00:3::9" }); host["v1"].del_addr("2001:db8:1::2/64").del_addr("fe80::1:1/64");"#,
        "- host: addresses of v1",
    ),
    row(
        "8 deleted and added again",
        r#"host["v0"].del_addr("10.0.0.1/24").addr("10.0.0.1/24", #{ label: "v0:x" }).del_addr("2001:db8::1/64").addr("2001:db8::1/64");"#,
        "- host: addresses of v0",
    ),
    row("8 of loopback", r#"host["lo"].del_addr("10.9.9.9/32").del_addr("fd09::9/128");"#, "- host: addresses of lo"),
    row("8 at the other end", r#"get_netns("mine")["p0"].del_addr("10.0.0.9/24");"#, "- mine: addresses of p0"),
    row(
        "8 a new address on the user's link",
        r#"host["v0"].addr("10.0.0.4/24").addr("fd00:9::1/64");"#,
        "+ host: addresses of v0",
    ),
    small(
        "9 replaced",
        r#"host.route("10.10.0.0/16", "10.1.0.254", #{ replace: true });"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.10.0.0/16\"",
    ),
    row(
        "9 the first of equals replaced",
        r#"host.route("10.30.0.0/16", "10.1.0.249", #{ metric: 30, replace: true });"#,
        "- host: IPv4 routes",
    ),
    row(
        "9 the first of equals",
        r#"host.del_route("10.30.0.0/16", "10.0.0.241", #{ metric: 30 });"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.30.0.0/16\", flags [], gateway \"10.0.0.241\"",
    ),
    row(
        "9 a middle one",
        r#"host.del_route("10.30.0.0/16", "10.0.0.243", #{ metric: 30 });"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.30.0.0/16\", flags [], gateway \"10.0.0.243\"",
    ),
    row(
        "9 all of equals",
        r#"for via in ["10.1.0.242", "10.0.0.241", "10.1.0.244", "10.0.0.243"] { host.del_route("10.30.0.0/16", via, #{ metric: 30 }); }"#,
        "- host: IPv4 routes",
    ),
    row(
        "9 the last of equals that are links",
        r#"host.del_route("10.31.0.0/16", #{ dev: "ubr" });"#,
        "- host: IPv4 routes: dev \"ubr\", dst \"10.31.0.0/16\"",
    ),
    row("9 an IPv6 sibling", r#"host.del_route("2001:db8:30::/48", "2001:db8::f3");"#, "- host: IPv6 routes"),
    row(
        "9 IPv6 replaced",
        r#"host.route("2001:db8:30::/48", "2001:db8:1::f9", #{ replace: true }).route("2001:db8:11::/48", "2001:db8:1::f9", #{ metric: 5, replace: true });"#,
        "- host: IPv6 routes",
    ),
    row(
        "9 blackhole and unreachable",
        r#"host.del_route("10.32.0.0/16", #{ type: "blackhole" }).del_route("10.33.0.0/16", #{ type: "unreachable", metric: 9 }).del_route("2001:db8:32::/48", #{ type: "blackhole" });"#,
        "- host: IPv4 routes",
    ),
    row(
        "9 in another table",
        r#"host.del_route("default", "10.0.0.254", #{ table: 100 }).del_route("10.35.0.0/16", #{ type: "throw", table: 100 }).del_route("default", "2001:db8::fe", #{ table: 100 });"#,
        "- host: IPv4 routes",
    ),
    row(
        "9 with metrics",
        r#"host.del_route("10.11.0.0/16", "10.0.0.254", #{ metric: 5 });"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.11.0.0/16\"",
    ),
    row(
        "9 multipath",
        r#"host.del_route("10.20.0.0/16").del_route("10.21.0.0/16");"#,
        "- host: IPv4 routes: dst \"10.21.0.0/16\"",
    ),
    row(
        "9 of a nexthop object",
        r#"host.del_route("10.40.0.0/16").del_route("10.41.0.0/16").del_route("2001:db8:41::/48");"#,
        "- host: IPv4 routes",
    ),
    row(
        "9 the kernel's own",
        r#"host.del_route("10.0.1.0/24", #{ dev: "v0" });"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.0.1.0/24\"",
    ),
    row(
        "9 by way of IPv6",
        r#"host.del_route("10.15.0.0/16");"#,
        "- host: IPv4 routes: dev \"v0\", dst \"10.15.0.0/16\"",
    ),
    row(
        "9 of the other end",
        r#"get_netns("mine").del_route("default", "10.0.0.1").del_route("10.50.0.0/16");"#,
        "- mine: IPv4 routes",
    ),
    row(
        "9 a new one before others",
        r#"host.route("10.30.0.0/16", "10.1.0.9", #{ metric: 29 }).route("2001:db8:30::/48", "2001:db8:1::f9", #{ metric: 1023 });"#,
        "+ host: IPv4 routes",
    ),
    row(
        "rules",
        r#"host.del_rule(#{ iif: "v0", table: 100, priority: 1000 }).del_rule(#{ to: "10.90.0.0/16", type: "blackhole", priority: 1003 }).rule(#{ from: "10.91.0.0/16", table: 100, priority: 1000 });"#,
        "- host: IPv4 rules",
    ),
    row(
        "IPv6 rules",
        r#"host.del_rule(#{ iif: "v0", table: 100, priority: 1000, ipv6: true }).del_rule(#{ from: "2001:db8:90::/48", table: 100, priority: 1001 });"#,
        "- host: IPv6 rules",
    ),
    row(
        "neighbours",
        r#"host.del_neigh("10.0.0.77", "02:00:00:00:00:77", #{ dev: "v0" }).del_neigh("2001:db8::77", "02:00:00:00:00:77", #{ dev: "v0" }).del_neigh("10.0.0.80", #{ proxy: true, dev: "v0" }).del_neigh("2001:db8:1::80", #{ proxy: true, dev: "v1" });"#,
        "- host: lasting neighbours",
    ),
    small("10 ip_forward", "host.forward(true);", "~ host: net/ipv4/ip_forward: 0, now 1"),
    row(
        "10 ip_forward, and off",
        "host.forward(true).forward(false);",
        "~ host: net/ipv4/conf/v0/forwarding: 1, now 0",
    ),
    row(
        "10 all.forwarding",
        r#"host.sysctl("net.ipv4.conf.all.forwarding", "1");"#,
        "~ host: net/ipv4/ip_forward: 0, now 1",
    ),
    row(
        "10 default.forwarding",
        r#"host.sysctl("net.ipv4.conf.default.forwarding", "1");"#,
        "~ host: net/ipv4/conf/default/forwarding",
    ),
    row(
        "10 one link's",
        r#"host.sysctl("net.ipv4.conf.v0.forwarding", "0").sysctl("net.ipv6.conf.v1.forwarding", "0");"#,
        "- host: groups of v1",
    ),
    row("10 IPv6", "host.forward6(true);", "~ host: net/ipv6/conf/v0/forwarding: 0, now 1"),
    row("10 IPv6, and off", "host.forward6(true).forward6(false);", "~ host: net/ipv6/conf/v1/forwarding: 1, now 0"),
    row(
        "10 of the other end",
        r#"get_netns("mine").forward(true).forward6(true);"#,
        "~ mine: net/ipv4/ip_forward: 0, now 1",
    ),
    small("11 disable_ipv6", r#"host.sysctl("net.ipv6.conf.v0.disable_ipv6", "1");"#, "- host: addresses of v0"),
    slow(
        "11 disable_ipv6, and off",
        r#"host.sysctl("net.ipv6.conf.v0.disable_ipv6", "1").sysctl("net.ipv6.conf.v0.disable_ipv6", "0"); sleep(2.2);"#,
        "- host: addresses of v0",
    ),
    row(
        "11 disable_ipv6 without DAD",
        r#"host.sysctl("net.ipv6.conf.v1.disable_ipv6", "1");"#,
        "- host: addresses of v1",
    ),
    row(
        "11 disable_ipv6 off",
        r#"host.sysctl("net.ipv6.conf.off0.disable_ipv6", "0");"#,
        "~ host: net/ipv6/conf/off0/disable_ipv6: 1, now 0",
    ),
    row("11 disable_ipv6 of all", r#"host.sysctl("net.ipv6.conf.all.disable_ipv6", "1");"#, "- host: addresses of lo"),
    slow(
        "11 disable_ipv6 of all, and off",
        r#"host.sysctl("net.ipv6.conf.all.disable_ipv6", "1").sysctl("net.ipv6.conf.all.disable_ipv6", "0"); sleep(2.2);"#,
        "- host: addresses of gw0",
    ),
    row(
        "11 disable_ipv6 of the other end",
        r#"get_netns("mine").sysctl("net.ipv6.conf.all.disable_ipv6", "1");"#,
        "- mine: addresses of p0",
    ),
    row(
        "11 disable_ipv6 of default",
        r#"host.sysctl("net.ipv6.conf.default.disable_ipv6", "1");"#,
        "~ host: net/ipv6/conf/default/disable_ipv6",
    ),
    row(
        "11 what else writes every link",
        r#"host.sysctl("net.ipv6.conf.all.addr_gen_mode", "1").sysctl("net.ipv6.conf.all.ignore_routes_with_linkdown", "1");"#,
        "~ host: net/ipv6/conf/v0/addr_gen_mode: 0, now 1",
    ),
    row(
        "11 what writes only itself",
        r#"host.sysctl("net.ipv4.conf.all.rp_filter", "1").sysctl("net.ipv6.conf.all.hop_limit", "9").sysctl("net.ipv6.conf.v0.keep_addr_on_down", "1").sysctl("net.ipv6.conf.v0.mtu", "1300").sysctl("net.ipv6.conf.default.hop_limit", "7");"#,
        "~ host: net/ipv6/conf/v0/mtu: 1400, now 1300",
    ),
    row(
        "11 IPv4 default writes links without an address",
        r#"host.sysctl("net.ipv4.conf.default.rp_filter", "2").sysctl("net.ipv4.conf.default.arp_ignore", "2");"#,
        "~ host: net/ipv4/conf/off0/rp_filter",
    ),
    row(
        "11 settings of neighbours and of the machine",
        r#"host.sysctl("net.ipv4.neigh.v0.gc_stale_time", "5").sysctl("net.ipv6.neigh.v0.gc_stale_time", "5").sysctl("net.ipv4.ip_default_ttl", "9");"#,
        "~ host: net/ipv4/neigh/v0/gc_stale_time: 77, now 5",
    ),
    row(
        "11 a setting, then its link away",
        r#"host.sysctl("net.ipv4.conf.v1.rp_filter", "1").sysctl("net.ipv6.conf.v1.hop_limit", "3"); host["v1"].move_to(netns("far"));"#,
        "- host: net/ipv4/conf/v1/rp_filter",
    ),
    small("12 a namespace", r#"get_netns("mine").del();"#, "- names in /run/netns"),
    row("12 the namespace of the way out", r#"get_netns("isp").del();"#, "- names in /run/netns"),
    row(
        "12 deleted and made anew",
        r#"get_netns("mine").del(); let mine = netns("mine"); veth(mine.port("p0", "10.77.0.1/24"), "p0");"#,
        "+ names in /run/netns",
    ),
    row(
        "12 changed and deleted",
        r#"let mine = get_netns("mine"); mine["p0"].down().rename("x9"); mine["p1"].del(); mine.route("10.78.0.0/16", #{ type: "blackhole" }); mine.del();"#,
        "- host: link v1 ifindex",
    ),
    // The page's last row: names and indices in the fixture's firewall have to lead to the same links again.
    row(
        "15 the link of a rule away and back",
        r#"host["v0"].rename("x9").move_to(netns("far")).move_to(host).rename("v0").up();"#,
        "- host: addresses of v0",
    ),
    row("15 the links of rules deleted", r#"host["v0"].del(); get_netns("mine")["p1"].del();"#, "host: firewall"),
];
