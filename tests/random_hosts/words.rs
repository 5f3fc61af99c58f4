//! What a machine may have: each a line of bash, and the calls in Rhai that take it away or put another in its place.
//!
//! `@dev` is a link, `@k` the number in its addresses, `@other` and `@j` another one's; `@ip` is `ip` in its namespace,
//! which a script calls `@ns`.

/// What it needs (see `Host::things`; a blank in an address is written `_`), the line, the calls with ` | ` between.
pub(crate) type Thing = (&'static str, &'static str, &'static str);

/// The first of each network is the primary one, so their order counts.
pub(crate) const ADDRS4: &[&str] = &[
    "10.@k.0.1/24",
    "10.@k.0.2/24",
    "10.@k.0.3/24 label @dev:1",
    "10.@k.0.4/25",
    "10.@k.1.1 peer 10.@k.1.9/32",
    "10.@k.2.1/24 valid_lft 5000 preferred_lft 4000",
    "10.@k.2.2/24 valid_lft forever preferred_lft 0",
    "10.@k.3.1/24 noprefixroute",
    "10.@k.4.1/24 metric 77",
    "10.@k.5.1/24 scope link",
    "10.@k.6.1/24 brd +",
    "10.@k.6.2/24 label @dev:two",
];

pub(crate) const ADDRS6: &[&str] = &[
    "2001:db8:@k::1/64 nodad",
    "2001:db8:@k::2/64 nodad",
    "2001:db8:@k::3/64 nodad valid_lft forever preferred_lft 0",
    "fd00:@k:1::1/64 nodad valid_lft 5000 preferred_lft 4000",
    "fd00:@k:2::1 peer fd00:@k:2::9/128 nodad",
    "fd00:@k:3::1/64 nodad noprefixroute",
    "fd00:@k:4::1/64 nodad metric 77",
];

/// Of a link itself. A tunnel and an intermediate block have no neighbours to speak of, but take the rest.
pub(crate) const LINK_LINES: &[Thing] = &[
    ("", "@ip link set @dev alias 'a link of mine'", "@dev.alias(\"another\")"),
    ("", "@ip link property add dev @dev altname long-name-of-@dev", "@dev.rename(\"long-name-of-@dev\")"),
    ("", "@ip link set @dev txqueuelen 77", "@dev.set(#{ txqueuelen: 78 })"),
    ("", "@ip link set @dev group 7", ""),
    ("", "@ip link set @dev promisc on", "@dev.set(#{ promisc: false })"),
    ("", "@ip link set @dev allmulticast on", ""),
    ("frames", "@ip maddr add 33:33:00:00:00:77 dev @dev", ""),
    (
        "up",
        "@ip neigh add 10.@k.0.77 lladdr 02:00:00:00:00:77 dev @dev nud permanent",
        "@ns.del_neigh(\"10.@k.0.77\", \"02:00:00:00:00:77\", #{ dev: @dev })",
    ),
    (
        "up six",
        "@ip neigh add 2001:db8:@k::77 lladdr 02:00:00:00:00:77 dev @dev nud permanent",
        "@ns.del_neigh(\"2001:db8:@k::77\", \"02:00:00:00:00:77\", #{ dev: @dev })",
    ),
    ("up", "@ip neigh add proxy 10.@k.0.78 dev @dev", "@ns.del_neigh(\"10.@k.0.78\", #{ dev: @dev, proxy: true })"),
    (
        "up six",
        "@ip neigh add proxy 2001:db8:@k::78 dev @dev",
        "@ns.del_neigh(\"2001:db8:@k::78\", #{ dev: @dev, proxy: true })",
    ),
    (
        "vxlan",
        "@bridge fdb append 00:00:00:00:00:00 dev @dev dst 10.9.9.9",
        "@dev.del_fdb(\"00:00:00:00:00:00\", #{ dst: \"10.9.9.9\" })",
    ),
    (
        "vxlan",
        "@bridge fdb append 00:00:00:00:00:00 dev @dev dst 10.9.9.8",
        "@dev.fdb(\"00:00:00:00:00:00\", #{ dst: \"10.9.9.7\", append: true })",
    ),
    ("", "@tc qdisc add dev @dev root tbf rate 1mbit burst 32k latency 400ms", ""),
    ("", "@tc qdisc add dev @dev clsact", ""),
];

/// Of a port of a bridge.
pub(crate) const PORT_OPTIONS: &[Thing] = &[
    ("", "@bridge link set dev @dev cost 77", "@dev.set(#{ cost: 78 })"),
    ("", "@bridge link set dev @dev priority 9", "@dev.set(#{ priority: 8 })"),
    ("", "@bridge link set dev @dev hairpin on", "@dev.set(#{ hairpin: false })"),
    ("", "@bridge link set dev @dev guard on", "@dev.set(#{ guard: false, root_block: true })"),
    ("", "@bridge link set dev @dev learning off", "@dev.set(#{ learning: true })"),
    ("", "@bridge link set dev @dev flood off mcast_flood off", "@dev.set(#{ flood: true })"),
    ("", "@bridge link set dev @dev isolated on", "@dev.set(#{ isolated: false, neigh_suppress: true })"),
    ("", "@bridge fdb add 02:00:00:00:0a:@at dev @dev master static", "@dev.del_fdb(\"02:00:00:00:0a:@at\")"),
    ("", "@bridge fdb add 02:00:00:00:0b:@at dev @dev master permanent", "@dev.fdb(\"02:00:00:00:0b:@at\")"),
];

pub(crate) const ROUTES: &[Thing] = &[
    ("four", "@ip route add 10.1@k.0.0/24 via 10.@k.0.99", "@ns.del_route(\"10.1@k.0.0/24\")"),
    (
        "four",
        "@ip route add 10.1@k.1.0/24 via 10.@k.0.99 metric 50",
        "@ns.del_route(\"10.1@k.1.0/24\") | @ns.route(\"10.1@k.1.0/24\", \"10.@k.0.98\", #{ metric: 50, replace: true })",
    ),
    (
        "four",
        "@ip route add 10.1@k.2.0/24 via 10.@k.0.99 table 100 proto static",
        "@ns.del_route(\"10.1@k.2.0/24\", #{ table: 100 })",
    ),
    // Of equal ones the first is used.
    (
        "four",
        "for i in 3 2 1; do @ip route append 10.1@k.3.0/24 via 10.@k.0.9$i; done",
        "@ns.del_route(\"10.1@k.3.0/24\", \"10.@k.0.92\") | @ns.del_route(\"10.1@k.3.0/24\", \"10.@k.0.93\") | @ns.route(\"10.1@k.3.0/24\", \"10.@k.0.97\", #{ replace: true })",
    ),
    (
        "four",
        "@ip route add 10.1@k.4.0/24 nexthop via 10.@k.0.99 weight 2 nexthop via 10.@k.0.98",
        "@ns.del_route(\"10.1@k.4.0/24\") | @ns.route(\"10.1@k.4.0/24\", \"10.@k.0.97\", #{ replace: true })",
    ),
    (
        "four other",
        "@ip route add 10.1@k.5.0/24 nexthop via 10.@k.0.99 dev @dev nexthop via 10.@j.0.99 dev @other weight 3",
        "@ns.del_route(\"10.1@k.5.0/24\")",
    ),
    (
        "four 10.@k.0.2/24",
        "@ip route add 10.1@k.6.0/24 via 10.@k.0.99 src 10.@k.0.2",
        "@dev.del_addr(\"10.@k.0.2/24\")",
    ),
    (
        "four other",
        "@ip route add 10.1@k.7.0/24 via 10.@j.0.99 dev @other src 10.@k.0.1",
        "@dev.del_addr(\"10.@k.0.1/24\")",
    ),
    ("four", "@ip route add 10.1@k.8.0/24 via 10.@k.0.99 mtu 1300 advmss 1000", "@ns.del_route(\"10.1@k.8.0/24\")"),
    ("four", "@ip route add 10.1@k.9.0/24 via 192.0.2.@k dev @dev onlink", "@ns.del_route(\"10.1@k.9.0/24\")"),
    ("four ipv6", "@ip route add 10.1@k.10.0/24 via inet6 fe80::99 dev @dev", "@ns.del_route(\"10.1@k.10.0/24\")"),
    ("four", "@ip route add 10.1@k.11.0/24 via 10.@k.0.99 tos 0x10", ""),
    ("up", "@ip route add 10.1@k.12.0/24 dev @dev scope link metric 9", "@ns.del_route(\"10.1@k.12.0/24\")"),
    ("", "@ip route add blackhole 10.1@k.13.0/24", "@ns.del_route(\"10.1@k.13.0/24\")"),
    (
        "",
        "@ip route add unreachable 10.1@k.14.0/24 metric 4000 table 100",
        "@ns.del_route(\"10.1@k.14.0/24\", #{ table: 100 })",
    ),
    (
        "carrier four",
        "@ip nexthop add id @k0 via 10.@k.0.99 dev @dev; @ip route add 10.1@k.15.0/24 nhid @k0",
        "@ns.del_route(\"10.1@k.15.0/24\")",
    ),
    (
        "carrier four",
        "@ip nexthop add id @k1 via 10.@k.0.99 dev @dev; @ip nexthop add id @k2 via 10.@k.0.98 dev @dev; @ip nexthop add id @k3 group @k1/@k2,2; @ip route add 10.1@k.16.0/24 nhid @k3",
        "@ns.del_route(\"10.1@k.16.0/24\")",
    ),
    ("", "@ip nexthop add id @k4 blackhole; @ip route add 10.1@k.17.0/24 nhid @k4", ""),
    ("up", "@ip route add local 10.1@k.18.0/24 dev @dev table 101", ""),
    ("six", "@ip -6 route add fd01:@k:1::/64 via 2001:db8:@k::99", "@ns.del_route(\"fd01:@k:1::/64\")"),
    (
        "six",
        "@ip -6 route add fd01:@k:2::/64 via 2001:db8:@k::99 metric 50 mtu 1300",
        "@ns.del_route(\"fd01:@k:2::/64\") | @ns.route(\"fd01:@k:2::/64\", \"2001:db8:@k::98\", #{ metric: 50, replace: true })",
    ),
    (
        "six",
        "@ip -6 route add fd01:@k:3::/64 nexthop via 2001:db8:@k::99 nexthop via 2001:db8:@k::98 weight 2",
        "@ns.del_route(\"fd01:@k:3::/64\") | @ns.del_route(\"fd01:@k:3::/64\", \"2001:db8:@k::98\")",
    ),
    (
        "six",
        "@ip -6 route add fd01:@k:4::/64 via 2001:db8:@k::99 table 100 expires 5000",
        "@ns.del_route(\"fd01:@k:4::/64\", #{ table: 100 })",
    ),
    ("six", "@ip -6 route add fd01:@k:5::/64 via fe80::99 dev @dev pref high", "@ns.del_route(\"fd01:@k:5::/64\")"),
    (
        "six 2001:db8:@k::2/64_nodad",
        "@ip -6 route add fd01:@k:6::/64 via 2001:db8:@k::99 src 2001:db8:@k::2",
        "@ns.del_route(\"fd01:@k:6::/64\")",
    ),
    (
        "carrier six",
        "@ip -6 nexthop add id @k5 via 2001:db8:@k::99 dev @dev; @ip -6 route add fd01:@k:7::/64 nhid @k5",
        "@ns.del_route(\"fd01:@k:7::/64\")",
    ),
    ("six", "@ip -6 route add fd01:@k:8::/64 dev @dev", "@ns.del_route(\"fd01:@k:8::/64\")"),
    ("", "@ip -6 route add blackhole fd01:@k:9::/64 metric 77", "@ns.del_route(\"fd01:@k:9::/64\")"),
];

pub(crate) const RULES: &[Thing] = &[
    (
        "",
        "@ip rule add from 10.@k.0.0/16 table 100 priority 100@k",
        "@ns.del_rule(#{ from: \"10.@k.0.0/16\", table: 100, priority: 100@k })",
    ),
    (
        "",
        "@ip rule add iif @dev table 100 priority 1000",
        "@ns.del_rule(#{ iif: \"@dev\", table: 100, priority: 1000 })",
    ),
    ("", "@ip rule add oif @dev fwmark 0x@k/0xff table 101 priority 1000", ""),
    ("", "@ip rule add not from 10.@k.0.0/16 suppress_prefixlength 0 table main priority 110@k", ""),
    ("", "@ip rule add to 10.@k.0.0/16 ipproto tcp dport 80 blackhole", ""),
    (
        "",
        "@ip -6 rule add from fd00:@k::/32 table 100 priority 100@k",
        "@ns.del_rule(#{ from: \"fd00:@k::/32\", table: 100, priority: 100@k })",
    ),
    (
        "",
        "@ip -6 rule add iif @dev table 100 priority 1000",
        "@ns.del_rule(#{ iif: \"@dev\", table: 100, priority: 1000, ipv6: true })",
    ),
];

/// Of one link, below /proc/sys.
pub(crate) const SETTINGS: &[&str] = &[
    "net/ipv4/conf/@dev/rp_filter=2",
    "net/ipv4/conf/@dev/arp_ignore=1",
    "net/ipv4/conf/@dev/send_redirects=0",
    "net/ipv4/conf/@dev/promote_secondaries=1",
    "net/ipv4/neigh/@dev/gc_stale_time=61",
    "net/ipv6/conf/@dev/hop_limit=77",
    "net/ipv6/conf/@dev/accept_ra=0",
    "net/ipv6/conf/@dev/keep_addr_on_down=1",
    "net/ipv6/conf/@dev/mtu=1280",
    "net/ipv6/conf/@dev/addr_gen_mode=1",
    "net/ipv6/neigh/@dev/retrans_time_ms=1001",
    "net/ipv6/conf/@dev/proxy_ndp=1",
];
