//! Links and bridges of kinds that a kernel may lack, with traffic: VLANs, QinQ, bridges that filter VLANs, dummies.
//!
//! What this machine's kernel lacks is skipped aloud here, and runs in the test kernel (`tests/kernel.rs`).

mod common;

use common::labs::{furnish_beside_a_lab, lacks};
use common::sandbox::Sandbox;
use common::witness::{Case, case, look, refused, run_cases};
use common::world::assert_same;
use common::{aloud, is_root};

const VLAN: (&str, &str) = (
    "CONFIG_VLAN_8021Q",
    "ip link add trya type veth peer name tryb && ip link add link trya name tryc type vlan protocol 802.1ad id 2",
);
const FILTERING: (&str, &str) = ("CONFIG_BRIDGE_VLAN_FILTERING", "ip link add trya type bridge vlan_filtering 1");
const DUMMY: (&str, &str) = ("CONFIG_DUMMY", "ip link add trya type dummy");

/// Runs cases where the kernel has what they need.
#[track_caller]
fn run(needs: (&str, &str), what: &str, cases: &[Case]) {
    if is_root(what) && has(needs, what) {
        run_cases(cases);
    }
}

fn has((option, attempt): (&str, &str), what: &str) -> bool {
    let Some(sandbox) = Sandbox::new() else { return false };
    let works = sandbox.try_sh(attempt).status.success();
    if !works {
        lacks(what, option);
    }
    works
}

#[test]
fn vlans() {
    run(VLAN, "VLANs", VLANS);
}

