//! `netlab plan`: what it says, where it ends, and that nothing of the machine is touched.
//!
//! The witnesses are `ip -j`, `bridge -j` and files, read before and after; and a run of the same script.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../random_hosts/host.rs"]
mod host;
mod machines;
mod unknown;
#[allow(dead_code)] // The suite that it is from uses all of it.
#[path = "../rootless/user.rs"]
mod user;
#[path = "../random_hosts/words.rs"]
mod words;

use common::labs::{LABS, Lab, furnish};
use common::sandbox::{Run, Sandbox};
use common::side_by_side;
use common::world::{World, assert_same};
use serde_json::Value;
use user::Machine;

/// Plans a script on a machine, which has to be as before.
#[track_caller]
fn plan(sandbox: &Sandbox, before: &World, text: &str, code: i32) -> Run {
    sandbox.write("/mnt/t.rhai", text);
    let run = sandbox.netlab_with(&["plan", "t.rhai"], &[], std::path::Path::new("/mnt")).ends_with(code);
    assert_same(before, sandbox, &format!("the plan of\n{text}\n{run}\n"));
    run
}

/// The lines of iproute2 are those of the training's script, and each step has its line.
#[test]
fn the_first_lab() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let run = sandbox.netlab(&["plan", "create-ns-bridge.rhai"]).ends_with(0);
    assert_same(&before, &sandbox, "a plan");
    let mut expected = String::from(
        " step  line  changes\n    1    19  host     bridge(\"stdocker\")\n                        ip link add name \
         stdocker type bridge\n                        ip link set stdocker up\n",
    );
    for n in 1..=3 {
        let (step, near, far) = (2 * n, 2 * n - 2, 2 * n - 1);
        expected += &format!(
            "{step:>5}    22           netns(\"ns{n}\")
                        ip netns add ns{n}
                        ip -n ns{n} link set lo up
{:>5}    23  host     veth(host[\"stdocker\"].port(\"veth{far}\"), get_netns(\"ns{n}\").port(\"veth{near}\", \"194.168.1.{}/8\"))
                        ip link add name veth{far} type veth peer name veth{near} netns ns{n}
                        ip link set veth{far} master stdocker
                        ip link set veth{far} up
                        ip -n ns{n} address add 194.168.1.{}/8 dev veth{near}
                        ip -n ns{n} link set veth{near} up
",
            step + 1,
            n + 1,
            n + 1
        );
    }
    expected += "plan of create-ns-bridge.rhai: 7 steps, nothing was changed
  needs root: steps 1, 3, 5, 7 change the host; without root a run changes a sandbox of its own
  needs the kernel's bridge, veth, which is here
";
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (expected.as_str(), ""));
}

/// The commands of a plan, typed on another machine, make the same there as a run of the script.
#[test]
fn the_commands_make_the_lab() {
    use common::lab_state::{assert_same_lab, lab_state};
    for name in ["create-ns-bridge", "create-ns", "serialnet-ns", "routed-workshop", "vxlan", "veth-host-guest"] {
        let (Some(by_run), Some(by_hand)) = (Sandbox::new(), Sandbox::new()) else { return };
        let lab = LABS.iter().find(|lab| lab.name == name).unwrap();
        let plan = json(by_hand.netlab(&["plan", "--json", &lab.script()]).ends_with(0));
        assert_eq!(plan["end"], "complete", "{plan}");
        let steps = plan["steps"].as_array().unwrap();
        let lines: Vec<&str> =
            steps.iter().flat_map(|s| s["ip"].as_array().unwrap()).map(|l| l.as_str().unwrap()).collect();
        by_hand.sh(&format!("set -e\n{}", lines.join("\n")));
        by_run.netlab(&["run", &lab.script()]).ends_with(0);
        assert_same_lab(name, &lab_state(&by_hand), &lab_state(&by_run));
    }
}

