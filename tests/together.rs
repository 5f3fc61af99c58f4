//! Several netlabs at once: one name, one setting, each other's links and namespaces, ten labs side by side.

mod common;

use std::thread;

use common::labs::{furnish, furnish_beside_a_lab};
use common::sandbox::Sandbox;
use common::side_by_side;
use common::world::{World, assert_same};

/// A lab that takes its time.
const SLOW: &str = "bridge(\"slow-br\");\nnetns(\"slow-a\");\nhost.forward(true);\nsleep(3);\n";

#[test]
fn one_name_belongs_to_one_run() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish_beside_a_lab(&sandbox);
    sandbox.write("/mnt/slow.rhai", SLOW);
    let mut first = sandbox.start_netlab(&["run", "/mnt/slow.rhai"]);
    first.wait_for("host.forward");
    let during = World::read(&sandbox);
    for args in [&["run", "/mnt/slow.rhai"][..], &["run", "--replace", "/mnt/slow.rhai"], &["down", "slow"]] {
        let run = sandbox.netlab(args);
        assert_ne!(run.code, Some(0), "{args:?}: {run}");
        assert!(run.stderr.contains("NL0503"), "{args:?}: {run}");
        assert!(run.stderr.contains("another netlab is working on the lab `slow` now"), "{args:?}: {run}");
        assert!(run.stdout.is_empty(), "{args:?}: {run}");
    }
    // It is alive, not dead.
    assert_eq!(sandbox.netlab(&["recover"]).ends_with(0).stdout, "nothing to recover: no run died\n");
    assert_same(&during, &sandbox, "attempts at a lab that is being run");
    first.end().ends_with(0);
    let up = World::read(&sandbox);
    let run = sandbox.netlab(&["run", "/mnt/slow.rhai"]).ends_with(2);
    assert!(run.stderr.contains("NL0501") && run.stderr.contains("the lab `slow` is up"), "{run}");
    assert_same(&up, &sandbox, "an attempt at a lab that is up");
    sandbox.netlab(&["down", "slow"]).ends_with(0);
    assert_same(&before, &sandbox, "down");
}

/// Four begin at the same moment: one gets through, the others are told why not.
#[test]
fn a_race_for_one_name() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish_beside_a_lab(&sandbox);
    sandbox.write("/mnt/race.rhai", "netns(\"race-a\"); host.forward(true); bridge(\"race-br\");");
    for round in 1..=8 {
        let runs: Vec<_> = (0..4).map(|_| sandbox.start_netlab(&["run", "/mnt/race.rhai"])).collect();
        let ends: Vec<_> = runs.into_iter().map(|run| run.end()).collect();
        assert_eq!(ends.iter().filter(|run| run.code == Some(0)).count(), 1, "round {round}: {ends:#?}");
        for run in ends.iter().filter(|run| run.code != Some(0)) {
            assert!(run.stderr.contains("NL0503") || run.stderr.contains("NL0501"), "round {round}: {run}");
        }
        // And to take it down.
        let downs: Vec<_> = (0..3).map(|_| sandbox.start_netlab(&["down", "race"])).collect();
        let ends: Vec<_> = downs.into_iter().map(|run| run.end()).collect();
        assert_eq!(ends.iter().filter(|run| run.code == Some(0)).count(), 1, "round {round}: {ends:#?}");
        for run in ends.iter().filter(|run| run.code != Some(0)) {
            assert!(run.stderr.contains("NL0503") || run.stderr.contains("NL0502"), "round {round}: {run}");
        }
        assert_same(&before, &sandbox, &format!("round {round}"));
    }
}

/// What two labs need both, in the words of a script.
const SHARED: &[(&str, &str)] = &[
    ("host.forward(true)", "host.forward(true)"),
    ("host.forward6(true)", "host.forward6(true)"),
    ("host.forward(true)", "host.forward(false)"),
    ("host.forward(true)", "host.sysctl(\"net.ipv4.conf.all.forwarding\", \"1\")"),
    ("host.resolv_conf([\"10.7.7.1\"])", "host.resolv_conf([\"10.7.7.2\"])"),
    ("host.hosts(\"127.0.0.1 one\\n\")", "host.hosts(\"127.0.0.1 two\\n\")"),
    ("host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"0\")", "host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"1\")"),
    ("host.sysctl(\"net.ipv4.conf.all.rp_filter\", \"1\")", "host.sysctl(\"net.ipv4.conf.all.rp_filter\", \"1\")"),
    ("get_netns(\"mine\").resolv_conf([\"10.7.7.1\"])", "get_netns(\"isp\").resolv_conf([\"10.7.7.2\"])"),
];

