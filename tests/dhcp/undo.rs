//! Failure at each step, SIGKILL at effects, and a keeper that is killed: nothing is left, also of a card that was there before.

use std::time::Duration;

use super::{machine, wait_until};
use crate::common::aloud;
use crate::common::sandbox::{Run, Sandbox};
use crate::common::world::{World, assert_same};

/// A card `up0` of the host whose other end is at a server of somebody else.
const UPLINK: &str = "ip netns add isp; ip link add up0 type veth peer name isp0 netns isp; ip link set up0 up
ip -n isp addr add 10.60.0.1/24 dev isp0; ip -n isp link set isp0 up
ip netns exec isp dnsmasq --conf-file=/dev/null --port=0 --interface=isp0 --bind-interfaces --no-ping --user=root \
    --dhcp-range=10.60.0.100,10.60.0.250,2m --dhcp-leasefile=/mnt/leases --pid-file=/mnt/pid --dhcp-option=option:mtu,1400 \
    --dhcp-option=option:dns-server,10.60.0.53";

/// Leases of the host's own card and in a namespace of the lab's, one of them given back by the script.
const SCRIPT: &str = r#"
host["up0"].dhcp(#{ dns: true });
let wire = veth(netns("kill-sv").port("s0", "10.50.0.1/24"), netns("kill-cl").port("c0"));
wire.a.dhcp_server(#{ dns: ["10.50.0.53"], lease: 600 });
wire.b.dhcp();
wire.b.dhcp_renew();
wire.b.dhcp_release();
wire.b.dhcp();
"#;

struct Bench {
    sandbox: Sandbox,
    before: World,
}

impl Bench {
    fn new() -> Option<Self> {
        let sandbox = machine(&["dnsmasq"])?;
        sandbox.sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
        sandbox.sh(UPLINK);
        sandbox.write("/mnt/x.rhai", SCRIPT);
        let before = World::settled(&sandbox);
        Some(Self { sandbox, before })
    }

    fn run(&self, fault: &str) -> Run {
        self.sandbox.netlab_fault(fault, &["run", "--quiet", "/mnt/x.rhai"])
    }

    /// All is as before: links, addresses, routes, files, processes; and the server of somebody else has its address back.
    #[track_caller]
    fn check(&self, title: &str) {
        assert_same(&self.before, &self.sandbox, title);
        assert_eq!(self.sandbox.sh("ls /var/lib/netlab"), "", "{title}");
        wait_until(&format!("{title}: the server is told"), Duration::from_secs(2), || {
            !self.sandbox.try_sh("grep -q . /mnt/leases").status.success()
        });
    }
}

#[test]
fn failure_at_each_step() {
    let Some(bench) = Bench::new() else { return };
    let mut step = 1;
    loop {
        let run = bench.run(&format!("fail@{step}"));
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, Some(1), "step {step}: {run}");
        bench.check(&format!("failure at step {step}"));
        step += 1;
    }
    // The last run had no failure left.
    assert!(step > 20, "{step}");
    let looks = bench.sandbox.sh("ip -br -4 addr show up0; ip route; cat /etc/resolv.conf");
    for words in ["10.60.0.", "default via 10.60.0.1 dev up0", "nameserver 10.60.0.53"] {
        assert!(looks.contains(words), "{looks}");
    }
    bench.sandbox.netlab(&["down", "x"]).ends_with(0);
    bench.check("down");
    aloud(&format!("failed at each of {} steps", step - 1));
}

#[test]
fn killed_at_effects() {
    let Some(bench) = Bench::new() else { return };
    // A few from the whole length of the run, or with STRIDE=1 every one.
    let stride: usize = std::env::var("STRIDE").ok().and_then(|s| s.parse().ok()).unwrap_or(7);
    let (mut at, mut kills) = (1, 0);
    loop {
        let run = bench.run(&format!("kill@{at}"));
        if !run.was_killed() {
            run.ends_with(0);
            break;
        }
        bench.sandbox.netlab(&["recover"]).ends_with(0);
        bench.check(&format!("SIGKILL at effect {at}"));
        (at, kills) = (at + stride, kills + 1);
    }
    assert!(kills > 10, "{kills}");
    // The undo is killed too, here and there, and finished by the next.
    for at in (1..60).step_by(if stride == 1 { 1 } else { 8 }) {
        let killed = bench.sandbox.netlab_fault(&format!("kill@{at}"), &["down", "x"]);
        if killed.was_killed() {
            bench.sandbox.netlab(&["recover"]).ends_with(0);
            // Killed before it wrote down that it undoes, it has not begun.
            if !bench.sandbox.sh("ls /var/lib/netlab").is_empty() {
                bench.sandbox.netlab(&["down", "x"]).ends_with(0);
            }
        }
        bench.check(&format!("down, killed at effect {at}"));
        bench.run("").ends_with(0);
    }
    bench.sandbox.netlab(&["down", "x"]).ends_with(0);
    bench.check("down");
    aloud(&format!("killed {kills} times on the way"));
}

/// The server of another lab forgets all, twice: with the same pool the card gets back what it had, with another one nothing.
#[test]
fn a_card_that_loses_its_lease() {
    let Some(sandbox) = machine(&[]) else { return };
    sandbox.sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    sandbox.sh("ip link add up0 type veth peer name up1; ip link set up0 up; ip addr add 10.99.0.1/24 dev up0");
    let server = "let sv = netns(\"sv\"); let s = host[\"up1\"]; s.move_to(sv).addr(\"10.50.0.1/24\").up();
        s.dhcp_server(#{ lease: 4, pool: [\"10.50.0.100\", \"10.50.0.110\"] });";
    sandbox.write("/run/y.rhai", server);
    sandbox.netlab(&["run", "/run/y.rhai"]).ends_with(0);
    let before = World::settled(&sandbox);
    let told = sandbox.sh("tr '\\0' '\\n' </proc/$(pgrep -f '[k]eeper dhcp-server')/cmdline | tail -n 1");
    let told = told.trim().replace("/var/lib/netlab/y/", "/mnt/");
    sandbox.write("/mnt/told", &told);
    sandbox.write("/mnt/other", &told.replace("\"pool\":[\"10.50.0.100\"", "\"pool\":[\"10.50.0.105\""));
    let serve = |file: &str| {
        let netlab = env!("CARGO_BIN_EXE_netlab");
        sandbox.sh(&format!(
            "ip netns exec sv {netlab} keeper dhcp-server \"$(cat {file})\" >/mnt/log 2>&1 & echo $! >/mnt/pid; sleep 0.3"
        ));
    };
    let stop = || sandbox.sh("kill $(cat /mnt/pid); while kill -0 $(cat /mnt/pid) 2>/dev/null; do sleep 0.05; done");
    let has = |words: &str| sandbox.sh("ip -br -4 addr show dev up0; ip route").contains(words);
    // From here on the server is the test's own, so that the other lab's process is not missed afterwards.
    sandbox.sh("pkill -STOP -f 'netlab keeper dhcp-server'");
    serve("/mnt/told");
    sandbox.write("/mnt/x.rhai", "host[\"up0\"].dhcp();");
    sandbox.netlab(&["run", "/mnt/x.rhai"]).ends_with(0);
    assert!(has("10.50.0.100/24") && has("default via 10.50.0.1"));
    stop();
    wait_until("the lease is lost", Duration::from_secs(8), || !has("10.50.0.100"));
    serve("/mnt/told");
    wait_until("it is back", Duration::from_secs(15), || has("10.50.0.100/24") && has("default via 10.50.0.1"));
    stop();
    serve("/mnt/other");
    let log = || sandbox.sh("cat /var/lib/netlab/x/keeper-*.log");
    wait_until("another is offered", Duration::from_secs(15), || {
        log().contains("another address than the lab knows of")
    });
    assert!(!has("10.50.0.105"));
    stop();
    let run = sandbox.netlab(&["down", "x"]).ends_with(0);
    assert!(run.stdout.ends_with("host unchanged\n"), "{run}");
    assert_same(&before, &sandbox, "down");
}

#[test]
fn killed_keepers() {
    let Some(bench) = Bench::new() else { return };
    bench.run("").ends_with(0);
    bench.sandbox.sh("pkill -KILL -f 'netlab keeper'");
    bench.sandbox.netlab(&["down", "x"]).ends_with(0);
    bench.check("down after the keepers were killed");
    // What somebody else did to the address meanwhile stays theirs.
    bench.run("").ends_with(0);
    bench.sandbox.sh("ip addr flush dev up0 scope global");
    let run = bench.sandbox.netlab(&["down", "x"]).ends_with(0);
    bench.check(&format!("down after the address was taken away\n{run}"));
}
