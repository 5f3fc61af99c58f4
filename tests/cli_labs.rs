//! The command line where labs are up, have died or are stuck. The labs are made by this file itself through the library.

mod common;

use common::labs::furnish;
use common::sandbox::Sandbox;
use common::world::{World, assert_same, assert_same_but_state};
use netlab::diag::Site;
use netlab::journal::record::Outcome;
use netlab::journal::store::Store;
use netlab::kernel::addr::AddrSpec;
use netlab::kernel::link::bridge::BridgeOptions;
use netlab::kernel::link::kind::LinkKind;
use netlab::kernel::signal::Stop;
use netlab::lab::Lab;
use netlab::lab::objects::HOST;
use netlab::lab::open::NewLab;
use netlab::lab::port::{Place, Port};
use netlab::types::address::Cidr;
use netlab::types::name::{IfName, LabName, NsName};
use serde_json::Value;

/// The variable by which this program, started again in a sandbox, is told what to make.
const ORDER: &str = "NETLAB_TEST_LAB";

/// The number of steps, and one, of a lab whose undo takes long enough to be interrupted.
const LONG: usize = 400;

#[test]
fn down_takes_all_back() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    make(&sandbox, "one", "up");
    let list = sandbox.netlab(&["list"]).ends_with(0).stdout;
    let rows: Vec<Vec<&str>> = list.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0].join(" "), "LAB STATUS SINCE NAMESPACES LINKS STEPS FILE");
    assert_eq!(rows[1].join(" ").replace(char::is_numeric, "N"), "one up N s ago N N N one.rhai");
    assert_eq!(rows.len(), 2);
    let show = sandbox.netlab(&["show"]).ends_with(0).stdout;
    assert!(show.contains("one-ns     one  eth0   10.0.0.2/24  -\n"), "{show}");
    assert!(show.contains("\non the host\n"), "{show}");
    assert!(show.contains("one-ns  veth    up     1500"), "{show}");
    assert!(show.contains("one-br  eth0@one-ns  "), "{show}");
    let run = sandbox.netlab(&["shell"]).ends_with(2);
    assert!(run.stderr.ends_with("  help: the lab `one` has one-ns\n"), "{run}");
    let run = sandbox.netlab(&["down"]).ends_with(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("`one`: 5 steps taken back\nhost unchanged\n", ""));
    assert_same(&before, &sandbox, "down");
}

#[test]
fn several_labs_are_told_apart() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    make(&sandbox, "one", "up");
    let with_one = World::settled(&sandbox);
    make(&sandbox, "two", "up");
    let run = sandbox.netlab(&["down"]).ends_with(2);
    assert_eq!(
        run.stderr,
        "error[NL0210]: there are 2 labs: one, two\n  help: say which: `netlab down LAB`, or take all of them down \
         with `netlab down --all`\n"
    );
    let run = sandbox.netlab(&["down", "three"]).ends_with(2);
    assert_eq!(run.stderr, "error[NL0502]: there is no lab `three`\n  help: there is `one`, `two`\n");
    let run = sandbox.netlab(&["down", "two", "--json"]).ends_with(0);
    let ending: Value = serde_json::from_str(&run.stdout).expect("one object");
    assert_eq!(ending["lab"], "two");
    assert_eq!(ending["complete"], true);
    assert_eq!(ending["exit_code"], 0);
    assert_eq!(ending["differences"], Value::Array(Vec::new()), "{ending}");
    assert_same_but_state(&with_one, &sandbox, "down two");
    make(&sandbox, "two", "kept");
    let run = sandbox.netlab(&["down", "--all", "--quiet"]).ends_with(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_same(&before, &sandbox, "down --all");
}

