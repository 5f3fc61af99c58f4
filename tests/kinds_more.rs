//! Kinds of links that many kernels lack, with traffic: ipvlan, VRF, bond, GRE, Geneve. As `kinds`, it runs in the test kernel.

mod common;

use common::is_root;
use common::labs::lacks;
use common::sandbox::Sandbox;
use common::witness::{Case, case, refused, run_cases};

/// Runs cases where the kernel has a kind, which `ip` is asked to make first.
#[track_caller]
fn run(option: &str, attempt: &str, what: &str, cases: &[Case]) {
    if !is_root(what) {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    if sandbox.try_sh(attempt).status.success() {
        run_cases(cases);
    } else {
        lacks(what, option);
    }
}

#[test]
fn ipvlans() {
    run(
        "CONFIG_IPVLAN",
        "ip link add x0 type veth peer name x1 && ip link add x2 link x0 type ipvlan",
        "ipvlan",
        IPVLANS,
    );
}

const IPVLANS: &[Case] = &[
    case(
        "two on one card reach each other and the other end",
        r#"let w = veth(netns("a").port("eth0"), netns("b").port("eth0", "10.0.0.9/24"));
        w.a.ipvlan(netns("c").port("i0", "10.0.0.1/24"), "l2"); w.a.ipvlan(netns("d").port("i0", "10.0.0.2/24"), "l2");
        expect(get_netns("c").ping("10.0.0.9"));"#,
        &[
            (
                "ip -n c -j -d link show i0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"ipvlan","info_data":{"mode":"l2"}}}"#,
            ),
            ("ip netns exec c ping -c1 -W2 10.0.0.2 >/dev/null; echo $?", "0"),
            ("ip netns exec d ping -c1 -W2 10.0.0.9 >/dev/null; echo $?", "0"),
        ],
    ),
    case(
        "the other modes",
        r#"let w = veth("x0", "x1"); w.a.ipvlan("i0", "l3"); let v = veth("y0", "y1"); v.a.ipvlan(netns("a").port("i0"), "l3s");"#,
        &[
            ("ip -j -d link show i0", r#"{"link":"x0","linkinfo":{"info_data":{"mode":"l3"}}}"#),
            ("ip -n a -j -d link show i0", r#"{"linkinfo":{"info_data":{"mode":"l3s"}}}"#),
        ],
    ),
    Case {
        before: "ip link add link my0 name myip address $(cat /sys/class/net/my0/address) type ipvlan mode l3 && ip addr add 10.8.0.1/24 dev myip && ip link set myip up && ip link show my0 >/dev/null",
        ..case(
            "the user's own is deleted",
            r#"host["myip"].del();"#,
            &[("ip -j link show myip", "Device \"myip\" does not exist.")],
        )
    },
    refused("no such mode", r#"veth("x0", "x1").a.ipvlan("i0", "l4");"#, "NL0118"),
];

#[test]
fn vrfs() {
    run("CONFIG_NET_VRF", "ip link add x0 type vrf table 10", "VRF", VRFS);
}

const VRFS: &[Case] = &[
    case(
        "two customers with the same addresses",
        r#"let r = netns("r");
        for (color, i) in ["red", "blue"] {
            let domain = vrf(r.port(color), 10 + i);
            let w = veth(r.port(`eth${i}`), netns(color).port("eth0", "10.0.0.2/24"));
            w.a.master(domain).addr("10.0.0.1/24");
        }"#,
        &[
            (
                "ip -n r -j -d link show red",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"vrf","info_data":{"table":10}}}"#,
            ),
            ("ip -n r -j link show eth1", r#"{"master":"blue"}"#),
            ("ip -n r -j route show table 11 10.0.0.0/24", r#"{"dst":"10.0.0.0/24","dev":"eth1"}"#),
            ("ip netns exec red ping -c1 -W2 10.0.0.1 >/dev/null; echo $?", "0"),
            ("ip netns exec blue ping -c1 -W2 10.0.0.1 >/dev/null; echo $?", "0"),
        ],
    ),
    Case {
        before: "ip link add myvrf type vrf table 77 && ip link set myvrf up && ip link show my0 >/dev/null",
        ..case(
            "the user's own is deleted",
            r#"host["myvrf"].del();"#,
            &[("ip -j link show myvrf", "Device \"myvrf\" does not exist.")],
        )
    },
    case(
        "a port that is made with its address keeps it",
        r#"let r = netns("r"); let red = vrf(r.port("red"), 9); let p = veth(r.port("e0", "10.0.0.1/24"), r.port("e1")); p.a.master(red);"#,
        &[
            ("ip -n r -j addr show e0", r#"{"master":"red","addr_info":[{"local":"10.0.0.1"}]}"#),
            ("ip -n r -j route show table 9 10.0.0.0/24", r#"{"dev":"e0"}"#),
        ],
    ),
    refused("no table", r#"vrf("red", 0);"#, "NL0106"),
];

#[test]
fn bonds() {
    run("CONFIG_BONDING", "ip link add x0 type bond mode active-backup", "bond", BONDS);
}

const BONDS: &[Case] = &[
    case(
        "one of two links fails",
        r#"let a = netns("a"); let b = netns("b"); let lan = bridge(b.port("br0", "10.0.0.2/24"));
        let both = bond(a.port("bond0", "10.0.0.1/24"), "active-backup", #{ miimon: 50 });
        for n in 0..2 { veth(a.port(`eth${n}`, #{ up: false }), lan.port(`p${n}`)).a.master(both).up(); }
        expect(a.ping("10.0.0.2")); b["p0"].down();"#,
        &[
            (
                "ip -n a -j -d link show bond0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"bond","info_data":{"mode":"active-backup","miimon":50}}}"#,
            ),
            ("ip -n a -j link show eth1", r#"{"master":"bond0"}"#),
            (
                "for i in 1 2 3 4 5 6 7 8; do ip netns exec a ping -c1 -W1 10.0.0.2 >/dev/null && break; done; echo $?",
                "0",
            ),
        ],
    ),
    case(
        "the other modes",
        r#"for mode in ["balance-rr", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"] { bond("b" + mode.sub_string(mode.len() - 3), mode); }"#,
        &[
            ("ip -j -d link show b-rr", r#"{"linkinfo":{"info_data":{"mode":"balance-rr"}}}"#),
            ("ip -j -d link show bxor", r#"{"linkinfo":{"info_data":{"mode":"balance-xor"}}}"#),
            ("ip -j -d link show bast", r#"{"linkinfo":{"info_data":{"mode":"broadcast"}}}"#),
            ("ip -j -d link show b3ad", r#"{"linkinfo":{"info_data":{"mode":"802.3ad"}}}"#),
            ("ip -j -d link show btlb", r#"{"linkinfo":{"info_data":{"mode":"balance-tlb"}}}"#),
            ("ip -j -d link show balb", r#"{"linkinfo":{"info_data":{"mode":"balance-alb"}}}"#),
        ],
    ),
    refused("no such mode", r#"bond("b0", "fast");"#, "NL0118"),
];

#[test]
fn gre() {
    run("CONFIG_NET_IPGRE", "ip link add x0 type gretap remote 192.0.2.1", "GRE", GRE);
}

const GRE: &[Case] = &[
    case(
        "packets and frames, told apart by a key",
        r#"let l = netns("l"); let r = netns("r"); veth(l.port("eth0", "10.0.0.1/24"), r.port("eth0", "10.0.0.2/24"));
        gre(l.port("g1", "10.1.0.1/24"), #{ local: "10.0.0.1", remote: "10.0.0.2", key: 7, ttl: 9 });
        gre(r.port("g1", "10.1.0.2/24"), #{ local: "10.0.0.2", remote: "10.0.0.1", key: 7 });
        gretap(l.port("t1", "10.2.0.1/24"), #{ local: "10.0.0.1", remote: "10.0.0.2", key: 8, dev: "eth0" });
        gretap(r.port("t1", "10.2.0.2/24"), #{ local: "10.0.0.2", remote: "10.0.0.1", key: 8 });
        expect(l.ping("10.1.0.2")); expect(l.ping("10.2.0.2"));"#,
        &[
            (
                "ip -n l -j -d link show g1",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"gre","info_data":{"remote":"10.0.0.2","local":"10.0.0.1","ttl":9,"ikey":"0.0.0.7","okey":"0.0.0.7"}}}"#,
            ),
            ("ip -n l -j -d link show t1", r#"{"linkinfo":{"info_kind":"gretap","info_data":{"ikey":"0.0.0.8"}}}"#),
            ("ip netns exec r ping -c1 -W2 10.1.0.1 >/dev/null; echo $?", "0"),
            ("ip netns exec r ping -c1 -W2 10.2.0.1 >/dev/null; echo $?", "0"),
        ],
    ),
    Case {
        before: "ip link add mygre type gre local 10.9.9.1 remote 10.9.9.2 key 5 ttl 33 && ip addr add 10.8.0.1/24 dev mygre && ip link set mygre up && ip link add mytap type gretap remote 10.9.9.3 && ip link show my0 >/dev/null",
        ..case(
            "the user's own are deleted",
            r#"host["mygre"].del(); host["mytap"].del();"#,
            &[("ip -j link show mygre", "Device \"mygre\" does not exist.")],
        )
    },
    refused("without an end", r#"gre("g1", #{ key: 1 });"#, "NL0118"),
    refused("an IPv6 end", r#"gre("g1", #{ remote: "fd00::1" });"#, "NL0103"),
];

#[test]
fn geneve() {
    run("CONFIG_GENEVE", "ip link add x0 type geneve id 1 remote 192.0.2.1", "Geneve", GENEVE);
}

const GENEVE: &[Case] = &[
    case(
        "frames through it",
        r#"let l = netns("l"); let r = netns("r"); veth(l.port("eth0", "10.0.0.1/24"), r.port("eth0", "10.0.0.2/24"));
        geneve(l.port("g0", "10.1.0.1/24"), 77, #{ remote: "10.0.0.2", dstport: 6082 });
        geneve(r.port("g0", "10.1.0.2/24"), 77, #{ remote: "10.0.0.1", dstport: 6082, ttl: 5 });
        expect(l.ping("10.1.0.2"));"#,
        &[
            (
                "ip -n l -j -d link show g0",
                r#"{"flags":["UP"],"linkinfo":{"info_kind":"geneve","info_data":{"id":77,"remote":"10.0.0.2","port":6082}}}"#,
            ),
            ("ip -n r -j -d link show g0", r#"{"linkinfo":{"info_data":{"ttl":5}}}"#),
            ("ip netns exec r ping -c1 -W2 10.1.0.1 >/dev/null; echo $?", "0"),
        ],
    ),
    Case {
        before: "ip link add mygen address 02:00:00:00:00:77 type geneve id 9 remote 10.9.9.2 ttl 8 && ip addr add 10.8.0.1/24 dev mygen && ip link set mygen up && ip link show my0 >/dev/null",
        ..case(
            "the user's own is deleted",
            r#"host["mygen"].del();"#,
            &[("ip -j link show mygen", "Device \"mygen\" does not exist.")],
        )
    },
    refused("without the other end", r#"geneve("g0", 7, #{ ttl: 3 });"#, "NL0118"),
];

#[test]
fn netem() {
    run(
        "CONFIG_NET_SCH_NETEM",
        "ip link add x0 type veth peer name x1 && tc qdisc add dev x0 root netem delay 1ms",
        "netem",
        NETEM,
    );
}

const NETEM: &[Case] = &[
    case(
        "delay, loss and all the rest",
        r#"let w = veth(netns("a").port("eth0", "10.0.0.1/24"), netns("b").port("eth0", "10.0.0.2/24"));
        w.a.netem(#{ loss: 100 }); expect(!get_netns("b").ping("10.0.0.1").ok);
        w.a.netem(#{ delay: "50ms", jitter: "1ms", loss: 0.5, duplicate: "25%", corrupt: 1, reorder: 75, rate: "10mbit", limit: 77 });
        w.b.netem(#{ delay: "30ms" });
        w.a.netem(#{ delay: "50ms" });
        expect(get_netns("a").ping("10.0.0.2").rtt >= 80.0);"#,
        &[
            (
                "tc -n a -j qdisc show dev eth0",
                r#"{"kind":"netem","root":true,"options":{"limit":1000,"delay":{"delay":0.05}}}"#,
            ),
            ("tc -n b -j qdisc show dev eth0", r#"{"kind":"netem","options":{"delay":{"delay":0.03}}}"#),
            ("ip netns exec b ping -c1 -W2 10.0.0.1 | grep -c 'time=[89][0-9]'", "1"),
        ],
    ),
    case(
        "each option as tc tells it",
        r#"let w = veth("x0", "x1"); w.a.netem(#{ delay: "50ms", jitter: "1ms", loss: 0.5, duplicate: "25%", corrupt: 1, reorder: 75, rate: "10mbit", limit: 77 });
        w.b.netem(#{ rate: 50000000000 }).netem(#{ delay: "5us" }).del_netem();"#,
        &[
            (
                "tc -j qdisc show dev x0",
                r#"{"kind":"netem","options":{"limit":77,"delay":{"delay":0.05,"jitter":0.001},"loss-random":{"loss":0.005},"duplicate":{"duplicate":0.25},"corrupt":{"corrupt":0.01},"reorder":{"reorder":0.75},"rate":{"rate":1250000},"gap":1}}"#,
            ),
            ("tc -j qdisc show dev x1", r#"{"kind":"noqueue"}"#),
        ],
    ),
    Case {
        before: "tc qdisc add dev my0 root handle 5: netem delay 7ms && ip link show my0 >/dev/null",
        ..case(
            "the user's own gives way and comes back",
            r#"host["my0"].netem(#{ delay: "1ms" }); host["my0"].del_netem();"#,
            &[("tc -j qdisc show dev my0", r#"{"kind":"noqueue"}"#)],
        )
    },
    refused("nothing to do", r#"veth("x0", "x1").a.netem(#{});"#, "NL0118"),
    refused("no unit", r#"veth("x0", "x1").a.netem(#{ delay: 10 });"#, "NL0118"),
    refused("no share", r#"veth("x0", "x1").a.netem(#{ loss: 101 });"#, "NL0106"),
    refused("nothing there", r#"veth("x0", "x1").a.del_netem();"#, "NL0110"),
    Case {
        before: "tc qdisc add dev my0 root handle 7: pfifo limit 9 && ip link show my0 >/dev/null",
        ..refused("the user's own of another kind", r#"host["my0"].del_netem();"#, "`my0` has no netem, but pfifo")
    },
];
