//! What a script or a program inside must not be able to do: each attempt fails, and the machine is as it was.

use crate::common::world::{World, assert_same};
use crate::user::Machine;

/// An attempt, as a line of shell inside, as root there. It has to fail.
const ATTEMPTS: &[(&str, &str)] = &[
    ("write a file of root's", "echo x >/mnt/roots"),
    ("write beside it", "touch /mnt/x"),
    ("write another user's file", "echo x >/mnt/u1002/file"),
    ("change its mode", "chmod 777 /mnt/roots"),
    ("make a device", "mknod /mnt/u1001/disk b 254 0"),
    ("get at it through the old /etc", "mount -t tmpfs x /mnt/whole && umount /etc && touch /etc/x"),
    ("take /run off", "umount /run && touch /run/x"),
    ("leave for the first process of the machine", "nsenter -t $OUTSIDE -n true"),
    ("leave through its files", "nsenter --net=/mnt/hostns true"),
    ("reach the other sandbox", "nsenter --net=/proc/$OTHER/ns/net true"),
    ("reach the other sandbox's names", "ls /run/netns/secret"),
    ("see the other sandbox's file", "cat $XDG_RUNTIME_DIR/netlab/other.sandbox"),
    ("signal a process of another", "kill -TERM $OUTSIDE"),
    ("signal a process of one's own outside", "kill -TERM $MINE"),
    ("load a module", "insmod /mnt/roots"),
    ("change what is the machine's", "echo 99 >/proc/sys/kernel/pid_max"),
    ("change the machine's name", "hostname other"),
    ("set the clock", "date -s 2001-01-01"),
    ("change a setting of the machine as a whole", "echo 4096 >/proc/sys/net/core/rmem_max"),
    ("move a link out", "ip link add out type veth && ip link set out netns $OUTSIDE"),
    ("become somebody else", "setpriv --reuid 1002 --clear-groups true"),
];

#[test]
fn nothing_gets_out() {
    let Some(machine) = Machine::new() else { return };
    let (user, _other) = (machine.user(1001), machine.user(1002));
    machine.root.sh(
        "echo root >/mnt/roots; mkdir -p /mnt/whole; echo other >/mnt/u1002/file; ip link add card type veth peer name \
         plug; ip link set card up; ip link set plug up; ip addr add 10.9.0.1/24 dev card; touch /mnt/hostns; mount --bind /proc/1/ns/net /mnt/hostns
         sleep 1000 >&- 2>&- &",
    );
    user.sh("sleep 1000 >&- 2>&- <&- & disown").ends_with(0);
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    user.write("other.rhai", "netns(\"secret\");");
    user.netlab("run --quiet other.rhai").ends_with(0);
    let before = World::settled(&machine.root);
    let pid = |of: &str| machine.root.sh(&format!("pgrep -o -u {of} -x sleep")).trim().to_owned();
    let (outside, mine, keeper) = (pid("0"), pid("1001"), user.keeper("other"));
    for (what, line) in ATTEMPTS {
        let line = shlex::try_quote(line).unwrap().into_owned();
        let run = user.sh(&format!(
            "export OUTSIDE={outside} MINE={mine} OTHER={keeper}; netlab exec create-ns-bridge -- sh -ec {line}"
        ));
        assert!(run.code.is_some_and(|code| code != 0 && code != 125), "{what} went through: {run}");
    }
    let alive = machine.root.sh("pgrep -c -x sleep");
    assert_eq!(alive.trim(), "2", "both programs outside still run");
    assert_eq!(machine.root.sh("cat /mnt/roots /mnt/u1002/file"), "root\nother\n");
    assert_same(&before, &machine.root, "the attempts");
}

