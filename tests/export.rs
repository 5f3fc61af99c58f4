//! `netlab export`: what it writes, run on an empty machine, makes the same network, as `ip -j` shows it.
//!
//! `SEEDS=1000 cargo test --test export` tries more random labs, `CASE=7` one of them.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::labs::{Lab, chosen};
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
