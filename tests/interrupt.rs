//! Ctrl-C, SIGTERM, SIGHUP and the time limit: at random moments, in every kind of wait, and during the undo.

mod common;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use common::labs::furnish_beside_a_lab;
use common::sandbox::Sandbox;
use common::world::assert_same;
use common::{aloud, side_by_side};
use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGTERM};

/// Waits longer than any test has patience for, after making something of every sort.
const LONG: &str = r#"
let lan = bridge("int-lan");
host.forward(true).resolv_conf(["10.7.7.1"]);
for i in 1..=60 {
    veth(netns(`int${i}`).port("eth0", `10.7.7.${i}/24`), lan.port(`int-${i}`));
}
get_netns("int1").start("sleep 1000");
host["lo"].addr("10.7.7.99/32");
expect(get_netns("int1").ping("10.7.7.200", #{ count: 500 }));
"#;

/// What a script can wait for, in a namespace `a` whose neighbour `10.7.7.2` keeps silent.
const WAITS: &[&str] = &[
    r#"expect(a.ping("10.9.9.9", #{ count: 50 }))"#,
    r#"expect(a.ping("10.7.7.2", #{ count: 50, timeout: 30 }))"#,
    r#"a.traceroute("10.7.7.2", #{ timeout: 30 })"#,
    r#"a.tcp("10.7.7.2", 80, #{ timeout: 30 })"#,
    r#"a.udp("10.7.7.2", 80, #{ timeout: 30 })"#,
    r#"a.exec("sleep 1000")"#,
    r#"a.exec(["sh", "-c", "trap '' INT TERM HUP; sleep 1000"])"#,
    r#"a.start("sleep 1000", #{ ready: 100 })"#,
    "sleep(100)",
    "loop {}",
    "let n = 0; while true { n += 1; }",
    "try { sleep(100) } catch { loop {} }",
    r#"attempt { netns("int-b"); sleep(100); }"#,
];

fn waiting(wait: &str) -> String {
    format!(
        "let a = netns(\"int-a\");\nveth(a.port(\"eth0\", \"10.7.7.1/24\"), netns(\"int-c\").port(\"eth0\"));\n\
         a.route(\"default\", \"10.7.7.2\");\nhost.forward(true);\n{wait};\n"
    )
}

#[test]
fn at_random_moments() {
    let seed = RandomState::new().build_hasher().finish();
    aloud(&format!("interrupt: the moments follow from {seed:#x}"));
    side_by_side(vec![SIGINT, SIGTERM, SIGHUP], |signal| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        sandbox.write("/mnt/long.rhai", LONG);
        let mut random = seed ^ signal as u64;
        for _ in 0..12 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let moment = Duration::from_micros((random >> 33) % 400_000);
            let mut run = sandbox.start_netlab(&["run", "/mnt/long.rhai"]);
            run.wait_for("int-lan");
            thread::sleep(moment);
            run.signal(signal);
            let run = run.end();
            assert_eq!(run.code, Some(128 + signal as i32), "{signal} after {moment:?}: {run}");
            assert!(run.stderr.contains(&format!("interrupted by {signal}")), "{signal} after {moment:?}: {run}");
            assert!(run.stdout.ends_with("host unchanged\n"), "{signal} after {moment:?}: {run}");
            assert_same(&before, &sandbox, &format!("{signal} after {moment:?}"));
        }
    });
}

/// Whatever it waits for, it ends at once; and the time limit ends it too.
#[test]
fn in_every_wait() {
    side_by_side(WAITS.to_vec(), |wait| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        sandbox.write("/mnt/wait.rhai", &waiting(wait));
        let mut run = sandbox.start_netlab(&["run", "/mnt/wait.rhai"]);
        run.wait_for("host.forward");
        thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        run.signal(SIGINT);
        let run = run.end();
        assert_eq!(run.code, Some(130), "{wait}: {run}");
        at_once(wait, asked);
        assert_same(&before, &sandbox, &format!("Ctrl-C in {wait}"));

        let asked = Instant::now();
        let run = sandbox.netlab(&["run", "--timeout", "0.5", "/mnt/wait.rhai"]);
        assert_eq!(run.code, Some(124), "{wait}: {run}");
        assert!(asked.elapsed() >= Duration::from_millis(500), "{wait}: ended before its time\n{run}");
        at_once(wait, asked + Duration::from_millis(500));
        assert_same(&before, &sandbox, &format!("the time limit in {wait}"));
    });
}

/// The undo of a program that does not want to end takes two seconds: long enough to press Ctrl-C again.
#[test]
fn twice() {
    const STUBBORN: &str = "let a = netns(\"int-a\");\nhost.forward(true);\n\
        a.start([\"sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"], #{ ready: 0.2 });\nsleep(100);\n";
    side_by_side(vec![(SIGINT, SIGINT), (SIGTERM, SIGHUP)], |(first, second): (Signal, Signal)| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        sandbox.write("/mnt/stubborn.rhai", STUBBORN);
        let mut run = sandbox.start_netlab(&["run", "/mnt/stubborn.rhai"]);
        run.wait_for("start");
        thread::sleep(Duration::from_millis(500));
        run.signal(first);
        thread::sleep(Duration::from_millis(700));
        run.signal(second);
        let run = run.end();
        assert_eq!(run.code, Some(128 + second as i32), "{run}");
        assert!(run.stderr.contains(&format!("the undo of `stubborn` was interrupted by {second}")), "{run}");
        assert!(run.stderr.contains("`netlab down stubborn` takes it up again"), "{run}");
        assert!(sandbox.sh("ls /run/netns").contains("int-a"), "the undo went on to its end all the same: {run}");
        sandbox.netlab(&["recover"]).ends_with(0);
        sandbox.netlab(&["down", "stubborn"]).ends_with(0);
        assert_same(&before, &sandbox, "the second undo");
    });
}

#[track_caller]
fn at_once(wait: &str, asked: Instant) {
    // The machine that tests may be busy; the waits are thirty seconds and more.
    assert!(asked.elapsed() < Duration::from_secs(8), "{wait}: it took {:?} to end", asked.elapsed());
}
