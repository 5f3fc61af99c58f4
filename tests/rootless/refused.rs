//! Where a sandbox cannot be made: the error names the cause and the way out, word for word, and nothing is left.

use crate::user::{Machine, User};

#[track_caller]
fn refuses(user: User<'_>, line: &str, code: i32, stderr: &str) {
    let before = user.machine.left();
    let run = user.sh(line);
    assert_eq!((run.code, run.stderr.as_str()), (Some(code), stderr), "{line}");
    user.machine.assert_left(&before, line);
}

#[test]
fn by_the_user() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    refuses(
        user,
        "netlab run --host create-ns-bridge.rhai",
        3,
        "error[NL0109]: netlab needs CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW\n  help: run it as root: sudo netlab run \
         --host create-ns-bridge.rhai\n",
    );
    let run = user.netlab("run --host --sandbox create-ns-bridge.rhai").ends_with(2);
    assert!(run.stderr.contains("'--host' cannot be used with '--sandbox'"), "{run}");
    // What is wrong with a script is found before anything is made.
    user.write("wrong.rhai", "nets(");
    user.netlab("run wrong.rhai").ends_with(2);
    user.write("fails.rhai", "netns(\"a\"); expect(false)");
    let before = machine.left();
    let run = user.netlab("run fails.rhai").ends_with(1);
    assert!(run.stdout.ends_with("host unchanged\n"), "{run}");
    machine.assert_left(&before, "a lab that fails");
}

#[test]
fn by_the_machine() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    // In a user namespace of its own the limit can be set to 0 without touching the machine's.
    let off = "unshare --user --map-current-user --keep-caps sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec \
               setpriv --ambient-caps=-all --inh-caps=-all netlab";
    refuses(
        user,
        &format!("{off} run create-ns-bridge.rhai'"),
        3,
        "error[NL0402]: a sandbox cannot be made here: user.max_user_namespaces is 0\n  help: an administrator switches \
         them on with `sudo sysctl user.max_user_namespaces=10000`; or use netlab as root\n  kernel: unshare → ENOSPC: No \
         space left on device\n",
    );
    let doctor = user.sh(&format!("{off} doctor'")).ends_with(3);
    assert!(
        doctor.stdout.contains("none, and a sandbox cannot be made here: user.max_user_namespaces is 0"),
        "{doctor}"
    );
    assert!(user.netlab("doctor").ends_with(0).stdout.contains("none, but labs run in a sandbox of their own"));
    // The kernel forbids user namespaces to whoever has been locked into a folder, with the errno of a container's filter.
    // Private, or what other tests mount meanwhile would come along.
    machine.root.sh("mkdir /mnt/whole; mount --rbind / /mnt/whole; mount --make-rprivate /mnt/whole");
    let before = machine.left();
    let run = machine.root.try_sh(
        "XDG_RUNTIME_DIR=/mnt/u1001/run chroot --userspec=1001:1001 /mnt/whole /mnt/netlab run create-ns-bridge.rhai",
    );
    assert_eq!(
        String::from_utf8_lossy(&run.stderr),
        "error[NL0402]: a sandbox cannot be made here: user namespaces are forbidden, as containers (seccomp) and some \
         systems do\n  help: start the container with `--security-opt seccomp=unconfined`, ask an administrator, or use \
         netlab as root\n  kernel: unshare → EPERM: Operation not permitted\n"
    );
    machine.assert_left(&before, "a refusal");
}

/// Without a folder of the session's, one in /tmp does, if it is the user's own.
#[test]
fn without_a_runtime_folder() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let before = machine.left();
    for env in ["env -u XDG_RUNTIME_DIR", "env XDG_RUNTIME_DIR=/nosuch"] {
        user.sh(&format!("{env} netlab run -q create-ns-bridge.rhai")).ends_with(0);
        assert_eq!(machine.root.sh("stat -c '%a %u' /tmp/netlab-1001"), "700 1001\n");
        // Who has the variable finds it as well.
        user.netlab("exec ns1 -- true").ends_with(0);
        user.netlab("down -q").ends_with(0);
        machine.assert_left(&before, env);
    }
    for trap in [
        "install -d -m 700 -o 1002 /tmp/netlab-1001",
        "ln -s /mnt/u1001 /tmp/netlab-1001",
        "install -d -m 777 -o 1001 /tmp/netlab-1001",
    ] {
        machine.root.sh(trap);
        let run = user.sh("env -u XDG_RUNTIME_DIR netlab run -q create-ns-bridge.rhai").ends_with(3);
        assert!(
            run.stderr.starts_with(
                "error[NL0402]: cannot write down the sandbox of `create-ns-bridge`\n  help: /tmp/netlab-1001 has to be a \
                 folder of yours, with room, where nobody else writes\n  kernel: open "
            ),
            "{trap}: {run}"
        );
        machine.root.sh("rm -r /tmp/netlab-1001");
        machine.assert_left(&before, trap);
    }
}

#[test]
fn by_a_full_disk() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    let run = user.runtime();
    machine.root.sh(&format!(
        "mount -t tmpfs -o size=8k,mode=700,uid=1001,gid=1001 tmpfs {run}; cat /dev/zero >{run}/fill 2>/dev/null || true"
    ));
    refuses(
        user,
        "netlab run create-ns-bridge.rhai",
        3,
        &format!(
            "error[NL0402]: cannot write down the sandbox of `create-ns-bridge`\n  help: is there room in {run}/netlab?\n  \
             kernel: write → ENOSPC: No space left on device\n"
        ),
    );
    machine.root.sh(&format!("rm {run}/fill"));
    user.netlab("run -q create-ns-bridge.rhai").ends_with(0);
    user.netlab("down -q").ends_with(0);
}

/// Where parts of /proc are covered, as in containers, no new one can be mounted, and the sandbox does without.
#[test]
fn without_a_proc_of_its_own() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    machine.root.sh("mount --bind /dev/null /proc/uptime");
    let before = machine.left();
    let doctor = user.netlab("doctor").ends_with(0);
    assert!(doctor.stdout.contains("not of its processes, since /proc cannot be mounted"), "{doctor}");
    user.netlab("run -q create-ns-bridge.rhai").ends_with(0);
    user.netlab("exec ns1 -- ping -qc1 194.168.1.4").ends_with(0);
    user.netlab("down -q").ends_with(0);
    machine.assert_left(&before, "a sandbox without a PID namespace");
    // The keeper cannot take along a program that the lab started, but netlab knows it.
    user.write("program.rhai", "netns(\"a\").start(\"sleep 1000\");");
    user.netlab("run -q program.rhai").ends_with(0);
    user.netlab("down -q").ends_with(0);
    machine.assert_left(&before, "a program in a sandbox without a PID namespace");
}