#[test]
fn a_run_that_died_is_recovered() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    make(&sandbox, "two", "up");
    make(&sandbox, "one", "died");
    let with_two = sandbox.netlab(&["list"]).ends_with(0);
    assert_eq!(with_two.stderr, "`one` was left behind by a run that was killed; `netlab recover` takes it back\n");
    let run = sandbox.netlab(&["recover"]).ends_with(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("`one`: 5 steps taken back\nhost unchanged\n", ""));
    sandbox.netlab(&["recover"]).ends_with(0);
    sandbox.netlab(&["down", "two"]).ends_with(0);
    assert_same(&before, &sandbox, "recover and down");
}

#[test]
fn what_others_changed_is_named() {
    let Some(sandbox) = Sandbox::new() else { return };
    make(&sandbox, "one", "up");
    sandbox.sh("ip link add theirs type veth peer name theirs2; echo 2 >/proc/sys/net/ipv4/ip_default_ttl || true");
    let run = sandbox.netlab(&["down"]).ends_with(0);
    assert_eq!(run.stdout, "`one`: 5 steps taken back\n", "{run}");
    assert!(
        run.stderr.starts_with("host changed since the lab began, but not by this lab:\n  link theirs is there"),
        "{run}"
    );
}

/// A name that cannot be removed, since the folder was made read-only: stuck, and `down` again when that is mended.
#[test]
fn a_stuck_undo_says_what_to_type() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    make(&sandbox, "one", "up");
    sandbox.sh("mount -o remount,ro,bind /run/netns");
    let run = sandbox.netlab(&["down"]).ends_with(4);
    assert!(run.stdout.starts_with("`one`: "), "{run}");
    assert!(run.stderr.contains("left over: ip netns add one-ns"), "{run}");
    assert!(run.stderr.contains("\n  type: ip netns del one-ns\n"), "{run}");
    assert!(
        run.stderr.ends_with(
            "error[NL0505]: the undo of `one` is incomplete: 1 step could not be taken back\n  help: type the commands \
             above, then `netlab down one` takes it up again\n"
        ),
        "{run}"
    );
    let list = sandbox.netlab(&["list"]).ends_with(0);
    assert!(list.stdout.contains("one  stuck"), "{list}");
    assert_eq!(list.stderr, "`one` is stuck in its undo; `netlab down one` tries again\n");
    let run = sandbox.netlab(&["down", "--json"]).ends_with(4);
    let ending: Value = serde_json::from_str(&run.stdout).expect("one object");
    assert_eq!(ending["leftovers"][0]["by_hand"][0], "ip netns del one-ns");
    assert_eq!(ending["exit_code"], 4);
    sandbox.sh("mount -o remount,rw,bind /run/netns");
    sandbox.netlab(&["down"]).ends_with(0);
    assert_same(&before, &sandbox, "down at last");
}

#[test]
fn a_journal_that_cannot_be_read_is_a_row() {
    let Some(sandbox) = Sandbox::new() else { return };
    make(&sandbox, "one", "up");
    sandbox.sh("mkdir /var/lib/netlab/odd; echo rubbish >/var/lib/netlab/odd/journal.jsonl");
    let run = sandbox.netlab(&["list"]).ends_with(0);
    assert!(run.stdout.contains("\nodd  unreadable  -"), "{run}");
    assert!(run.stderr.starts_with("`odd`: line 1 of /var/lib/netlab/odd/journal.jsonl cannot be read: "), "{run}");
    let list: Value = serde_json::from_str(&sandbox.netlab(&["list", "--json"]).ends_with(0).stdout).expect("a list");
    assert_eq!(list[0]["status"], "unreadable");
    assert_eq!(list[0]["error"]["code"], "NL0504");
    sandbox.netlab(&["show"]).ends_with(0);
    let run = sandbox.netlab(&["recover"]).ends_with(0);
    assert!(run.stderr.starts_with("`odd` is left alone: "), "{run}");
    sandbox.netlab(&["down", "odd"]).ends_with(1);
    // One that cannot be read does not keep the others up.
    let run = sandbox.netlab(&["down", "--all"]).ends_with(1);
    assert!(run.stdout.contains("`one`: 5 steps taken back"), "{run}");
}