const VLANS: &[Case] = &[
    case(
        "a tag reaches the same tag and no other",
        r#"let w = veth(netns("a").port("eth0"), netns("b").port("eth0"));
        w.a.vlan(10).addr("10.0.10.1/24"); w.b.vlan(10).addr("10.0.10.2/24");
        w.a.vlan(20).addr("10.0.20.1/24"); w.b.vlan(21).addr("10.0.20.2/24");
        expect(get_netns("a").ping("10.0.10.2"));"#,
        &[
            (
                "ip -n a -j -d link show eth0.10",
                r#"{"link":"eth0","flags":["UP"],"linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":10}}}"#,
            ),
            ("ip netns exec a ping -c1 -W2 10.0.10.2 >/dev/null; echo $?", "0"),
            ("ip netns exec a ping -c1 -W1 10.0.20.2 >/dev/null; echo $?", "1"),
        ],
    ),
    case(
        "in another namespace than the link below, with an option of each kind",
        r#"let w = veth(netns("a").port("eth0"), netns("b").port("eth0"));
        w.a.vlan(netns("c").port("v0", "10.0.0.1/24", #{ mtu: 1400, mac: "02:00:00:00:00:07" }), 4094); 
        w.b.vlan("v1", 4094).addr("10.0.0.2/24");"#,
        &[
            (
                "ip -n c -j -d link show v0",
                r#"{"address":"02:00:00:00:00:07","mtu":1400,"linkinfo":{"info_kind":"vlan","info_data":{"id":4094}}}"#,
            ),
            ("ip netns exec c ping -c1 -W2 10.0.0.2 >/dev/null; echo $?", "0"),
        ],
    ),
    case(
        "QinQ: both tags have to fit",
        r#"let w = veth(netns("a").port("eth0"), netns("b").port("eth0"));
        let outer = #{ protocol: "802.1ad" };
        w.a.vlan(100, outer).vlan(10).addr("10.0.10.1/24"); w.b.vlan(100, outer).vlan(10).addr("10.0.10.2/24");
        w.a.vlan(200, outer).vlan(10).addr("10.0.20.1/24"); w.b.vlan(201, outer).vlan(10).addr("10.0.20.2/24");
        w.a.vlan("plain", 10).addr("10.0.30.1/24"); w.b.vlan(102).vlan(10).addr("10.0.30.2/24");
        expect(get_netns("a").ping("10.0.10.2"));"#,
        &[
            (
                "ip -n a -j -d link show eth0.100",
                r#"{"linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1ad","id":100}}}"#,
            ),
            (
                "ip -n a -j -d link show eth0.100.10",
                r#"{"link":"eth0.100","linkinfo":{"info_data":{"protocol":"802.1Q","id":10}}}"#,
            ),
            ("ip netns exec a ping -c1 -W2 10.0.10.2 >/dev/null; echo $?", "0"),
            ("ip netns exec a ping -c1 -W1 10.0.20.2 >/dev/null; echo $?", "1"),
            ("ip netns exec a ping -c1 -W1 10.0.30.2 >/dev/null; echo $?", "1"),
        ],
    ),
    case(
        "on the user's own card, which goes down, is renamed and moves",
        r#"let v = host["eth0"].vlan(7).addr("10.7.0.1/24"); host["eth0"].down().mtu(1400).rename("card").move_to(netns("a"));
        expect(v.kind == "vlan");"#,
        &[
            ("ip -n a -j link show card", r#"{"ifname":"card"}"#),
            ("ip -j -d link show eth0.7", r#"{"linkinfo":{"info_kind":"vlan"}}"#),
        ],
    ),
    Case {
        before: "ip link add link my0 name myvlan mtu 1400 address 02:00:00:00:00:09 type vlan protocol 802.1ad id 9 reorder_hdr off \
                 && ip link set myvlan type vlan ingress 3:4 egress 5:6 && ip addr add 10.9.0.1/24 dev myvlan \
                 && ip link set myvlan up && ip route add 10.10.0.0/16 via 10.9.0.2 && ip link show my0 >/dev/null",
        ..case(
            "the user's own VLAN link is deleted, and one that sits on it",
            r#"host["myvlan"].vlan("inner", 5); host["myvlan"].down().mtu(1300); host["myvlan"].del();"#,
            &[("ip -j link show myvlan", "Device \"myvlan\" does not exist.")],
        )
    },
    Case {
        before: "ip link add link my0 name plain type vlan id 3 && ip link add link my0 name busy type vlan id 4 loose_binding on gvrp on \
                 && ip link set plain up && ip link set busy up && for n in my0 plain busy; do ip link show $n >/dev/null; done",
        ..case(
            "the user's own VLAN links with and without options are deleted",
            r#"host["plain"].del(); host["busy"].del();"#,
            &[("ip -j link show plain", "Device \"plain\" does not exist.")],
        )
    },
    refused(
        "the same tag twice",
        r#"let w = veth(netns("a").port("eth0"), netns("b").port("eth0")); w.a.vlan("x", 10); w.a.vlan("y", 10);"#,
        "NL0101",
    ),
];

#[test]
fn bridges_that_filter_vlans() {
    run(FILTERING, "bridges that filter VLANs", BRIDGES);
}

const BRIDGES: &[Case] = &[
    case(
        "access ports of two VLANs do not reach each other",
        r#"let lan = bridge("lan", #{ vlan_filtering: true });
        for (n, i) in [10, 10, 20] {
            veth(netns(`h${i}`).port("eth0", `10.0.0.${i + 1}/24`), lan.port(`p${i}`, #{ access: n }));
        }
        expect(get_netns("h0").ping("10.0.0.2")); expect(!get_netns("h0").ping("10.0.0.3"));"#,
        &[
            ("bridge -j vlan show dev p0", r#"{"vlans":["=",{"vlan":10,"flags":["PVID","Egress Untagged"]}]}"#),
            ("bridge -j vlan show dev p2", r#"{"vlans":["=",{"vlan":20,"flags":["PVID","Egress Untagged"]}]}"#),
            ("ip netns exec h0 ping -c1 -W2 10.0.0.2 >/dev/null; echo $?", "0"),
            ("ip netns exec h0 ping -c1 -W1 10.0.0.3 >/dev/null; echo $?", "1"),
            ("ip netns exec h1 ping -c1 -W1 10.0.0.3 >/dev/null; echo $?", "1"),
        ],
    ),
    case(
        "a trunk carries tags, and a machine behind it sorts them",
        r#"needs("vlan"); let lan = bridge("lan", #{ vlan_filtering: true });
        veth(netns("h").port("eth0", "10.0.10.1/24"), lan.port("p0", #{ access: 10 }));
        let trunk = veth(netns("r").port("eth0"), lan.port("p1", #{ trunk: [10, 20] })).a;
        trunk.vlan(10).addr("10.0.10.2/24"); trunk.vlan(20).addr("10.0.10.3/24");
        expect(get_netns("h").ping("10.0.10.2"));"#,
        &[
            ("bridge -j vlan show dev p1", r#"{"vlans":["=",{"vlan":10,"flags":null},{"vlan":20,"flags":null}]}"#),
            ("ip netns exec h ping -c1 -W2 10.0.10.2 >/dev/null; echo $?", "0"),
            (
                "ip netns exec h arping -f -c1 -w1 10.0.10.3 >/dev/null 2>&1; ip -n h -j neigh show 10.0.10.3",
                "no {\"lladdr\":\"x\"}",
            ),
        ],
    ),
    case(
        "a port joins and leaves VLANs, and so does the bridge itself",
        r#"let lan = bridge("lan", #{ vlan_filtering: true, vlan_default_pvid: 5 });
        let p = veth(netns("a").port("eth0", "10.0.0.2/24"), lan.port("p0")).b;
        p.vlan_add(10, #{ pvid: true, untagged: true }).vlan_add(11).vlan_add(12).vlan_del(12).vlan_del(5);
        lan.vlan_add(10, #{ pvid: true, untagged: true }); lan.addr("10.0.0.1/24");
        expect(get_netns("a").ping("10.0.0.1"));"#,
        &[
            (
                "bridge -j vlan show dev p0",
                r#"{"vlans":["=",{"vlan":10,"flags":["PVID","Egress Untagged"]},{"vlan":11,"flags":null}]}"#,
            ),
            (
                "bridge -j vlan show dev lan",
                r#"{"vlans":["=",{"vlan":5,"flags":["Egress Untagged"]},{"vlan":10,"flags":["PVID","Egress Untagged"]}]}"#,
            ),
            ("ip netns exec a ping -c1 -W2 10.0.0.1 >/dev/null; echo $?", "0"),
        ],
    ),
    case(
        "to leave a VLAN that a port is not in is no error for the kernel, and changes nothing",
        r#"let lan = bridge("lan", #{ vlan_filtering: true }); veth(netns("a"), lan.port("p0")).b.vlan_del(77);"#,
        &[("bridge -j vlan show dev p0", r#"{"vlans":["=",{"vlan":1,"flags":["PVID","Egress Untagged"]}]}"#)],
    ),
];

#[test]
fn vlans_of_ports_that_were_there_before() {
    run(FILTERING, "VLANs of ports that were there before", PORTS);
}

/// A bridge with three ports: as the kernel makes them; in other VLANs and not in the bridge's own; in none.
const SWITCH: &str = "ip link add sw type bridge vlan_filtering 1 vlan_default_pvid 3 && ip link set sw up \
    && for n in 0 1 2; do ip link add q$n address 02:00:00:00:07:0$n type veth peer name r$n netns mine && ip link set q$n master sw up && ip -n mine link set r$n up; done \
    && bridge vlan del dev q1 vid 3 && bridge vlan add dev q1 vid 10 pvid untagged && bridge vlan add dev q1 vid 11 untagged \
    && bridge vlan add dev q1 vid 12 && bridge vlan add dev q1 vid 20-25 && bridge vlan del dev q2 vid 3 && bridge vlan add dev sw vid 10 self \
    && for n in 0 1 2; do ip link show q$n >/dev/null; ip -n mine link show r$n >/dev/null; done";

const PORTS: &[Case] = &[
    Case {
        before: SWITCH,
        ..case(
            "VLANs are added, taken away, and changed in their flags",
            r#"host["q0"].vlan_add(30); host["q0"].vlan_add(31, #{ pvid: true, untagged: true });
            host["q1"].vlan_del(10).vlan_del(22).vlan_add(12, #{ untagged: true }); host["q2"].vlan_add(3); 
            host["sw"].vlan_add(40).vlan_del(10);"#,
            &[
                (
                    "bridge -j vlan show dev q0",
                    r#"{"vlans":["=",{"vlan":3,"flags":["Egress Untagged"]},{"vlan":30},{"vlan":31,"flags":["PVID","Egress Untagged"]}]}"#,
                ),
                ("bridge -j vlan show dev q1", r#"{"vlans":[{"vlan":11},{"vlan":12,"flags":["Egress Untagged"]}]}"#),
                ("bridge -j vlan show dev q1", r#"no {"vlans":[{"vlan":22}]}"#),
                ("bridge -j vlan show dev sw", r#"{"vlans":["=",{"vlan":3},{"vlan":40}]}"#),
            ],
        )
    },
    Case {
        before: SWITCH,
        ..case(
            "ports leave their bridge",
            r#"host["q1"].nomaster(); host["q2"].vlan_add(7); host["q2"].nomaster();"#,
            &[("bridge -j vlan show dev q1", r#"no {"vlans":[{"vlan":11}]}"#)],
        )
    },
    Case {
        before: SWITCH,
        ..case(
            "a port is deleted and comes back with its VLANs",
            r#"host["q1"].del();"#,
            &[("ip -j link show q1", "Device \"q1\" does not exist.")],
        )
    },
    Case {
        before: SWITCH,
        ..case(
            "the bridge gets another default VLAN",
            r#"host["sw"].set(#{ vlan_default_pvid: 77 });"#,
            &[("bridge -j vlan show dev q0", r#"{"vlans":["=",{"vlan":77,"flags":["PVID","Egress Untagged"]}]}"#)],
        )
    },
    Case {
        before: SWITCH,
        ..case(
            "the bridge is deleted",
            r#"host["sw"].del();"#,
            &[("ip -j link show sw", "Device \"sw\" does not exist.")],
        )
    },
];

/// What somebody else does to the VLANs of the same port meanwhile stays; what the lab did goes.
#[test]
fn anothers_vlans_stay() {
    let what = "VLANs that somebody else adds";
    if !is_root(what) || !has(FILTERING, what) {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    furnish_beside_a_lab(&sandbox);
    sandbox.sh(SWITCH);
    sandbox.write("/mnt/lab.rhai", r#"host["q1"].vlan_add(50).vlan_del(11); host["q0"].vlan_add(51);"#);
    sandbox.netlab(&["run", "/mnt/lab.rhai"]).ends_with(0);
    sandbox.sh("bridge vlan add dev q1 vid 60; bridge vlan del dev q1 vid 12; bridge vlan del dev q0 vid 51");
    sandbox.netlab(&["down", "lab"]).ends_with(0);
    look(
        &sandbox,
        &[
            ("bridge -j vlan show dev q0", r#"{"vlans":["=",{"vlan":3,"flags":["PVID","Egress Untagged"]}]}"#),
            (
                "bridge -j vlan show dev q1",
                r#"{"vlans":["=",{"vlan":10,"flags":["PVID","Egress Untagged"]},{"vlan":11,"flags":["Egress Untagged"]},{"vlan":20},{"vlan":21},{"vlan":22},{"vlan":23},{"vlan":24},{"vlan":25},{"vlan":60}]}"#,
            ),
        ],
    );
}

#[test]
fn dummies() {
    run(DUMMY, "dummy links", DUMMIES);
}

const DUMMIES: &[Case] = &[
    case(
        "an address that belongs to no wire is reached over one",
        r#"let a = netns("a"); let b = netns("b", #{ forward: true });
        veth(a.port("eth0", "10.0.0.1/24"), b.port("eth0", "10.0.0.2/24"));
        dummy(b.port("d0", "10.5.5.5/32", #{ mtu: 1400, mac: "02:00:00:00:00:07" })); a.route("10.5.5.5/32", "10.0.0.2");
        expect(a.ping("10.5.5.5"));"#,
        &[
            (
                "ip -n b -j -d link show d0",
                r#"{"mtu":1400,"address":"02:00:00:00:00:07","flags":["UP"],"linkinfo":{"info_kind":"dummy"}}"#,
            ),
            ("ip netns exec a ping -c1 -W2 10.5.5.5 >/dev/null; echo $?", "0"),
        ],
    ),
    Case {
        before: "ip link add mydummy address 02:00:00:00:00:09 mtu 1400 txqueuelen 7 type dummy && ip addr add 10.9.0.1/24 dev mydummy \
                 && ip link set mydummy up && ip route add 10.10.0.0/16 via 10.9.0.2 && ip link show mydummy >/dev/null",
        ..case(
            "the user's own one is a bridge's port, moves, comes back, and is deleted",
            r#"let d = host["mydummy"]; let lan = bridge("lan"); d.del_addr("10.9.0.1/24"); d.master(lan); d.nomaster();
            d.move_to(netns("a")); get_netns("a")["mydummy"].move_to(host); host["mydummy"].del();"#,
            &[("ip -j link show mydummy", "Device \"mydummy\" does not exist.")],
        )
    },
];

/// SIGKILL at some of the effects of the labs that want VLANs, of their `down` and of the `recover`; `tests/kill.rs` does it
/// at each, with labs that every kernel can run.
#[test]
fn labs_that_are_killed() {
    let what = "killed labs with VLANs";
    if !is_root(what) || !has(VLAN, what) || !has(FILTERING, what) {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish_beside_a_lab(&sandbox);
    for (lab, every) in [("vlan", 9), ("vlan-bridge", 13)] {
        let file = format!("{lab}.rhai");
        let recover = |after: &str| {
            sandbox.netlab(&["recover"]).ends_with(0);
            assert_same(&before, &sandbox, &format!("{lab}: recover after {after}"));
        };
        let mut killed = Vec::new();
        for at in (1..).step_by(every) {
            let run = sandbox.netlab_fault(&format!("kill@{at}"), &["run", "--quiet", &file]);
            if !run.was_killed() {
                run.ends_with(0);
                break;
            }
            killed.push(at);
            let again = sandbox.netlab_fault(&format!("kill@{}", at / 2 + 1), &["recover"]);
            assert!(again.was_killed() || again.code == Some(0), "{again}");
            recover(&format!("a run that was killed before effect {at}, and a recover likewise"));
        }
        for at in (2..).step_by(every) {
            let run = sandbox.netlab_fault(&format!("kill@{at}"), &["down", lab]);
            if !run.was_killed() {
                run.ends_with(0);
                break;
            }
            killed.push(at);
            recover(&format!("a down that was killed before effect {at}"));
            sandbox.netlab(&["run", "--quiet", &file]).ends_with(0);
        }
        assert_same(&before, &sandbox, &format!("{lab}: down"));
        assert!(killed.len() >= 4, "{lab} was killed only at {killed:?}");
        aloud(&format!("{lab} was killed at {killed:?}"));
    }
}