/// What goes on inside is not seen outside, also not where a name is the same.
#[test]
fn what_is_inside_stays_inside() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    machine.root.sh("ip netns add ns1; mkdir -p /etc/netns/ns1; echo nameserver 10.0.0.9 >/etc/netns/ns1/resolv.conf");
    let before = World::settled(&machine.root);
    machine.root.sh("ip netns add gone; ip link add a0 type veth peer name a1 netns gone");
    user.netlab("run --quiet create-ns-bridge.rhai").ends_with(0);
    let inside = "set -e; ip link del stdocker; ip netns add more; echo 1 >/proc/sys/net/ipv4/ip_forward; nft add table inet t \
                  2>/dev/null || true; mkdir /etc/netns/x; echo changed >/etc/resolv.conf; echo changed >/etc/hosts; rm \
                  /etc/hostname; touch /run/x; mount -t tmpfs x /mnt; test -z \"$(ls /mnt)\"; ip netns exec ns1 cat \
                  /etc/resolv.conf";
    let run = user.sh(&format!("netlab exec create-ns-bridge -- sh -c {}", shlex::try_quote(inside).unwrap()));
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "changed\n"), "{run}");
    // A namespace of the machine that goes meanwhile is not kept alive by a copy of its name, or the link would stay.
    machine
        .root
        .sh("ip netns del gone; for i in $(seq 50); do ip link show a0 2>/dev/null || exit 0; sleep 0.1; done; false");
    user.netlab("down --quiet").ends_with(0);
    assert_same(&before, &machine.root, "a sandbox");
}

/// What programs of a script try, each with whether it may succeed.
const PROGRAMS: &[(bool, &str)] = &[
    (false, "echo x >/mnt/u1001/file"),
    (false, "echo x >here"),
    (false, "echo x >/mnt/shared/file"),
    (false, "echo x >/tmp/../mnt/shared/file"),
    (false, "mount -o remount,rw,bind / && echo x >/mnt/shared/file"),
    (false, "mount --bind /mnt/shared /tmp && echo x >/tmp/file"),
    (false, "umount /tmp && echo x >/tmp/file"),
    (false, "unshare --mount --map-root-user sh -c 'mount -o remount,rw,bind / && echo x >/mnt/shared/file'"),
    (false, "nsenter -t 1 -m sh -c 'echo x >/mnt/shared/file'"),
    (false, "echo x >/proc/1/root/mnt/shared/file"),
    (false, "echo x >/proc/1/cwd/file"),
    (false, "cat /run/netlab/state/walled/journal.jsonl"),
    (false, "cat /run/ours"),
    (false, "ls /dev/vda /dev/sda /dev/kmsg 2>/dev/null | grep ."),
    (false, "echo 99 >/proc/sys/kernel/pid_max"),
    (false, "hostname other"),
    (false, "ip netns exec b true"),
    (true, "echo x >/tmp/file && cat /tmp/file"),
    (true, "grep -q x /tmp/file && echo x >/run/file"),
    (true, "echo 10.0.0.1 other >>/etc/hosts"),
    (true, "echo x >/dev/null && head -c 3 /dev/urandom >/dev/shm/some"),
    (true, "echo 1 >/proc/sys/net/ipv4/ip_forward"),
    (true, "ip link add v0 type veth peer name v1 && ip link del v0"),
    (true, "cat /mnt/shared/file"),
];

