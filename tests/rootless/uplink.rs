//! The way out of a sandbox, for each program that makes one and is installed; and the error when none is.

use crate::common::skip;
use crate::user::Machine;

/// A network outside, with a server, and /dev/net/tun as usual machines have it.
const OUTSIDE: &str = "
ip netns add isp
ip link add eth0 type veth peer name eth0 netns isp
ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.77.0.1
ip -n isp addr add 10.77.0.1/24 dev eth0; ip -n isp addr add 10.88.0.1/32 dev lo; ip -n isp link set eth0 up; ip -n isp link set lo up
mkdir -p /mnt/bin /mnt/dev; mount -t tmpfs -o mode=755 tmpfs /dev/net; mknod -m 666 /dev/net/tun c 10 200
mkdir /mnt/www; echo from outside >/mnt/www/index.html
ip netns exec isp python3 -m http.server -d /mnt/www 7777 >/dev/null 2>&1 &
for i in $(seq 100); do ip netns exec isp bash -c 'exec 3<>/dev/tcp/10.88.0.1/7777' 2>&- && exit 0; sleep 0.1; done; false
";

#[test]
fn a_sandbox_has_a_way_out() {
    let mut tried = 0;
    for program in ["pasta", "slirp4netns"] {
        let Some(machine) = Machine::new() else { return };
        let user = machine.user(1001);
        let where_it_is = machine.root.try_sh(&format!("command -v {program}"));
        if !where_it_is.status.success() || !machine.root.try_sh("command -v python3").status.success() {
            continue;
        }
        tried += 1;
        let path = String::from_utf8_lossy(&where_it_is.stdout).trim().to_owned();
        machine.root.sh(OUTSIDE);
        machine.root.sh(&format!("ln -s {path} /mnt/bin/{program}; ln -s $(command -v bash) /mnt/bin/bash"));
        let before = machine.left();
        user.sh("PATH=/mnt/bin:/mnt netlab run -q --uplink create-ns-bridge.rhai").ends_with(0);
        let dns = user.netlab("exec create-ns-bridge -- cat /etc/resolv.conf").ends_with(0);
        assert_eq!(dns.stdout, "nameserver 10.0.2.3\n");
        let ask = "exec 3<>/dev/tcp/10.88.0.1/7777; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3";
        let answer = user.netlab(&format!("exec create-ns-bridge -- timeout 60 bash -c '{ask}'"));
        assert!(answer.stdout.ends_with("\nfrom outside\n"), "{program}: {answer}");
        user.netlab("down -q").ends_with(0);
        machine.assert_left(&before, program);
        // However the sandbox ends, so does its way out.
        user.sh("PATH=/mnt/bin:/mnt netlab run -q --uplink create-ns-bridge.rhai").ends_with(0);
        user.sh(&format!("kill -9 {}; netlab list", user.keeper("create-ns-bridge"))).ends_with(0);
        machine.assert_left(&before, program);
    }
    if tried == 0 {
        skip("neither pasta nor slirp4netns is installed, or no python3");
    }
}

#[test]
fn what_is_missing_is_named() {
    let Some(machine) = Machine::new() else { return };
    let user = machine.user(1001);
    machine.root.sh("mkdir /mnt/bin; ln -s $(type -P true) /mnt/bin/pasta");
    let before = machine.left();
    let run = user.sh("PATH=/mnt exec netlab run --uplink create-ns-bridge.rhai").ends_with(3);
    assert_eq!(
        run.stderr,
        "error[NL0402]: --uplink needs a program for the way out, and there is neither `pasta` nor `slirp4netns`\n  help: \
         install one (`sudo apt install passt`, or `slirp4netns`), or run the lab without --uplink\n"
    );
    machine.assert_left(&before, "no program");
    let run = user.sh("PATH=/mnt/bin:/mnt exec netlab run --uplink create-ns-bridge.rhai").ends_with(1);
    assert_eq!(
        run.stderr,
        "error[NL0120]: `/mnt/bin/pasta` has made no way out\n  help: it said nothing; it needs a default route here, and \
         /dev/net/tun open to you\n"
    );
    machine.assert_left(&before, "a program that does nothing");
    let run = user.netlab("run --host --uplink create-ns-bridge.rhai").ends_with(2);
    assert!(run.stderr.contains("--uplink is a way out of a sandbox"), "{run}");
}
