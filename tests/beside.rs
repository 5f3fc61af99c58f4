//! A user who works at the same time as a lab, on the very things that the lab has changed: `down`, and `recover` after
//! SIGKILL, keep the user's, give back the rest, and name what is somebody else's now. And two labs on one thing.

mod common;

use common::sandbox::{Run, Sandbox};
use common::tell_all;
use common::witness::look;
use common::world::{World, assert_same};
use nix::sys::signal::Signal;

/// Every MAC is chosen, so that two machines can be compared. Forwarding is on for one link only, which a switch on and
/// off would lose.
const MACHINE: &str = include_str!("beside_of/machine.sh");

const HURRY: &str = r#"
for at in "" "-n mine"; do
    for link in $(ip $at -br link | cut -d' ' -f1 | cut -d@ -f1); do ip $at link show $link >/dev/null; done
done
"#;

/// The machine, when it has settled. Its second bridge and its spare cable have no carrier.
fn machine(sandbox: &Sandbox) -> World {
    sandbox.sh(MACHINE);
    still(sandbox)
}

/// The machine when nothing moves any more; `World::settled` would wait for carriers that never come.
fn still(sandbox: &Sandbox) -> World {
    sandbox.sh(HURRY);
    let mut last = World::read(sandbox);
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let now = World::read(sandbox);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

/// What a lab and its user do.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    lab: &'static str,
    /// What the user types while the lab is up.
    user: &'static str,
    /// What comes to the same without the lab; nothing if it is the same words.
    alone: &'static str,
    /// What `down` has to say.
    named: &'static [&'static str],
    /// What is looked at besides: the order of addresses and routes, which a difference does not tell.
    looks: &'static [(&'static str, &'static str)],
}

