//! `attempt { … }`: what a block changed on things made before it is as before when it throws, and stays when it does not.
//!
//! The run is held at two points, before and behind the attempt, by a program that waits; the world is read at both.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::sandbox::Sandbox;
use crate::common::witness::{Reuse, in_sandboxes, look, write_script};
use crate::common::world::{World, assert_same};

/// Before the attempt, in the attempt, and what shows that it did something.
#[derive(Clone, Copy)]
struct Try {
    name: &'static str,
    setup: &'static str,
    block: &'static str,
    shows: (&'static str, &'static str),
}

const fn attempt(
    name: &'static str,
    setup: &'static str,
    block: &'static str,
    shows: (&'static str, &'static str),
) -> Try {
    Try { name, setup, block, shows }
}

/// A namespace `a` with a link `e0` on which there is all that a link can lose.
const FULL: &str = r#"
    let a = netns("a"); let b = netns("b");
    let w = veth(a.port("e0", "10.0.0.1/24", "10.0.0.3/24", "fd00::1/64"), b.port("e0", "10.0.0.2/24", "fd00::2/64"));
    w.a.addr("10.0.5.1/32", #{ peer: "10.9.9.9" }).addr("10.0.6.1/24", #{ label: "e0:x", scope: "link" }).addr("fd06::1/64", #{ nodad: true, noprefixroute: true });
    a.route("default", "10.0.0.2").route("10.5.0.0/16", "10.0.0.2", #{ metric: 5, table: 100, mtu: 1300, src: "10.0.0.3" }).route("10.6.0.0/16", #{ dev: "e0" }).route("default", "fd00::2", #{ metric: 77 });
    a.route("10.7.0.0/16", #{ nexthops: [#{ via: "10.0.0.2" }, #{ via: "10.0.0.9", weight: 3 }] }).route("192.0.2.0/24", #{ type: "blackhole" });
    a.neigh("10.0.0.77", "02:00:00:00:00:77").neigh("10.0.0.78", #{ proxy: true }).neigh("fd00::77", "02:00:00:00:00:77");
    a.sysctl("net.ipv4.conf.e0.rp_filter", "2").sysctl("net.ipv6.conf.e0.hop_limit", "9");
    w.a.alias("mine").set(#{ txqueuelen: 5 });
"#;

const BRIDGED: &str = r#"
    let a = netns("a"); let br0 = bridge(host.port("br0", "10.0.0.254/24"), #{ stp_state: false, priority: 7, ageing_time: 1000 });
    let w = veth(a.port("e0", "10.0.0.1/24"), br0.port("p0", #{ cost: 9, isolated: true, hairpin: true }));
    w.b.fdb("02:00:00:00:00:09"); host.route("10.5.0.0/16", "10.0.0.1");
"#;

const TRIES: &[Try] = &[
    attempt(
        "things made",
        "",
        r#"let a = netns("a"); veth(a.port("10.0.0.1/24"), bridge("br0")); host.forward(true); host.resolv_conf(["10.0.0.1"]);"#,
        ("ip -j link show br0", r#"{"ifname":"br0"}"#),
    ),
    attempt(
        "things made in what was made",
        FULL,
        r#"veth(a.port("x0", "10.8.0.1/24"), "h0"); a.route("10.88.0.0/16", "10.0.0.2"); a.rule(#{ from: "10.0.0.0/8", table: 100 }); w.a.addr("10.11.0.1/24"); a.forward(true);"#,
        ("ip -j link show h0", r#"{"ifname":"h0"}"#),
    ),
    attempt("down", FULL, "w.a.down();", ("ip -n a -j link show e0", r#"no {"flags":["UP"]}"#)),
    attempt("down and up (DAD)", FULL, "w.a.down(); w.a.up();", ("ip -n a -j route", r#"no {"dst":"default"}"#)),
    attempt("a wire down", FULL, "w.down();", ("ip -n b -j link show e0", r#"no {"flags":["UP"]}"#)),
    attempt(
        "up",
        r#"let a = netns("a", #{ lo: false }); let w = veth(a.port("e0", "10.0.0.1/24", #{ up: false }), netns("b")); w.a.up(); a["lo"].up(); sleep(0.3); w.a.down(); a["lo"].down();"#,
        r#"w.a.up(); a["lo"].up();"#,
        ("ip -n a -j link show e0", r#"{"flags":["UP"]}"#),
    ),
    attempt("renamed", FULL, r#"w.a.rename("lan0");"#, ("ip -n a -j link", r#"{"ifname":"lan0"}"#)),
    attempt(
        "renamed and more",
        FULL,
        r#"w.a.rename("lan0").mtu(1400).rename("lan1").down();"#,
        ("ip -n a -j link", r#"{"ifname":"lan1","mtu":1400}"#),
    ),
    attempt("mtu", FULL, "w.a.mtu(1400); w.mtu(1300);", ("ip -n a -j link show e0", r#"{"mtu":1300}"#)),
    attempt("an MTU too small for IPv6", FULL, "w.a.mtu(1000);", ("ip -n a -j -6 addr show e0", r#"["="]"#)),
    attempt(
        "mac",
        FULL,
        r#"w.a.mac("02:00:00:00:00:0a");"#,
        ("ip -n a -j link show e0", r#"{"address":"02:00:00:00:00:0a"}"#),
    ),
    attempt(
        "alias, txqueuelen, promisc",
        FULL,
        r#"w.a.alias("other").set(#{ txqueuelen: 9, promisc: true }); w.b.alias("new");"#,
        ("ip -n b -j link show e0", r#"{"ifalias":"new"}"#),
    ),
    attempt("moved", FULL, r#"w.a.move_to(netns("c")).up();"#, ("ip -n c -j link show e0", r#"{"flags":["UP"]}"#)),
    attempt(
        "moved to the other's namespace and host",
        r#"let a = netns("a"); let w = veth(a.port("x0", "10.0.0.1/24"), netns("b").port("x1"));"#,
        r#"w.a.move_to(w.b.netns); w.b.move_to(host).rename("h1"); w.b.up();"#,
        ("ip -j link show h1", r#"{"flags":["UP"]}"#),
    ),
    attempt(
        "a port moved away",
        BRIDGED,
        r#"w.b.move_to(netns("c"));"#,
        ("ip -n c -j link show p0", r#"{"master":null}"#),
    ),
    attempt("a veth deleted", FULL, "w.del();", ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#)),
    attempt(
        "a veth deleted by its other end (DAD)",
        FULL,
        "w.b.del();",
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt(
        "a changed veth deleted",
        r#"let w = veth(netns("a").port("e0", #{ up: false }), netns("b")); w.a.mtu(1400).mac("02:00:00:00:00:0a").rename("lan0").alias("x").up().addr("10.0.0.1/24"); w.b.alias("y");"#,
        "w.del();",
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt(
        "a moved veth deleted",
        r#"let w = veth("v0", "v1"); w.a.move_to(netns("a")).up().addr("10.0.0.1/24");"#,
        "w.del();",
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt("a port deleted", BRIDGED, "w.b.del();", ("ip -j link show master br0", r#"["="]"#)),
    attempt("a bridge with ports deleted", BRIDGED, "br0.del();", ("ip -j link show p0", r#"{"master":null}"#)),
    attempt(
        "a bridge and its port deleted",
        BRIDGED,
        "br0.del(); w.del();",
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt("a namespace deleted", FULL, "a.del();", ("ls /run/netns | tr '\\n' ' '", "b isp mine")),
    attempt(
        "a namespace with files and its neighbour deleted",
        FULL,
        r#"a.hosts("10.0.0.1 x\n"); b.del(); a.del();"#,
        ("ls /run/netns | tr '\\n' ' '", "isp mine"),
    ),
    attempt(
        "a namespace deleted and made anew",
        FULL,
        r#"a.del(); let c = netns("a"); veth(c.port("e0", "10.77.0.1/24"), "h0");"#,
        ("ip -n a -j addr show e0", r#"{"addr_info":[{"local":"10.77.0.1"}]}"#),
    ),
    attempt(
        "a name changed and deleted",
        FULL,
        r#"w.a.rename("z0"); w.del();"#,
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt("nomaster", BRIDGED, "w.b.nomaster();", ("ip -j link show p0", r#"{"master":null}"#)),
    attempt("another master", BRIDGED, r#"w.b.master(bridge("br1"));"#, ("ip -j link show p0", r#"{"master":"br1"}"#)),
    attempt(
        "a first master",
        r#"let br0 = bridge(host.port("br0", #{ mac: "02:00:00:00:00:0f" })); veth(netns("a"), br0); let w = veth("v0", "v1");"#,
        "w.a.master(br0); w.b.master(br0);",
        ("ip -j link show v0", r#"{"master":"br0"}"#),
    ),
    attempt(
        "options of a port",
        BRIDGED,
        r#"w.b.set(#{ cost: 5, isolated: false, hairpin: false, learning: false, priority: 3 }); w.b.set(#{ state: "disabled" });"#,
        ("ip -j -d link show p0", r#"{"linkinfo":{"info_slave_data":{"cost":5,"state":"disabled","isolated":false}}}"#),
    ),
    attempt(
        "options of a bridge",
        BRIDGED,
        r#"br0.set(#{ stp_state: true, priority: 9, ageing_time: 500, mcast_snooping: false, group_fwd_mask: 8, forward_delay: 400, nf_call_iptables: true }); br0.mtu(1400);"#,
        ("ip -j -d link show br0", r#"{"mtu":1400,"linkinfo":{"info_data":{"stp_state":1,"priority":9}}}"#),
    ),
    attempt("a bridge down", BRIDGED, "br0.down();", ("ip -j route show 10.5.0.0/16", r#"["="]"#)),
    attempt(
        "addresses taken and put on",
        FULL,
        r#"w.a.del_addr("10.0.0.1/24").del_addr("fd00::1/64").addr("10.0.0.1/16").del_addr("10.0.5.1/32", #{ peer: "10.9.9.9" }).del_addr("10.0.6.1/24").del_addr("fd06::1/64");"#,
        ("ip -n a -j -4 addr show e0", r#"no {"addr_info":[{"local":"10.0.0.1","prefixlen":24}]}"#),
    ),
    attempt(
        "the last address taken",
        r#"let w = veth(netns("a").port("e0", "10.0.0.1/24"), netns("b")); get_netns("a").route("default", "10.0.0.2");"#,
        r#"w.a.del_addr("10.0.0.1/24");"#,
        ("ip -n a -j route", r#"["="]"#),
    ),
    attempt(
        "routes deleted and replaced",
        FULL,
        r#"a.del_route("default").del_route("10.7.0.0/16").del_route("192.0.2.0/24").del_route("10.5.0.0/16", #{ metric: 5, table: 100 }); a.route("10.6.0.0/16", "10.0.0.9", #{ replace: true }).route("default", "fd00::9", #{ metric: 77, replace: true });"#,
        ("ip -n a -j route show 10.6.0.0/16", r#"["=",{"gateway":"10.0.0.9"}]"#),
    ),
    attempt(
        "a user's routes replaced, and the host's own deleted",
        r#"host.route("10.5.0.0/16", "10.98.0.2");"#,
        r#"host.route("10.97.0.0/16", "10.98.0.9", #{ metric: 50, replace: true }).del_route("10.5.0.0/16").route("2001:db8:97::/64", "2001:db8:98::9", #{ replace: true });"#,
        ("ip -j route show 10.97.0.0/16", r#"["=",{"gateway":"10.98.0.9"}]"#),
    ),
    attempt(
        "rules",
        r#"let a = netns("a"); a.rule(#{ from: "10.0.0.0/8", table: 100, priority: 7 }); host.rule(#{ fwmark: 1, table: 9 });"#,
        r#"a.del_rule(#{ from: "10.0.0.0/8", table: 100 }); a.del_rule(#{ table: "default", priority: 32767 }); a.rule(#{ to: "fd00::/8", table: 3 }); host.del_rule(#{ fwmark: 1, table: 9 });"#,
        ("ip -n a -j rule", r#"["=",{"priority":0},{"priority":32766}]"#),
    ),
    attempt(
        "neighbours and forwarding entries",
        BRIDGED,
        r#"a.neigh("10.0.0.9", "02:00:00:00:00:01"); w.b.del_fdb("02:00:00:00:00:09").fdb("02:00:00:00:00:0a"); host.neigh("10.98.0.8", #{ dev: "my0", proxy: true });"#,
        ("bridge -j fdb show dev p0", r#"{"mac":"02:00:00:00:00:0a"}"#),
    ),
    attempt(
        "neighbours deleted",
        FULL,
        r#"a.del_neigh("10.0.0.77", "02:00:00:00:00:77").del_neigh("10.0.0.78", #{ proxy: true });"#,
        ("ip -n a -j neigh show proxy", r#"["="]"#),
    ),
    attempt(
        "settings",
        FULL,
        r#"a.forward(true).sysctl("net.ipv4.conf.e0.rp_filter", "1").sysctl("net.ipv6.conf.all.hop_limit", "3").sysctl("net.ipv4.conf.all.accept_redirects", "1"); host.forward(true).sysctl("net.ipv4.conf.my0.rp_filter", "0");"#,
        ("cat /proc/sys/net/ipv4/ip_forward", "1"),
    ),
    attempt(
        "a setting that takes things away, of the lab's own",
        FULL,
        r#"a.sysctl("net.ipv6.conf.e0.disable_ipv6", "1");"#,
        ("ip -n a -j -6 addr show e0", r#"["="]"#),
    ),
    attempt(
        "a setting twice, and one that is set already",
        r#"let a = netns("a"); a.sysctl("net.ipv4.ip_default_ttl", "9"); host.sysctl("net.ipv4.ip_default_ttl", "10");"#,
        r#"a.sysctl("net.ipv4.ip_default_ttl", "11").sysctl("net.ipv4.ip_default_ttl", "12"); host.sysctl("net.ipv4.ip_default_ttl", "11").sysctl("net.ipv4.ip_default_ttl", "12");"#,
        ("cat /proc/sys/net/ipv4/ip_default_ttl", "12"),
    ),
    attempt(
        "files",
        r#"let a = netns("a", #{ dns: ["10.0.0.1"] }); host.hosts("127.0.0.1 localhost\n10.0.0.9 z\n");"#,
        r#"a.resolv_conf(["10.0.0.2"]).hosts("10.0.0.1 x\n"); host.resolv_conf(["10.0.0.3"]).hosts("127.0.0.1 y\n"); get_netns("mine").resolv_conf(["10.0.0.4"]);"#,
        ("cat /etc/resolv.conf /etc/netns/a/resolv.conf", "nameserver 10.0.0.3\nnameserver 10.0.0.2"),
    ),
    attempt(
        "a program started",
        r#"let a = netns("a"); let p = a.start("sleep 1001");"#,
        r#"a.start("sleep 1002"); host.start("sleep 1003");"#,
        ("pgrep -c -f '^sleep 100[123]'", "3"),
    ),
    attempt(
        "a name for a namespace",
        r#"let p = netns("a").start("sleep 1001");"#,
        r#"attach("again", p.pid);"#,
        ("ls /run/netns | tr '\\n' ' '", "a again isp mine"),
    ),
    attempt(
        "a macvlan's list, other kinds deleted",
        r#"let a = netns("a"); let m = host["eth0"].macvlan("m0", "source", #{ macaddr: ["02:00:00:00:00:05"] }); let v = vxlan(a.port("vx0", "10.0.0.1/24"), 7, #{ remote: "10.98.0.2" }); v.fdb("02:00:00:00:00:01", #{ dst: "10.98.0.9" }); let i = ifb("i0"); let t = tap(host.port("t0", "10.5.5.1/24"));"#,
        r#"m.set(#{ macaddr: ["02:00:00:00:00:06", "02:00:00:00:00:07"] }); v.del(); i.del(); t.del();"#,
        ("ip -j -d link show m0", r#"{"linkinfo":{"info_data":{"macaddr_count":2}}}"#),
    ),
    attempt(
        "a macvlan deleted, and its lower link",
        r#"let w = veth(netns("a").port("e0"), netns("b").port("e0")); let m = w.a.macvlan(host.port("m0", "10.0.0.1/24"), "bridge");"#,
        "m.del(); w.del();",
        ("ip -n a -j link", r#"["=",{"ifname":"lo"}]"#),
    ),
    attempt(
        "one in another",
        FULL,
        r#"try { attempt { w.a.mtu(1400); w.a.addr("10.12.0.1/24"); throw "inner"; } } catch { w.a.mtu(1300); } attempt { w.a.addr("10.13.0.1/24"); }"#,
        ("ip -n a -j addr show e0", r#"{"mtu":1300,"addr_info":[{"local":"10.13.0.1"}]}"#),
    ),
];

#[test]
fn attempts_that_throw_leave_nothing_and_others_stay() {
    in_sandboxes(TRIES.to_vec(), |t| t.name, check);
}

fn check(t: &Try, sandbox: &Sandbox, before: &World) -> Reuse {
    sandbox.sh("rm -f /run/at-* /run/go-*; mkfifo /run/go-1 /run/go-2");
    write_script(
        sandbox,
        &format!(
            r#"
            fn quick(n) {{ netns(n, #{{ sysctl: #{{ "net.ipv6.conf.default.accept_dad": 0 }} }}) }}
            fn hold(n) {{ host.exec(["sh", "-c", `touch /run/at-${{n}}; read x </run/go-${{n}}`]); }}
            {}
            hold(1);
            let caught = ();
            try {{ attempt {{ {} throw "thrown here"; }} }} catch(e) {{ caught = e; }}
            if `${{caught}}` != "thrown here" {{ print(caught); }}
            hold(2);
            attempt {{ {} }}
            "#,
            quick(t, t.setup),
            quick(t, t.block),
            quick(t, t.block)
        ),
    );
    let mut command = sandbox.command(Path::new("/"), env!("CARGO_BIN_EXE_netlab"), &["run", "--quiet", "/run/x.rhai"]);
    let run = thread::spawn(move || command.output());
    let wait = |file: &str| {
        let start = Instant::now();
        while !sandbox.try_sh(&format!("[ -e {file} ]")).status.success() {
            if run.is_finished() || start.elapsed() > Duration::from_secs(20) {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    };
    let at_first = wait("/run/at-1");
    let first = at_first.then(|| settled(sandbox));
    sandbox.try_sh("timeout 5 sh -c 'echo >/run/go-1'");
    let at_second = wait("/run/at-2");
    let judged = first.as_ref().filter(|_| at_second).map(|first| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assert_settles(first, sandbox, &format!("the attempt {{ {} }}", t.block));
        }))
    });
    sandbox.try_sh("timeout 5 sh -c 'echo >/run/go-2'");
    let output = run.join().expect("the thread ends").expect("nsenter can be started");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if let Some(Err(panic)) = judged {
        let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        panic!("{why}\nand the run said: {text}");
    }
    assert!(at_first && at_second, "the run ended before the attempt was over\n{text}");
    assert!(output.status.success(), "{text}");
    assert_eq!(text, "", "the attempt ended otherwise than by what it threw");
    look(sandbox, &[t.shows]);
    sandbox.netlab(&["down"]).ends_with(0);
    assert_same(before, sandbox, "down");
    Reuse::Yes
}

/// Demands that the sandbox becomes as it was. A link that was down looks for duplicates of its link-local address when it
/// comes up again, for a second or two; nothing else may take its time.
#[track_caller]
fn assert_settles(first: &World, sandbox: &Sandbox, after_what: &str) {
    let start = Instant::now();
    loop {
        let diff = first.diff(&World::read(sandbox));
        let tentative = diff.iter().any(|line| line.contains("tentative true"));
        if diff.is_empty() {
            return;
        }
        let patience = if tentative { 3000 } else { 600 };
        let shown = &diff[..diff.len().min(25)];
        assert!(
            start.elapsed() < Duration::from_millis(patience),
            "after {after_what} the machine is not as before:\n{}",
            shown.join("\n")
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// Reads the world once nothing moves any more. Other than on a machine that was just furnished, links may be without a carrier.
#[track_caller]
fn settled(sandbox: &Sandbox) -> World {
    let start = Instant::now();
    let mut last = World::read(sandbox);
    loop {
        thread::sleep(Duration::from_millis(60));
        let now = World::read(sandbox);
        if now == last && !now.has("tentative true") {
            return now;
        }
        assert!(start.elapsed() < Duration::from_secs(6), "the sandbox does not settle:\n{:#?}", last.diff(&now));
        last = now;
    }
}

/// Without looking for duplicates, which takes seconds, but for those cases that are about it.
fn quick(t: &Try, text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["a", "b", "c"].iter().filter(|_| !t.name.contains("DAD")) {
        text = text.replace(&format!("netns(\"{name}\")"), &format!("quick(\"{name}\")"));
        text = text.replace(&format!("get_quick(\"{name}\")"), &format!("get_netns(\"{name}\")"));
    }
    text
}
