//! How a lease goes on and ends: renewed, rebound, run out, refused, declined, interrupted.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{WIRE, addrs, capture, captured, down, lease, machine, nothing_left, run, wait_until};
use crate::common::sandbox::Sandbox;

/// A server and a client whose lease is that short.
fn short(seconds: u32) -> String {
    format!(
        "let wire = veth(netns(\"sv\").port(\"s0\", \"10.50.0.1/24\"), netns(\"cl\").port(\"c0\"));
        wire.a.dhcp_server(#{{ lease: {seconds}, pool: [\"10.50.0.100\", \"10.50.0.110\"] }});
        wire.b.dhcp();"
    )
}

/// Ends a keeper as nobody should.
fn kill_keeper(sandbox: &Sandbox, work: &str) {
    sandbox.sh(&format!("pkill -KILL -f 'netlab keeper {work}'"));
}

fn has_address(sandbox: &Sandbox) -> bool {
    !addrs(sandbox, "cl", "c0").is_empty()
}

#[test]
fn renewed_rebound_and_run_out() {
    let Some(sandbox) = machine(&["tcpdump"]) else { return };
    run(&sandbox, &short(4)).ends_with(0);
    capture(&sandbox, "sv", "s0");
    // More than one whole lease later it is still there, and the kernel knows its new time.
    thread::sleep(Duration::from_millis(4700));
    assert!(lease(&sandbox)["renewals"].as_u64().unwrap() >= 2, "{}", lease(&sandbox));
    let left = addrs(&sandbox, "cl", "c0")[0]["valid_life_time"].as_u64().unwrap();
    assert!((1..=4).contains(&left), "{left}");
    kill_keeper(&sandbox, "dhcp-server");
    let begun = Instant::now();
    wait_until("the address goes", Duration::from_secs(6), || !has_address(&sandbox));
    assert!(begun.elapsed() > Duration::from_millis(1500), "not before its time");
    wait_until("the keeper says so", Duration::from_secs(2), || lease(&sandbox)["lost"].is_string());
    assert_eq!(lease(&sandbox)["lost"], "its time is over, and nobody renewed it");
    assert!(captured(&sandbox).iter().all(|kind| kind == "Request" || kind == "ACK"));
    let packets = sandbox.sh("cat /mnt/captured");
    assert!(packets.contains("10.50.0.100.68 > 10.50.0.1.67"), "it asks its server\n{packets}");
    assert!(packets.contains("10.50.0.100.68 > 255.255.255.255.67"), "and then everybody\n{packets}");
    down(&sandbox);
}

#[test]
fn refused_by_a_server_that_has_forgotten() {
    let Some(sandbox) = machine(&[]) else { return };
    run(&sandbox, &short(4)).ends_with(0);
    // The same server begins anew with another pool: of the old address it knows only that it is not to be given.
    let told = sandbox.sh("tr '\\0' '\\n' </proc/$(pgrep -f '[k]eeper dhcp-server')/cmdline | tail -n 1");
    let told = told.trim().replace("\"pool\":[\"10.50.0.100\"", "\"pool\":[\"10.50.0.105\"");
    kill_keeper(&sandbox, "dhcp-server");
    sandbox.write("/mnt/told", &told);
    sandbox.sh(&format!(
        "ip netns exec sv {} keeper dhcp-server \"$(cat /mnt/told)\" >/mnt/log 2>&1 & echo $! >/mnt/pid",
        env!("CARGO_BIN_EXE_netlab")
    ));
    wait_until("the address goes", Duration::from_secs(8), || !has_address(&sandbox));
    wait_until("and why", Duration::from_secs(1), || lease(&sandbox)["lost"].is_string());
    assert_eq!(lease(&sandbox)["lost"], "the server 10.50.0.1 says that it is not ours any more");
    assert!(sandbox.sh("cat /mnt/log").contains("DHCPNAK of 10.50.0.100"));
    // It asks anew, and takes what it gets: all of it goes with the lab's own link.
    wait_until("a new lease", Duration::from_secs(5), || lease(&sandbox)["lost"].is_null());
    assert_eq!(addrs(&sandbox, "cl", "c0")[0]["local"], "10.50.0.105");
    assert!(sandbox.sh("ip -n cl route").contains("default via 10.50.0.1 dev c0"));
    sandbox.sh("kill $(cat /mnt/pid)");
    down(&sandbox);
}

#[test]
fn the_kernel_ends_what_a_killed_keeper_cannot() {
    let Some(sandbox) = machine(&[]) else { return };
    run(&sandbox, &short(3)).ends_with(0);
    kill_keeper(&sandbox, "dhcp-client");
    assert!(has_address(&sandbox));
    wait_until("the address goes", Duration::from_secs(5), || !has_address(&sandbox));
    down(&sandbox);
    // And in the middle of its time.
    run(&sandbox, &short(300)).ends_with(0);
    kill_keeper(&sandbox, "dhcp-client");
    kill_keeper(&sandbox, "dhcp-server");
    down(&sandbox);
}

#[test]
fn somebody_else_has_the_address() {
    let Some(sandbox) = machine(&[]) else { return };
    let script = r#"
let lan = bridge(netns("sv").port("lan", "10.50.0.1/24"));
let cl = netns("cl"); veth(cl.port("c0"), lan.port("p0"));
veth(netns("squatter").port("q0", "10.50.0.100/24", #{ mac: "02:00:00:00:00:66" }), lan.port("p1"));
lan.dhcp_server(#{ pool: ["10.50.0.100", "10.50.0.105"] });
let l = cl["c0"].dhcp(#{ verbose: true, timeout: 20 });
expect(l.address == "10.50.0.101");
print(lan.dhcp_leases()[0].state);
"#;
    let done = run(&sandbox, script).ends_with(0);
    for line in ["10.50.0.100 is in use by 02:00:00:00:00:66", "DHCPDECLINE of 10.50.0.100 on c0", "\ndeclined\n"] {
        assert!(done.stdout.contains(line), "{line}\n{done}");
    }
    assert_eq!(addrs(&sandbox, "cl", "c0")[0]["local"], "10.50.0.101");
    down(&sandbox);
}

#[test]
fn attempts_and_several_leases() {
    let Some(sandbox) = machine(&[]) else { return };
    let script = r#"
let cl = netns("cl"); let sv = netns("sv");
let one = veth(sv.port("s1", "10.50.0.1/24"), cl.port("c0"));
let two = veth(sv.port("s2", "10.60.0.1/24"), cl.port("c1"));
one.a.dhcp_server(#{ dns: "10.50.0.53" }); two.a.dhcp_server(#{ dns: "10.60.0.53" });
let failed = false;
try { attempt { one.b.dhcp(); throw "no"; } } catch { failed = true; }
expect(failed && cl.routes().filter(|r| r.dst == "default").is_empty() && one.b.addrs().filter(|a| a.family == "inet").is_empty());
expect(one.a.dhcp_leases().is_empty(), "it was given back");
one.b.dhcp();
let why = (); try { two.b.dhcp(); } catch (e) { why = e; }
expect(why.code == "NL0111" && two.a.dhcp_leases().is_empty(), "one default route is enough, and nothing is left of the second lease");
two.b.dhcp(#{ metric: 200 });
one.b.dhcp_release();
expect(cl.routes().filter(|r| r.dst == "default").len() == 1);
one.b.dhcp();
two.b.dhcp_release();
two.del();
"#;
    run(&sandbox, script).ends_with(0);
    assert_eq!(sandbox.sh("cat /etc/netns/cl/resolv.conf"), "nameserver 10.50.0.53\n");
    assert!(sandbox.sh("ip -n cl route").contains("default via 10.50.0.1 dev c0"));
    down(&sandbox);
    // A link that goes takes its lease along, and the keeper ends by itself.
    let gone = format!("{} wire.del();", short(4));
    run(&sandbox, &gone).ends_with(0);
    wait_until("the keeper ends", Duration::from_secs(4), || {
        sandbox.try_sh("pgrep -f '[n]etlab keeper dhcp-client'").stdout.is_empty()
    });
    assert_eq!(lease(&sandbox)["lost"], "its link is gone");
    down(&sandbox);
}

#[test]
fn an_mtu_that_the_link_cannot_have() {
    let Some(sandbox) = machine(&[]) else { return };
    let script = r#"
let wire = veth(netns("sv").port("s0", "10.50.0.1/24"), netns("mid").port("m0"));
wire.a.dhcp_server(#{ mtu: 9000 });
let cl = netns("cl");
wire.b.macvlan(cl.port("c0"), "bridge").dhcp();
"#;
    let done = run(&sandbox, script).ends_with(0);
    assert!(done.stdout.contains("the MTU of 9000 that came with the lease is not taken: "), "{done}");
    assert_eq!(addrs(&sandbox, "cl", "c0").len(), 1);
    assert!(sandbox.sh("ip -n cl link show c0").contains("mtu 1500"));
    down(&sandbox);
}

#[test]
fn interrupted_and_out_of_time() {
    let Some(sandbox) = machine(&[]) else { return };
    let script = "let wire = veth(netns(\"sv\").port(\"s0\"), netns(\"cl\").port(\"c0\")); print(\"asking\"); wire.b.dhcp(#{ verbose: true, timeout: 60 });";
    crate::common::witness::write_script(&sandbox, script);
    let mut running = sandbox.start_netlab(&["run", "/run/x.rhai"]);
    running.wait_for("DHCPDISCOVER");
    running.signal(Signal::SIGINT);
    let done = running.end();
    assert_eq!(done.code, Some(130), "{done}");
    nothing_left(&sandbox);
    let done = sandbox.netlab(&["run", "--timeout", "0.7", "/run/x.rhai"]).ends_with(124);
    assert!(done.stderr.contains("the time limit was reached"), "{done}");
    nothing_left(&sandbox);
}

#[test]
fn a_lease_without_an_end_and_the_hosts_own_file() {
    let Some(sandbox) = machine(&[]) else { return };
    sandbox.sh(WIRE);
    let script = |options: &str| {
        format!(
            "get_netns(\"sv\")[\"s0\"].dhcp_server(#{{ lease: 0, dns: \"10.50.0.53\", router: false }});
            let c = get_netns(\"cl\")[\"c0\"]; c.move_to(host); let l = c.dhcp({options}); expect(l.lease == () && l.router == ());"
        )
    };
    for (options, file) in [("", "nameserver 192.0.2.53\n"), ("#{ dns: true }", "nameserver 10.50.0.53\n")] {
        run(&sandbox, &script(options)).ends_with(0);
        assert_eq!(sandbox.sh("cat /etc/resolv.conf"), file, "{options}");
        let addr: Value = serde_json::from_str(&sandbox.sh("ip -j -4 addr show dev c0")).unwrap();
        assert_eq!(addr[0]["addr_info"][0]["valid_life_time"], u32::MAX, "for ever");
        let done = sandbox.netlab(&["down", "x"]).ends_with(0);
        assert!(done.stdout.ends_with("host unchanged\n"), "{done}");
        assert_eq!(sandbox.sh("cat /etc/resolv.conf"), "nameserver 192.0.2.53\n");
    }
}
