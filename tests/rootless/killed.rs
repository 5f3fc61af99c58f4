//! Whatever is killed: the next look finds a clean state or a lab that `recover` takes back.

use crate::user::Machine;

/// A run that takes its time.
const SLOW: &str = "for n in 0..40 { netns(`n${n}`); sleep(0.05); }";

/// Comes back when it is at work.
const AT_WORK: &str = "until netlab list | grep -q '  busy  '; do sleep 0.05; done";

/// Comes back when the program that is used here runs.
const RUNS: &str = "until pgrep -fx 'sleep 1000' >/dev/null; do sleep 0.05; done";

#[test]
fn the_keeper() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    user.sh(&format!("kill -9 {}", user.keeper("create-ns-bridge"))).ends_with(0);
    assert_eq!(user.netlab("list").ends_with(0).stdout, "no lab is up\n");
    machine.assert_left(&before, "a killed keeper");
    // Also while a run is at work: the kernel ends the run, and what stood for it outside tells.
    user.write("slow.rhai", SLOW);
    let run = user.sh(&format!("netlab run -q slow.rhai & {AT_WORK}; pkill -9 netlab-keeper; wait $!"));
    assert_eq!(run.code, Some(137), "{run}");
    user.netlab("list").ends_with(0);
    machine.assert_left(&before, "a keeper that was killed beneath a run");
}

#[test]
fn the_run() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    user.write("slow.rhai", SLOW);
    let before = machine.left();
    let run = user.sh(&format!("netlab run -q slow.rhai & {AT_WORK}; kill -9 $!; wait $!"));
    assert_eq!(run.code, Some(137), "{run}");
    let list = user.netlab("list").ends_with(0);
    assert!(list.stdout.contains("slow  died"), "{list}");
    user.netlab("recover").ends_with(0);
    machine.assert_left(&before, "recover");
}

/// At each of the first steps, and at times spread over the beginning, when the sandbox itself is being made.
#[test]
fn the_run_at_any_time() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    for step in [1, 2, 3, 5, 8, 13, 21] {
        let run = user.sh(&format!("NETLAB_FAULT=kill@{step} netlab run -q create-ns-bridge.rhai"));
        assert!(run.was_killed(), "at step {step}: {run}");
        user.netlab("recover").ends_with(0);
        user.netlab("list").ends_with(0);
        machine.assert_left(&before, &format!("a kill at step {step}"));
    }
    for milliseconds in (2..60).step_by(4) {
        user.sh(&format!("timeout -s KILL 0.{milliseconds:03} netlab run -q create-ns-bridge.rhai"));
        user.netlab("recover").ends_with(0);
        user.netlab("down --all -q").ends_with(0);
        machine.assert_left(&before, &format!("a kill after {milliseconds} ms"));
    }
}

#[test]
fn a_shell_inside() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    let with_lab = machine.left();
    let run = user.sh(&format!("netlab exec ns1 -- sleep 1000 & {RUNS}; kill -9 $!; wait $!"));
    assert_eq!(run.code, Some(137), "{run}");
    machine.assert_left(&with_lab, "a killed program");
    assert!(user.netlab("list").stdout.contains("create-ns-bridge  up"));
    let shell = "mkfifo $HOME/in; sleep 1000 >$HOME/in 2>/dev/null & SHELL=/bin/sh netlab shell ns1 <$HOME/in & \
                 until pgrep -x sh >/dev/null; do sleep 0.05; done; kill -9 $!; wait $!; code=$?; kill %1; rm $HOME/in; exit $code";
    let run = user.sh(shell);
    assert_eq!(run.code, Some(137), "{run}");
    machine.assert_left(&with_lab, "a killed shell");
    // One that is inside when the lab goes, goes too.
    let run = user.sh(&format!("netlab exec ns1 -- sleep 1000 & {RUNS}; netlab down -q; wait $!"));
    assert_eq!(run.code, Some(137), "{run}");
    machine.assert_left(&before, "down beneath a program");
}

/// A signal comes once, and what began is taken back.
#[test]
fn a_signal_rolls_back() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    user.write("slow.rhai", SLOW);
    let before = machine.left();
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let run = user.sh(&format!("set -m; netlab run slow.rhai & {AT_WORK}; kill -{signal} $!; wait $!"));
        assert_eq!(run.code, Some(code), "{run}");
        assert!(run.stdout.ends_with("host unchanged\n"), "{run}");
        machine.assert_left(&before, signal);
    }
}

/// When a user logs out, the folder goes, and nobody could find the sandbox again.
#[test]
fn the_folder() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    machine.root.sh(&format!("rm -rf {}/*", user.runtime()));
    machine.assert_left(&before, "the end of the folder");
}