const fn case(name: &'static str, lab: &'static str, user: &'static str, named: &'static [&'static str]) -> Case {
    Case { name, lab, user, alone: "", named, looks: &[] }
}

const CASES: &[Case] = &[
    Case {
        looks: &[(
            "ip -j addr show my0",
            r#"[{"addr_info":[{"local":"10.98.0.1"},{"local":"10.98.0.3"},{"local":"10.98.0.9"}]}]"#,
        )],
        ..case(
            "a link set down",
            "host[\"my0\"].down();",
            "ip addr add 10.98.0.9/24 dev my0
             ip rule add iif my0 table 100 priority 900
             ip link add mv0 link my0 address 02:00:00:00:09:01 type macvlan mode bridge
             ip link set my0 alias 'of the user'
             echo 1 >/proc/sys/net/ipv4/conf/my0/rp_filter",
            &["10.98.0.9/24", "mv0", "900"],
        )
    },
    case("a link set up", "host[\"spare0\"].up();", "ip addr add 10.89.0.1/24 dev spare0", &["10.89.0.1/24"]),
    case(
        "a link set up that the user then wants otherwise",
        "host[\"spare0\"].up(); host[\"my0\"].down();",
        "ip link set spare0 mtu 1400; ip addr add 10.98.0.9/24 dev my0",
        &["spare0", "10.98.0.9/24"],
    ),
    case(
        "a link that the user deletes",
        "host[\"my0\"].down(); host[\"spare0\"].mtu(1400);",
        "ip link del my0",
        &["my0"],
    ),
    Case {
        // What is done to it in the lab's own namespace goes with that.
        alone: "ip rule add iif my0 table 100 priority 900",
        ..case(
            "a moved link",
            "host[\"my0\"].move_to(netns(\"lab\"));",
            "ip -n lab link set my0 alias 'of the user'; ip rule add iif my0 table 100 priority 900
             ip -n lab link set my0 mtu 1450",
            &["my0", "900"],
        )
    },
    Case {
        looks: &[(
            "ip -j addr show my0",
            r#"[{"addr_info":[{"local":"10.98.0.1"},{"local":"10.98.0.3"},{"local":"10.98.0.9"}]}]"#,
        )],
        ..case(
            "an address deleted",
            "host[\"my0\"].del_addr(\"10.98.0.1/24\");",
            "ip addr add 10.98.0.9/24 dev my0; ip route add 10.87.0.0/16 via 10.98.0.2",
            &["10.98.0.9/24", "10.87.0.0/16"],
        )
    },
    case(
        "an address that the lab put before the user's",
        "host[\"spare0\"].up().addr(\"10.89.0.1/24\");",
        "ip addr add 10.89.0.2/24 dev spare0",
        &["10.89.0.2/24"],
    ),
    Case {
        alone: "true",
        ..case(
            "the user takes the lab's address away",
            "host[\"my0\"].addr(\"10.98.0.8/24\").mtu(1400);",
            "ip addr del 10.98.0.8/24 dev my0",
            &["host unchanged"],
        )
    },
    case(
        "a route replaced by both",
        "host.route(\"10.97.0.0/16\", \"10.98.0.77\", #{ metric: 50, replace: true });",
        "ip route replace 10.97.0.0/16 via 10.98.0.88 metric 50",
        &["10.97.0.0/16"],
    ),
    Case {
        looks: &[("ip -j route show 10.97.0.0/16", r#"["=",{"gateway":"10.98.0.2"},{"gateway":"10.98.0.88"}]"#)],
        ..case(
            "a route replaced, and one of the user's beside it",
            "host.route(\"10.97.0.0/16\", \"10.98.0.77\", #{ metric: 50, replace: true });",
            "ip route append 10.97.0.0/16 via 10.98.0.88 metric 50; ip route add 10.87.0.0/16 via 10.98.0.2",
            &["10.97.0.0/16", "10.87.0.0/16"],
        )
    },
    case(
        "a route replaced that the user deletes",
        "host.route(\"10.97.0.0/16\", \"10.98.0.77\", #{ metric: 50, replace: true });",
        "ip route del 10.97.0.0/16 metric 50",
        &["10.97.0.0/16"],
    ),
    case(
        "a route deleted that the user makes otherwise",
        "host.del_route(\"10.97.0.0/16\", #{ metric: 50 }); host.del_route(\"10.96.0.0/16\", #{ table: 100 });",
        "ip route replace 10.97.0.0/16 via 10.98.0.88 metric 50",
        &["10.97.0.0/16"],
    ),
    case("an MTU of both", "host[\"my0\"].mtu(1400);", "ip link set my0 mtu 1350", &["my0", "1350"]),
    case(
        "an MTU too small for IPv6, then the user's",
        "host[\"my0\"].mtu(1000);",
        "ip link set my0 mtu 1450; ip addr add 10.98.0.9/24 dev my0",
        &["my0", "1450", "10.98.0.9/24"],
    ),
    Case {
        // The neighbour that the user's own change would drop went by the lab's, and is given back.
        alone: "ip link set my0 address 02:00:00:00:00:bb
                ip neigh add 10.98.0.77 lladdr 02:00:00:00:00:77 dev my0 nud permanent",
        ..case(
            "a MAC of both",
            "host[\"my0\"].mac(\"02:00:00:00:00:aa\");",
            "ip link set my0 address 02:00:00:00:00:bb",
            &["my0", "02:00:00:00:00:bb"],
        )
    },
    Case {
        alone: "ip addr add 10.98.0.9/24 dev my0; ip route add 10.87.0.0/16 via 10.98.0.2
                echo 1 >/proc/sys/net/ipv4/conf/my0/rp_filter",
        ..case(
            "a renamed link",
            "host[\"my0\"].rename(\"lab0\");",
            "ip addr add 10.98.0.9/24 dev lab0; ip route add 10.87.0.0/16 via 10.98.0.2
             echo 1 >/proc/sys/net/ipv4/conf/lab0/rp_filter",
            &["10.98.0.9/24", "10.87.0.0/16"],
        )
    },
    case(
        "a setting of both",
        "host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"1\").sysctl(\"net.ipv4.conf.my0.arp_ignore\", \"1\");",
        "echo 0 >/proc/sys/net/ipv4/conf/my0/rp_filter",
        &["rp_filter"],
    ),
    case(
        "forwarding, and the user's own for one link",
        "host.forward(true);",
        "echo 0 >/proc/sys/net/ipv4/conf/my0/forwarding
         ip link add new0 address 02:00:00:00:09:01 type veth peer name new1 address 02:00:00:00:09:02",
        &["my0", "forwarding", "new0"],
    ),
    case(
        "IPv6 forwarding, and the user's own for one link",
        "host.forward6(true);",
        "echo 0 >/proc/sys/net/ipv6/conf/my0/forwarding",
        &["my0", "forwarding"],
    ),
    case(
        "IPv6 switched off for one link",
        "host.sysctl(\"net.ipv6.conf.my0.disable_ipv6\", \"1\");",
        "ip addr add 10.98.0.9/24 dev my0; echo 0 >/proc/sys/net/ipv4/conf/my0/rp_filter",
        &["10.98.0.9/24"],
    ),
    case(
        "a rule deleted",
        "host.del_rule(#{ from: \"10.95.0.0/16\", table: 100, priority: 1000 });",
        "ip rule add from 10.90.0.0/16 table 100 priority 1001",
        &["10.90.0.0/16"],
    ),
    case(
        "a neighbour of both",
        "host.del_neigh(\"10.98.0.77\", \"02:00:00:00:00:77\", #{ dev: \"my0\" });",
        "ip neigh replace 10.98.0.77 lladdr 02:00:00:00:00:99 dev my0 nud permanent",
        &["10.98.0.77"],
    ),
    case(
        "a port that the user puts into another bridge",
        "host[\"myport\"].nomaster();",
        "ip link set myport master yourbr",
        &["myport", "yourbr"],
    ),
    case(
        "a port's options of both",
        "host[\"myport\"].set(#{ cost: 78, hairpin: true });",
        "bridge link set dev myport cost 79",
        &["myport", "cost"],
    ),
    case(
        "a bridge that the user gives an address",
        "host[\"mybr\"].down(); host[\"myport\"].nomaster();",
        "ip link set mybr alias 'of the user'; ip addr add 10.94.0.9/24 dev mybr",
        &["of the user", "10.94.0.9/24"],
    ),
];

/// What the user's doings alone make of a machine.
fn alone(case: &Case) -> Option<Vec<String>> {
    let sandbox = Sandbox::new()?;
    let before = machine(&sandbox);
    sandbox.sh(&format!("set -e\n{}", if case.alone.is_empty() { case.user } else { case.alone }));
    Some(before.diff(&still(&sandbox)))
}

fn judge(case: &Case, sandbox: &Sandbox, before: &World, expected: &[String], run: &Run) {
    let name = case.name;
    assert_eq!(run.code, Some(0), "{name}: {run}");
    let now = still(sandbox);
    let found = before.diff(&now);
    assert!(found == expected, "{name}\nexpected {expected:#?}\nfound {found:#?}\n{run}");
    look(sandbox, case.looks);
    let output = format!("{}{}", run.stdout, run.stderr);
    let missing: Vec<_> = case.named.iter().filter(|word| !output.contains(**word)).collect();
    assert!(missing.is_empty(), "{name}: {missing:?} is not told of:\n{run}");
    assert_eq!(output.contains("host unchanged"), expected.is_empty(), "{name}: it did change: {run}");
    assert!(now.leftover_state().is_empty(), "{name}: {:?}", now.leftover_state());
}

fn each(check: impl Fn(&Case) + Sync) {
    tell_all(CASES.iter().collect(), |c| c.name.to_owned(), check);
}

#[test]
fn down_keeps_what_the_user_did() {
    each(|case| {
        let (Some(expected), Some(sandbox)) = (alone(case), Sandbox::new()) else { return };
        let before = machine(&sandbox);
        sandbox.write("/mnt/x.rhai", case.lab);
        sandbox.netlab(&["run", "/mnt/x.rhai"]).ends_with(0);
        sandbox.sh(&format!("set -e\n{}", case.user));
        judge(case, &sandbox, &before, &expected, &sandbox.netlab(&["down"]));
    });
}

#[test]
fn recover_keeps_what_the_user_did() {
    each(|case| {
        let (Some(expected), Some(sandbox)) = (alone(case), Sandbox::new()) else { return };
        let before = machine(&sandbox);
        sandbox.write("/mnt/x.rhai", &format!("{}\nprint(\"all done\");\nsleep(60);\n", case.lab));
        let mut run = sandbox.start_netlab(&["run", "/mnt/x.rhai"]);
        run.wait_for("all done");
        run.signal(Signal::SIGKILL);
        run.end();
        sandbox.sh(&format!("set -e\n{}", case.user));
        judge(case, &sandbox, &before, &expected, &sandbox.netlab(&["recover"]));
    });
}

/// A name that the lab has freed and the user has taken: the user's stays, and what cannot come back is told.
#[test]
fn a_name_that_the_user_has_taken() {
    let cases = [
        (
            "host[\"my0\"].del();",
            "ip link add my0 type bridge",
            "ip -d -j link show my0",
            r#"[{"linkinfo":{"info_kind":"bridge"}}]"#,
            "my0",
        ),
        (
            "host[\"my0\"].rename(\"lab0\");",
            "ip link add my0 type bridge",
            "ip -d -j link show my0",
            r#"[{"linkinfo":{"info_kind":"bridge"}}]"#,
            "my0",
        ),
        (
            "host[\"my0\"].move_to(netns(\"lab\"));",
            "ip link add my0 type bridge",
            "ip -d -j link show my0",
            r#"[{"linkinfo":{"info_kind":"bridge"}}]"#,
            "my0",
        ),
        ("get_netns(\"mine\").del();", "ip netns add mine", "ip -n mine -j link", r#"["=",{"ifname":"lo"}]"#, "mine"),
    ];
    tell_all(
        cases.to_vec(),
        |(lab, ..)| (*lab).to_owned(),
        |(lab, user, command, expected, named)| {
            let Some(sandbox) = Sandbox::new() else { return };
            machine(&sandbox);
            sandbox.write("/mnt/x.rhai", lab);
            sandbox.netlab(&["run", "/mnt/x.rhai"]).ends_with(0);
            sandbox.sh(user);
            let run = sandbox.netlab(&["down"]);
            assert!(matches!(run.code, Some(0 | 4)), "{lab}: {run}");
            look(&sandbox, &[(command, expected)]);
            assert!(format!("{}{}", run.stdout, run.stderr).contains(named), "{lab}: {run}");
            assert!(!run.stdout.contains("host unchanged"), "{lab}: {run}");
        },
    );
}

/// What the first lab does, what the second does then, and what must be so when only one of them is left.
type Pair =
    (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

const LINK: &str = "ip -j link show my0";
const ADDR: &str = "ip -j addr show my0";
const PAIRS: &[Pair] = &[
    ("host[\"my0\"].mtu(1400)", "host[\"my0\"].mtu(1300)", &[(LINK, r#"{"mtu":1300}"#)], &[(LINK, r#"{"mtu":1400}"#)]),
    ("host[\"my0\"].mtu(1000)", "host[\"my0\"].mtu(1300)", &[(LINK, r#"{"mtu":1300}"#)], &[(LINK, r#"{"mtu":1000}"#)]),
    (
        "host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"0\")",
        "host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"1\")",
        &[("cat /proc/sys/net/ipv4/conf/my0/rp_filter", "1")],
        &[("cat /proc/sys/net/ipv4/conf/my0/rp_filter", "0")],
    ),
    (
        "host[\"my0\"].down()",
        "host[\"my0\"].addr(\"10.98.0.9/24\")",
        &[(ADDR, r#"{"operstate":"UP","addr_info":{"local":"10.98.0.9"}}"#)],
        &[(ADDR, r#"{"operstate":"DOWN"}"#)],
    ),
    (
        "host[\"my0\"].addr(\"10.98.0.9/24\")",
        "host[\"my0\"].down()",
        &[(ADDR, r#"{"operstate":"DOWN"}"#)],
        &[(ADDR, r#"{"operstate":"UP","addr_info":{"local":"10.98.0.9"}}"#)],
    ),
    ("host[\"my0\"].addr(\"2001:db8:98::9/64\", #{ nodad: true })", "host[\"my0\"].down()", &[], &[]),
    ("host[\"my0\"].down()", "host[\"my0\"].mtu(1000)", &[], &[]),
    ("host[\"my0\"].mtu(1000)", "host[\"my0\"].down()", &[], &[]),
    ("host[\"my0\"].down()", "host[\"my0\"].rename(\"two-x\")", &[], &[]),
    (
        "host[\"my0\"].rename(\"one-x\")",
        "host[\"one-x\"].mac(\"02:00:00:00:00:aa\")",
        &[(LINK, r#"{"address":"02:00:00:00:00:aa"}"#)],
        &[("ip -j link show one-x", r#"{"address":"02:00:00:00:01:01"}"#)],
    ),
    ("host[\"my0\"].mac(\"02:00:00:00:00:aa\")", "host[\"my0\"].rename(\"two-x\")", &[], &[]),
    (
        "host[\"my0\"].mac(\"02:00:00:00:00:aa\")",
        "host[\"my0\"].mac(\"02:00:00:00:00:bb\")",
        &[(LINK, r#"{"address":"02:00:00:00:00:bb"}"#)],
        &[(LINK, r#"{"address":"02:00:00:00:00:aa"}"#)],
    ),
    ("host[\"my0\"].rename(\"one-x\")", "host[\"one-x\"].addr(\"10.98.0.9/24\")", &[], &[]),
    ("host[\"my0\"].rename(\"one-x\")", "host[\"one-x\"].rename(\"two-x\")", &[], &[]),
    (
        "host.forward(true)",
        "host.sysctl(\"net.ipv4.conf.my0.forwarding\", \"0\")",
        &[("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/my0/forwarding", "0\n0")],
        &[("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/my0/forwarding", "1\n1")],
    ),
    ("host.sysctl(\"net.ipv4.conf.my0.forwarding\", \"0\")", "host.forward(true)", &[], &[]),
    ("host.sysctl(\"net.ipv4.conf.mybr.forwarding\", \"1\")", "host.forward(true)", &[], &[]),
    ("host.forward(true)", "host.sysctl(\"net.ipv4.conf.mybr.forwarding\", \"0\")", &[], &[]),
    ("host.forward6(true)", "host.sysctl(\"net.ipv6.conf.my0.forwarding\", \"0\")", &[], &[]),
    ("host.sysctl(\"net.ipv6.conf.my0.hop_limit\", \"77\")", "host[\"my0\"].mtu(1000)", &[], &[]),
    ("host.sysctl(\"net.ipv6.conf.my0.disable_ipv6\", \"1\")", "host[\"my0\"].down()", &[], &[]),
    (
        "host[\"my0\"].del_addr(\"10.98.0.1/24\")",
        "host[\"my0\"].addr(\"10.98.0.9/24\")",
        &[(ADDR, r#"[{"addr_info":[{"local":"10.98.0.1"},{"local":"10.98.0.3"},{"local":"10.98.0.9"}]}]"#)],
        &[(ADDR, r#"no {"addr_info":{"local":"10.98.0.1"}}"#)],
    ),
    ("host[\"my0\"].del_addr(\"10.98.0.3/24\")", "host[\"my0\"].del_addr(\"10.98.0.1/24\")", &[], &[]),
    ("host[\"my0\"].addr(\"10.98.0.9/24\")", "host[\"my0\"].del_addr(\"10.98.0.1/24\")", &[], &[]),
    (
        "host.route(\"10.97.0.0/16\", \"10.98.0.77\", #{ metric: 50, replace: true })",
        "host.route(\"10.97.0.0/16\", \"10.98.0.88\", #{ metric: 50, replace: true })",
        &[("ip -j route show 10.97.0.0/16", r#"["=",{"gateway":"10.98.0.88"}]"#)],
        &[("ip -j route show 10.97.0.0/16", r#"["=",{"gateway":"10.98.0.77"}]"#)],
    ),
    (
        "host.del_route(\"10.97.0.0/16\", #{ metric: 50 })",
        "host.route(\"10.97.0.0/16\", \"10.98.0.88\", #{ metric: 50 })",
        &[],
        &[],
    ),
    ("host.route(\"10.87.0.0/16\", \"10.98.0.2\")", "host[\"my0\"].down()", &[], &[]),
    ("host.del_route(\"10.96.0.0/16\", #{ table: 100 })", "host[\"my0\"].down()", &[], &[]),
    ("host[\"my0\"].move_to(netns(\"one-n\"))", "host[\"mybr\"].addr(\"10.98.1.9/24\")", &[], &[]),
    ("host[\"my0\"].addr(\"10.98.0.9/24\")", "host[\"my0\"].move_to(netns(\"two-n\"))", &[], &[]),
    ("host[\"my0\"].mtu(1400).mac(\"02:00:00:00:00:aa\")", "host[\"my0\"].del()", &[], &[]),
    ("host[\"my0\"].rename(\"one-x\")", "host[\"one-x\"].move_to(netns(\"two-n\"))", &[], &[]),
    ("host[\"myport\"].nomaster()", "host[\"mybr\"].down()", &[], &[]),
    ("host[\"myport\"].set(#{ cost: 78 })", "host[\"myport\"].nomaster()", &[], &[]),
    ("host[\"myport\"].nomaster()", "host[\"myport\"].master(host[\"yourbr\"])", &[], &[]),
    ("veth(host[\"mybr\"].port(\"one-p\"), netns(\"one-n\"))", "host[\"mybr\"].mtu(1400)", &[], &[]),
    ("veth(host[\"mybr\"].port(\"one-p\"), netns(\"one-n\"))", "host[\"mybr\"].del()", &[], &[]),
    ("get_netns(\"mine\").del()", "host[\"my0\"].down()", &[], &[]),
    ("get_netns(\"mine\")[\"my1\"].down()", "get_netns(\"mine\").del()", &[], &[]),
];

/// Whichever goes first, what the other wants stays, and when both have gone all is as it was before both.
#[test]
fn two_labs_on_one_thing() {
    let mut jobs = Vec::new();
    for pair in PAIRS {
        for order in [["one", "two"], ["two", "one"]] {
            for killed_at in [None, Some(3), Some(5), Some(7)] {
                jobs.push((*pair, order, killed_at));
            }
        }
    }
    let title = |((first, second, ..), order, killed_at): &(Pair, [&str; 2], Option<u32>)| {
        format!("{first} and {second}, {order:?}, first down killed: {killed_at:?}")
    };
    tell_all(jobs, title, |job| {
        let (title, ((first, second, without_first, without_second), order, killed_at)) = (title(&job), job);
        let Some(sandbox) = Sandbox::new() else { return };
        let before = machine(&sandbox);
        for (lab, verb) in [("one", first), ("two", second)] {
            sandbox.write(&format!("/mnt/{lab}.rhai"), &format!("{verb};\n"));
            let run = sandbox.netlab(&["run", &format!("/mnt/{lab}.rhai")]);
            assert_eq!(run.code, Some(0), "{title}: {run}");
        }
        if let Some(n) = killed_at {
            let run = sandbox.netlab_fault(&format!("kill@{n}"), &["down", order[0]]);
            assert!(run.was_killed() || run.code == Some(0), "{title}: {run}");
        } else {
            let run = sandbox.netlab(&["down", order[0]]);
            assert_eq!(run.code, Some(0), "{title}: {run}");
            look(&sandbox, if order[0] == "one" { without_first } else { without_second });
        }
        // What was killed before it began is still up.
        for args in [&["down", order[1]][..], &["recover"], &["down", "--all"]] {
            let run = sandbox.netlab(args);
            assert_eq!(run.code, Some(0), "{title}: {args:?}: {run}");
        }
        assert_same(&before, &sandbox, &title);
    });
}
