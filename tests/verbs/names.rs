//! The names that netlab chooses where a script gives none.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn names() {
    run_cases(NAMES);
}

const NAMES: &[Case] = &[
    case(
        "eth0, eth1… in a namespace, over what is taken",
        r#"let a = netns("a"); let b = netns("b"); veth(a.port("eth1"), b); veth(a, b); veth(a, b); veth(b, a.port("10.0.0.1/24"));"#,
        &[
            (
                "ip -n a -j link",
                r#"["=",{"ifname":"lo"},{"ifname":"eth1"},{"ifname":"eth0"},{"ifname":"eth2"},{"ifname":"eth3"}]"#,
            ),
            (
                "ip -n b -j link",
                r#"["=",{"ifname":"lo"},{"ifname":"eth0"},{"ifname":"eth1"},{"ifname":"eth2"},{"ifname":"eth3"}]"#,
            ),
        ],
    ),
    case(
        "the guest's name on the host and on bridges, then with a number",
        r#"
        let a = netns("alice"); let br0 = bridge("br0"); let br1 = bridge(netns("sw").port("br1"));
        veth(a, br0); veth(br0, a); veth(a, host.port("10.0.0.1/24")); veth(host, a); veth(a, br1); veth(br1.port(#{ isolated: true }), a);
        "#,
        &[
            ("ip -j link show alice", r#"{"master":"br0"}"#),
            ("ip -j link show alice-2", r#"{"master":"br0"}"#),
            ("ip -j addr show alice-3", r#"{"master":null,"addr_info":[{"local":"10.0.0.1"}]}"#),
            ("ip -j link show alice-4", r#"{"master":null}"#),
            (
                "ip -n sw -j link",
                r#"[{"ifname":"br1"},{"ifname":"alice","master":"br1"},{"ifname":"alice-2","master":"br1"}]"#,
            ),
        ],
    ),
    case(
        "cut to 15 characters",
        r#"let a = netns("a-very-long-name-indeed"); let br0 = bridge("br0"); for i in 0..10 { veth(a, br0); }"#,
        &[(
            "ip -j link show master br0",
            r#"["=",{"ifname":"a-very-long-nam"},{"ifname":"a-very-long-n-2"},{"ifname":"a-very-long-n-3"},{"ifname":"a-very-long-n-4"},{"ifname":"a-very-long-n-5"},{"ifname":"a-very-long-n-6"},{"ifname":"a-very-long-n-7"},{"ifname":"a-very-long-n-8"},{"ifname":"a-very-long-n-9"},{"ifname":"a-very-long--10"}]"#,
        )],
    ),
    case(
        "a name of several bytes per character",
        r#"let a = netns("wörtergrößenlänge"); let br0 = bridge("br0"); veth(a, br0); veth(a, br0);"#,
        &[("ip -j link show master br0", r#"["=",{"ifname":"wörtergrößen"},{"ifname":"wörtergröß-2"}]"#)],
    ),
    case(
        "other kinds",
        r#"let a = netns("a"); bridge(a); vxlan(a, 1); ifb(a); tun(a); tap(a); veth(a, host);"#,
        &[(
            "ip -n a -j link",
            r#"["=",{"ifname":"lo"},{"ifname":"br0"},{"ifname":"vxlan0"},{"ifname":"ifb0"},{"ifname":"tun0"},{"ifname":"tap0"},{"ifname":"eth0"}]"#,
        )],
    ),
    case(
        "a namespace whose name no link may have",
        r#"veth(netns("a:b%d"), bridge("br0"));"#,
        &[("ip -j link show master br0", r#"["=",{"ifname":"a-b-d"}]"#)],
    ),
    refused("two ends of one name", r#"veth("x", "x");"#, "NL0101"),
    refused("a name that is taken", r#"veth("my0", "x");"#, "NL0101"),
    refused("sixteen characters", r#"bridge("abcdefghijklmnop");"#, "NL0102"),
    refused("an address without its length", r#"veth(netns("a").port("10.0.0.1"), netns("b"));"#, "NL0103"),
];