/// Of another boot: nothing of it is left.
#[test]
fn a_lab_of_another_boot_is_void() {
    let Some(sandbox) = Sandbox::new() else { return };
    make(&sandbox, "one", "up");
    sandbox.sh(r#"sed -i '1s/"boot_id":"[^"]*"/"boot_id":"another"/' /var/lib/netlab/one/journal.jsonl"#);
    let run = sandbox.netlab(&["list"]).ends_with(0);
    assert!(run.stdout.contains("\none  void"), "{run}");
    assert_eq!(run.stderr, "`one` ended when the machine was started anew; `netlab down one` clears it away\n");
}

/// Ctrl-C ends an undo between two steps, and `down` takes it up again.
#[test]
fn an_interrupted_undo_is_taken_up_again() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    make(&sandbox, "one", "long");
    let netlab = env!("CARGO_BIN_EXE_netlab");
    // A shell that is not interactive starts what is behind `&` with SIGINT ignored, hence SIGTERM. It waits until the undo
    // has begun, which the journal tells.
    let out = sandbox.sh(&format!(
        "{netlab} down one 2>/mnt/err & until grep -q undo_started /var/lib/netlab/one/journal.jsonl; do :; done
         kill -TERM $!; wait $!; echo $?; cat /mnt/err"
    ));
    assert!(out.starts_with("`one`: "), "{out}");
    assert!(
        out.ends_with(
            " taken back\n143\nerror[NL0506]: the undo of `one` was interrupted by SIGTERM\n  help: `netlab down one` takes \
             it up again\n"
        ),
        "{out}"
    );
    sandbox.netlab(&["down"]).ends_with(0);
    assert_same(&before, &sandbox, "down, interrupted and taken up again");
}

/// Makes a lab in a sandbox. `end` is how it ends: `up`, `kept`, `died`, or `long`, which is up with many steps.
#[track_caller]
fn make(sandbox: &Sandbox, name: &str, end: &str) {
    let exe = std::env::current_exe().expect("a test has a file").display().to_string();
    sandbox.sh(&format!("{ORDER}={name}:{end} {exe} --exact this_file_makes_labs"));
}

/// Not a test: what [`make`] starts.
#[test]
fn this_file_makes_labs() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let (name, end) = order.split_once(':').expect("name:end");
    let new = NewLab {
        name: LabName::new(name).unwrap(),
        file: format!("{name}.rhai"),
        script: String::new(),
        args: Vec::new(),
        verify: false,
        exercise: None,
    };
    let mut lab = Lab::create(new, Store::open().unwrap(), Stop::default()).unwrap();
    let at = |line| Site { file: format!("{name}.rhai"), line, column: 1 };
    let ns = lab.add_netns(&at(1), NsName::new(&format!("{name}-ns")).unwrap(), true).unwrap();
    let bridge = Port::new(Place::Netns(HOST));
    let bridge =
        lab.add_link(&at(2), &bridge, LinkKind::Bridge(BridgeOptions::default()), &format!("{name}-br")).unwrap();
    let mut inside = Port::new(Place::Netns(ns));
    inside.addrs.push(AddrSpec::new(Cidr::new("10.0.0.2/24").unwrap()));
    let outside = Port::named(Place::Bridge(bridge), IfName::new(&format!("{name}-ns")).unwrap());
    lab.veth(&at(3), &outside, &inside).unwrap();
    lab.put_etc(&at(4), ns, "resolv.conf", "nameserver 10.0.0.1\n").unwrap();
    lab.set_sysctl(&at(5), HOST, "net.ipv4.ip_forward", "1").unwrap();
    if end == "long" {
        for line in 6..LONG {
            let value = if line % 2 == 0 { "0" } else { "1" };
            lab.set_sysctl(&at(line), HOST, "net.ipv4.ip_forward", value).unwrap();
        }
    }
    match end {
        "up" | "long" => lab.close(Outcome::Up).unwrap(),
        "kept" => lab.close(Outcome::Kept).unwrap(),
        // As by SIGKILL: nobody writes that the lab came to rest.
        _ => {}
    }
}
