//! An undo that cannot finish: exit code 4, what is left, why, and commands that take it away when they are typed.

mod common;

use common::labs::furnish_beside_a_lab;
use common::sandbox::{Run, Sandbox};
use common::side_by_side;
use common::world::{World, assert_same};

const SCRIPT: &str = r#"
let a = netns("stuck-a");
let lan = bridge("stuck-br");
veth(a.port("eth0", "10.7.7.1/24"), lan.port("stuck0"));
host.forward(true);
host.resolv_conf("nameserver 10.7.7.53\n");
a.resolv_conf(["10.7.7.54"]);
host["my0"].addr("10.7.7.7/32");
a.start("sleep 1000");
"#;

/// What is in the way, how it is put there and taken away, what is then left over, and why.
struct Obstacle {
    put: &'static str,
    /// Nothing if what netlab says to type removes it by itself.
    away: &'static str,
    left: &'static str,
    why: &'static str,
}

const OBSTACLES: &[Obstacle] = &[
    // Somebody has bound the namespace over its own name once more: netlab takes off its own mount and finds another.
    Obstacle {
        put: "mount --bind /run/netns/stuck-a /run/netns/stuck-a",
        away: "",
        left: "left over: ip netns add stuck-a",
        why: "EBUSY",
    },
    Obstacle {
        put: "mount --bind /etc/resolv.conf /etc/resolv.conf && mount -o remount,ro,bind /etc/resolv.conf",
        away: "umount /etc/resolv.conf",
        left: "left over: printf %s 'nameserver 10.7.7.53\n' > /etc/resolv.conf",
        why: "EROFS",
    },
    Obstacle {
        put: "f=/proc/sys/net/ipv4/conf/all/forwarding && mount --bind $f $f && mount -o remount,ro,bind $f",
        away: "umount /proc/sys/net/ipv4/conf/all/forwarding",
        left: "left over: sysctl -w net.ipv4.ip_forward=",
        why: "EROFS",
    },
    Obstacle {
        put: "mount --bind /run/netns /run/netns && mount -o remount,ro,bind /run/netns",
        away: "umount /run/netns",
        left: "left over: ip netns add stuck-a",
        why: "EROFS",
    },
];

/// The commands that a person is told to type.
fn to_type(run: &Run) -> String {
    let mut commands = String::new();
    let mut is_command = false;
    for line in run.stderr.lines() {
        if let Some(command) = line.strip_prefix("  type: ") {
            commands.push_str(command);
            is_command = true;
        } else if is_command
            && !line.starts_with("error[")
            && !line.starts_with("left over:")
            && !line.starts_with("  ")
        {
            // A text of several lines goes on.
            commands.push_str(line);
        } else {
            is_command = false;
            continue;
        }
        commands.push('\n');
    }
    commands
}

fn assert_stuck(run: Run, obstacle: &Obstacle) -> Run {
    let put = obstacle.put;
    let run = run.ends_with(4);
    assert!(run.stderr.contains(obstacle.left), "{put}: {run}");
    assert!(run.stderr.contains(obstacle.why), "{put}: {run}");
    assert!(run.stderr.contains("1 step could not be taken back"), "{put}: {run}");
    assert!(run.stderr.contains("`netlab down stuck` takes it up again"), "{put}: {run}");
    run
}

fn clean_up(sandbox: &Sandbox, run: &Run, obstacle: &Obstacle) {
    let list = sandbox.netlab(&["list"]).ends_with(0).stdout;
    assert!(list.contains("stuck   stuck") || list.contains("stuck  stuck"), "{}: {list}", obstacle.put);
    // Not a run that died: `recover` leaves it alone.
    sandbox.netlab(&["recover"]).ends_with(0);
    if !obstacle.away.is_empty() {
        sandbox.sh(obstacle.away);
    }
    let commands = to_type(run);
    assert!(!commands.is_empty(), "{}: nothing to type: {run}", obstacle.put);
    sandbox.sh(&format!("set -e\n{commands}"));
    sandbox.netlab(&["down", "stuck"]).ends_with(0);
}

#[test]
fn down_that_gets_stuck() {
    side_by_side(OBSTACLES.iter().collect(), |obstacle| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        sandbox.write("/mnt/stuck.rhai", SCRIPT);
        sandbox.netlab(&["run", "/mnt/stuck.rhai"]).ends_with(0);
        sandbox.sh(obstacle.put);
        let run = assert_stuck(sandbox.netlab(&["down", "stuck"]), obstacle);
        clean_up(&sandbox, &run, obstacle);
        assert_same(&before, &sandbox, &format!("what was typed after {}", obstacle.put));
    });
}

