//! Servers that lie, and clients that send nonsense.

use std::time::Duration;

use super::{WIRE, addrs, down, machine, run, wait_until};
use crate::common::sandbox::Sandbox;

const CLIENT: &str = "let cl = get_netns(\"cl\"); cl[\"c0\"].dhcp(#{ timeout: 4, verbose: true });";

/// A sandbox with the hostile server of hostile.py in `sv`.
fn hostile(mode: &str) -> Option<Sandbox> {
    let sandbox = machine(&["python3"])?;
    sandbox.sh(WIRE);
    sandbox.write("/mnt/hostile.py", include_str!("hostile.py"));
    sandbox.sh(&format!(
        "ip netns exec sv python3 /mnt/hostile.py {mode} >/mnt/log 2>&1 & until grep -q ready /mnt/log; do sleep 0.05; done"
    ));
    Some(sandbox)
}

#[test]
fn nonsense_is_passed_over_and_what_is_wrong_in_a_lease_is_left_out() {
    let Some(sandbox) = hostile("lie") else { return };
    let done = run(&sandbox, CLIENT).ends_with(0);
    let [addr] = &addrs(&sandbox, "cl", "c0")[..] else { panic!("one address: {done}") };
    assert_eq!((addr["local"].as_str(), addr["prefixlen"].as_u64()), (Some("10.50.0.100"), Some(24)));
    assert!(addr["valid_life_time"].as_u64() > Some(4_294_967_000), "{addr}");
    assert_eq!(sandbox.sh("cat /etc/netns/cl/resolv.conf"), "nameserver 10.50.0.53\n");
    let routes = sandbox.sh("ip -n cl route");
    let lines: Vec<&str> = routes.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("default via 10.50.0.1 dev c0"), "{routes}");
    assert!(sandbox.sh("ip -n cl link show c0").contains("mtu 1500"));
    assert!(!done.stdout.contains('\x1b'), "{done}");
    assert!(done.stdout.contains("an offer of 10.50.0.255 is not taken: in a network of /24"), "{done}");
    let end = sandbox.netlab(&["down", "x"]).ends_with(0);
    assert!(end.stdout.ends_with("host unchanged\n"), "{end}");
}

#[test]
fn nothing_but_nonsense_is_an_error_that_says_so() {
    for (mode, words) in [
        ("never", "no DHCP server gave a lease on `c0` in 4 s: an offer of"),
        ("refuse", "in 4 s: DHCPNAK from 10.50.0.1: go[2Jaway"),
    ] {
        let Some(sandbox) = hostile(mode) else { return };
        let done = run(&sandbox, CLIENT).ends_with(1);
        assert!(done.stderr.contains("error[NL0128]") && done.stderr.contains(words), "{mode}: {done}");
        assert!(done.stdout.ends_with("host unchanged\n") || done.stderr.contains("host unchanged"), "{mode}: {done}");
        assert!(addrs(&sandbox, "cl", "c0").is_empty());
        assert_eq!(sandbox.sh("ls /var/lib/netlab"), "");
    }
}

#[test]
fn a_server_outlives_what_clients_send() {
    let Some(sandbox) = machine(&["python3"]) else { return };
    let script = "let wire = veth(netns(\"sv\").port(\"s0\", \"10.50.0.1/24\"), netns(\"cl\").port(\"c0\", #{ mac: \"02:00:00:00:00:09\" }));
        wire.a.dhcp_server(#{ pool: [\"10.50.0.100\", \"10.50.0.110\"], reservations: #{ \"02:00:00:00:00:09\": \"10.50.0.9\" } });";
    run(&sandbox, script).ends_with(0);
    sandbox.write("/mnt/fuzz.py", FUZZ);
    sandbox.sh("ip netns exec cl python3 /mnt/fuzz.py");
    assert_eq!(sandbox.sh("pgrep -fc 'netlab keeper dhcp-server'").trim(), "1");
    // On a machine with much to do it has all of that to read first.
    let ask = "let c = get_netns(\"cl\")[\"c0\"]; expect(c.dhcp(#{ timeout: 60 }).address == \"10.50.0.9\");";
    sandbox.write("/run/y.rhai", ask);
    sandbox.netlab(&["run", "/run/y.rhai"]).ends_with(0);
    sandbox.netlab(&["down", "y"]).ends_with(0);
    wait_until("the server is told", Duration::from_secs(2), || {
        sandbox.sh("cat /var/lib/netlab/x/dhcp-server-*.json").contains("\"released\"")
    });
    down(&sandbox);
}

/// Sends a few thousand messages to port 67: random bytes, and requests with random bytes in them.
const FUZZ: &str = r#"
import random, socket, time
dice = random.Random(3)
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"c0")
head = bytes([1, 1, 6, 0]) + bytes(24) + bytes([2, 0, 0, 0, 0]) 
for n in range(4000):
    if n % 4 == 0:
        data = bytes(dice.randrange(256) for _ in range(dice.randrange(700)))
    else:
        data = bytearray(head + bytes([dice.randrange(20)]) + bytes(202) + bytes([99, 130, 83, 99, 53, 1, dice.randrange(10)]))
        for _ in range(dice.randrange(8)):
            code = dice.choice([12, 50, 51, 52, 54, 55, 61, 82, dice.randrange(256)])
            length = dice.choice([4, dice.randrange(256), 0])
            data += bytes([code, length]) + bytes(dice.randrange(256) for _ in range(dice.choice([length, dice.randrange(40)])))
    try:
        wire.sendto(bytes(data), ("255.255.255.255", 67))
    except OSError:
        pass
    if n % 50 == 0:
        time.sleep(0.005)
"#;
