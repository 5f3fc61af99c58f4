//! Rows of links: up and down, namespaces, names, MAC, MTU, bridges, deletion.

use super::bench::{Row, row, slow, small};

pub(crate) const LINKS: &[Row] = &[
    small("1 down", r#"host["v0"].down();"#, "- host: IPv6 routes"),
    // The kernel looks for duplicates of the link-local address for a second or two; here `down` comes while it does.
    slow("1 down and up, at once", r#"host["v0"].down().up();"#, "- host: nexthops"),
    slow("1 down and up", r#"host["v0"].down().up(); sleep(2.2);"#, "- host: nexthops"),
    row("1 down without DAD", r#"host["v1"].down();"#, "- host: lasting neighbours"),
    row("1 down and up twice", r#"host["v1"].down().up().down().up();"#, "- host: proxy neighbours"),
    row("1 both ends down", r#"host["v0"].down(); get_netns("mine")["p0"].down();"#, "- mine: IPv6 routes"),
    slow("1 the other end down and up", r#"get_netns("mine")["p0"].down().up(); sleep(2.2);"#, "- mine: nexthops"),
    row("1 both legs down", r#"host["v0"].down(); host["v1"].down();"#, "- host: IPv4 routes"),
    row("1 a port down", r#"host["ub0"].down();"#, "~ host: link ub0 flags"),
    slow("1 a bridge down and up", r#"host["ubr"].down().up(); sleep(2.2);"#, "- host: lasting neighbours"),
    row("1 what is on top down", r#"host["mv0"].down(); host["vx0"].down();"#, "~ host: link vx0 flags"),
    row("1 up", r#"host["off0"].up(); host["off1"].up();"#, "~ host: link off1 flags"),
    row("1 loopback down", r#"get_netns("mine")["lo"].down(); host["lo"].down();"#, "- host: IPv6 routes"),
    small("2 moved", r#"host["v0"].move_to(netns("far"));"#, "- host: link v0 ifindex"),
    row(
        "2 moved to the user's and used there",
        r#"host["v1"].move_to(get_netns("isp")).rename("w9").mac("02:00:00:00:77:21").mtu(1300).addr("10.77.0.1/24").up();"#,
        "+ isp: link w9 ifindex",
    ),
    row("2 moved and down", r#"host["v1"].move_to(netns("far")).up().down();"#, "- host: link v1 ifindex"),
    row("2 moved and back", r#"host["v0"].move_to(netns("far")).move_to(host).up();"#, "- host: addresses of v0"),
    row("2 moved on", r#"host["v1"].move_to(netns("far")).move_to(netns("farther")).up();"#, "- host: link v1 ifindex"),
    row("2 to where its index is taken", r#"get_netns("mine")["p0"].move_to(host).up();"#, "+ host: link p0 ifindex"),
    row(
        "2 its name and address taken meanwhile",
        r#"let far = netns("far"); host["v1"].move_to(far); veth(host.port("v1", "10.1.0.1/24"), far.port("w0", "10.1.0.9/24"));"#,
        "host: link v1 address",
    ),
    row(
        "2 both ends moved",
        r#"let far = netns("far"); host["v0"].move_to(far).up(); get_netns("mine")["p0"].move_to(far).up();"#,
        "- mine: link p0 ifindex",
    ),
    row("2 a port moved", r#"host["ub0"].move_to(netns("far"));"#, "- host: bridge ports"),
    row("2 what is on top moved", r#"host["mv0"].move_to(netns("far"));"#, "- host: link mv0 ifindex"),
    row("2 a tunnel moved", r#"host["vx0"].move_to(netns("far")).up();"#, "- host: link vx0 ifindex"),
    small("3 renamed", r#"host["v0"].rename("uplink9");"#, "+ host: link uplink9 ifindex"),
    row("3 the other end renamed", r#"get_netns("mine")["p0"].rename("x9");"#, "+ mine: link x9 ifindex"),
    row(
        "3 names swapped",
        r#"let a = host["v0"]; let b = host["v1"]; a.rename("tmp9"); b.rename("v0"); a.rename("v1");"#,
        "~ host: link v0 ifindex: 20, now 21",
    ),
    row("3 renamed and back", r#"host["v0"].rename("uplink9").rename("v0");"#, "- host: addresses of v0"),
    row(
        "3 a bridge and a port renamed",
        r#"host["ubr"].rename("br9"); host["ub0"].rename("port9");"#,
        "+ host: link br9",
    ),
    row("3 renamed while down", r#"host["off0"].rename("dark9"); host["off1"].up();"#, "+ host: link dark9"),
    small("4 MAC", r#"host["v0"].mac("02:00:00:00:77:20");"#, "~ host: link v0 address"),
    row("4 MAC, down and up", r#"host["v0"].down().mac("02:00:00:00:77:20").up();"#, "~ host: link v0 address"),
    row("4 MAC without DAD", r#"host["v1"].mac("02:00:00:00:77:21");"#, "- host: lasting neighbours"),
    row("4 MAC of a port", r#"host["ub0"].mac("02:00:00:00:00:01");"#, "~ host: link ubr address"),
    row("4 MAC of a bridge", r#"host["ubr2"].mac("02:00:00:00:77:22").down().up();"#, "~ host: link ubr2 address"),
    row("4 MAC of the other end", r#"get_netns("mine")["p0"].mac("02:00:00:00:77:99");"#, "~ mine: link p0 address"),
    row("4 MAC of a macvlan", r#"host["mv0"].mac("02:00:00:00:77:10").down().up();"#, "~ host: link mv0 address"),
    small("5 MTU below 1280", r#"host["v0"].mtu(1000);"#, "- host: net/ipv6/conf/v0/hop_limit"),
    row("5 MTU below 1280 and back", r#"host["v0"].mtu(1000).mtu(1450);"#, "- host: IPv6 routes"),
    row("5 MTU below 1280 without DAD", r#"host["v1"].mtu(576);"#, "- host: net/ipv6/conf/v1/mtu"),
    row("5 MTU below 1280 while down", r#"host["off1"].mtu(900);"#, "- host: net/ipv6/conf/off1/mtu"),
    row("5 MTU below 1280 at the other end", r#"get_netns("mine")["p0"].mtu(1000);"#, "- mine: IPv6 routes"),
    row("5 MTU of a port below 1280", r#"host["ub1"].mtu(1000);"#, "~ host: link ubr mtu: 1500, now 1000"),
    row("5b MTU", r#"host["v0"].mtu(1300);"#, "~ host: net/ipv6/conf/v0/mtu: 1400, now 1300"),
    row("5b MTU and back", r#"host["v0"].mtu(1290).mtu(1450);"#, "~ host: net/ipv6/conf/v0/mtu"),
    row("5b MTU larger", r#"host["v0"].mtu(9000); host["v1"].mtu(9000);"#, "~ host: link v0 mtu"),
    row("6 a new port", r#"veth(host["ubr"].port("port9"), netns("far"));"#, "+ host: bridge ports"),
    row(
        "6 a new port, too small for IPv6",
        r#"veth(host["ubr"].port("port9", #{ mtu: 1000 }), netns("far"));"#,
        "- host: net/ipv6/conf/ubr/mtu",
    ),
    row(
        "6 a new port, small, with the lowest MAC",
        r#"veth(host["ubr"].port("port9", #{ mac: "02:00:00:00:00:01", mtu: 1290 }), netns("far"));"#,
        "~ host: link ubr mtu: 1500, now 1290",
    ),
    row("6 the user's link as a new port", r#"host["off0"].master(host["ubr"]);"#, "+ host: bridge ports"),
    row("6 as a new port, and off", r#"host["off1"].master(host["ubr2"]).up().nomaster();"#, "~ host: link off1 flags"),
    small("6b off its bridge", r#"host["ub0"].nomaster();"#, "- host: bridge ports"),
    row("6b to another bridge", r#"host["ub0"].master(host["ubr2"]);"#, "~ host: link ub0 master"),
    row("6b off and on", r#"host["ub2"].nomaster().master(host["ubr"]);"#, "host: bridge ports"),
    row(
        "6b all ports off, on another one",
        r#"let lan = bridge("lan9"); for n in 0..=2 { host[`ub${n}`].master(lan); }"#,
        "~ host: link ub0 master",
    ),
    row("6b a tunnel off", r#"host["vx0"].nomaster();"#, "- host: bridge ports"),
    row(
        "6b options of ports",
        r#"host["ub0"].set(#{ cost: 5, priority: 1, hairpin: false, guard: false, learning: true, flood: true, isolated: true }); host["ub2"].set(#{ locked: false, state: "blocking" });"#,
        "~ host: link ub0 linkinfo info_slave_data cost: 33, now 5",
    ),
    row(
        "6b options of a bridge",
        r#"host["ubr"].set(#{ priority: 7, ageing_time: 1000, hello_time: 500, max_age: 2500, group_fwd_mask: 16 });"#,
        "~ host: link ubr linkinfo info_data priority: 4096, now 7",
    ),
    row(
        "6b snooping and spanning tree",
        r#"host["ubr"].set(#{ mcast_snooping: false }); host["ubr2"].set(#{ stp_state: true, mcast_snooping: true });"#,
        "~ host: link ubr2 linkinfo info_data stp_state: 0, now 1",
    ),
    row(
        "6b forwarding entries",
        r#"host["ub0"].del_fdb("02:00:00:00:00:09").fdb("02:00:00:00:00:99"); host["vx0"].del_fdb("02:00:00:00:00:0f", #{ dst: "10.0.0.13" }).fdb("02:00:00:00:00:9f", #{ dst: "10.0.0.14" });"#,
        "- host: FDB",
    ),
    row(
        "a description, a queue's length, promiscuity",
        r#"host["v0"].alias("changed").set(#{ txqueuelen: 5, promisc: false }); host["v1"].alias("new").set(#{ promisc: true });"#,
        "~ host: link v0 ifalias",
    ),
    row("7 a veth with a macvlan and a tunnel on it", r#"host["v0"].del();"#, "- host: link mv0 ifindex"),
    row("7 a veth", r#"host["v1"].del();"#, "- mine: link p1 ifindex"),
    row("7 a veth by its other end", r#"get_netns("mine")["p0"].del();"#, "- host: link v0 ifindex"),
    row("7 a veth that was down", r#"host["off0"].del();"#, "- host: link off1 ifindex"),
    row("7 both legs", r#"host["v0"].del(); host["v1"].del();"#, "- host: link v1 ifindex"),
    row("7 a bridge with ports", r#"host["ubr"].del();"#, "- host: bridge ports"),
    row("7 a bridge with a tunnel", r#"host["ubr2"].del();"#, "- host: link ubr2 ifindex"),
    row("7 a port", r#"host["ub0"].del();"#, "- mine: link ubp0 ifindex"),
    row("7 a tunnel", r#"host["vx0"].del();"#, "- host: link vx0 ifindex"),
    row("7 a macvlan", r#"host["mv0"].del();"#, "- host: link mv0 ifindex"),
    row(
        "7 deleted and made anew",
        r#"host["v1"].del(); veth(host.port("v1", "10.1.0.1/24"), netns("far").port("p1", "10.1.0.9/24")); host.route("10.77.0.0/16", "10.1.0.9");"#,
        "~ host: link v1 ifindex",
    ),
    row(
        "7 changed, moved, deleted",
        r#"host["v1"].mtu(1300).mac("02:00:00:00:77:21").rename("w9").move_to(netns("far")).addr("10.77.0.1/24").up().del();"#,
        "- mine: link p1 ifindex",
    ),
    row(
        "everything at once",
        r#"
                let far = netns("far");
                host["v0"].down().mac("02:00:00:00:77:20").rename("uplink9").up().del_addr("10.0.0.1/24");
                host["v1"].move_to(far).addr("10.77.0.1/24").up();
                host["ubr"].del();
                host["ub1"].master(host["ubr2"]).mtu(1000);
                host["mv0"].del();
                host.forward(true).forward6(true).del_route("10.32.0.0/16");
                veth(host.port("v1", "10.1.0.1/24"), far.port("w0", "10.1.0.9/24"));
                get_netns("mine")["p0"].mtu(1000);
                get_netns("mine").del();
                host["uplink9"].mtu(1200).down();
            "#,
        "- host: link ubr ifindex",
    ),
];
