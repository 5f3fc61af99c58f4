//! DHCP: netlab's client against the servers that people have, its server against their clients; leases that run out, are
//! refused or come from somebody hostile; and that nothing is left of them.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod client_peers;
mod hostile;
mod life;
mod server_peers;
mod undo;

use std::thread;
use std::time::{Duration, Instant};

use common::sandbox::{Run, Sandbox};
use common::skip;
use serde_json::Value;

/// A sandbox in which these programs are; otherwise it is said aloud that the test is skipped.
fn machine(tools: &[&str]) -> Option<Sandbox> {
    if !common::is_root("DHCP") {
        return None;
    }
    let sandbox = Sandbox::new()?;
    // What the programs keep of their own is no business of the machine's.
    sandbox.sh("mkdir -p /var/lib/dhcp /var/lib/dhcpcd /run/dhcpcd");
    for tool in tools {
        let there = match tool.strip_prefix("busybox ") {
            Some(applet) => format!("busybox --list | grep -qx {applet}"),
            None => format!("command -v {tool}"),
        };
        if !sandbox.try_sh(&there).status.success() {
            skip(&format!(
                "there is no {tool}; Debian has it in dnsmasq-base, isc-dhcp-server, isc-dhcp-client, dhcpcd-base, busybox-static, tcpdump"
            ));
            return None;
        }
    }
    Some(sandbox)
}

/// Runs a script as the lab `x`.
fn run(sandbox: &Sandbox, script: &str) -> Run {
    common::witness::write_script(sandbox, script);
    sandbox.netlab(&["run", "/run/x.rhai"])
}

/// Takes the lab down, which has to leave nothing.
#[track_caller]
fn down(sandbox: &Sandbox) {
    let run = sandbox.netlab(&["down", "x"]).ends_with(0);
    assert!(run.stdout.ends_with("host unchanged\n"), "{run}");
    nothing_left(sandbox);
}

/// No process of netlab's, none of the lab's files.
#[track_caller]
fn nothing_left(sandbox: &Sandbox) {
    assert_eq!(sandbox.try_sh("pgrep -fa 'netlab keeper'").stdout, b"", "a keeper is left");
    assert_eq!(sandbox.sh("ls /var/lib/netlab; ls /etc/netns 2>/dev/null; ls /run/netns"), "", "files are left");
}

/// What `ip -j` says of the IPv4 addresses of a link.
fn addrs(sandbox: &Sandbox, netns: &str, dev: &str) -> Vec<Value> {
    let text = sandbox.sh(&format!("ip -n {netns} -j -4 addr show dev {dev}"));
    let all: Value = serde_json::from_str(&text).unwrap();
    all[0]["addr_info"].as_array().cloned().unwrap_or_default()
}

/// The lease of the lab's only client, as its keeper wrote it down.
fn lease(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.sh("cat /var/lib/netlab/x/lease-*.json")).unwrap()
}

/// Waits until it holds.
#[track_caller]
fn wait_until(what: &str, most: Duration, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < most, "not within {most:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Begins to write down what passes a link on the DHCP ports, to be read with [`captured`].
fn capture(sandbox: &Sandbox, netns: &str, dev: &str) {
    sandbox.sh(&format!(
        "ip netns exec {netns} tcpdump -lnvi {dev} 'udp port 67 or 68' >/mnt/captured 2>/mnt/capturing & \
         until grep -q listening /mnt/capturing; do sleep 0.02; done"
    ));
}

/// The kinds of the messages that passed, in their order.
fn captured(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.sh("sleep 0.2; cat /mnt/captured");
    let kinds = text.lines().filter(|l| l.contains("DHCP-Message"));
    kinds.filter_map(|l| l.rsplit(' ').next().map(str::to_owned)).collect()
}

/// A namespace `sv` with `s0` at 10.50.0.1/24 and a namespace `cl` with `c0` at the other end, made by `ip`.
const WIRE: &str = "ip netns add sv; ip netns add cl; ip -n sv link set lo up; ip -n cl link set lo up
ip link add s0 netns sv type veth peer name c0 netns cl
ip -n sv addr add 10.50.0.1/24 dev s0; ip -n sv link set s0 up; ip -n cl link set c0 up";
