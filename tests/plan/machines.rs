//! What stands for the machine: a script finds there what it would find in a run.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::common::labs::furnish;
use super::common::random::Random;
use super::common::sandbox::Sandbox;
use super::common::world::{World, assert_same};
use super::common::{is_root, tell_all};
use super::host::Host;
use super::plan;
use super::user::Machine;

/// Prints all that a script can read of a machine. The number by which a namespace knows another is nobody's choice, and a
/// link without a carrier may tell that late.
const READER: &str = r#"
for name in ["host"] + netns_list() {
    let ns = get_netns(name);
    for link in ns.links() {
        link.remove("link_netnsid");
        print(`${name}: ${link}`);
    }
    for part in [ns.addrs(), ns.routes(), ns.rules()] {
        for item in part { print(`${name}: ${item}`); }
    }
    for item in ns.neighbours() {
        if "PERMANENT" in item.state { print(`${name}: ${item}`); }
    }
    for key in ["ipv4.ip_forward", "ipv4.conf.all.accept_redirects", "ipv6.conf.default.accept_dad", "ipv4.conf.lo.rp_filter"] {
        print(`${name}: ${key} ${ns.sysctl("net." + key)}`);
    }
}
"#;

/// The lines of a reader. IPv6 routes of one network have no order; lifetimes run down.
fn lines(text: &str) -> BTreeSet<String> {
    let settled = |line: &str| {
        let words = line.split(", ").filter(|w| !w.contains("life_time") && !w.contains("\"expires\""));
        words.collect::<Vec<_>>().join(", ")
    };
    text.lines()
        .filter(|l| l.contains(": "))
        .filter(|l| !l.starts_with("plan of") && !l.starts_with(' '))
        .map(settled)
        .collect()
}

/// A plan finds what a run finds, on machines that somebody has set up in all kinds of ways.
#[test]
fn a_plan_finds_what_a_run_finds() {
    if !is_root("plans on random machines") {
        return;
    }
    let count = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    tell_all(
        (1..=count).collect(),
        |seed| format!("seed {seed}."),
        |seed| {
            let Some(sandbox) = Sandbox::new() else { return };
            let host = Host::new(&mut Random(seed));
            sandbox.sh(&format!("set -e\n{}", host.lines.join("\n")));
            let before = settled(&sandbox);
            let planned = plan(&sandbox, &before, READER, 0);
            let run = sandbox.netlab(&["run", "--quiet", "/mnt/t.rhai"]).ends_with(0);
            let (run, planned) = (lines(&run.stdout), lines(&planned.stdout));
            let missing: Vec<&String> = run.difference(&planned).collect();
            let surplus: Vec<&String> = planned.difference(&run).collect();
            assert!(
                missing.is_empty() && surplus.is_empty(),
                "missing: {missing:#?}\nsurplus: {surplus:#?}\n{}",
                host.lines.join("\n")
            );
        },
    );
}

/// As `World::settled`, where some links never get a carrier.
fn settled(sandbox: &Sandbox) -> World {
    let begun = Instant::now();
    let mut last = World::read(sandbox);
    loop {
        thread::sleep(Duration::from_millis(1200));
        let now = World::read(sandbox);
        if now == last && !now.has("tentative true") {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "the machine does not settle: {:#?}", last.diff(&now));
        last = now;
    }
}

/// What a lab does to the things of the machine it does to what stands for them.
#[test]
fn changes_of_what_was_there() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    let text = r#"
let my0 = host["my0"];
print(`${my0.mtu} ${my0.kind} ${my0.addrs().len()}`);
my0.mtu(1400);
expect(my0.mtu == 1400 && my0.addrs().len() == 4);
expect(host.ping("10.98.0.2"), "the other end of the wire is there");
expect(get_netns("mine").ping("10.94.0.1"), "by the default route");
my0.move_to(netns("away"));
expect(host.routes().all(|r| r.dev != "my0"));
host["mybr"].del();
host["myport"].rename("plug").up();
host.forward(true).resolv_conf(["10.0.0.53"]);
get_netns("isp").del();
expect(netns_list() == ["away", "mine"]);
"#;
    let run = plan(&sandbox, &before, text, 0);
    assert!(run.stdout.starts_with("1500 veth 4\n step  line  changes\n"), "{run}");
    assert!(run.stdout.contains("  host     host[\"my0\"].move_to(get_netns(\"away\"))"), "{run}");
    assert!(run.stdout.contains("change the host, `isp`; without root"), "{run}");
}

/// A card cannot be made again, and a plan knows that as a run does.
#[test]
fn a_card_is_a_card() {
    let Some(sandbox) = Sandbox::new() else { return };
    // The nearest that a test has to a card: a link of a kind that netlab does not make.
    if !sandbox
        .try_sh("ip link add card type vcan || ip link add card type nlmon || ip link add card type ipvlan")
        .status
        .success()
    {
        // A wire whose other end nobody can see is refused for another reason.
        sandbox.sh("ip link add card type veth peer name far; unshare -n sleep 1000 >&- 2>&- & sleep 0.5; ip link set far netns $!; ip addr add 172.17.0.1/16 dev card; ip link set card up");
    }
    let before = World::read(&sandbox);
    let text = "host[\"card\"].del();\n";
    let planned = plan(&sandbox, &before, text, 1);
    let run = sandbox.netlab_with(&["run", "t.rhai"], &[], std::path::Path::new("/mnt")).ends_with(1);
    let error = planned.stderr.strip_prefix("plan: the script would fail here\n").unwrap();
    assert_eq!(error, run.stderr.replace("\nhost unchanged", ""));
    assert!(error.starts_with("error[NL0123]: will not delete the link `card`: "), "{error}");
}

/// An ordinary user sees the host, and the names of the rest.
#[test]
fn what_an_ordinary_user_sees() {
    let Some(machine) = Machine::new() else { return };
    let before = furnish(&machine.root);
    let user = machine.user(1001);
    user.write(
        "t.rhai",
        "print(`${host[\"my0\"].mtu} ${host[\"my0\"].kind}`);\nhost[\"my0\"].mtu(1400);\nprint(get_netns(\"mine\").links().len());\n\
         expect(host.ping(\"10.98.0.2\"), \"mine answers\");\nhost.route(\"10.1.0.0/16\", \"10.98.0.2\");\n",
    );
    let run = user.netlab("plan t.rhai").ends_with(0);
    assert_same(&before, &machine.root, "the plan of a user");
    assert!(run.stdout.starts_with("1500 veth\n"), "{run}");
    assert!(
        run.stdout.contains("taken to hold: \"mine answers\", which depends on the ping of 10.98.0.2 in line 4"),
        "{run}"
    );
    assert!(run.stdout.contains("namespace `mine`, which is empty here: only root can look into it"), "{run}");
}
