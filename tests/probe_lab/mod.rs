//! A private network for one test: a process with namespaces of its own, which all go away with it.

#![allow(dead_code)] // Each suite uses some of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use netlab::probe::{Family, Patience, Ping, PingOptions, PingSocket};
use nix::sched::{CloneFlags, setns};

/// A shell in its own network and mount namespace, with an empty /run, so that `ip netns` works in there alone.
pub(crate) struct Lab {
    shell: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Lab {
    /// Runs the set-up, with `ip` and the shell as witnesses that are not ours; `None` (said aloud) without root.
    pub(crate) fn new(setup: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "the tests of the probes need root, and CI must not skip them");
            eprintln!("skipped: making network namespaces needs root");
            return None;
        }
        let mut shell = Command::new("unshare")
            .args(["-n", "-m", "sh", "-e"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let stdin = shell.stdin.take();
        let stdout = BufReader::new(shell.stdout.take().expect("piped"));
        let mut lab = Self { shell, stdin, stdout };
        lab.sh("mount -t tmpfs tmpfs /run; ip link set lo up");
        lab.sh(setup);
        Some(lab)
    }

    /// Runs shell commands; the first that fails ends the test.
    pub(crate) fn sh(&mut self, script: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{script}\necho done").expect("the shell has ended");
        let mut line = String::new();
        while line != "done\n" {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).expect("readable"), 0, "a command failed in:\n{script}");
        }
    }

    /// Runs a closure on a thread that is inside a namespace.
    pub(crate) fn inside<T: Send>(&self, ns: &str, f: impl FnOnce() -> T + Send) -> T {
        let path = format!("/proc/{}/root/run/netns/{ns}", self.shell.id());
        let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(file, CloneFlags::CLONE_NEWNET).expect("setns");
                f()
            });
            thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    }

    /// Waits until a way works: under load a new link takes seconds to get its carrier, and the kernel repeats a lost
    /// ARP request only after one second.
    pub(crate) fn settle(&self, ns: &str, to: &[&str]) {
        for to in to {
            let options = PingOptions { retry_first_for: Duration::from_secs(20), ..PingOptions::default() };
            let ping = self.ping(ns, to, &options);
            assert!(ping.ok(), "{ping:?}");
        }
    }

    /// Pings from a namespace, with the run outside of it.
    pub(crate) fn ping(&self, ns: &str, to: &str, options: &PingOptions) -> Ping {
        let to: IpAddr = to.parse().unwrap();
        let socket = self.inside(ns, || PingSocket::open(Family::of(to))).unwrap();
        socket.run(to, options, &Patience::endless()).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// `count` requests at short intervals, each with so many milliseconds.
pub(crate) fn quick(count: u16, timeout: u64) -> PingOptions {
    let ms = Duration::from_millis;
    PingOptions { count, interval: ms(5), timeout: ms(timeout), ..PingOptions::default() }
}

/// a (10.0.0.1, fd00::1) and b (10.0.0.2, fd00::2) on one wire.
pub(crate) const WIRE: &str = "
    for n in a b; do ip netns add $n; ip -n $n link set lo up; done
    ip link add eth0 netns a type veth peer name eth0 netns b
    ip -n a addr add 10.0.0.1/24 dev eth0; ip -n a addr add fd00::1/64 dev eth0 nodad
    ip -n b addr add 10.0.0.2/24 dev eth0; ip -n b addr add fd00::2/64 dev eth0 nodad
    ip -n a link set eth0 up; ip -n b link set eth0 up";

/// a - r1 - r2 - b: the wires are 10.0.1.0/24, 10.0.2.0/24, 10.0.3.0/24, and fd00:1::/64 and so on, with .1 on the left
/// and .2 on the right. The middle wire takes 1300 bytes.
pub(crate) const CHAIN: &str = "
    for n in a r1 r2 b; do ip netns add $n; ip -n $n link set lo up; done
    for r in r1 r2; do
        ip netns exec $r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
    done
    wire() {
        ip link add right netns $2 type veth peer name left netns $3
        ip -n $2 addr add 10.0.$1.1/24 dev right; ip -n $2 addr add fd00:$1::1/64 dev right nodad
        ip -n $3 addr add 10.0.$1.2/24 dev left; ip -n $3 addr add fd00:$1::2/64 dev left nodad
        ip -n $2 link set right up; ip -n $3 link set left up
    }
    wire 1 a r1; wire 2 r1 r2; wire 3 r2 b
    ip -n r1 link set right mtu 1300; ip -n r2 link set left mtu 1300
    ip -n a route add default via 10.0.1.2; ip -n a route add default via fd00:1::2
    ip -n r1 route add default via 10.0.2.2; ip -n r1 route add default via fd00:2::2
    ip -n r2 route add default via 10.0.2.1; ip -n r2 route add default via fd00:2::1
    ip -n b route add default via 10.0.3.1; ip -n b route add default via fd00:3::1";
