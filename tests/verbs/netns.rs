//! Namespaces: making, finding, naming; forwarding, settings, and files.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn namespaces() {
    run_cases(NAMESPACES);
}

const NAMESPACES: &[Case] = &[
    case(
        "plain: lo up, no forwarding",
        r#"netns("a");"#,
        &[
            ("ls /run/netns | tr '\\n' ' '", "a isp mine"),
            ("ip -n a -j link", r#"["=",{"ifname":"lo","flags":["LOOPBACK","UP"]}]"#),
            ("ip netns exec a cat /proc/sys/net/ipv4/ip_forward", "0"),
            ("ip netns exec a cat /proc/sys/net/ipv6/conf/all/forwarding", "0"),
            ("ip -n a -j addr show lo", r#"{"addr_info":[{"local":"127.0.0.1"}]}"#),
        ],
    ),
    case(
        "all options",
        r#"
        netns("a", #{ forward: true, lo: false, dns: ["10.0.0.53", "fd00::53"], sysctl: #{ "net.ipv4.conf.all.rp_filter": "2", "net.ipv4.ip_default_ttl": 32, "net/ipv6/conf/default/accept_dad": 0 } });
        netns("b", #{ forward: false, lo: true, dns: "nameserver 10.0.0.54" });
        netns("c", #{ dns: #{ nameserver: "10.0.0.55", search: ["x.example", "y.example"], options: "ndots:2" } });
        "#,
        &[
            ("ip -n a -j link show lo", r#"{"flags":["=","LOOPBACK"]}"#),
            (
                "ip netns exec a sh -c 'cd /proc/sys/net; cat ipv4/ip_forward ipv4/conf/all/rp_filter ipv4/ip_default_ttl ipv6/conf/default/accept_dad ipv6/conf/all/forwarding' | tr '\\n' ' '",
                "1 2 32 0 0",
            ),
            ("cat /etc/netns/a/resolv.conf", "nameserver 10.0.0.53\nnameserver fd00::53"),
            ("cat /etc/netns/b/resolv.conf", "nameserver 10.0.0.54"),
            ("cat /etc/netns/c/resolv.conf", "nameserver 10.0.0.55\nsearch x.example y.example\noptions ndots:2"),
            ("ip netns exec b cat /proc/sys/net/ipv4/ip_forward", "0"),
        ],
    ),
    Case {
        before: "echo 1 >/proc/sys/net/ipv4/ip_forward",
        ..case(
            "no forwarding although the host has it",
            r#"netns("a"); netns("b", #{ forward: true });"#,
            &[
                (
                    "ip netns exec a cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/forwarding /proc/sys/net/ipv4/conf/lo/forwarding | tr '\\n' ' '",
                    "0 0 0",
                ),
                ("ip netns exec b cat /proc/sys/net/ipv4/ip_forward", "1"),
                ("cat /proc/sys/net/ipv4/ip_forward", "1"),
            ],
        )
    },
    case(
        "ranges: inclusive, exclusive, empty, with options; an array comes back",
        r#"
        let h = netns("h", 1..=3); netns("x", 0..2, #{ forward: true, lo: false, dns: ["10.0.0.53"] }); netns("none", 5..5);
        veth(h[0].port("10.0.0.1/24"), h[2].port("10.0.0.3/24"));
        "#,
        &[
            ("ls /run/netns | tr '\\n' ' '", "h1 h2 h3 isp mine x0 x1"),
            ("ip netns exec x1 cat /proc/sys/net/ipv4/ip_forward", "1"),
            ("ip -n x0 -j link show lo", r#"{"flags":["=","LOOPBACK"]}"#),
            ("cat /etc/netns/x1/resolv.conf", "nameserver 10.0.0.53"),
            ("ip -n h3 -j addr show eth0", r#"{"addr_info":[{"local":"10.0.0.3"}]}"#),
        ],
    ),
    case(
        "found: the lab's own, a user's, the host, by a process",
        r#"
        netns("a"); get_netns("a").sysctl("net.ipv4.ip_default_ttl", "33"); get_netns("mine").sysctl("net.ipv4.ip_default_ttl", "34"); get_netns("host").sysctl("net.ipv4.ip_default_ttl", "35");
        let p = get_netns("isp").start("sleep 100"); netns_of(p.pid).sysctl("net.ipv4.ip_default_ttl", "36");
        let q = host.start("unshare -n sleep 101", #{ ready: 0.2 }); netns_of(q.pid).sysctl("net.ipv4.ip_default_ttl", "37");
        "#,
        &[
            (
                "for n in a mine isp; do ip netns exec $n cat /proc/sys/net/ipv4/ip_default_ttl; done | tr '\\n' ' '",
                "33 34 36",
            ),
            ("cat /proc/sys/net/ipv4/ip_default_ttl", "35"),
            ("nsenter --net=/proc/$(pgrep -f '^sleep 101')/ns/net cat /proc/sys/net/ipv4/ip_default_ttl", "37"),
        ],
    ),
    case(
        "a name for somebody's namespace",
        r#"
        let p = host.start("unshare -n sleep 100", #{ ready: 0.2 }); let n = attach("guest", p.pid);
        veth(n.port("e0", "10.0.0.1/24"), host.port("g", "10.0.0.2/24")); n.resolv_conf(["10.0.0.53"]);
        "#,
        &[
            ("ip -n guest -j addr show e0", r#"{"flags":["UP"],"addr_info":[{"local":"10.0.0.1"}]}"#),
            ("cat /etc/netns/guest/resolv.conf", "nameserver 10.0.0.53"),
            ("ip netns identify $(pgrep -f '^sleep 100')", "guest"),
        ],
    ),
    Case {
        before: "unshare -n sleep 100 </dev/null >/dev/null 2>&1 & sleep 0.2",
        ..case(
            "a user's process keeps its namespace, without what the lab did in it",
            r#"
            let pid = parse_int(host.exec("pgrep -f '^sleep 100'").stdout.split("\n")[0]); let n = attach("guest", pid);
            veth(n.port("e0", "10.0.0.1/24"), "g"); n["lo"].addr("10.9.0.1/32"); n.route("192.0.2.0/24", #{ type: "blackhole" }); n.sysctl("net.ipv4.ip_default_ttl", 9);
            "#,
            &[
                ("ip -n guest -j addr show e0", r#"{"addr_info":[{"local":"10.0.0.1"}]}"#),
                ("ip -n guest -j addr show lo", r#"{"addr_info":[{"local":"10.9.0.1"}]}"#),
            ],
        )
    },
    refused("a name that is taken", r#"netns("mine");"#, "NL0101"),
    refused("one of a range is taken", r#"netns("x", 1..=2); netns("x", 2..=3);"#, "NL0101"),
    refused("no such namespace", r#"get_netns("mein");"#, "NL0108"),
    refused("no such process", r#"netns_of(999999);"#, "NL0108"),
    refused("the host's name", r#"netns("host");"#, "NL0102"),
    refused("no such option", r#"netns("a", #{ forwarding: true });"#, "NL0118"),
    refused("a setting that is none", r#"netns("a", #{ sysctl: #{ "net.ipv4.nosuch": "1" } });"#, "NL0117"),
];

#[test]
fn settings() {
    run_cases(SETTINGS);
}

const SETTINGS: &[Case] = &[
    case(
        "forward and forward6, in a namespace and on the host",
        r#"
        let a = netns("a"); a.forward(true).forward6(true); netns("b").forward(true).forward(false).forward6(true).forward6(false);
        host.forward(true).forward6(true); get_netns("mine").forward(true);
        "#,
        &[
            (
                "ip netns exec a sh -c 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/lo/forwarding' | tr '\\n' ' '",
                "1 1 1",
            ),
            (
                "ip netns exec b sh -c 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding' | tr '\\n' ' '",
                "0 0",
            ),
            (
                "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth0/forwarding /proc/sys/net/ipv6/conf/all/forwarding | tr '\\n' ' '",
                "1 1 1",
            ),
            ("ip netns exec mine cat /proc/sys/net/ipv4/ip_forward", "1"),
        ],
    ),
    case(
        "off on the host, where a link of its own had it on",
        r#"host.forward(false);"#,
        &[("cat /proc/sys/net/ipv4/conf/my0/forwarding", "1")],
    ),
    case(
        "strings, integers and bools; several values in one; a value with tabs",
        r#"
        let a = netns("a"); a.sysctl("net.ipv4.ip_default_ttl", "32").sysctl("net.ipv4.conf.all.rp_filter", 2).sysctl("net.ipv4.conf.all.log_martians", true).sysctl("net.ipv4.conf.all.send_redirects", false);
        a.sysctl("net.ipv4.ping_group_range", "0 1000").sysctl("net/ipv4/ip_local_port_range", "20000 30000");
        "#,
        &[
            (
                "ip netns exec a sh -c 'cd /proc/sys/net/ipv4; cat ip_default_ttl conf/all/rp_filter conf/all/log_martians conf/all/send_redirects' | tr '\\n' ' '",
                "32 2 1 0",
            ),
            (
                "ip netns exec a cat /proc/sys/net/ipv4/ping_group_range /proc/sys/net/ipv4/ip_local_port_range",
                "0\t1000\n20000\t30000",
            ),
        ],
    ),
    case(
        "a dot in a link's name, both ways",
        r#"
        let a = netns("a"); veth(a.port("e0.5"), host.port("h0.5"));
        a.sysctl("net.ipv4.conf.e0/5.rp_filter", "2").sysctl("net/ipv6/conf/e0.5/hop_limit", "9");
        host.sysctl("net.ipv4.conf.h0/5.rp_filter", "1").sysctl("net/ipv4/conf/h0.5/log_martians", "1");
        "#,
        &[
            (
                "ip netns exec a sh -c 'cat /proc/sys/net/ipv4/conf/e0.5/rp_filter /proc/sys/net/ipv6/conf/e0.5/hop_limit' | tr '\\n' ' '",
                "2 9",
            ),
            (
                "cat /proc/sys/net/ipv4/conf/h0.5/rp_filter /proc/sys/net/ipv4/conf/h0.5/log_martians | tr '\\n' ' '",
                "1 1",
            ),
        ],
    ),
    case(
        "on the host: all and default, with what changes along, several times, and a user's link",
        r#"
        host.sysctl("net.ipv4.conf.all.forwarding", "1").sysctl("net.ipv6.conf.all.hop_limit", "77").sysctl("net.ipv4.conf.default.rp_filter", "1").sysctl("net.ipv4.conf.my0.rp_filter", "0").sysctl("net.ipv4.conf.my0.rp_filter", "1");
        host.sysctl("net.ipv4.conf.all.accept_redirects", "1").sysctl("net.ipv4.ip_forward", "0").sysctl("net.ipv6.conf.all.forwarding", "1");
        host.sysctl("net.core.somaxconn", "1000").sysctl("net.ipv4.conf.eth0.proxy_arp", "1");
        "#,
        &[(
            "cat /proc/sys/net/ipv4/conf/my0/rp_filter /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/default/rp_filter /proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/conf/eth0/proxy_arp | tr '\\n' ' '",
            "1 0 1 1 1000 1",
        )],
    ),
    case(
        "read: what was there, what was written",
        r#"
        fn save(n, text) { host.exec(["sh", "-c", "printf %s \"$1\" >/run/out-$2", "sh", text, n]); }
        let a = netns("a"); save("1", a.sysctl("net.ipv4.ip_default_ttl")); a.sysctl("net.ipv4.ip_default_ttl", "9"); save("2", a.sysctl("net/ipv4/ip_default_ttl")); save("3", host.sysctl("net.ipv4.conf.my0.rp_filter"));
        save("4", a.sysctl("net.ipv4.ip_local_port_range"));
        "#,
        &[(
            "cat /run/out-1; echo; cat /run/out-2; echo; cat /run/out-3; echo; cat /run/out-4",
            "64\n9\n2\n32768\t60999",
        )],
    ),
    refused("none of that name", r#"netns("a").sysctl("net.ipv4.nosuch", "1");"#, "NL0117"),
    refused("no value for it", r#"netns("a").sysctl("net.ipv4.ip_default_ttl", "0");"#, "NL0117"),
    refused("not of the network", r#"netns("a").sysctl("kernel.panic", "1");"#, "NL0117"),
    case(
        "one by which addresses go",
        r#"host.sysctl("net.ipv6.conf.my0.disable_ipv6", "1");"#,
        &[("ip -j -6 addr show my0", r#"["="]"#)],
    ),
    refused("a host-only one in a namespace", r#"netns("a").sysctl("net.core.rmem_max", "1000000");"#, "NL0117"),
];

#[test]
fn files() {
    run_cases(FILES);
}

const FILES: &[Case] = &[
    case(
        "resolv_conf in its three forms",
        r#"
        netns("a").resolv_conf("nameserver 10.0.0.1\n# mine\n"); netns("b").resolv_conf(["10.0.0.2", "fd00::2"]); netns("c").resolv_conf(#{ nameserver: ["10.0.0.3"], search: "example", options: ["ndots:1", "timeout:2"] });
        netns("d").resolv_conf(""); netns("e").resolv_conf(["10.0.0.4"]).resolv_conf(["10.0.0.5"]);
        "#,
        &[
            ("cat /etc/netns/a/resolv.conf", "nameserver 10.0.0.1\n# mine"),
            ("cat /etc/netns/b/resolv.conf", "nameserver 10.0.0.2\nnameserver fd00::2"),
            ("cat /etc/netns/c/resolv.conf", "nameserver 10.0.0.3\nsearch example\noptions ndots:1 timeout:2"),
            ("stat -c '%s %a' /etc/netns/d/resolv.conf", "0 644"),
            ("cat /etc/netns/e/resolv.conf", "nameserver 10.0.0.5"),
            ("ip netns exec b cat /etc/resolv.conf", "nameserver 10.0.0.2\nnameserver fd00::2"),
        ],
    ),
    case(
        "the host's own, and a user's namespace's",
        r#"host.resolv_conf(["10.0.0.9"]).hosts("127.0.0.1 localhost\n10.0.0.1 x"); get_netns("mine").resolv_conf("nameserver 10.0.0.8").hosts("10.0.0.2 y\n");"#,
        &[
            ("cat /etc/resolv.conf", "nameserver 10.0.0.9"),
            ("getent hosts x | tr -s ' '", "10.0.0.1 x"),
            ("cat /etc/netns/mine/resolv.conf /etc/netns/mine/hosts", "nameserver 10.0.0.8\n10.0.0.2 y"),
        ],
    ),
    Case {
        before: "mkdir -p /etc/netns/mine; echo 'nameserver 1.2.3.4' >/etc/netns/mine/resolv.conf; chmod 600 /etc/netns/mine/resolv.conf; chown 7:8 /etc/netns/mine/resolv.conf; rm /etc/resolv.conf; mkdir /etc/there; echo 'nameserver 5.6.7.8' >/etc/there/real; ln -s there/real /etc/resolv.conf",
        ..case(
            "a user's file with its mode and owner, and one that is a link",
            r#"get_netns("mine").resolv_conf(["10.0.0.9"]); host.resolv_conf(["10.0.0.10"]);"#,
            &[
                (
                    "stat -c '%a %u %g' /etc/netns/mine/resolv.conf; cat /etc/netns/mine/resolv.conf",
                    "600 7 8\nnameserver 10.0.0.9",
                ),
                ("cat /etc/resolv.conf", "nameserver 10.0.0.10"),
                ("cat /etc/there/real", "nameserver 5.6.7.8"),
            ],
        )
    },
    case(
        "of a namespace that is deleted",
        r#"let a = netns("a"); a.hosts("10.0.0.1 x\n").resolv_conf(["10.0.0.9"]); a.del();"#,
        &[("ls /etc/netns/a 2>&1 | head -1 | wc -l", "1")],
    ),
    refused("no address of a name server", r#"netns("a").resolv_conf(["ten"]);"#, "NL0103"),
    refused("no such key", r#"netns("a").resolv_conf(#{ nameservers: ["10.0.0.1"] });"#, "NL0118"),
    refused("no text", r#"netns("a").resolv_conf(5);"#, "NL0204"),
];
