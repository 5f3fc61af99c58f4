//! Our server against dhclient, udhcpc and dhcpcd.

use serde_json::Value;

use super::{addrs, capture, captured, down, machine, run};
use crate::common::sandbox::Sandbox;

/// A server and a namespace `cl` whose other end of the wire is its link.
const SERVER: &str = r#"
let sv = netns("sv"); let cl = netns("cl");
let wire = veth(sv.port("s0", "10.50.0.1/24"), cl.port("c0", #{ mac: "02:00:00:00:00:09" }));
wire.a.dhcp_server(#{ pool: ["10.50.0.100", "10.50.0.105"], dns: ["10.50.0.53"], domain: "lab.test", search: ["a.test", "b.test"],
    lease: 120, mtu: 1400, routes: #{ "10.9.0.0/16": "10.50.0.2" } });
cl.resolv_conf(["10.50.0.99"]);
"#;

/// Who has what, as the server wrote it down.
fn bindings(sandbox: &Sandbox) -> Vec<(String, String)> {
    let all: Vec<Value> = serde_json::from_str(&sandbox.sh("cat /var/lib/netlab/x/dhcp-server-*.json")).unwrap();
    let text = |b: &Value, key: &str| b[key].as_str().unwrap_or_default().to_owned();
    all.iter().map(|b| (text(b, "address"), text(b, "state"))).collect()
}

fn has(address: &str, state: &str) -> Vec<(String, String)> {
    vec![(address.to_owned(), state.to_owned())]
}

#[test]
fn dhclient() {
    let Some(sandbox) = machine(&["dhclient", "tcpdump"]) else { return };
    run(&sandbox, SERVER).ends_with(0);
    capture(&sandbox, "sv", "s0");
    let dhclient = |args: &str| {
        sandbox.sh(&format!("touch /mnt/lf; ip netns exec cl dhclient -v {args} -pf /mnt/pid -lf /mnt/lf c0 2>&1"))
    };
    let said = dhclient("-1");
    assert!(said.contains("DHCPACK of 10.50.0.100 from 10.50.0.1"), "{said}");
    assert_eq!(addrs(&sandbox, "cl", "c0")[0]["local"], "10.50.0.100");
    let routes = sandbox.sh("ip -n cl route");
    for route in ["default via 10.50.0.1", "10.9.0.0/16 via 10.50.0.2"] {
        assert!(routes.contains(route), "{routes}");
    }
    let file = sandbox.sh("cat /mnt/lf");
    for line in [
        "option interface-mtu 1400;",
        "option domain-name \"lab.test\";",
        "option dhcp-lease-time 120;",
        "option broadcast-address 10.50.0.255;",
    ] {
        assert!(file.contains(line), "{line}\n{file}");
    }
    assert!(
        sandbox.sh("cat /etc/netns/cl/resolv.conf").contains("nameserver 10.50.0.53"),
        "its script writes the namespace's own"
    );
    assert_eq!(bindings(&sandbox), has("10.50.0.100", "bound"));
    // A second one asks for the address that it had (INIT-REBOOT).
    sandbox.sh("kill $(cat /mnt/pid)");
    assert!(dhclient("-1").contains("DHCPACK of 10.50.0.100"));
    sandbox.sh("sed 's/10.50.0.100/10.77.0.5/' /mnt/lf >/mnt/old");
    assert!(dhclient("-r").contains("DHCPRELEASE of 10.50.0.100 on c0 to 10.50.0.1"));
    assert_eq!(bindings(&sandbox), has("10.50.0.100", "released"));
    // One that remembers an address of another network is told so, and gets one of this.
    sandbox.sh("cp /mnt/old /mnt/lf");
    let said = dhclient("-1");
    assert!(said.contains("DHCPNAK from 10.50.0.1") && said.contains("DHCPACK of 10.50.0.100"), "{said}");
    dhclient("-r");
    let kinds = captured(&sandbox);
    let expected = [
        "Discover", "Offer", "Request", "ACK", "Request", "ACK", "Release", "Request", "NACK", "Discover", "Offer",
        "Request", "ACK", "Release",
    ];
    assert_eq!(kinds, expected);
    // The file that dhclient's script wrote over is what the lab gives back.
    sandbox.sh("printf 'nameserver 10.50.0.99\\n' >/etc/netns/cl/resolv.conf");
    down(&sandbox);
}

#[test]
fn udhcpc() {
    let Some(sandbox) = machine(&["busybox udhcpc"]) else { return };
    run(&sandbox, SERVER).ends_with(0);
    sandbox.write(
        "/mnt/script",
        "#!/bin/sh\nenv >>/mnt/env; echo $1 >>/mnt/calls\n[ $1 = bound ] && ip addr add $ip/$mask dev $interface\ntrue\n",
    );
    sandbox.sh("chmod +x /mnt/script; ip netns exec cl busybox udhcpc -i c0 -n -p /mnt/pid -s /mnt/script -x hostname:pupil >/mnt/log 2>&1");
    assert_eq!(addrs(&sandbox, "cl", "c0")[0]["local"], "10.50.0.100");
    let env = sandbox.sh("cat /mnt/env");
    for line in ["router=10.50.0.1", "dns=10.50.0.53", "domain=lab.test", "lease=120", "mask=24"] {
        assert!(env.lines().any(|l| l == line), "{line}\n{env}");
    }
    // It renews when it is told to, and releases at its end.
    sandbox.sh(
        "kill -USR1 $(cat /mnt/pid); for n in $(seq 40); do grep -q renew /mnt/calls && exit; sleep 0.1; done; false",
    );
    sandbox.sh("kill -USR2 $(cat /mnt/pid); sleep 0.5; kill $(cat /mnt/pid)");
    assert_eq!(bindings(&sandbox), has("10.50.0.100", "released"));
    down(&sandbox);
}

#[test]
fn dhcpcd() {
    let Some(sandbox) = machine(&["dhcpcd"]) else { return };
    run(&sandbox, SERVER).ends_with(0);
    let said = sandbox.sh("ip netns exec cl dhcpcd -1 -4 -B --noarp --nohook resolv.conf c0 2>&1");
    assert!(said.contains("leased 10.50.0.100 for 120 seconds"), "{said}");
    assert_eq!(addrs(&sandbox, "cl", "c0")[0]["local"], "10.50.0.100");
    assert!(sandbox.sh("ip -n cl route").contains("10.9.0.0/16 via 10.50.0.2"));
    assert_eq!(bindings(&sandbox), has("10.50.0.100", "bound"));
    down(&sandbox);
}

#[test]
fn reservations_and_full_pools() {
    let Some(sandbox) = machine(&[]) else { return };
    let script = r#"
let lan = bridge(netns("sv").port("lan", "10.50.0.1/24"));
let two = netns("two"); let nine = netns("nine"); let more = netns("more");
veth(two.port("c0"), lan.port("p0")); veth(nine.port("c0", #{ mac: "02:00:00:00:00:09" }), lan.port("p1")); veth(more.port("c0"), lan.port("p2"));
lan.dhcp_server(#{ pool: ["10.50.0.100", "10.50.0.100"], router: false, reservations: #{ "02:00:00:00:00:09": "10.50.0.9" } });
expect(two["c0"].dhcp(#{ client_id: "two" }).address == "10.50.0.100", "the only one of the pool");
let l = nine["c0"].dhcp();
expect(l.address == "10.50.0.9" && l.router == (), "the reserved one");
let why = ""; try { more["c0"].dhcp(#{ timeout: 1.5 }); } catch (e) { why = e.code; }
expect(why == "NL0128", "none is left");
expect(lan.dhcp_leases().len() == 2);
two["c0"].dhcp_release();
expect(more["c0"].dhcp().address == "10.50.0.100", "until one is given back");
"#;
    let done = run(&sandbox, script).ends_with(0);
    assert_eq!(addrs(&sandbox, "nine", "c0")[0]["local"], "10.50.0.9", "{done}");
    assert!(addrs(&sandbox, "two", "c0").is_empty());
    down(&sandbox);
}
