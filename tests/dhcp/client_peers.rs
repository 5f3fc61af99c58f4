//! Our client against dnsmasq, isc-dhcp-server and busybox udhcpd.

use std::time::Duration;

use serde_json::Value;

use super::{WIRE, addrs, capture, captured, lease, machine, run, wait_until};
use crate::common::sandbox::Sandbox;
use crate::common::world::{World, assert_same};

const CLIENT: &str = "let cl = get_netns(\"cl\"); let l = cl[\"c0\"].dhcp(#{ verbose: true, hostname: \"pupil\" });\n";

/// Runs the client, looks at what came of it, and has it go again.
fn check(sandbox: &Sandbox, more: &str, gives: &[&str], look: impl Fn(&Sandbox), released: &str) {
    let before = World::settled(sandbox);
    let done = run(sandbox, &format!("{CLIENT}{more}")).ends_with(0);
    for line in gives {
        assert!(done.stdout.contains(line), "{line}\n{done}");
    }
    let [addr] = &addrs(sandbox, "cl", "c0")[..] else { panic!("one address is there: {done}") };
    assert_eq!((&addr["prefixlen"], &addr["dynamic"]), (&Value::from(24), &Value::from(true)), "{addr}");
    let there = addr["local"].as_str().unwrap();
    assert_eq!(lease(sandbox)["address"], there);
    look(sandbox);
    sandbox.sh("ip netns exec cl ping -c1 -W1 10.50.0.1");
    let end = sandbox.netlab(&["down", "x"]).ends_with(0);
    assert!(end.stdout.ends_with("host unchanged\n"), "{end}");
    wait_until("the server has been told", Duration::from_secs(2), || sandbox.try_sh(released).status.success());
    assert_same(&before, sandbox, "down");
}

