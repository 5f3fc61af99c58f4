//! What was read, in the field names and values of `ip -j` and `bridge -j`, which are what a lesson shows beside it.

use serde_json::{Map, Value, json};

/// One link, as in `ip -j -d link`.
pub(super) fn link(map: &mut Map<String, Value>) {
    let group = map.get("group").and_then(Value::as_u64).unwrap_or(0);
    map.insert("group".into(), if group == 0 { json!("default") } else { json!(group.to_string()) });
    if map.get("link").is_some_and(Value::is_string) {
        map.remove("link_index");
    }
    if let Some(data) = map.get_mut("linkinfo").and_then(|i| i.get_mut("info_data")).and_then(Value::as_object_mut) {
        if data.get("external") == Some(&json!(false)) {
            data.remove("external");
        }
        if let Some(mask) = data.get_mut("group_fwd_mask") {
            hex(mask);
        }
    }
}

/// One route, as in `ip -j -d route`.
pub(super) fn route(map: &mut Map<String, Value>) {
    map.entry("type").or_insert(json!("unicast"));
    table(map);
    if let Some(mtu) = map.remove("mtu") {
        map.insert("metrics".into(), json!([{ "mtu": mtu }]));
    }
    let is_v6 = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| text.contains(':'));
    let v4_prefix = map.get("dst").and_then(Value::as_str).is_some_and(|dst| dst.contains('.'));
    if v4_prefix && is_v6(map.get("gateway")) {
        let host = map.remove("gateway");
        map.insert("via".into(), json!({ "family": "inet6", "host": host }));
    }
}

/// One rule, as in `ip -j rule`; but `not` is true, and not a key without a value.
pub(super) fn rule(map: &mut Map<String, Value>) {
    table(map);
    for (key, len_key) in [("src", "srclen"), ("dst", "dstlen")] {
        let Some((addr, len)) = map.get(key).and_then(Value::as_str).and_then(|text| text.split_once('/')) else {
            continue;
        };
        let (addr, len) = (addr.to_owned(), len.parse::<u8>().unwrap_or(0));
        if len != if addr.contains(':') { 128 } else { 32 } {
            map.insert(len_key.into(), json!(len));
        }
        map.insert(key.into(), json!(addr));
    }
    if let Some(mark) = map.get_mut("fwmark") {
        hex(mark);
    }
}

/// One neighbour, as in `ip -j neigh`.
pub(super) fn neighbour(map: &mut Map<String, Value>) {
    if let Some(state) = map.get_mut("state") {
        *state = json!([state.clone()]);
    }
}

/// One forwarding entry, as in `bridge -j fdb`.
pub(super) fn fdb(map: &mut Map<String, Value>) {
    for (ours, theirs) in [("lladdr", "mac"), ("dev", "ifname")] {
        if let Some(value) = map.remove(ours) {
            map.insert(theirs.into(), value);
        }
    }
    let word = match map.get("state").and_then(Value::as_str) {
        Some("PERMANENT") => "permanent",
        Some("NOARP") => "static",
        Some("STALE") => "stale",
        _ => "",
    };
    map.insert("state".into(), json!(word));
    let flags = if map.contains_key("master") { json!([]) } else { json!(["self"]) };
    map.insert("flags".into(), flags);
}

/// A table by its name, or its number as text.
fn table(map: &mut Map<String, Value>) {
    if let Some(table) = map.get_mut("table") {
        *table = match table.as_u64() {
            Some(253) => json!("default"),
            Some(254) => json!("main"),
            Some(255) => json!("local"),
            Some(other) => json!(other.to_string()),
            None => return,
        };
    }
}

fn hex(value: &mut Value) {
    if let Some(number) = value.as_u64() {
        *value = json!(format!("{number:#x}"));
    }
}
