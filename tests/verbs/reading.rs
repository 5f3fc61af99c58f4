//! Reading: what netlab tells a script, against `ip -j` of the same moment, field by field.

use serde_json::{Map, Value, json};

use crate::common::sandbox::Sandbox;
use crate::common::witness::{Case, Reuse, case, in_sandboxes, run_cases, run_script};

/// A namespace with something of everything in it.
const SETUP: &str = r#"
let a = netns("a", #{ sysctl: #{ "net.ipv6.conf.default.accept_dad": 0 } }); let b = netns("b", #{ sysctl: #{ "net.ipv6.conf.default.accept_dad": 0 } });
let w = veth(a.port("e0", "10.0.0.1/24", "fd00::1/64"), b.port("e0", "10.0.0.2/24", "fd00::2/64"));
w.a.alias("to b").set(#{ txqueuelen: 7 }).addr("10.0.1.1/32", #{ peer: "10.0.1.2" }).addr("10.0.2.1/24", #{ label: "e0:x", scope: "link", noprefixroute: true }).addr("10.0.0.9/24").addr("10.0.3.1/24", #{ valid_lft: 100000, preferred_lft: 0 });
let br0 = bridge(a.port("br0", "10.5.0.1/24"), #{ stp_state: true, priority: 4096, ageing_time: 1000, group_fwd_mask: 8, mcast_querier: true });
let p = veth(br0.port("p0", #{ cost: 9, isolated: true, priority: 3 }), b.port("e1", #{ up: false })).a; p.fdb("02:00:00:00:00:09");
let v = vxlan(br0.port("vx0"), 7, #{ local: "10.0.0.1", remote: "10.0.0.2", dev: "e0", ttl: 9, learning: false }); v.fdb("02:00:00:00:00:08", #{ dst: "10.0.0.3" });
vxlan(a.port("vx6"), 8, #{ group: "ff05::1", dev: "e0", dstport: 5000 });
w.a.macvlan("m0", "source", #{ macaddr: ["02:00:00:00:00:05"] }); w.a.macvtap("t0", "bridge"); ifb(a.port("i0")); tun(a.port("tun0", "10.6.0.1/24")); tap(a.port("tap0", #{ up: false }));
a.route("default", "10.0.0.2").route("10.7.0.0/16", "10.0.0.2", #{ metric: 5, table: 100, mtu: 1300, src: "10.0.0.9" }).route("10.8.0.1", #{ dev: "e0" }).route("192.0.2.0/24", #{ type: "blackhole" }).route("198.51.100.0/24", #{ type: "unreachable" });
a.route("10.9.0.0/16", #{ nexthops: [#{ via: "10.0.0.2" }, #{ via: "10.77.0.1", dev: "e0", onlink: true, weight: 3 }] }).route("10.10.0.0/16", "fd00::2", #{ dev: "e0" });
a.route("default", "fd00::2").route("fd07::/64", "fd00::2", #{ metric: 7, table: 1000 }).route("fd08::/64", #{ type: "prohibit" });
a.rule(#{ from: "10.0.0.0/8", to: "10.1.0.1", iif: "e0", oif: "p0", fwmark: 26, tos: 16, table: 100, priority: 7 }).rule(#{ not: true, from: "10.0.0.1", type: "blackhole", priority: 8 }).rule(#{ from: "fd00::/8", table: "main", priority: 9 });
a.neigh("10.0.0.77", "02:00:00:00:00:77", #{ dev: "e0" }).neigh("fd00::77", "02:00:00:00:00:77", #{ dev: "e0" });
a.exec("ping -c1 -W1 10.0.0.2"); expect(host.exec(["sh", "-c", SETTLED]).ok);
"#;

/// The kernel works carriers off once in a second (`linkwatch_schedule_work` in net/core/link_watch.c): what two
/// programs read one after the other is of one moment only after a second in which nothing came.
const SETTLED: &str = r#"
    last=; same=0
    for try in $(seq 100); do
        now=$(ip -n a -o link; ip -n a -o addr | sed 's/[0-9]*sec//g')
        if [ "$now" = "$last" ]; then same=$((same + 1)); else same=0; fi
        if [ $same = 12 ]; then exit 0; fi
        last=$now; sleep 0.1
    done
    exit 1
"#;

/// What netlab says, what `ip -j` says, and how two records are known to be of the same thing.
struct Look {
    netlab: &'static str,
    ip: &'static [&'static str],
    key: &'static [&'static str],
    /// Fields that ip has under no such name, or only sometimes.
    own: &'static [&'static str],
}

const LOOKS: &[Look] = &[
    Look { netlab: "links", ip: &["ip -n a -j -d link"], key: &["ifname"], own: &[] },
    Look { netlab: "addrs", ip: &["ip -n a -j addr"], key: &["dev", "local"], own: &[] },
    Look {
        netlab: "routes",
        ip: &["ip -n a -j -d -4 route show table all", "ip -n a -j -d -6 route show table all"],
        key: &["dst", "type", "dev", "gateway"],
        own: &[],
    },
    Look {
        netlab: "rules",
        ip: &["ip -n a -j -d -4 rule", "ip -n a -j -d -6 rule"],
        key: &["priority", "family"],
        own: &["not"],
    },
    Look { netlab: "neighbours", ip: &["ip -n a -j neigh"], key: &["dst", "dev"], own: &[] },
    Look { netlab: "fdb", ip: &["bridge -n a -j fdb"], key: &["mac", "ifname", "dst", "master"], own: &[] },
];

#[test]
fn what_netlab_reads_is_what_ip_reads() {
    in_sandboxes(vec!["everything"], |name| name, |_, sandbox, _| check(sandbox));
}

fn check(sandbox: &Sandbox) -> Reuse {
    let mut script = format!("const SETTLED = {};\n{SETUP}", json!(SETTLED));
    for look in LOOKS {
        let what = look.netlab;
        script.push_str(&format!(
            "host.exec([\"sh\", \"-c\", \"printf '%s' \\\"$1\\\" >/run/out-{what}\", \"sh\", #{{ list: a.{what}() }}.to_json()]);\n"
        ));
        for (n, ip) in look.ip.iter().enumerate() {
            script.push_str(&format!("host.exec([\"sh\", \"-c\", \"{ip} >/run/ip-{what}-{n}\"]);\n"));
        }
    }
    run_script(sandbox, &script).ends_with(0);
    let mut wrong = Vec::new();
    for look in LOOKS {
        let ours = sandbox.sh(&format!("cat /run/out-{}", look.netlab));
        let ours: Value = serde_json::from_str(&ours).expect("it is JSON");
        let mut theirs = Vec::new();
        for (n, command) in look.ip.iter().enumerate() {
            let text = sandbox.sh(&format!("cat /run/ip-{}-{n}", look.netlab));
            let list: Vec<Value> = serde_json::from_str(&text).expect("ip writes JSON");
            theirs.extend(list.into_iter().flat_map(|v| spread(look.netlab, command, v)));
        }
        let ours = ours["list"].as_array().cloned().unwrap_or_default();
        assert!(ours.len() > 2, "{} gives {ours:?}", look.netlab);
        compare(look, &ours, &theirs, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    sandbox.netlab(&["down"]).ends_with(0);
    Reuse::Yes
}

/// One record for each thing: `ip -j addr` has those of a link in one.
fn spread(what: &str, command: &str, record: Value) -> Vec<Value> {
    match what {
        "addrs" => {
            let list = record["addr_info"].as_array().cloned().unwrap_or_default();
            let with_dev = |mut a: Value| {
                a["dev"] = record["ifname"].clone();
                a
            };
            list.into_iter().map(with_dev).collect()
        }
        "rules" => {
            let mut record = record;
            record["family"] = json!(if command.contains("-6") { "inet6" } else { "inet" });
            vec![record]
        }
        _ if record == json!({}) => Vec::new(),
        _ => vec![record],
    }
}

fn compare(look: &Look, ours: &[Value], theirs: &[Value], wrong: &mut Vec<String>) {
    let what = look.netlab;
    let key = |v: &Value| look.key.iter().map(|k| v.get(*k).cloned().unwrap_or(Value::Null)).collect::<Vec<_>>();
    for own in ours {
        let Some(ip) = theirs.iter().find(|t| key(t) == key(own)) else {
            wrong.push(format!("{what}: netlab alone has {own}"));
            continue;
        };
        fields(&format!("{what} {}", key(own)[0]), own, ip, look.own, wrong);
    }
    for ip in theirs.iter().filter(|t| shown(what, t)) {
        if !ours.iter().any(|o| key(o) == key(ip)) {
            wrong.push(format!("{what}: ip alone has {ip}"));
        }
    }
}

fn fields(path: &str, own: &Value, ip: &Value, allowed: &[&str], wrong: &mut Vec<String>) {
    let none = Map::new();
    for (name, value) in own.as_object().unwrap_or(&none) {
        match ip.get(name) {
            _ if allowed.contains(&name.as_str()) => {}
            Some(there) if value.is_object() => fields(&format!("{path}.{name}"), value, there, allowed, wrong),
            Some(there) if value != there => wrong.push(format!("{path}.{name}: netlab {value}, ip {there}")),
            None if !value.is_null() => wrong.push(format!("{path}.{name}: netlab {value}, ip has no such field")),
            _ => {}
        }
    }
}

/// The kernel's own routes are left out by `routes()`.
fn shown(what: &str, ip: &Value) -> bool {
    what != "routes" || (ip["table"] != "local" && !matches!(ip["type"].as_str(), Some("multicast" | "anycast")))
}

#[test]
fn properties() {
    run_cases(PROPERTIES);
}

const PROPERTIES: &[Case] = &[case(
    "each of a link, a wire, a namespace",
    r#"
    fn save(n, text) { host.exec(["sh", "-c", "printf '%s\n' \"$1\" >>/run/out-$2", "sh", `${text}`, n]); }
    host.exec("rm -f /run/out-p /run/out-i");
    let a = netns("a"); let br0 = bridge("br0"); let w = veth(a.port("e0", "10.0.0.1/24", #{ mac: "02:00:00:00:00:0a", mtu: 1400 }), br0);
    for v in [w.a.name, w.a.kind, w.a.is_up, w.a.mtu, w.a.mac, w.a.netns.name, w.a.peer.name, w.b.master.name, w.b.netns.name, br0.is_unused, br0.kind, w.a.addrs()[0].local, w.a.state.linkinfo.info_kind, host["my0"].name, host["lo"].kind, a.name, host.name] { save("p", v); }
    save("p", w.a.master == ()); save("p", br0.peer == ()); w.a.down(); save("p", w.a.is_up); w.a.rename("x0"); save("p", w.a.name); save("p", bridge("br1").is_unused); for n in netns_list() { save("p", n); }
    save("i", w.b.index); save("i", host["my0"].index);
    "#,
    &[
        (
            "cat /run/out-p | tr '\\n' '|'",
            "e0|veth|true|1400|02:00:00:00:00:0a|a|a|br0|host|false|bridge|10.0.0.1|veth|my0||a|host|true|true|false|x0|true|a|isp|mine|",
        ),
        (
            "[ \"$(cat /run/out-i)\" = \"$(ip -o link show a | cut -d: -f1; ip -o link show my0 | cut -d: -f1)\" ] && echo same",
            "same",
        ),
    ],
)];