/// The obstacle comes while the script runs, which then fails.
#[test]
fn a_rollback_that_gets_stuck() {
    side_by_side(OBSTACLES.iter().collect(), |obstacle| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        let obstacle_call =
            format!("expect(host.exec([\"sh\", \"-c\", `{}`]).ok);\nfail(\"on purpose\");\n", obstacle.put);
        sandbox.write("/mnt/stuck.rhai", &format!("{SCRIPT}{obstacle_call}"));
        let run = assert_stuck(sandbox.netlab(&["run", "/mnt/stuck.rhai"]), obstacle);
        assert!(run.stderr.contains("on purpose"), "{run}");
        clean_up(&sandbox, &run, obstacle);
        assert_same(&before, &sandbox, &format!("what was typed after {}", obstacle.put));
    });
}

/// Without typing anything, `down` takes it up again once nothing is in the way.
#[test]
fn down_again() {
    side_by_side(OBSTACLES.iter().filter(|o| !o.away.is_empty()).collect(), |obstacle| {
        let Some(sandbox) = Sandbox::new() else { return };
        let before = furnish_beside_a_lab(&sandbox);
        sandbox.write("/mnt/stuck.rhai", SCRIPT);
        sandbox.netlab(&["run", "/mnt/stuck.rhai"]).ends_with(0);
        sandbox.sh(obstacle.put);
        assert_stuck(sandbox.netlab(&["down", "stuck"]), obstacle);
        // Still in the way, still stuck, and nothing worse.
        assert_stuck(sandbox.netlab(&["down", "stuck"]), obstacle);
        sandbox.sh(obstacle.away);
        sandbox.netlab(&["down", "stuck"]).ends_with(0);
        assert_same(&before, &sandbox, &format!("down again after {}", obstacle.put));
    });
}

/// What an attempt cannot take back is said at once and is not left to an earlier step of the same lab; a link that cannot be
/// made again is told as one.
#[test]
fn an_attempt_that_gets_stuck() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("ip netns add mine; ip link add v1 index 71 type veth peer name p1 index 72
        ip link add vx4 index 74 address 02:00:00:00:00:04 type vxlan id 400 dev v1 dstport 4789 local 10.1.0.1");
    let tunnel = |sandbox: &Sandbox| sandbox.sh("ip -j -d link show vx4");
    let before = tunnel(&sandbox);
    sandbox.write(
        "/mnt/stuck.rhai",
        r#"let mine = get_netns("mine");
host["vx4"].move_to(mine);
attempt { mine["vx4"].del(); host.exec("ip link del v1"); throw "no"; }
"#,
    );
    let run = sandbox.netlab(&["run", "/mnt/stuck.rhai"]).ends_with(4);
    let why = "cannot make the link `vx4` again (RTM_NEWLINK → ENODEV: No such device — Invalid local interface, device not \
               found)\n";
    assert!(run.stderr.contains(&format!("no; and what the attempt did cannot all be taken back: {why}")), "{run}");
    assert!(run.stderr.contains(&format!("left over: ip link set vx4 netns mine\n  why: {why}error[NL0505]")), "{run}");
    assert!(
        run.stderr.contains("help: mend what stands in the way, then `netlab down stuck` takes it up again"),
        "{run}"
    );
    sandbox.sh("ip link add v1 index 71 type veth peer name p1 index 72");
    sandbox.netlab(&["down", "stuck"]).ends_with(0);
    assert_eq!(before, tunnel(&sandbox));
}

/// Where there is no room for the journal, nothing begins; where it ends in the middle, all is taken back without it.
#[test]
fn a_full_disk() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("mount -t tmpfs -o size=64k tmpfs /var/lib; mkdir /var/lib/netlab");
    sandbox.netlab(&["run", "--quiet", "create-ns-bridge.rhai"]).ends_with(0);
    sandbox.netlab(&["down", "--quiet"]).ends_with(0);
    let before = World::read(&sandbox);
    sandbox.write("/mnt/star.rhai", "star(bridge(\"lan\"), netns(\"h\", 1..=200), \"10.0.0.0/16\");\n");
    let run = sandbox.netlab(&["run", "--quiet", "/mnt/star.rhai"]).ends_with(1);
    assert_eq!(
        run.stderr.lines().take(1).collect::<String>(),
        "error[NL0119]: cannot write the journal /var/lib/netlab/star/journal.jsonl: no space left on device",
        "{run}"
    );
    assert!(run.stderr.contains("ENOSPC: No space left on device"), "{run}");
    assert_same(&before, &sandbox, "a disk that was full in the middle");
    sandbox.try_sh("cat /dev/zero >/var/lib/fill");
    let before = World::read(&sandbox);
    for _ in 0..2 {
        let run = sandbox.netlab(&["run", "--quiet", "create-ns-bridge.rhai"]).ends_with(1);
        assert!(run.stderr.starts_with("error[NL0119]: cannot write") && run.stderr.contains("ENOSPC"), "{run}");
        assert_same(&before, &sandbox, "a disk that was full before");
    }
    sandbox.sh("rm /var/lib/fill");
    sandbox.netlab(&["run", "--quiet", "create-ns-bridge.rhai"]).ends_with(0);
    sandbox.try_sh("cat /dev/zero >/var/lib/fill");
    let down = sandbox.netlab(&["down"]).ends_with(0);
    assert!(down.stdout.ends_with("host unchanged\n"), "{down}");
}