/// Every lab can be planned on every kernel, by everybody, and the plan is the same.
#[test]
fn every_lab_as_root_and_without() {
    side_by_side(LABS.to_vec(), |lab| {
        let Some(machine) = Machine::new() else { return };
        let (root, user) = (&machine.root, machine.user(1001));
        let title = lab.title();
        if !lab.args.is_empty() {
            root.sh("for card in eth0 eno4; do ip link add $card type veth peer name far$card; ip link set $card up; ip link set far$card up; done");
        }
        let (before, left) = (World::settled(root), machine.left());
        let by_root = lab_plan(&lab, root.netlab(&lab.command(&["plan", "--json"], &lab.script())));
        let file = format!("{}.rhai", lab.name);
        let by_user = lab_plan(&lab, user.netlab(&lab.command(&["plan", "--json"], &file).join(" ")));
        assert_eq!(by_user["steps"].as_array().unwrap().len(), by_root["steps"].as_array().unwrap().len());
        // The kernel and a lab choose some MACs by chance.
        let is_mac = |word: &&str| word.len() == 17 && word.matches(':').count() == 5;
        let words =
            |line: &Value| line.as_str().unwrap().split(' ').filter(|w| !is_mac(w)).collect::<Vec<_>>().join(" ");
        let lines = |plan: &Value| -> Vec<String> {
            let steps = plan["steps"].as_array().unwrap();
            steps.iter().flat_map(|s| s["ip"].as_array().unwrap()).map(words).collect()
        };
        assert_eq!(lines(&by_user), lines(&by_root), "{title}");
        machine.assert_left(&left, &title);
        assert_same(&before, root, &title);
    });
}

fn lab_plan(lab: &Lab, run: Run) -> Value {
    /// Containers, machines and leases are not asked for, so a plan ends where a lab goes on with one.
    const ENDS: [&str; 4] = ["docker-macvlan", "connect-containers", "nspawn-veth", "dhclient"];
    let plan = json(run.ends_with(0));
    if ENDS.contains(&lab.name) {
        assert!(plan["end"]["unknown"].is_object() || plan["end"]["unknown"].is_string(), "{}: {plan}", lab.title());
        return plan;
    }
    assert_eq!(plan["end"], "complete", "{}: {plan}", lab.title());
    assert!(!plan["steps"].as_array().unwrap().is_empty());
    plan
}

#[track_caller]
fn json(run: Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run}"))
}

/// What each step needs, and whether this kernel has it.
#[test]
fn as_json() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    sandbox.write(
        "/mnt/t.rhai",
        "print(\"hello\");\nhost[\"my0\"].mtu(1400);\nnetns(\"own\").sysctl(\"net.ipv4.ip_forward\", \"1\");\n\
         get_netns(\"mine\").route(\"10.1.0.0/16\", \"10.98.0.1\");\nlet r = host.exec(\"false\");\nexpect(r.ok, \"it works\");\n\
         bridge(\"br7\", #{ stp: true });\nneeds(\"netem\");\n",
    );
    let run = sandbox.netlab(&["plan", "--json", "/mnt/t.rhai"]).ends_with(0);
    assert_same(&before, &sandbox, "a plan");
    assert_eq!(run.stderr, "hello\n");
    let plan = json(run);
    let steps = plan["steps"].as_array().unwrap();
    let of = |key: &str| steps.iter().map(|s| s[key].clone()).collect::<Vec<Value>>();
    assert_eq!(of("step"), [1, 2, 3, 4, 5, 6].map(Value::from));
    assert_eq!(of("line"), [2, 3, 3, 4, 5, 7].map(Value::from));
    assert_eq!(of("host"), [true, false, false, true, true, true].map(Value::from));
    assert_eq!(of("run"), [true, true, true, true, false, true].map(Value::from));
    assert_eq!(steps[3]["places"], serde_json::json!(["mine"]));
    assert_eq!(steps[3]["ip"], serde_json::json!(["ip -n mine route add 10.1.0.0/16 via 10.98.0.1"]));
    assert_eq!(steps[4]["ip"], serde_json::json!(["false"]));
    assert_eq!(steps[5]["features"][0], "bridge");
    assert_eq!(plan["assumed"][0]["line"], 6);
    let names: Vec<&str> = plan["features"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"bridge") && names.contains(&"netem"), "{names:?}");
    assert_eq!((&plan["end"], &plan["plan"]), (&"complete".into(), &"/mnt/t.rhai".into()));
}