/// The programs that a script starts read what its user can, and write nothing outside: as an ordinary user and as root.
#[test]
fn programs_of_a_script_write_nothing() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    machine
        .root
        .sh("mkdir -m 777 /mnt/shared; echo old >/mnt/shared/file; chmod 666 /mnt/shared/file; echo secret >/run/ours");
    user.sh("echo old >file").ends_with(0);
    let before = World::settled(&machine.root);
    let mut script = String::from("let a = netns(\"a\"); netns(\"b\");\n");
    for (n, (_, line)) in PROGRAMS.iter().enumerate() {
        let line = serde_json::to_string(&["sh", "-ec", line]).unwrap();
        script.push_str(&format!("let r = a.exec({line}); print(`{n} ${{r.ok}}`);\n"));
    }
    // One that lives as long as the lab has the same walls; and how it is ended, too.
    script.push_str(
        "a.start([\"sh\", \"-c\", \"echo x >/mnt/shared/file; echo x >/tmp/alive; exec sleep 100\"], #{ ready: 0.1, stop:          [\"sh\", \"-c\", \"echo x >/mnt/shared/file\"] });\nexpect(a.exec(\"cat /tmp/alive\").ok);\n",
    );
    user.write("walled.rhai", &script);
    let wanted: String = PROGRAMS.iter().enumerate().map(|(n, (ok, _))| format!("{n} {ok}\n")).collect();
    let as_root = || machine.root.netlab(&["run", "--quiet", "--sandbox", "/mnt/u1001/walled.rhai"]);
    for (who, run) in [("the user", user.netlab("run --quiet walled.rhai")), ("root", as_root())] {
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), wanted.as_str()), "{who}: {run}");
    }
    user.netlab("down --quiet").ends_with(0);
    machine.root.netlab(&["down", "--quiet"]).ends_with(0);
    assert_eq!(machine.root.sh("cat /mnt/shared/file /mnt/u1001/file /run/ours"), "old\nold\nsecret\n");
    assert_same(&before, &machine.root, "programs behind walls");
}

/// With its hands tied a script works in its own namespaces alone; the host's links stay as they are, as root too.
#[test]
fn hands_tied() {
    let Some(machine) = Machine::new() else { return };
    machine.root.sh("ip netns add mine; ip link add my0 type veth peer name my1; ip -n mine link add far type veth peer name further");
    let before = World::settled(&machine.root);
    let refused = [
        "host[\"my0\"].down();",
        "bridge(\"lan\");",
        "veth(netns(\"a\"), host);",
        "netns(\"a\").port(\"m0\"); get_netns(\"mine\")[\"far\"].up();",
        "let a = netns(\"a\"); veth(a, a).a.move_to(host);",
        "let a = netns(\"a\"); veth(a, a).a.move_to(get_netns(\"mine\"));",
        "attach(\"x\", 1);",
        "host.forward(true);",
        "host.sysctl(\"net.ipv4.ip_forward\");",
        "host.ping(\"127.0.0.1\");",
        "pingall([netns(\"a\"), host]);",
        "host.exec(\"true\");",
        "netns(\"a\").exec(\"true\");",
        "netns(\"a\").start(\"sleep 9\");",
        "vxlan(netns(\"a\").port(\"x\"), 7, #{ remote: \"10.0.0.1\", dev: host[\"my0\"] });",
        "get_netns(\"mine\").del();",
    ];
    for script in refused {
        machine.root.write("/mnt/x.rhai", script);
        let run = machine.root.netlab(&["run", "--no-host", "/mnt/x.rhai"]);
        assert_eq!(run.code, Some(1), "{script}: {run}");
        assert!(run.stderr.starts_with("error[NL0130]: this run may not "), "{script}: {run}");
        assert_same(&before, &machine.root, script);
    }
    // What it makes is its own, and in a sandbox programs too.
    machine.root.write("/mnt/x.rhai", "let a = netns(\"a\"); veth(bridge(a.port(\"lan\", \"10.0.0.1/24\")), netns(\"b\").port(\"e0\", \"10.0.0.2/24\")); expect(get_netns(\"b\").ping(a));");
    machine.root.netlab(&["run", "--quiet", "--no-host", "--no-files", "--no-exec", "/mnt/x.rhai"]).ends_with(0);
    machine.root.netlab(&["down", "--quiet"]).ends_with(0);
    machine.root.write("/mnt/x.rhai", "expect(netns(\"a\").exec(\"true\").ok);");
    machine.root.netlab(&["run", "--quiet", "--no-host", "--no-files", "--sandbox", "/mnt/x.rhai"]).ends_with(0);
    machine.root.netlab(&["down", "--quiet"]).ends_with(0);
    assert_same(&before, &machine.root, "a script with its hands tied");
}
