//! What a lab is made of, for the comparison with the training's bash: everything that the lesson is about, and nothing
//! that chance or order decide (ifindex, MAC, link-local addresses, `lo`, broadcast addresses).

use serde_json::{Map, Value, json};

use super::dump::{Dump, Netns};
use super::sandbox::Sandbox;

/// Reads it.
#[track_caller]
pub(crate) fn lab_state(sandbox: &Sandbox) -> Value {
    let dump = Dump::read(sandbox);
    let netns = dump.netns.iter().map(|(name, netns)| (name.clone(), of_netns(netns, &dump))).collect();
    let mut files = dump.files;
    files.retain(|line| !line.starts_with("d "));
    files.sort();
    json!({ "netns": Value::Object(netns), "files": files })
}

/// Demands that netlab's state and bash's are the same, and shows where they are not.
#[track_caller]
pub(crate) fn assert_same_lab(lab: &str, netlab: &Value, bash: &Value) {
    let mut lines = Vec::new();
    differences("", netlab, bash, &mut lines);
    assert!(lines.is_empty(), "{lab}: netlab's state is not what the training's bash makes\n{}", lines.join("\n"));
}

fn differences(path: &str, netlab: &Value, bash: &Value, lines: &mut Vec<String>) {
    match (netlab, bash) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}/{key}"), &of(a), &of(b), lines);
            }
        }
        (a, b) if a != b => lines.push(format!("{path}: netlab {a}, bash {b}")),
        _ => {}
    }
}

fn of_netns(netns: &Netns, all: &Dump) -> Value {
    let mut links = Map::new();
    for link in netns.links.iter().filter(|l| l["link_type"] != "loopback") {
        links.insert(text(&link["ifname"]), of_link(link, netns, all));
    }
    let forwards = |key: &str| netns.sysctl.get(key).cloned();
    json!({
        "links": links,
        "routes4": routes(&netns.routes4),
        "routes6": routes(&netns.routes6),
        "rules4": rules(&netns.rules4),
        "rules6": rules(&netns.rules6),
        "forwarding": [forwards("net/ipv4/ip_forward"), forwards("net/ipv6/conf/all/forwarding")],
    })
}

fn of_link(link: &Value, netns: &Netns, all: &Dump) -> Value {
    let name = &link["ifname"];
    let info = &link["linkinfo"];
    json!({
        "kind": info["info_kind"],
        "is_up": has(&link["flags"], "UP"),
        "master": link["master"],
        "mtu": link["mtu"],
        "other_end": other_end(link, netns, all),
        "addresses": addresses(netns.addrs.iter().find(|a| a["ifname"] == *name)),
        "options": options(&info["info_kind"], &info["info_data"]),
        "port": only(&info["info_slave_data"], &["cost", "hairpin", "isolated", "learning", "flood", "priority"]),
        "vlans": netns.vlans.iter().find(|v| v["ifname"] == *name).map(|v| v["vlans"].clone()),
    })
}

/// Where the other end of a veth, or the link below a VLAN or macvlan, is: `netns/name`.
fn other_end(link: &Value, netns: &Netns, all: &Dump) -> Value {
    if link["link"].is_string() { link["link"].clone() } else { json!(all.other_end(netns, link)) }
}

fn addresses(link: Option<&Value>) -> Vec<String> {
    let list = link.and_then(|l| l["addr_info"].as_array()).into_iter().flatten();
    let global = list.filter(|a| a["family"] == "inet" || a["scope"] == "global");
    global.map(|a| format!("{}/{}", text(&a["local"]), a["prefixlen"])).collect()
}

/// What somebody chose about a link of this kind; the rest of what the kernel tells is clocks, identities and defaults.
fn options(kind: &Value, data: &Value) -> Value {
    let keys: &[&str] = match kind.as_str().unwrap_or_default() {
        "bridge" => &["stp_state", "vlan_filtering", "vlan_default_pvid", "vlan_protocol", "forward_delay", "priority"],
        "vlan" => &["id", "protocol", "flags"],
        "vxlan" => &["id", "local", "remote", "group", "link", "port", "learning", "ttl"],
        "macvlan" => &["mode", "flags", "macaddr_count"],
        _ => &[],
    };
    only(data, keys)
}

/// Routes that are a person's work or follow from an address; not the kernel's for itself.
fn routes(all: &[Value]) -> Vec<Value> {
    let chosen = all.iter().filter(|r| {
        let dst = r["dst"].as_str().unwrap_or_default();
        r["table"] != "local" && !dst.starts_with("fe80:") && !dst.starts_with("ff00:") && r["dev"] != "lo"
    });
    let mut list: Vec<_> =
        chosen.map(|r| only(r, &["type", "dst", "gateway", "via", "dev", "metric", "table", "nexthops"])).collect();
    list.sort_by_key(Value::to_string);
    list
}

fn rules(all: &[Value]) -> Vec<Value> {
    all.iter()
        .map(|r| only(r, &["priority", "src", "srclen", "dst", "dstlen", "iif", "oif", "fwmark", "table", "action"]))
        .collect()
}

fn only(map: &Value, keys: &[&str]) -> Value {
    let found = keys.iter().filter_map(|key| Some(((*key).to_owned(), map.get(key)?.clone())));
    Value::Object(found.collect())
}

fn has(list: &Value, word: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|w| w == word))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}