/// An error of the script, with its place.
#[test]
fn a_script_that_would_fail() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let run = plan(&sandbox, &before, "let a = netns(\"a\");\na[\"eth0\"].up();\n", 1);
    assert_eq!(
        run.stderr,
        "plan: the script would fail here
error[NL0105]: namespace `a` has no link `eth0`
 --> t.rhai:2:3
  |
2 | a[\"eth0\"].up();
  |   ^^^^^^
  help: it has `lo`
"
    );
    assert!(run.stdout.ends_with("plan of t.rhai: 1 step up to the error, nothing was changed\n"), "{run}");
    // One that does not parse is not begun.
    let run = plan(&sandbox, &before, "netns(\"a\"", 2);
    assert_eq!(run.stdout, "");
    sandbox.netlab(&["plan", "nosuch.rhai"]).ends_with(2);
    // As JSON the error is part of the plan.
    sandbox.write("/mnt/t.rhai", "netns(\"a\")[\"eth0\"].up();\n");
    let plan = json(sandbox.netlab(&["plan", "--json", "/mnt/t.rhai"]).ends_with(1));
    assert_eq!((&plan["end"]["error"]["code"], &plan["end"]["error"]["line"]), (&"NL0105".into(), &1.into()));
}

/// What happens between the beginning and the end of a plan leaves nothing either.
#[test]
fn interrupted_and_too_late() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let endless = "let n = 0;\nlet a = netns(\"a\");\nprint(\"begun\");\nwhile true { n += 1; sleep(1); }\n";
    sandbox.write("/mnt/t.rhai", endless);
    let run = sandbox.netlab(&["plan", "--timeout", "1", "/mnt/t.rhai"]).ends_with(124);
    assert!(run.stderr.starts_with("error[NL0507]: the time limit was reached"), "{run}");
    assert_same(&before, &sandbox, "a plan that took too long");
    for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGKILL] {
        let mut running = sandbox.start_netlab(&["plan", "/mnt/t.rhai"]);
        running.wait_for("begun");
        running.signal(signal);
        let run = running.end();
        let expected = if signal == nix::sys::signal::Signal::SIGINT { (Some(130), None) } else { (None, Some(9)) };
        assert_eq!((run.code, run.signal), expected, "{run}");
        assert_same(&before, &sandbox, "a plan that was ended");
    }
}

/// What this kernel lacks is simulated, and the plan says so.
#[test]
fn a_kernel_without_vlans() {
    let Some(sandbox) = Sandbox::new() else { return };
    let lab = LABS.iter().find(|lab| lab.name == "vlan").unwrap();
    let lacks = !lab.can_run(&sandbox);
    let plan = json(sandbox.netlab(&["plan", "--json", "vlan.rhai"]).ends_with(0));
    let steps = plan["steps"].as_array().unwrap();
    let vlans: Vec<&Value> = steps.iter().filter(|s| s["rhai"].as_str().unwrap().contains(".vlan(")).collect();
    assert_eq!(vlans.len(), 6);
    assert!(vlans.iter().all(|s| s["simulated"] == lacks), "{plan}");
    assert_eq!(vlans[0]["ip"][0], "ip -n pc link add link eth0 name eth0.2 type vlan id 2");
    let vlan = plan["features"].as_array().unwrap().iter().find(|f| f["name"] == "vlan").unwrap();
    assert_eq!(vlan["here"], !lacks);
    if lacks {
        assert_eq!(vlans[0]["why"], "this kernel cannot make `vlan` links (CONFIG_VLAN_8021Q)");
        let run = sandbox.netlab(&["plan", "vlan.rhai"]).ends_with(0);
        assert!(run.stdout.contains("simulated: this kernel cannot make `vlan` links (CONFIG_VLAN_8021Q)\n"), "{run}");
        assert!(run.stdout.contains(
            "taken to hold: \"VLAN 10 goes through\", which depends on the ping of 10.0.10.254 in line 38\n"
        ));
        assert!(
            run.stdout.ends_with("  needs the kernel's vlan, which is missing here (CONFIG_VLAN_8021Q)\n"),
            "{run}"
        );
    }
}