#[test]
fn the_last_to_go_gives_it_back() {
    let mut jobs = Vec::new();
    for shared in SHARED {
        for order in [["one", "two"], ["two", "one"]] {
            for is_killed in [false, true] {
                jobs.push((*shared, order, is_killed));
            }
        }
    }
    side_by_side(jobs, |((first, second), order, is_killed)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish(&sandbox);
        // Each with a link of its own on the host, whose settings come and go with it.
        sandbox
            .write("/mnt/one.rhai", &format!("veth(host.port(\"one0\"), netns(\"one-a\").port(\"e\"));\n{first};\n"));
        sandbox
            .write("/mnt/two.rhai", &format!("{second};\nveth(host.port(\"two0\"), netns(\"two-a\").port(\"e\"));\n"));
        sandbox.netlab(&["run", "/mnt/one.rhai"]).ends_with(0);
        sandbox.netlab(&["run", "/mnt/two.rhai"]).ends_with(0);
        let title = format!("{first} and {second}, {order:?}, first down killed: {is_killed}");
        if is_killed {
            // In the middle of its undo, and taken up again after the other has gone.
            assert!(sandbox.netlab_fault("kill@6", &["down", order[0]]).was_killed(), "{title}");
        } else {
            let run = sandbox.netlab(&["down", order[0]]).ends_with(0);
            assert!(run.stderr.is_empty(), "{title}: {run}");
        }
        sandbox.netlab(&["down", order[1]]).ends_with(0);
        sandbox.netlab(&["recover"]).ends_with(0);
        assert_same(&before, &sandbox, &title);
    });
}

/// While one lab still needs it, it stays as that one wants it.
#[test]
fn who_stays_keeps_it() {
    let names = ["ip_forward", "conf.all.forwarding"];
    let jobs = [["one", "two"], ["two", "one"]].into_iter().flat_map(|order| names.map(|name| (order, name))).collect();
    side_by_side(jobs, |([goes, stays], name)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish(&sandbox);
        for lab in ["one", "two"] {
            // The switch has two names.
            let name = if lab == "one" { "ip_forward" } else { name };
            let text = format!("host.sysctl(\"net.ipv4.{name}\", \"1\").resolv_conf(\"# {lab}\\n\");");
            sandbox.write(&format!("/mnt/{lab}.rhai"), &text);
            sandbox.netlab(&["run", &format!("/mnt/{lab}.rhai")]).ends_with(0);
        }
        sandbox.netlab(&["down", goes]).ends_with(0);
        assert_eq!(sandbox.sh("cat /proc/sys/net/ipv4/ip_forward /etc/resolv.conf"), format!("1\n# {stays}\n"));
        sandbox.netlab(&["down", stays]).ends_with(0);
        assert_same(&before, &sandbox, "both");
    });
}

/// What a lab tries with the things of `other`, which is up: the call, what it is refused for.
const NOT_YOURS: &[(&str, &str)] = &[
    // Whose a namespace, what is in it, and a route is, is not told yet: those were just there before.
    ("host[\"other0\"].del()", "NL0115]: cannot delete the link `other0`: it belongs to the lab `other`"),
    ("host[\"other0\"].down()", "NL0115]: cannot take down the link `other0`: it belongs to the lab `other`"),
    (
        "host[\"other0\"].mtu(1400)",
        "NL0115]: cannot change the MTU of the link `other0`: it belongs to the lab `other`",
    ),
    (
        "host[\"other0\"].mac(\"02:00:00:00:00:01\")",
        "NL0115]: cannot change the MAC of the link `other0`: it belongs to the lab `other`",
    ),
    ("host[\"other0\"].rename(\"mine0\")", "NL0115]: cannot rename the link `other0`: it belongs to the lab `other`"),
    (
        "host[\"other0\"].move_to(netns(\"tog-a\"))",
        "NL0115]: cannot move the link `other0`: it belongs to the lab `other`",
    ),
    (
        "get_netns(\"elsewhere\")[\"other1\"].del()",
        "NL0115]: cannot delete the link `other1`: it belongs to the lab `other`",
    ),
    (
        "get_netns(\"elsewhere\")[\"other1\"].move_to(host)",
        "NL0115]: cannot move the link `other1`: it belongs to the lab `other`",
    ),
    (
        "host[\"other0\"].del_addr(\"10.93.0.1/24\")",
        "NL0115]: cannot take 10.93.0.1/24 from the link `other0`: it belongs to the lab `other`",
    ),
    ("get_netns(\"elsewhere\")[\"lo\"].down()", "NL0115]: cannot take down the link `lo`: "),
    ("get_netns(\"elsewhere\").del()", "NL0115]: cannot delete the namespace `elsewhere`: "),
    ("get_netns(\"elsewhere\").del_route(\"default\", \"10.93.0.1\")", "NL0115]: cannot delete the route to default: "),
    ("host.del_route(\"10.92.0.0/16\", \"10.93.0.2\")", "NL0115]: cannot delete the route to 10.92.0.0/16: "),
    ("netns(\"elsewhere\")", "NL0101]: there is a namespace called `elsewhere` already"),
    ("bridge(\"other0\")", "NL0101]: namespace `host` already has a link called `other0`"),
    ("host[\"my0\"].rename(\"other0\")", "NL0101]: cannot rename `my0`: there is a link called `other0` already"),
];