#[test]
fn dnsmasq() {
    let Some(sandbox) = machine(&["dnsmasq", "tcpdump"]) else { return };
    sandbox.sh(WIRE);
    sandbox.sh("ip netns exec sv dnsmasq --conf-file=/dev/null --port=0 --interface=s0 --bind-interfaces --no-ping \
        --dhcp-range=10.50.0.100,10.50.0.110,2m --dhcp-leasefile=/mnt/leases --user=root --pid-file=/mnt/pid --domain=lab.test \
        --dhcp-option=option:dns-server,10.50.0.53,10.50.0.54 --dhcp-option=option:mtu,1400 --dhcp-option=option:router,10.50.0.1 \
        --dhcp-option=option:domain-search,a.test,b.a.test --dhcp-option=option:classless-static-route,10.9.0.0/16,10.50.0.2,0.0.0.0/0,10.50.0.3");
    capture(&sandbox, "sv", "s0");
    let look = |sandbox: &Sandbox| {
        assert_eq!(
            sandbox.sh("cat /etc/netns/cl/resolv.conf"),
            "search a.test b.a.test\nnameserver 10.50.0.53\nnameserver 10.50.0.54\n"
        );
        let routes = sandbox.sh("ip -n cl route");
        for route in ["default via 10.50.0.3 dev c0", "10.9.0.0/16 via 10.50.0.2 dev c0"] {
            assert!(routes.contains(route), "{routes}");
        }
        assert!(sandbox.sh("ip -n cl link show c0").contains("mtu 1400"));
        let leases = sandbox.sh("cat /mnt/leases");
        assert!(leases.contains(" pupil ") && leases.contains(lease(sandbox)["address"].as_str().unwrap()), "{leases}");
        assert_eq!(sandbox.sh("cat /etc/resolv.conf"), "nameserver 192.0.2.53\n", "the host's own is as it was");
    };
    let said =
        ["DHCPDISCOVER on c0 to 255.255.255.255 port 67 interval 1", "DHCPOFFER of 10.50.0.1", "DHCPACK of 10.50.0.1"];
    check(&sandbox, "", &said, look, "! grep -q . /mnt/leases");
    assert_eq!(captured(&sandbox), ["Discover", "Offer", "Request", "ACK", "Release"]);
    assert!(sandbox.sh("grep -c 'udp sum ok\\|Client-Ethernet' /mnt/captured").trim() != "0");
    assert!(
        !sandbox.sh("cat /mnt/captured").contains("bad udp cksum")
            || sandbox.sh("grep -B1 'bad udp cksum' /mnt/captured").contains("10.50.0.1.67 >")
    );

    // Asked for again, renewed and given back by the script itself.
    let again = "let m = cl[\"c0\"].dhcp_renew(); expect(m.renewals == 1 && m.address == l.address, \"renewed\");
        cl[\"c0\"].dhcp_release(); expect(cl.routes().len() < 2); let n = cl[\"c0\"].dhcp(); expect(n.address == l.address, \"again\");";
    check(&sandbox, again, &["DHCPRELEASE of 10.50.0.1"], |_| {}, "! grep -q . /mnt/leases");
    let kinds = captured(&sandbox).split_off(5);
    let expected = [
        "Discover", "Offer", "Request", "ACK", "Request", "ACK", "Release", "Discover", "Offer", "Request", "ACK",
        "Release",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn isc_dhcp_server() {
    let Some(sandbox) = machine(&["dhcpd"]) else { return };
    sandbox.sh(WIRE);
    sandbox.write(
        "/mnt/conf",
        "authoritative; default-lease-time 8; max-lease-time 8; min-lease-time 1; ping-check false;
        subnet 10.50.0.0 netmask 255.255.255.0 { range 10.50.0.120 10.50.0.130; option routers 10.50.0.1;
        option domain-name-servers 10.50.0.53; option domain-name \"isc.test\"; }",
    );
    sandbox.sh("touch /mnt/leases; chmod 666 /mnt/leases; chmod 777 /mnt
        ip netns exec sv dhcpd -4 -f -cf /mnt/conf -lf /mnt/leases -pf /mnt/pid s0 >/mnt/dhcpd.log 2>&1 &
        for n in $(seq 100); do grep -q 'Sending on' /mnt/dhcpd.log && break; sleep 0.05; done");
    let look = |sandbox: &Sandbox| {
        // Of eight seconds half are over after four: the keeper renews, and the kernel gets the new time.
        wait_until("renewed", Duration::from_secs(7), || lease(sandbox)["renewals"] == 1);
        let left = addrs(sandbox, "cl", "c0")[0]["valid_life_time"].as_u64().unwrap();
        assert!((5..=8).contains(&left), "{left}");
        assert!(sandbox.sh("ip -n cl route").contains("default via 10.50.0.1"));
        assert!(sandbox.sh("cat /mnt/leases").contains("binding state active"));
        assert_eq!(sandbox.sh("cat /etc/netns/cl/resolv.conf"), "search isc.test\nnameserver 10.50.0.53\n");
    };
    check(
        &sandbox,
        "",
        &["bound to 10.50.0.1", "renewal in 4 seconds"],
        look,
        "tail -n 12 /mnt/leases | grep -q 'binding state free'",
    );
}

#[test]
fn udhcpd() {
    let Some(sandbox) = machine(&["busybox udhcpd"]) else { return };
    sandbox.sh(WIRE);
    sandbox.write(
        "/mnt/conf",
        "start 10.50.0.140\nend 10.50.0.145\ninterface s0\nlease_file /mnt/leases\npidfile /mnt/pid\n\
        option subnet 255.255.255.0\noption router 10.50.0.1\noption dns 10.50.0.53\noption lease 600\n",
    );
    sandbox.sh("touch /mnt/leases; ip netns exec sv busybox udhcpd -f /mnt/conf >/mnt/log 2>&1 & sleep 0.3");
    let look = |sandbox: &Sandbox| {
        assert!(sandbox.sh("ip -n cl route").contains("default via 10.50.0.1"));
        sandbox.sh("cd /; kill -USR1 $(cat /mnt/pid); sleep 0.2; busybox dumpleases -f /mnt/leases | grep pupil");
    };
    let released = "kill -USR1 $(cat /mnt/pid); sleep 0.2; busybox dumpleases -f /mnt/leases | grep -q expired";
    check(&sandbox, "", &["bound to 10.50.0.14"], look, released);
}
