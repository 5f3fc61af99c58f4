//! What a network is made of, as strictly as two makings of it can be compared: all that `ip -j` and `bridge -j` say but what
//! chance, order and time decide (ifindex, MACs that nobody chose, link-local addresses, carriers, clocks).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::dump::{Dump, HOST, Netns};
use super::sandbox::Sandbox;

/// MACs that begin so are a person's choice in the tests; the kernel's own begin so once in sixteen million.
const CHOSEN: &str = "02:00:00";

/// Reads it.
#[track_caller]
pub(crate) fn network(sandbox: &Sandbox) -> Value {
    let dump = Dump::read(sandbox);
    let netns = dump.netns.iter().map(|(name, netns)| (name.clone(), of_netns(name, netns, &dump)));
    let netns: Map<String, Value> = netns.collect();
    let mut files = dump.files.clone();
    files.retain(|line| line.contains(".conf:") || line.contains("/hosts:"));
    json!({ "netns": netns, "files": files })
}

/// Where two networks differ, a line each.
pub(crate) fn differences(wanted: &Value, is: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", wanted, is, &mut lines);
    lines
}

fn compare(path: &str, wanted: &Value, is: &Value, lines: &mut Vec<String>) {
    match (wanted, is) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&format!("{path}/{key}"), &of(a), &of(b), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| compare(&format!("{path}/{i}"), a, b, lines));
        }
        (a, b) if a != b => lines.push(format!("{path}: wanted {a}, is {b}")),
        _ => {}
    }
}

/// What the kernel makes in every namespace as soon as some module is loaded.
const FALLBACKS: [&str; 6] = ["gre0", "gretap0", "erspan0", "tunl0", "sit0", "ip6tnl0"];

fn of_netns(name: &str, netns: &Netns, all: &Dump) -> Value {
    let links: Map<String, Value> = netns
        .links
        .iter()
        .filter(|l| name != HOST || l["link_type"] != "loopback")
        .filter(|l| !FALLBACKS.iter().any(|name| l["ifname"] == *name))
        .map(|l| (text(&l["ifname"]), of_link(l, netns, all)))
        .collect();
    let addrs: Map<String, Value> = netns
        .addrs
        .iter()
        .filter(|l| l["ifname"].is_string() && !FALLBACKS.iter().any(|name| l["ifname"] == *name))
        .map(|l| (text(&l["ifname"]), addresses(l)))
        .collect();
    let settings: Map<String, Value> = netns
        .sysctl
        .iter()
        .filter(|(key, _)| {
            let restless = [
                "_count",
                "dentry-state",
                "random",
                "flush",
                "secret",
                "fastopen",
                "vrf/",
                "nf_log",
                "tcp_mem",
                "udp_mem",
            ];
            // IPv6's own MTU follows the link's, at times of its own.
            let is_mtu = key.starts_with("net/ipv6/conf/") && key.ends_with("/mtu");
            let is_fallback = key.split('/').any(|part| FALLBACKS.contains(&part));
            key.starts_with("net/") && !is_mtu && !is_fallback && !restless.iter().any(|word| key.contains(word))
        })
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let permanent = |n: &&Value| n["state"] == json!(["PERMANENT"]);
    json!({
        "links": links,
        "addrs": addrs,
        "routes4": routes(&netns.routes4),
        "routes6": routes(&netns.routes6),
        // `ip` says of its own rules that nobody made them, netlab as of routes that somebody did.
        "rules4": netns.rules4.iter().map(|r| without(r, &["protocol"])).collect::<Vec<_>>(),
        "rules6": netns.rules6.iter().map(|r| without(r, &["protocol"])).collect::<Vec<_>>(),
        "neighbours": sorted(netns.neighbours.iter().filter(permanent).cloned()),
        "proxies": sorted(netns.proxies.iter().cloned()),
        "fdb": sorted(netns.fdb.iter().filter(|e| is_static(e)).cloned()),
        "vlans": sorted(netns.vlans.iter().cloned()),
        "netem": sorted(netns.qdiscs.iter().filter(|q| q["kind"] == "netem").map(|q| without(q, &["handle"]))),
        "settings": settings,
    })
}