#[test]
fn what_another_lab_made_is_not_yours() {
    side_by_side(NOT_YOURS.to_vec(), |(call, why)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        // Something of its own first, so that a rollback has to tell the two apart.
        let text = format!("veth(host.port(\"tog0\"), netns(\"tog-b\").port(\"e\"));\nhost.forward(true);\n{call};\n");
        sandbox.write("/mnt/tog.rhai", &text);
        let run = sandbox.netlab(&["run", "/mnt/tog.rhai"]).ends_with(1);
        assert!(run.stderr.contains(why), "{call}: {run}");
        assert!(run.stderr.contains("tog.rhai:3:"), "{call}: {run}");
        assert!(run.stdout.ends_with("host unchanged\n"), "{call}: {run}");
        assert_same(&before, &sandbox, call);
    });
}

/// A lab that stands on what another made, which then goes first: nothing of either is left.
#[test]
fn a_lab_whose_ground_goes_away() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    sandbox.write(
        "/mnt/one.rhai",
        "bridge(\"one-br\"); veth(host.port(\"one0\", \"10.7.7.1/24\"), netns(\"one-a\").port(\"e\"));",
    );
    sandbox.write(
        "/mnt/two.rhai",
        "veth(netns(\"two-a\").port(\"e\"), host[\"one-br\"].port(\"two0\"));\n\
         host[\"one0\"].addr(\"10.7.8.1/24\");\nhost.route(\"10.7.9.0/24\", \"10.7.7.9\");\n\
         host.neigh(\"10.7.7.9\", \"02:00:00:00:00:09\", #{ dev: \"one0\" });\n\
         get_netns(\"one-a\")[\"e\"].addr(\"10.7.7.2/24\");\nget_netns(\"one-a\").forward(true);\n\
         get_netns(\"one-a\").start(\"sleep 1000\");\n",
    );
    sandbox.netlab(&["run", "/mnt/one.rhai"]).ends_with(0);
    sandbox.netlab(&["run", "/mnt/two.rhai"]).ends_with(0);
    sandbox.netlab(&["down", "one"]).ends_with(0);
    sandbox.netlab(&["down", "two"]).ends_with(0);
    assert_same(&before, &sandbox, "down of both, the older first");
}

/// Ten labs come and go at once, each with its share of what they all need, while others look.
#[test]
fn ten_at_once() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    for i in 0..10 {
        let text = format!(
            "let lan = bridge(host.port(\"ten{i}\", \"10.{i}.0.1/24\"));\n\
             for n in 1..=3 {{ veth(netns(`ten{i}-${{n}}`).port(\"eth0\", `10.{i}.0.1${{n}}/24`), lan.port(`ten{i}-${{n}}`)); }}\n\
             host.forward(true).resolv_conf([\"10.{i}.0.1\"]).route(\"10.1{i}.0.0/24\", \"10.{i}.0.11\");\n\
             get_netns(\"ten{i}-1\").resolv_conf([\"10.{i}.0.1\"]).start(\"sleep 1000\");\n\
             expect(get_netns(\"ten{i}-1\").ping(\"10.{i}.0.12\"));\n"
        );
        sandbox.write(&format!("/mnt/ten{i}.rhai"), &text);
    }
    let labs: Vec<String> = (0..10).map(|i| format!("ten{i}")).collect();
    for round in 1..=2 {
        let all = |args: &(dyn Fn(&str) -> Vec<String> + Sync)| {
            let sandbox = &sandbox;
            thread::scope(|scope| {
                for lab in &labs {
                    scope.spawn(move || {
                        let args = args(lab);
                        let args: Vec<&str> = args.iter().map(String::as_str).collect();
                        sandbox.netlab(&args).ends_with(0);
                    });
                }
                for args in [&["list"][..], &["recover"], &["list", "--json"], &["show"]] {
                    scope.spawn(move || sandbox.netlab(args).ends_with(0));
                }
            });
        };
        all(&|lab| vec!["run".into(), format!("/mnt/{lab}.rhai")]);
        let list = sandbox.netlab(&["list"]).ends_with(0).stdout;
        assert_eq!(list.matches(" up ").count(), 10, "{list}");
        all(&|lab| vec!["down".into(), lab.into()]);
        assert_same(&before, &sandbox, &format!("round {round}"));
    }
}
