//! `netlab export`: what it writes, run on an empty machine, makes the same network, as `ip -j` shows it.
//!
//! `SEEDS=1000 cargo test --test export` tries more random labs, `CASE=7` one of them.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::labs::{Lab, chosen, lacks};
use common::network::{differences, network};
use common::random_lab;
use common::sandbox::{Run, Sandbox};
use common::{aloud, is_root, side_by_side};
use serde_json::Value;

/// Both forms that a lab can be written in.
const FORMS: [&str; 2] = ["rhai", "bash"];

/// Exports the lab, or without a name all that is there.
fn export(sandbox: &Sandbox, lab: Option<&str>, form: &str) -> Run {
    let mut args = vec!["export"];
    args.extend(lab);
    args.extend((form == "bash").then_some("--bash"));
    sandbox.netlab(&args)
}

/// Runs a program on an empty machine, and gives back what it makes there.
#[track_caller]
fn made_by(title: &str, form: &str, program: &str, wanted: &Value) {
    let Some(empty) = Sandbox::new() else { return };
    let file = format!("/mnt/x.{form}");
    empty.write(&file, program);
    match form {
        "bash" => {
            let run = empty.command(Path::new("/"), "bash", &[&file]).output().expect("bash can be started");
            let words = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{title} as bash: {words}\n{program}");
        }
        _ => {
            let run = empty.netlab(&["run", "--quiet", &file]);
            assert_eq!(run.code, Some(0), "{title} as {form}: {run}\n{program}");
        }
    }
    // Carriers lag.
    let start = Instant::now();
    let left = loop {
        let left = differences(wanted, &network(&empty));
        if left.is_empty() || start.elapsed() > Duration::from_secs(2) {
            break left;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(left.is_empty(), "{title} as {form}: the program makes something else\n{}\n{program}", left.join("\n"));
}

/// Exports in both forms, and compares what they make with what is there.
#[track_caller]
fn round_trip(title: &str, sandbox: &Sandbox, lab: Option<&str>) {
    let wanted = network(sandbox);
    for form in FORMS {
        let run = export(sandbox, lab, form).ends_with(0);
        made_by(title, form, &run.stdout, &wanted);
    }
}

#[test]
fn each_lab_comes_back_from_its_export() {
    if !is_root("export") {
        return;
    }
    side_by_side(chosen(), |lab: Lab| {
        let Some(sandbox) = Sandbox::new() else { return };
        for card in lab.args {
            sandbox.sh(&format!(
                "ip netns add isp; ip link add {card} type veth peer name {card} netns isp; \
                 ip link set {card} up; ip -n isp link set {card} up"
            ));
        }
        if !lab.can_run(&sandbox) {
            return aloud(&format!("{}: this kernel lacks {}", lab.title(), lab.needs.unwrap_or_default()));
        }
        sandbox.netlab(&lab.command(&["run", "--quiet"], &lab.script())).ends_with(0);
        round_trip(&lab.title(), &sandbox, Some(lab.name));
    });
}

/// Networks that no lab made, each with what the kernel must have for it.
const BY_HAND: &[(&str, &[&str], &str)] = &[
    ("plain", &[], include_str!("export/plain.sh")),
    ("vlans", &["CONFIG_VLAN_8021Q", "CONFIG_BRIDGE_VLAN_FILTERING"], include_str!("export/vlans.sh")),
    ("kinds", &["CONFIG_NET_VRF", "CONFIG_BONDING", "CONFIG_DUMMY", "CONFIG_IPVLAN"], include_str!("export/kinds.sh")),
    ("netem", &["CONFIG_NET_SCH_NETEM"], include_str!("export/netem.sh")),
];

#[test]
fn what_was_made_by_hand_comes_back_from_its_export() {
    if !is_root("export") {
        return;
    }
    side_by_side(BY_HAND.to_vec(), |(title, options, script)| {
        let Some(sandbox) = Sandbox::new() else { return };
        sandbox.write("/mnt/made.sh", script);
        let made =
            sandbox.command(Path::new("/"), "bash", &["-e", "/mnt/made.sh"]).output().expect("bash can be started");
        if !made.status.success() {
            assert!(!options.is_empty(), "{title}: {}", String::from_utf8_lossy(&made.stderr));
            return lacks(title, &options.join(", "));
        }
        round_trip(title, &sandbox, None);
    });
}

/// What `ip` did to a lab since it was made is written as well.
#[test]
fn a_lab_is_written_as_it_is_now() {
    if !is_root("export") {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/lab.rhai", LAB);
    sandbox.netlab(&["run", "--quiet", "/mnt/lab.rhai"]).ends_with(0);
    let before = export(&sandbox, Some("lab"), "rhai").ends_with(0).stdout;
    sandbox
        .sh("ip -n a addr add 10.0.9.1/24 dev eth0; ip -n a link set eth0 mtu 1300; ip -n b link add more type ifb; \
                ip link add plug type veth peer name p0 netns b; ip link set plug master lan up");
    round_trip("a lab that was changed", &sandbox, Some("lab"));
    let after = export(&sandbox, Some("lab"), "rhai").ends_with(0).stdout;
    let lost: Vec<&str> = before.lines().filter(|line| !after.contains(line)).collect();
    assert_eq!(lost, [r#"veth(a.port("eth0", "10.0.0.1/24"), lan.port("a"));"#], "{after}");
}

const LAB: &str = r#"
let lan = bridge("lan");
for name in ["a", "b"] { netns(name); }
veth(get_netns("a").port("eth0", "10.0.0.1/24"), lan);
veth(get_netns("b").port("eth0", "10.0.0.2/24"), lan);
"#;

/// What cannot be said is said to be missing, in the program and on standard error.
#[test]
fn what_has_no_verb_is_told() {
    if !is_root("export") {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("ip netns add a; ip -n a link set lo up; ip -n a link add x type ifb; ip -n a link set x up; \
                ip -n a route add 10.0.0.0/24 dev x proto static");
    let command = "ip -n a route replace 10.0.0.0/24 dev x proto 4";
    for (form, comment) in [("rhai", "//"), ("bash", "#")] {
        let run = export(&sandbox, None, form).ends_with(0);
        let line = format!("not exported: who made the route to 10.0.0.0/24 in a: {command}");
        assert!(run.stdout.contains(&format!("{comment} {line}\n")), "{run}");
        assert_eq!(run.stderr, format!("{line}\n"));
    }
}

/// A program in bash that fails takes back what it made, and touches nothing that is there.
#[test]
fn bash_cleans_up() {
    if !is_root("export") {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/lab.rhai", &LAB.replace("netns(name)", "netns(name, #{ dns: [\"10.0.0.1\"] })"));
    sandbox.netlab(&["run", "--quiet", "/mnt/lab.rhai"]).ends_with(0);
    let program = export(&sandbox, Some("lab"), "bash").ends_with(0).stdout;
    sandbox.netlab(&["down", "--quiet", "lab"]).ends_with(0);
    let bare = network(&sandbox);
    let bash = |sandbox: &Sandbox, text: &str, args: &[&str]| {
        sandbox.write("/mnt/x.bash", text);
        let args: Vec<&str> = std::iter::once("/mnt/x.bash").chain(args.iter().copied()).collect();
        sandbox.command(Path::new("/"), "bash", &args).output().expect("bash can be started").status.code()
    };
    assert_eq!(bash(&sandbox, &format!("{program}false\n"), &[]), Some(1));
    assert_eq!(differences(&bare, &network(&sandbox)), Vec::<String>::new(), "{program}");
    assert_eq!(bash(&sandbox, &program, &[]), Some(0));
    assert_ne!(differences(&bare, &network(&sandbox)), Vec::<String>::new());
    let made = network(&sandbox);
    assert_eq!(bash(&sandbox, &program, &[]), Some(1), "what is there already is in the way");
    assert_eq!(differences(&made, &network(&sandbox)), Vec::<String>::new(), "and stays");
    assert_eq!(bash(&sandbox, &program, &["down"]), Some(0));
    assert_eq!(differences(&bare, &network(&sandbox)), Vec::<String>::new(), "{program}");
}

/// A name that is no lab's, and a file that cannot be written.
#[test]
fn errors() {
    if !is_root("export") {
        return;
    }
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/lab.rhai", LAB);
    sandbox.netlab(&["run", "--quiet", "/mnt/lab.rhai"]).ends_with(0);
    let run = sandbox.netlab(&["export", "lap"]).ends_with(2);
    assert!(run.stderr.contains("there is no lab `lap`") && run.stderr.contains("did you mean `lab`?"), "{run}");
    let run = sandbox.netlab(&["export", "lab", "-o", "/none/x"]);
    assert!(run.code != Some(0) && run.stderr.contains("cannot write /none/x"), "{run}");
}

#[test]
fn random_labs_come_back_from_their_export() {
    if !is_root("export") {
        return;
    }
    let count: u64 = std::env::var("SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let one = std::env::var("CASE").ok().and_then(|n| n.parse().ok());
    let seeds: Vec<u64> = one.map_or_else(|| (1..=count).filter(|s| !s.is_multiple_of(3)).collect(), |s| vec![s]);
    side_by_side(seeds, |seed| {
        let Some(sandbox) = Sandbox::new() else { return };
        let script = random_lab::script(seed);
        sandbox.write("/mnt/lab.rhai", &script);
        sandbox.netlab(&["run", "--quiet", "/mnt/lab.rhai"]).ends_with(0);
        round_trip(&format!("seed {seed}: {script}"), &sandbox, Some("lab"));
    });
}