fn of_link(link: &Value, netns: &Netns, all: &Dump) -> Value {
    let mut one = without(
        link,
        &[
            "ifindex",
            "link_index",
            "link_netnsid",
            "group",
            "operstate",
            "qdisc",
            "altnames",
            "promiscuity",
            "tso_max_size",
            "tso_max_segs",
            "allmulti",
        ],
    );
    let is_chosen = link["address"].as_str().is_some_and(|mac| mac.starts_with(CHOSEN));
    if !is_chosen {
        one["address"] = Value::Null;
    }
    one["flags"] = json!(
        list(&link["flags"])
            .iter()
            .filter(|f| !["LOWER_UP", "NO-CARRIER", "M-DOWN"].contains(&f.as_str()))
            .collect::<Vec<_>>()
    );
    one["other_end"] = json!(all.other_end(netns, link));
    // While the spanning tree changes, the kernel tells another time than was set.
    if one.pointer("/linkinfo/info_data/stp_state").is_some_and(|state| *state == 1)
        && let Some(data) = one.pointer_mut("/linkinfo/info_data").and_then(Value::as_object_mut)
    {
        data.remove("ageing_time");
    }
    for part in ["info_data", "info_slave_data"] {
        if let Some(data) = one.pointer_mut(&format!("/linkinfo/{part}")).and_then(Value::as_object_mut) {
            let clocks = [
                "_timer",
                "bridge_id",
                "root_id",
                "root_",
                "designated_",
                "topology",
                "fdb_n_learned",
                "config_pending",
                "mac_",
                "perm_hwaddr",
                "active_slave",
                "ad_",
            ];
            data.retain(|key, _| {
                !clocks.iter().any(|word| key.contains(word)) && !["id", "no", "state", "br"].contains(&key.as_str())
                    || key == "id" && part == "info_data"
            });
        }
    }
    one
}

fn addresses(link: &Value) -> Value {
    let all = link["addr_info"].as_array().cloned().unwrap_or_default();
    let own = all.iter().filter(|a| !(a["family"] == "inet6" && a["scope"] == "link"));
    let plain =
        own.map(|a| without(a, &["valid_life_time", "preferred_life_time", "tentative", "dynamic", "protocol"]));
    Value::Array(plain.collect())
}

fn routes(all: &[Value]) -> Vec<Value> {
    let chosen = all.iter().filter(|r| {
        let dst = r["dst"].as_str().unwrap_or_default();
        let is_local = r["table"] == "local" && r["protocol"] == "kernel";
        !dst.starts_with("fe80:") && !dst.starts_with("ff00:") && !is_local
    });
    sorted(chosen.map(|r| {
        let mut one = without(r, &["flags", "expires"]);
        let flags = list(&r["flags"]);
        one["flags"] = json!(flags.iter().filter(|f| *f != "linkdown" && *f != "dead").collect::<Vec<_>>());
        if let Some(hops) = one.get_mut("nexthops").and_then(Value::as_array_mut) {
            hops.iter_mut().for_each(|hop| *hop = without(hop, &["flags"]));
        }
        one
    }))
}

/// A forwarding entry that a person made; the rest is the kernel's, or learned.
fn is_static(entry: &Value) -> bool {
    entry["state"] == "static" || (entry["state"] == "permanent" && entry["dst"].is_string())
}

fn sorted(all: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut all: Vec<Value> = all.collect();
    all.sort_by_key(Value::to_string);
    all
}

fn without(map: &Value, keys: &[&str]) -> Value {
    let mut map = map.as_object().cloned().unwrap_or_default();
    map.retain(|key, _| !keys.contains(&key.as_str()));
    Value::Object(map)
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}
